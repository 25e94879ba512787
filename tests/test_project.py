"""The project: darkroom.toml, what is typed over it, and the images it names."""

from __future__ import annotations

import pytest

from darkroom.errors import DataError, RecipeError
from darkroom.problem import PROJECT_FILE, Problem
from darkroom.project import (
    DataSettings,
    Project,
    open_project_data,
    read_project,
    split_project_data,
)
from darkroom.training.recipe import Augment, Optimizer, Recipe
from darkroom.training.space import Range, read_space
from tests.making import CLASSES, draw_folder

WRITTEN = """
[problem]
purpose = "Prüfung"
goal = 0.9
floors = { "ball" = 0.8 }

[data]
source = "photos"
seed = 7

[recipe]
epochs = 3

[recipe.optimizer]
peak_lr = 1e-3
"""


@pytest.fixture
def folder(tmp_path):
    """Give a folder with a darkroom.toml."""
    (tmp_path / PROJECT_FILE).write_bytes(WRITTEN.encode())
    return tmp_path


def test_without_a_file_everything_is_the_default(tmp_path):
    assert read_project(folder=tmp_path) == Project()


def test_the_three_tables_are_read(folder):
    assert read_project(folder=folder) == Project(
        problem=Problem(purpose="Prüfung", goal=0.9, floors={"ball": 0.8}),
        data=DataSettings(source="photos", seed=7),
        recipe=Recipe(epochs=3, optimizer=Optimizer(peak_lr=1e-3)),
    )


@pytest.mark.parametrize(
    ("setting", "changed"),
    [
        ("epochs=5", {"recipe": Recipe(epochs=5)}),
        ("recipe.epochs=5", {"recipe": Recipe(epochs=5)}),
        ("optimizer.name=sgd", {"recipe": Recipe(optimizer=Optimizer(name="sgd"))}),
        ("augment.flip=false", {"recipe": Recipe(augment=Augment(flip=False))}),
        ("data.test=0.3", {"data": DataSettings(test=0.3)}),
        ("problem.goal=0.9", {"problem": Problem(goal=0.9)}),
        ("problem.floors.ball=0.8", {"problem": Problem(floors={"ball": 0.8})}),
    ],
)
def test_a_setting_is_laid_over_its_table(setting, changed, tmp_path):
    assert read_project(settings=[setting], folder=tmp_path) == Project(**changed)


def test_the_space_of_a_search_is_read_beside_the_recipe(folder):
    assert read_project(folder=folder).tune == {}
    path = folder / PROJECT_FILE
    path.write_text(path.read_text("utf-8") + "\n[tune]\nbatch_size = [32, 64]\n", "utf-8")
    project = read_project(folder=folder)
    assert project.tune == {"batch_size": [32, 64]}
    assert project.recipe.epochs == 3


def test_a_dotted_name_in_the_space_may_lack_its_quotes(tmp_path):
    for name in ("optimizer.peak_lr", '"optimizer.peak_lr"'):
        (tmp_path / PROJECT_FILE).write_text(f"[tune]\n{name} = {{ low = 1e-3, high = 1e-1 }}\n")
        space = read_space(read_project(folder=tmp_path).tune)
        assert space == {"optimizer.peak_lr": Range(low=1e-3, high=1e-1)}


def test_what_is_typed_counts_more_than_what_is_written(folder):
    project = read_project("drawings", ["epochs=5", "data.seed=1"], folder=folder)
    assert project.data == DataSettings(source="drawings", seed=1)
    assert project.recipe.epochs == 5
    assert project.recipe.optimizer.peak_lr == 1e-3


@pytest.mark.parametrize(
    ("setting", "meant"),
    [
        ("epoch=5", "epochs"),
        ("optimizer.peak=1", "optimizer.peak_lr"),
        ("optimiser.peak_lr=1", "optimizer.peak_lr"),
        ("data.sources=a", "data.source"),
        ("problem.gaol=1", "problem.goal"),
        ("recipe.recipe.epochs=1", "resize"),
    ],
)
def test_an_unknown_setting_names_the_nearest(setting, meant, tmp_path):
    with pytest.raises(RecipeError) as refused:
        read_project(settings=[setting], folder=tmp_path)
    assert f"`{meant}" in refused.value.hint


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("epochs=0", "epochs = 0"),
        ("problem.goal=95", "95"),
        ("width=nan", "nan"),
        ("augment.flip=no", "augment.flip"),
    ],
)
def test_a_setting_outside_its_limits_is_refused(setting, value, tmp_path):
    with pytest.raises(RecipeError) as refused:
        read_project(settings=[setting], folder=tmp_path)
    assert value in refused.value.problem


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        (b"[recipe]\nepoch = 3", "epoch"),
        (b"[recipe]\nepochs = '3'", "recipe.epochs"),
        (b"[recipe", "TOML"),
        (b"[problem]\npurpose = '\xff'", "TOML"),
        (b"[problem]\ngoal = nan", "nan"),
        (b"[reciep]\nepochs = 3", "reciep"),
    ],
)
def test_a_wrong_file_is_refused_by_its_path_and_what_is_wrong(text, fact, tmp_path):
    (tmp_path / PROJECT_FILE).write_bytes(text)
    with pytest.raises(RecipeError) as refused:
        read_project(folder=tmp_path)
    assert str(tmp_path / PROJECT_FILE) in refused.value.problem
    assert fact in refused.value.problem


