"""The card: what people should know of a bundle before they trust it, as Markdown."""

from __future__ import annotations

import re

from darkroom.bundles.record import BundleRecord, Score
from darkroom.problem import Problem
from darkroom.training.record import RunRecord
from darkroom.wording import counted, percent

_ASKED = {
    "source": "Where the images come from",
    "labels": "Who labelled them",
    "missing": "What is rare or absent",
    "rights": "Licence, consent, personal data",
    "harm": "Who is hurt by a wrong answer",
}

_MARKUP = re.compile(r"[\\`*_\[\]<>|#&]")


def escaped(text: str) -> str:
    """Write what a user typed as one line of Markdown that shows it as it is."""
    return _MARKUP.sub(r"\\\g<0>", " ".join(text.split()))


def write_card(record: BundleRecord, run: RunRecord, dataset: str, images: dict[str, int]) -> str:
    """Write the card of a bundle.

    Args:
        record: The bundle.
        run: The run it was made of.
        dataset: The name of its dataset.
        images: Images per part.
    """
    lines = [
        f"# {escaped(record.name)} {record.version}",
        "",
        escaped(record.problem.purpose) or "No purpose was written down.",
        "",
        "## What it answers",
        "",
        *_answering(record, run, dataset, images),
        "",
        "## How good it is",
        "",
        *_measured(record, run),
        "",
        "## What was wished for and is not measured",
        "",
        *_wished(record.problem),
        "",
        "## What to ask before using it",
        "",
        *(
            f"- {asked}: {escaped(getattr(record.problem.questions, name)) or 'not answered'}"
            for name, asked in _ASKED.items()
        ),
        f"- {len(record.golden)} images of the validation part travel inside, in `golden/`, "
        "with everything their files hold",
        "",
        "## How to use it",
        "",
        f"    darkroom predict {record.name}/{record.version} photo.jpg",
        "",
    ]
    return "\n".join(lines)


def _answering(
    record: BundleRecord, run: RunRecord, dataset: str, images: dict[str, int]
) -> list[str]:
    prepared = record.preprocess
    classes = ", ".join(map(escaped, record.classes))
    colour = "grey" if prepared.channels == 1 else f"{prepared.channel_order.upper()} colour"
    parts = ", ".join(f"{count:,} {part}" for part, count in images.items())
    return [
        f"- task: {record.task}, {len(record.classes)} classes: {classes}",
        f"- network: {escaped(record.model)}, {run.parameters:,} parameters, "
        f"trained in {escaped(str(run.device))}",
        *([f"- {escaped(str(run.pretrained))}"] if run.pretrained else []),
        f"- input: {prepared.width} x {prepared.height} px, {colour}, resized by {prepared.resize}",
        f"- made of {escaped(dataset)}: {parts}",
        *_deciding(record),
    ]


def _measured(record: BundleRecord, run: RunRecord) -> list[str]:
    score, proof = record.score, record.proof
    return [
        f"- {score.part} accuracy {percent(score.accuracy)}, 95 % interval "
        f"{percent(score.low)} .. {percent(score.high)}, on {score.images:,} images",
        *([_leaked(score)] if score.leaked else []),
        *([f"- looks at this test part, this one included: {score.looks}"] if score.looks else []),
        *(f"- {promise.verdict}: {escaped(str(promise))}" for promise in record.promises),
        f"- the exported network gives the run's answers: {proof.same_answers} of {proof.images} "
        f"images, largest difference of a probability {proof.largest_difference:.1e}",
        *(f"- finding in the data: {escaped(finding.what)}" for finding in run.findings),
        *(f"- trouble in training: {escaped(trouble.what)}" for trouble in run.troubles),
    ]


def _leaked(score: Score) -> str:
    if score.with_leaks is None:
        return (
            "- every image of that part was seen in training or nearly so: the accuracy measures "
            "memory"
        )
    seen = counted(score.leaked, "image of that part was seen", "images of that part were seen")
    with_leaks = percent(score.with_leaks)
    return f"- {seen} in training or nearly so; with leaks the accuracy was {with_leaks}"


def _wished(problem: Problem) -> list[str]:
    wishes = [f"- use: {problem.use}"]
    if problem.latency_ms is not None:
        wishes.append(f"- at most {problem.latency_ms:g} ms for one image, 95th percentile")
    if problem.images_per_s is not None:
        wishes.append(f"- at least {problem.images_per_s:g} images/s")
    return wishes


def _deciding(record: BundleRecord) -> list[str]:
    """Say how probabilities become an answer."""
    decision = record.decision
    told = []
    if decision.temperature != 1.0:
        told.append(f"- probabilities are set right by a temperature of {decision.temperature:.3g}")
    if decision.thresholds:
        shares = zip(map(escaped, record.classes), decision.thresholds, strict=True)
        told.append(f"- thresholds: {', '.join(f'{name} {share:.3g}' for name, share in shares)}")
    if decision.abstain_below:
        told.append(
            f"- no answer is given where the {decision.abstain_by} is below "
            f"{decision.abstain_below:.3g}"
        )
    return told + [
        f"- {escaped(each.true) or 'anything'} taken for {escaped(each.predicted) or 'anything'} "
        f"was held to cost {each.cost:g} ordinary errors"
        for each in record.problem.costs
    ]
