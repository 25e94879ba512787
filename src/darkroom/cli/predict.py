"""`darkroom predict`."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from darkroom.cli.options import as_json
from darkroom.cli.printing import print_json, say
from darkroom.wording import percent

if TYPE_CHECKING:
    from darkroom.bundles.prediction import Prediction
    from darkroom.errors import DataError

    Answered = list[tuple[Path, "Prediction | DataError"]]


@click.command()
@click.argument("bundle")
@click.argument("images", nargs=-1, required=True)
@click.option("--csv", "as_csv", is_flag=True, help="Print a table: id, one column per class.")
@click.option("--clip", type=click.FloatRange(0, 0.5), help="Keep --csv within CLIP..1-CLIP.")
@as_json
@click.pass_context
def predict(
    ctx: click.Context,
    bundle: str,
    images: tuple[str, ...],
    as_csv: bool,  # noqa: FBT001
    clip: float | None,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Answer for images, in their order.

    BUNDLE is a path or a name. IMAGES are files, folders or patterns. Exits with 1 when some of
    them could not be read; they are named, and the others are answered. One single file that
    could not be read is an error, and exits with 2, unless --csv or --json is asked.
    """
    if as_csv and as_json:
        raise click.UsageError("choose one of --csv and --json")
    if clip is not None and not as_csv:
        raise click.UsageError("--clip belongs to --csv")
    import darkroom
    from darkroom.data.sources.gather import gather_images
    from darkroom.errors import DarkroomError
    from darkroom.progress import track

    opened = darkroom.open_bundle(bundle)
    found = gather_images(images)
    paths = found.images
    answers = list(track(opened.predictor.stream(paths), "predicting", len(paths)))
    failed = [answer for _, answer in answers if isinstance(answer, DarkroomError)]
    is_one_file = len(images) == 1 and paths == (Path(images[0]),)
    if failed and is_one_file and not as_csv and not as_json:
        raise failed[0]
    if as_csv:
        _print_csv(answers, opened.record.classes, clip or 0.0)
    elif as_json:
        print_json([_row(path, answer) for path, answer in answers])
    else:
        _print_lines(answers)
    if found.others:
        say(f"not images by their names: {len(found.others):,}; the first is {found.others[0]}")
    for skipped in found.skipped:
        say(f"not answered: {skipped.name}: {skipped.reason}")
    for error in failed:
        say(f"not answered: {error.problem}")
    if failed or found.skipped:
        ctx.exit(1)


def _print_lines(answers: Answered) -> None:
    width = max(len(str(path)) for path, _ in answers)
    for path, answer in answers:
        if not isinstance(answer, Exception):
            click.echo(f"{str(path).ljust(width)}  {_told(answer)}")


def _told(answer: Prediction) -> str:
    """Give the labels, each with its own probability."""
    sure = answer.probabilities
    if answer.labels:
        return ", ".join(f"{label}  {percent(sure[label])}" for label in answer.labels)
    likeliest = max(sure, key=lambda label: sure[label])
    nothing = "no answer" if answer.abstained else "none of them"
    return f"{nothing}  ({likeliest} {percent(sure[likeliest])})"


def _print_csv(answers: Answered, classes: tuple[str, ...], clip: float) -> None:
    stems = {path.stem for path, _ in answers}
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(["id", *classes])
    for path, answer in answers:
        if not isinstance(answer, Exception):
            shares = (min(max(share, clip), 1 - clip) for share in answer.probabilities.values())
            # Names that occur in several folders would make ids that mean two images.
            name = path.stem if len(stems) == len(answers) else path.as_posix()
            table.writerow([name, *(f"{share:.6g}" for share in shares)])


def _row(path: Path, answer: Prediction | DataError) -> dict[str, object]:
    if isinstance(answer, Exception):
        return {"image": str(path), "error": answer.problem}
    return {
        "image": str(path),
        "label": answer.label,
        "probability": answer.probability,
        "labels": answer.labels,
        "abstained": answer.abstained,
        "probabilities": answer.probabilities,
    }
