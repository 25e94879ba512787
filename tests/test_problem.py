"""The Problem and its verdict, and the darkroom.toml that holds it."""

from __future__ import annotations

import re
import tomllib
from importlib import resources
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.errors import RecipeError
from darkroom.intervals import Estimate, wilson
from darkroom.problem import PROJECT_FILE, ErrorCost, Problem, Questions, init, judge
from darkroom.project import DataSettings, Project, read_project
from darkroom.training.recipe import Augment, Optimizer, Recipe, Transfer

shares = st.floats(0, 1)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.91, 0.97, "met"),
        (0.90, 0.97, "met"),
        (0.85, 0.95, "undecided"),
        (0.85, 0.90, "undecided"),
        (0.80, 0.89, "missed"),
    ],
)
def test_a_promise_is_judged_by_its_whole_interval(low, high, verdict):
    assert judge("accuracy", wanted=0.9, measured=between(low, high)).verdict == verdict


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.5, 1.9, "met"), (0.5, 2.0, "met"), (1.9, 2.1, "undecided"), (2.1, 3.0, "missed")],
)
def test_of_an_error_less_is_better(low, high, verdict):
    promise = judge("mae", wanted=2.0, measured=between(low, high), less_is_better=True)
    assert promise.verdict == verdict


def test_what_is_not_defined_is_undecided_and_says_so():
    promise = judge("recall of ball", wanted=0.9, measured=wilson(0, 0))
    assert (promise.verdict, promise.measured, promise.more_images) == ("undecided", None, None)
    assert "not defined" in str(promise)


@pytest.mark.parametrize(("hits", "wanted"), [(93, 0.9), (87, 0.9), (99, 0.97), (50, 0.48)])
def test_an_undecided_promise_names_how_many_more_images_would_settle_it(hits, wanted):
    promise = judge("accuracy", wanted=wanted, measured=wilson(hits, 100), images=100)
    assert promise.verdict == "undecided"
    enough, short = 100 + promise.more_images, 100 + promise.more_images // 2
    share = hits / 100

    def verdict(count):
        measured = wilson(round(share * count), count)
        return judge("accuracy", wanted=wanted, measured=measured, images=count).verdict

    assert verdict(enough) == ("met" if share > wanted else "missed")
    assert verdict(short) == "undecided"  # the control: half as many would not do


def test_what_is_no_plain_share_is_forecast_by_the_square_root_law():
    promise = judge("r2", wanted=0.5, measured=between(0.45, 0.75), images=100)
    assert promise.more_images == 125  # the reach of 0.15 has to shrink to 0.1


@pytest.mark.parametrize("hits", [90, 100])
def test_no_number_of_images_is_named_where_none_would_help_or_none_is_needed(hits):
    assert judge("accuracy", wanted=0.9, measured=wilson(hits, 100), images=100).more_images is None


def between(low: float, high: float) -> Estimate:
    return Estimate(value=(low + high) / 2, low=low, high=high)


@given(wanted=shares, limits=st.tuples(shares, shares).map(sorted), more=shares)
def test_asking_for_more_never_makes_a_promise_better(wanted, limits, more):
    low, high = limits
    order = ("met", "undecided", "missed")
    easy, hard = (
        judge("accuracy", wanted=goal, measured=between(low, high)).verdict
        for goal in sorted((wanted, more))
    )
    assert order.index(easy) <= order.index(hard)


@given(shares)
def test_every_share_in_0_to_1_is_taken(share):
    assert Problem(goal=share, floors={"ball": share}).goal == share


@pytest.mark.parametrize("share", [-0.01, 1.01, 95, float("nan"), float("inf")])
def test_a_goal_outside_0_to_1_is_refused(share):
    with pytest.raises(RecipeError, match=r"problem\.goal") as refused:
        Problem(goal=share)
    assert str(share) in refused.value.problem


def test_the_goal_of_an_error_is_in_the_targets_unit():
    assert Problem(metric="mae", goal=12.5).goal == 12.5
    with pytest.raises(RecipeError, match=r"problem\.goal"):
        Problem(metric="rmse", goal=-1.0)


def test_a_cost_of_nothing_for_nothing_is_refused():
    with pytest.raises(RecipeError, match="names no class"):
        Problem(costs=(ErrorCost(cost=2.0),))


def test_a_floor_outside_0_to_1_is_refused_by_its_class():
    with pytest.raises(RecipeError, match=r"problem\.floors\.ball") as refused:
        Problem(floors={"box": 0.5, "ball": 95})
    assert "0.95" in refused.value.hint


@pytest.mark.parametrize("cost", [-0.5, float("nan"), float("inf")])
def test_a_negative_cost_is_refused_by_its_place_and_value(cost):
    costs = tuple(ErrorCost(true="a", predicted="b", cost=each) for each in (0, 2, cost))
    with pytest.raises(RecipeError) as refused:
        Problem(costs=costs)
    assert f"problem.costs[2].cost = {cost}" in refused.value.problem


