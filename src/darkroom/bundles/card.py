"""The card: what people should know of a bundle before they trust it, as Markdown."""

from __future__ import annotations

from pathlib import Path

from darkroom.bundles.record import BundleRecord
from darkroom.training.run import RunRecord

_ASKED = {
    "source": "Where the images come from",
    "labels": "Who labelled them",
    "missing": "What is rare or absent",
    "rights": "Licence, consent, personal data",
    "harm": "Who is hurt by a wrong answer",
}


def write_card(record: BundleRecord, run: RunRecord, dataset: str, images: dict[str, int]) -> str:
    """Write the card of a bundle.

    Args:
        record: The bundle.
        run: The run it was made of.
        dataset: The name of its dataset.
        images: Images per part.
    """
    score, proof, prepared = record.score, record.proof, record.preprocess
    colour = "grey" if prepared.channels == 1 else f"{prepared.channel_order.upper()} colour"
    parts = ", ".join(f"{count:,} {part}" for part, count in images.items())
    answers = (
        f"{proof.same_answers} of {proof.images} images, largest difference of a probability "
        f"{proof.largest_difference:.1e}"
    )
    lines = [
        f"# {record.name} {record.version}",
        "",
        record.problem.purpose or "No purpose was written down.",
        "",
        "## What it answers",
        "",
        f"- task: {record.task}, {len(record.classes)} classes: {', '.join(record.classes)}",
        f"- network: {record.model}, {run.parameters:,} parameters, trained in {run.device}",
        f"- input: {prepared.width} x {prepared.height} px, {colour}, resized by {prepared.resize}",
        f"- made of {dataset}: {parts}",
        "",
        "## How good it is",
        "",
        f"- {score.part} accuracy {score.accuracy:.1%}, 95 % interval {score.low:.1%} .. "
        f"{score.high:.1%}, on {score.images:,} images",
        *([f"- looks at this test part, this one included: {score.looks}"] if score.looks else []),
        *(
            f"- {promise.name} of {promise.wanted:.1%} wanted: {promise.verdict} "
            f"({promise.measured:.1%}, {promise.low:.1%} .. {promise.high:.1%})"
            for promise in record.promises
        ),
        f"- the exported network gives the run's answers: {answers}",
        *(f"- finding in the data: {finding.what}" for finding in run.findings),
        "",
        "## What to ask before using it",
        "",
        *(
            f"- {asked}: {getattr(record.problem.questions, name) or 'not answered'}"
            for name, asked in _ASKED.items()
        ),
        f"- {len(record.golden)} images of the validation part travel inside, in `golden/`, "
        "with everything their files hold",
        "",
        "## How to use it",
        "",
        f"    darkroom predict {Path(record.name) / record.version} photo.jpg",
        "",
    ]
    return "\n".join(lines)