def test_a_project_without_images_says_where_to_name_them(workspace):
    with pytest.raises(RecipeError, match=PROJECT_FILE) as refused:
        open_project_data(Project(), workspace)
    assert "darkroom" in refused.value.hint


def test_the_images_of_a_project_are_opened_and_split_as_it_says(workspace, tmp_path):
    drawn = draw_folder(tmp_path / "shapes", per_class=10)
    project = Project(data=DataSettings(source=str(drawn), valid=0.3, test=0.3))
    dataset = split_project_data(project, open_project_data(project, workspace))
    assert tuple(dataset.classes) == CLASSES
    assert dataset.counts == {"train": 12, "valid": 9, "test": 9}


def test_images_that_are_split_already_stay_so(workspace, tmp_path):
    drawn = draw_folder(tmp_path / "shapes", per_class=10)
    project = Project(data=DataSettings(source=str(drawn)))
    dataset = split_project_data(project, open_project_data(project, workspace))
    other = Project(data=DataSettings(source=str(drawn), test=0.5))
    assert split_project_data(other, dataset) is dataset


@pytest.mark.parametrize(
    ("setting", "tables", "command"),
    [
        ("epochs=3", ("problem",), "train photos/ --set recipe.epochs=3"),
        ("recipe.epochs=3", ("problem",), "train photos/ --set recipe.epochs=3"),
        ("data.valid=0.5", ("data.source",), "train photos/ --set data.valid=0.5"),
        ("problem.goal=0.9", ("data", "recipe"), "evaluate --set problem.goal=0.9"),
        ("problem.floors.ball=1", ("data", "recipe"), "evaluate --set problem.floors.ball=1"),
    ],
)
def test_what_is_typed_for_another_command_is_refused_with_that_command(
    setting, tables, command, tmp_path
):
    with pytest.raises(RecipeError) as refused:
        read_project(settings=[setting], folder=tmp_path, tables=tables)
    assert refused.value.hint == f"darkroom {command}"
    read_project(settings=[setting], folder=tmp_path)  # the control: who reads it takes it


@pytest.mark.parametrize("parts", [("train", "valid"), ("train", "valid", "test"), ("train",)])
def test_parts_that_a_source_brings_can_be_dealt_anew_with_another_share(
    workspace, tmp_path, parts
):
    for seed, part in enumerate(parts):
        draw_folder(tmp_path / "p" / part, per_class=20, seed=seed)
    settings = ["data.parts=anew", "data.valid=0.3"]
    project = read_project(str(tmp_path / "p"), settings, folder=tmp_path)
    opened = open_project_data(project, workspace)
    split = split_project_data(project, opened, settings=settings)
    assert split.counts["valid"] == pytest.approx(0.3 * sum(split.counts.values()), abs=3)
    kept = split_project_data(read_project(str(tmp_path / "p"), folder=tmp_path), opened)
    assert kept.record.brought == parts


def test_a_file_may_say_more_than_a_command_reads(folder):
    assert read_project(folder=folder, tables=("problem",)).recipe.epochs == 3
    settings = ["data.source=drawings"]
    read = read_project(settings=settings, folder=folder, tables=("data.source",))
    assert read.data == DataSettings(source="drawings", seed=7)


@pytest.mark.parametrize("name", ["valid", "test", "sample", "seed", "group_by"])
def test_a_setting_for_a_split_that_is_there_already_is_refused(dataset, name):
    for settings in ([f"data.{name}=0.5"], [f"data.{name} = 0.5"]):
        with pytest.raises(RecipeError) as refused:
            split_project_data(Project(), dataset, settings=settings)
        assert dataset.name in refused.value.problem
        assert f"data.{name}" in refused.value.problem
    assert split_project_data(Project(), dataset, settings=["seed=1", "epochs=3"]) is dataset


def test_a_share_of_a_part_that_the_source_brings_is_refused(workspace, tmp_path):
    for part in ("train", "test"):
        draw_folder(tmp_path / "shapes" / part, per_class=8, seed=len(part))
    project = Project(data=DataSettings(source=str(tmp_path / "shapes")))
    opened = open_project_data(project, workspace)
    with pytest.raises(RecipeError) as refused:
        split_project_data(project, opened, settings=["data.test=0.5"])
    assert "data.test" in refused.value.problem
    assert split_project_data(project, opened, settings=["data.valid=0.2"]).is_split


def test_a_dataset_of_the_workspace_is_opened_by_its_name(workspace, tmp_path, monkeypatch):
    project = Project(data=DataSettings(source=str(draw_folder(tmp_path / "shapes", per_class=8))))
    opened = open_project_data(project, workspace)
    split = split_project_data(project, opened)
    for dataset in (opened, split):
        named = Project(data=DataSettings(source=dataset.name))
        assert open_project_data(named, workspace).path == dataset.path
    monkeypatch.chdir(tmp_path)
    here = draw_folder(tmp_path / split.name, per_class=9)  # what exists here is meant
    assert open_project_data(named, workspace).record.location == str(here)
    with pytest.raises(DataError):
        open_project_data(Project(data=DataSettings(source=split.name[:-1])), workspace)


def test_a_source_that_is_typed_leaves_the_sum_of_the_written_one_behind(tmp_path):
    (tmp_path / "darkroom.toml").write_text(
        '[data]\nsource = "a.zip"\nsha256 = "00"\nvalid = 0.3\n'
    )
    assert read_project(folder=tmp_path).data.sha256 == "00"
    typed = read_project("b.zip", folder=tmp_path).data
    assert (typed.source, typed.sha256, typed.valid) == ("b.zip", None, 0.3)
