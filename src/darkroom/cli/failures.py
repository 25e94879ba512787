"""`darkroom failures`."""

from __future__ import annotations

from pathlib import Path

import click

from darkroom.cli.options import as_json
from darkroom.cli.printing import print_json, print_path, say


@click.command()
@click.argument("evaluation", required=False)
@click.option("--to", type=click.Path(path_type=Path), metavar="FOLDER", help="Where to write.")
@as_json
def failures(evaluation: str | None, to: Path | None, as_json: bool) -> None:  # noqa: FBT001
    """Write every image that was not right to a new folder, sorted by what it was taken for.

    EVALUATION is a path or a name; of a run its latest one, without it the newest. The files are
    those of the dataset, byte for byte, below TRUE/taken-for-PREDICTED; index.html shows them.
    """
    import polars as pl

    import darkroom
    from darkroom.cli.newest import newest_evaluation
    from darkroom.narration import line, shown

    opened = darkroom.open_evaluation(newest_evaluation(evaluation))
    folder = opened.export_failures(to or Path(f"{opened.name}-failures"))
    images = opened.predictions.filter("correct").height
    wrong = opened.predictions.filter(~pl.col("correct"))["image"].to_list()
    if as_json:
        print_json({"folder": folder, "gallery": folder / "index.html", "images": wrong})
        return
    say(line("failures", f"{len(wrong):,} wrong images, {images:,} were right"))
    say(line("gallery", shown(folder / "index.html")))
    print_path(folder)
