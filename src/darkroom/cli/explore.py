"""`darkroom explore`."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import click

from darkroom.cli.options import SOURCE_SETTINGS, as_json, as_settings, columns, settings
from darkroom.cli.printing import print_json, print_path, say

if TYPE_CHECKING:
    import numpy as np

    from darkroom.data.dataset import Dataset
    from darkroom.data.embedding import Embedding
    from darkroom.training.run import Run
    from darkroom.workspace import Workspace


@click.command()
@click.argument("source", required=False)
@click.option("--to", type=click.Path(path_type=Path), metavar="FILE", help="Where to write it.")
@click.option(
    "--weights",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="MobileNetV2 weights to judge likeness by.",
)
@click.option("--run", "run_name", metavar="RUN", help="Doubt labels by a run's probabilities.")
@columns
@settings
@as_json
def explore(
    source: str | None,
    to: Path | None,
    weights: Path | None,
    run_name: str | None,
    settings: tuple[str, ...],
    as_json: bool,  # noqa: FBT001
    **named: str | None,
) -> None:
    """Write one page that shows what a dataset holds and what is wrong with it.

    SOURCE is what `darkroom check` takes; without it, data.source of darkroom.toml. --run takes
    the run's dataset instead, and doubts the labels of its validation part.
    """
    import darkroom
    from darkroom.data.explore import explore as write_page
    from darkroom.errors import RecipeError
    from darkroom.narration import line, shown

    workspace, settings = darkroom.Workspace(), (*settings, *as_settings(**named))
    if run_name is None:
        dataset, run = _opened(source, settings, workspace), None
    elif source or settings:
        raise RecipeError(
            f"--run {run_name} brings its own dataset, {source or settings[0]} was named as well",
            hint=f"darkroom explore --run {run_name}",
        )
    else:
        run = darkroom.open_run(run_name, workspace=workspace)
        dataset = run.dataset
    embedding = _embed(dataset, weights)
    say(line("explore", repr(dataset), f"likeness by {embedding.made_by}"))
    probabilities = _probabilities(run) if run else None
    path = write_page(dataset, to=to, embedding=embedding, probabilities=probabilities)
    if as_json:
        print_json({"path": path, "dataset": dataset.name, "likeness": embedding.made_by})
        return
    say(line("page", f"{path.stat().st_size / 1e6:.1f} MB, opens without a network"))
    say(line("next", f"open {quote(shown(path))} in a browser"))
    print_path(path)


def _opened(source: str | None, settings: tuple[str, ...], workspace: Workspace) -> Dataset:
    from darkroom.project import open_project_data, read_project

    project = read_project(source, settings, tables=SOURCE_SETTINGS)
    return open_project_data(project, workspace)


def _embed(dataset: Dataset, weights: Path | None) -> Embedding:
    """Take a pretrained trunk when there are weights, else colours and gradients."""
    from darkroom.data.embedding import simple_embedding
    from darkroom.models.trunk import find_trunk_weights, trunk_embedding

    found = weights or find_trunk_weights()
    return trunk_embedding(dataset, weights=found) if found else simple_embedding(dataset)


def _probabilities(run: Run) -> dict[str, np.ndarray]:
    """Predict the part that neither trained the run nor is sealed."""
    from darkroom.data.pixels import load_images
    from darkroom.evaluation.predict import Answerer

    images = load_images(run.dataset, "valid", run.record.preprocess)
    names = run.dataset.part("valid")["image"].to_list()
    return dict(zip(names, Answerer(run)("valid", images), strict=True))