@pytest.mark.parametrize("field", ["latency_ms", "images_per_s"])
@pytest.mark.parametrize("value", [0.0, -20.0, float("nan"), float("inf")])
def test_a_speed_that_is_not_above_zero_is_refused_by_its_field_and_value(field, value):
    with pytest.raises(RecipeError) as refused:
        Problem(**{field: value})
    assert f"problem.{field} = {value}" in refused.value.problem


def test_control_a_cost_of_nothing_and_a_small_speed_are_taken():
    free = ErrorCost(true="a", predicted="b", cost=0)
    problem = Problem(costs=(free,), latency_ms=0.1, images_per_s=0.1)
    assert (problem.costs, problem.latency_ms, problem.images_per_s) == ((free,), 0.1, 0.1)


@pytest.mark.parametrize(
    "problem",
    [
        Problem(floors={"bal": 0.5}),
        Problem(costs=(ErrorCost(true="bal", predicted="box", cost=2),)),
        Problem(costs=(ErrorCost(true="box", predicted="bal", cost=2),)),
    ],
    ids=["floor", "true", "predicted"],
)
def test_a_class_that_does_not_exist_names_the_nearest(problem):
    with pytest.raises(RecipeError, match="`bal`") as refused:
        problem.check_classes(["ball", "box"])
    assert "`ball`" in refused.value.hint


def test_classes_that_exist_are_accepted():
    costs = (ErrorCost(true="box", predicted="ball", cost=2),)
    Problem(floors={"ball": 0.5}, costs=costs).check_classes(["ball", "box"])


def test_init_writes_a_file_that_says_exactly_the_defaults(tmp_path):
    path = init(tmp_path / "new")
    assert path == tmp_path / "new" / PROJECT_FILE
    assert read_project(folder=tmp_path / "new") == Project()


def test_init_does_not_overwrite(tmp_path):
    path = tmp_path / PROJECT_FILE
    path.write_text("mine")
    with pytest.raises(RecipeError, match="exists") as refused:
        init(tmp_path)
    assert str(path) in refused.value.problem
    assert path.read_text() == "mine"


def template() -> str:
    return resources.files("darkroom").joinpath("templates/darkroom.toml").read_text("utf-8")


def uncommented(text: str) -> str:
    """Take the mark away from every line that shows a setting."""
    return re.sub(r"^# (?=\w+ = )", "", text, flags=re.MULTILINE)


TABLES: list[tuple[str, type[msgspec.Struct], set[str]]] = [
    ("problem", Problem, {"questions"}),
    ("problem.questions", Questions, set()),
    ("data", DataSettings, set()),
    ("recipe", Recipe, {"optimizer", "augment", "transfer", "class_weights", "curriculum"}),
    ("recipe.optimizer", Optimizer, set()),
    ("recipe.augment", Augment, set()),
    ("recipe.transfer", Transfer, set()),
]


def table_of(text: str, name: str) -> dict[str, object]:
    table = tomllib.loads(uncommented(text))
    for step in name.split("."):
        table = table[step]
    return table


@pytest.mark.parametrize(("name", "kind", "tables"), TABLES)
def test_the_template_mentions_every_setting_in_its_table(name, kind, tables):
    fields = {field.name for field in msgspec.structs.fields(kind)}
    assert set(table_of(template(), name)) == fields
    assert {inner for inner in fields if isinstance(table_of(template(), name)[inner], dict)} == (
        tables | ({"floors"} & fields)
    )


def test_a_setting_that_the_template_forgets_would_be_found():
    text = template().replace("# epochs = ", "# ")
    assert "epochs" in table_of(template(), "recipe")
    assert "epochs" not in table_of(text, "recipe")


def test_the_template_with_every_line_uncommented_is_a_project(tmp_path):
    (tmp_path / PROJECT_FILE).write_text(uncommented(template()), encoding="utf-8")
    project = read_project(folder=tmp_path)
    assert (project.problem.goal, project.data.source) == (0.9, "photos")
    assert project.recipe.image_size == 64


@pytest.mark.parametrize(("name", "kind"), [(name, kind) for name, kind, _ in TABLES[3:]])
def test_the_template_shows_the_defaults_of_a_training(name, kind):
    shown = table_of(template(), name)
    defaults = msgspec.json.decode(msgspec.json.encode(kind()))  # tuples as lists
    differing = {
        key
        for key, value in shown.items()
        if not isinstance(value, dict) and defaults[key] is not None and defaults[key] != value
    }
    assert differing == set()


def test_the_template_changes_nothing_until_a_line_is_uncommented():
    tables = tomllib.loads(template())
    assert tables == {
        "problem": {"questions": {}},
        "data": {},
        "recipe": {"optimizer": {}, "augment": {}, "transfer": {}},
        "tune": {},
    }


def test_init_makes_the_folder_it_is_given_as_text(tmp_path):
    assert init(str(tmp_path / "a" / "b")) == Path(tmp_path / "a" / "b" / PROJECT_FILE)
