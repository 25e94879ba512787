"""The project: what `darkroom.toml` says, with what was typed on top of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

import msgspec

from darkroom.data.dataset import Dataset
from darkroom.data.opening import open_dataset
from darkroom.data.split import split_dataset
from darkroom.errors import RecipeError
from darkroom.problem import PROJECT_FILE, Problem
from darkroom.records import from_toml, with_overrides
from darkroom.training.recipe import Recipe
from darkroom.workspace import Workspace


class DataSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the images are and how they are split: the arguments of two verbs, as data."""

    source: str = ""  # what `open_dataset` opens
    sha256: str | None = None  # of a downloaded archive
    archive: str | None = None  # a copy of a built-in data set
    valid: float = 0.2  # share, 0..1
    test: float = 0.2  # share, 0..1
    group_by: Literal["folder"] | None = None
    sample: float = 1.0  # share that is kept, 0..1
    seed: int = 0


class Project(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The three tables of `darkroom.toml`."""

    SCHEMA: ClassVar[int] = 1

    problem: Problem = Problem()
    data: DataSettings = DataSettings()
    recipe: Recipe = Recipe()


def read_project(
    source: str | None = None, settings: Sequence[str] = (), *, folder: Path | str = "."
) -> Project:
    """Read `darkroom.toml` when there is one, and lay over it what was typed.

    Args:
        source: What to open instead of `data.source`.
        settings: `name=value`; `data.` and `problem.` begin the names of those tables, every
            other name is one of the recipe.
        folder: Where `darkroom.toml` is looked for.

    Raises:
        RecipeError: A name is unknown (the nearest is named) or a value does not fit.
    """
    path = Path(folder) / PROJECT_FILE
    project = Project()
    if path.is_file():
        project = from_toml(path.read_bytes(), Project, where=str(path), error=RecipeError)
    typed: dict[str, list[str]] = {"problem": [], "data": [], "recipe": []}
    for setting in settings:
        table, _, rest = setting.partition(".")
        if table in typed:
            typed[table].append(rest)
        else:
            typed["recipe"].append(setting)
    data = with_overrides(project.data, typed["data"], table="data.")
    return Project(
        problem=with_overrides(project.problem, typed["problem"], table="problem."),
        data=data if source is None else msgspec.structs.replace(data, source=source),
        recipe=with_overrides(project.recipe, typed["recipe"]),
    )


def open_project_data(project: Project, workspace: Workspace) -> Dataset:
    """Open the images of a project.

    Raises:
        RecipeError: It names none.
        DataError: As `open_dataset`.
    """
    data = project.data
    if not data.source:
        raise RecipeError(
            f"no images are named, here or in {PROJECT_FILE}",
            hint="darkroom train photos/   (or: darkroom init, and set data.source)",
        )
    return open_dataset(data.source, workspace=workspace, sha256=data.sha256, archive=data.archive)


def split_project_data(project: Project, dataset: Dataset) -> Dataset:
    """Split the images of a project as it says; a dataset that was split already stays."""
    if dataset.record.split:
        return dataset
    data = project.data
    return split_dataset(
        dataset,
        valid=data.valid,
        test=data.test,
        group_by=data.group_by,
        sample=data.sample,
        seed=data.seed,
    )
