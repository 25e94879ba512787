"""The project: what `darkroom.toml` says, with what was typed on top of it."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import msgspec

from darkroom.data.dataset import Dataset
from darkroom.data.opening import open_dataset
from darkroom.data.sources import Columns
from darkroom.data.split import group_split, split_dataset
from darkroom.disk import refuse_undecodable
from darkroom.errors import DataError, RecipeError
from darkroom.problem import PROJECT_FILE, Problem
from darkroom.records import from_toml
from darkroom.settings import with_overrides
from darkroom.training.recipe import Recipe
from darkroom.workspace import Workspace

_READ_BY = {"problem": "evaluate", "data": "train", "recipe": "train"}  # table -> command
_SPLITTING = ("valid", "test", "group_by", "sample", "seed", "parts")  # fields of `data`


class DataSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the images are and how they are split: the arguments of two verbs, as data."""

    source: str = ""  # what `open_dataset` opens
    sha256: str | None = None  # of a downloaded archive
    archive: str | None = None  # a copy of a built-in data set
    image: str | None = None  # the column of a table that names the images
    label: str | None = None  # ... their classes
    group: str | None = None  # ... what must not be torn apart
    part: str | None = None  # ... their parts
    target: str | None = None  # ... a number, for regression
    parts: Literal["keep", "anew"] = "keep"  # whether parts that the source brings stay
    valid: float = 0.2  # share, 0..1
    test: float = 0.2  # share, 0..1
    group_by: Literal["folder"] | None = None
    sample: float = 1.0  # share that is kept, 0..1
    seed: int = 0


class Project(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The four tables of `darkroom.toml`."""

    SCHEMA: ClassVar[int] = 1

    problem: Problem = Problem()
    data: DataSettings = DataSettings()
    recipe: Recipe = Recipe()
    tune: dict[str, Any] = {}  # what a search may vary, by the name of a setting; see `read_space`


def read_project(
    source: str | None = None,
    settings: Sequence[str] = (),
    *,
    folder: Path | str = ".",
    tables: tuple[str, ...] = ("problem", "data", "recipe"),
) -> Project:
    """Read `darkroom.toml` when there is one, and lay over it what was typed.

    Args:
        source: What to open instead of `data.source`.
        settings: `name=value`; `data.` and `problem.` begin the names of those tables, every
            other name is one of the recipe.
        folder: Where `darkroom.toml` is looked for.
        tables: What the caller reads: tables, or fields as `data.source`. Only what is typed is
            held against it; a file may say more than one command needs.

    Raises:
        RecipeError: A name is unknown (the nearest is named), a value does not fit, or a setting
            is typed that the caller does not read.
        DataError: `source` is a path that is not UTF-8.
    """
    path = Path(folder) / PROJECT_FILE
    project = Project()
    if path.is_file():
        project = from_toml(path.read_bytes(), Project, where=str(path), error=RecipeError)
    typed: dict[str, list[str]] = {"problem": [], "data": [], "recipe": []}
    for setting in settings:
        table, _, rest = setting.partition(".")
        if table == "tune":
            raise RecipeError(
                f"--set {setting}: what a search may try is named by --space",
                hint=f"darkroom tune --space {rest}",
            )
        if table in typed:
            typed[table].append(rest)
        else:
            typed["recipe"].append(setting)
    data = project.data
    if source is not None:  # what the file says of its own source is not true of another
        refuse_undecodable(source, DataError)
        of_source = dict.fromkeys(("sha256", "archive", *Columns.__struct_fields__))
        data = msgspec.structs.replace(data, source=source, **of_source)
    project = Project(
        problem=with_overrides(project.problem, typed["problem"], table="problem."),
        data=with_overrides(data, typed["data"], table="data."),
        recipe=with_overrides(project.recipe, typed["recipe"]),
        tune=project.tune,
    )
    _refuse_unread(typed, tables, source or ("" if project.data.source else "photos/"))
    return project


def _refuse_unread(
    typed: Mapping[str, Sequence[str]], tables: tuple[str, ...], source: str
) -> None:
    """Refuse what was typed and would change nothing: it was meant for another command."""
    for table, settings in typed.items():
        for setting in settings:
            field = f"{table}.{setting.partition('=')[0].strip().partition('.')[0]}"
            if table not in tables and field not in tables:
                command = _READ_BY[table]
                words = [command, source] if command == "train" and source else [command]
                raise RecipeError(
                    f"--set {field} changes nothing here, where only {', '.join(tables)} "
                    f"{'is' if len(tables) == 1 else 'are'} read",
                    hint=shlex.join(["darkroom", *words, "--set", f"{table}.{setting}"]),
                )


def open_project_data(project: Project, workspace: Workspace) -> Dataset:
    """Open the images of a project.

    Raises:
        RecipeError: It names none.
        DataError: As `open_dataset`.
    """
    data = project.data
    location = _named_dataset(data.source, workspace)
    if not data.source:
        raise RecipeError(
            f"no images are named, here or in {PROJECT_FILE}",
            hint="darkroom train photos/   (or: darkroom init, and set data.source)",
        )
    columns = Columns(**{name: getattr(data, name) for name in Columns.__struct_fields__})
    return open_dataset(
        location,
        workspace=workspace,
        sha256=data.sha256,
        archive=data.archive,
        columns=columns,
    )


def _named_dataset(source: str, workspace: Workspace) -> str | Path:
    """Give the dataset of the workspace that a name means; what exists as a path is no name."""
    with contextlib.suppress(OSError, RuntimeError, ValueError):  # no path at all, or no home
        if Path(source).expanduser().exists():
            return source
    known = workspace.artifacts("dataset")
    return next((path for path, manifest in known if manifest.name == source), source)


def split_project_data(
    project: Project, dataset: Dataset, *, settings: Sequence[str] = ()
) -> Dataset:
    """Split the images of a project as it says; a dataset that was split already stays.

    Args:
        project: What `darkroom.toml` says, with what was typed on top of it.
        dataset: Its images.
        settings: What was typed, as `read_project` takes it.

    Raises:
        RecipeError: A setting was typed for a part or a split that is there already.
        DataError: As `split_dataset`.
    """
    is_anew = project.data.parts == "anew"
    brought = () if is_anew else tuple(set(_SPLITTING) & set(dataset.counts))
    given = _SPLITTING if dataset.record.split else brought
    for setting in settings:
        name = setting.partition("=")[0].strip()
        if name.removeprefix("data.") in given and name.startswith("data."):
            raise RecipeError(
                f"--set {setting} changes nothing: {dataset.name} is split already "
                f"({dataset.record.split or 'its source brings its parts'})",
                hint=f"leave {name} out, or train on images that are not split yet",
            )
    if dataset.record.split:
        return dataset
    data = project.data
    split = group_split if data.parts == "anew" else split_dataset
    return split(
        dataset,
        valid=data.valid,
        test=data.test,
        group_by=data.group_by,
        sample=data.sample,
        seed=data.seed,
    )
