"""What the report says in words: the verdict, the three answers, the sentences above sections."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from darkroom.decision import Decision
from darkroom.evaluation.coverage import CoveragePoint
from darkroom.evaluation.details import Details
from darkroom.evaluation.regression import RegressionMetrics
from darkroom.evaluation.report import leads
from darkroom.evaluation.report.brief import listed, make_brief
from darkroom.evaluation.report.confusions import find_confusions
from darkroom.evaluation.report.contents import at_a_glance, coverage_steps
from darkroom.evaluation.report.numbers import brief_of_numbers, target_ranges
from darkroom.evaluation.report.verdict import make_headline
from darkroom.evaluation.slices import Slices
from darkroom.intervals import Estimate, wilson
from darkroom.problem import Problem, Promise, judge
from tests.evaluation.judged import count

CLASSES = ("cat", "dog", "owl")


def metrics_of(confusion: list[list[int]], *, silent: int = 0):
    """Count a confusion matrix; the last images are given no answer."""
    pairs = [
        (true, taken)
        for true, row in enumerate(confusion)
        for taken, images in enumerate(row)
        for _ in range(images)
    ]
    is_silent = [number >= len(pairs) - silent for number in range(len(pairs))]
    table = pl.DataFrame(
        {
            "image": [str(number) for number in range(len(pairs))],
            "labels": [[CLASSES[true]] for true, _ in pairs],
            "predicted": [
                [] if quiet else [CLASSES[taken]]
                for (_, taken), quiet in zip(pairs, is_silent, strict=True)
            ],
            "correct": [
                true == taken and not quiet
                for (true, taken), quiet in zip(pairs, is_silent, strict=True)
            ],
            "probabilities": [np.eye(len(confusion))[taken].tolist() for _, taken in pairs],
            "abstained": is_silent,
        },
        schema_overrides={"predicted": pl.List(pl.String)},
    )
    names = CLASSES[: len(confusion)]
    return count(SimpleNamespace(classes=names, task="single-label"), table)


def record_of(
    *promises: Promise, problem: Problem | None = None, task: str = "single-label", **decision
):
    return SimpleNamespace(
        part="test",
        task=task,
        problem=problem or Problem(),
        promises=promises,
        decision=Decision(task=task, **decision),
    )


def promise(wanted: float, hits: int, of: int, name: str = "accuracy") -> Promise:
    return judge(name, wanted=wanted, measured=wilson(hits, of), images=of)


GOOD = [[90, 10, 0], [4, 96, 0], [0, 0, 100]]


@pytest.mark.parametrize(
    ("wanted", "state", "words"),
    [(0.5, "met", "Goal met"), (0.99, "missed", "Goal missed"),
     (0.94, "undecided", "Goal not decided yet")],
)  # fmt: skip
def test_one_promise_is_a_goal(wanted, state, words):
    headline = make_headline(record_of(promise(wanted, 286, 300)), metrics_of(GOOD))
    assert (headline.state, headline.verdict) == (state, words)


@pytest.mark.parametrize(
    ("hits", "words"),
    [([100, 100], "All 2 promises met"), ([100, 10], "1 of 2 promises missed"),
     ([100, 91], "1 of 2 promises not decided yet"), ([91, 10], "1 of 2 promises missed")],
)  # fmt: skip
def test_of_several_promises_the_worst_decides(hits, words):
    promises = [promise(0.9, right, 100, name) for right, name in zip(hits, "ab", strict=True)]
    assert make_headline(record_of(*promises), metrics_of(GOOD)).verdict == words


def test_an_undecided_promise_says_how_many_more_images_would_settle_it():
    (held,) = make_headline(record_of(promise(0.94, 286, 300)), metrics_of(GOOD)).held
    more = held.promise.more_images
    assert more is not None
    assert held.next_step.startswith("About ")
    told = int(held.next_step.split()[1].replace(",", ""))
    assert more <= told < 1.11 * more  # two digits, rounded up
    assert not make_headline(record_of(promise(0.5, 286, 300)), metrics_of(GOOD)).held[0].next_step


def test_a_promise_at_the_goal_itself_cannot_be_settled_by_any_number():
    (held,) = make_headline(record_of(promise(0.9, 90, 100)), metrics_of(GOOD)).held
    assert "cannot be said" in held.next_step


def test_a_promise_without_images_says_so_and_has_no_scale():
    (held,) = make_headline(record_of(promise(0.9, 0, 0)), metrics_of(GOOD)).held
    assert held.measured == "not defined on these images"
    assert "no image" in held.next_step
    assert held.gauge is None


def test_without_a_goal_the_score_has_its_interval_and_a_scale():
    headline = make_headline(record_of(), metrics_of(GOOD))
    assert (headline.state, headline.verdict) == (None, "No goal was set")
    assert headline.score == "95.3 %"
    assert headline.told == "right on 286 of 300 test images"
    assert headline.interval == "92.3 .. 97.2 %"
    assert headline.gauge is not None


def test_the_score_is_the_metric_of_the_goal():
    problem = Problem(metric="balanced-accuracy", goal=0.9)
    record = record_of(promise(0.9, 286, 300, "balanced-accuracy"), problem=problem)
    assert make_headline(record, metrics_of(GOOD)).told == "balanced accuracy on 300 test images"


@pytest.mark.parametrize("hits", [0, 1, 150, 299, 300])
@pytest.mark.parametrize("wanted", [0.0, 0.5, 0.95, 1.0])
def test_everything_lies_on_the_scale_in_its_order(hits, wanted):
    (held,) = make_headline(record_of(promise(wanted, hits, 300)), metrics_of(GOOD)).held
    gauge = held.gauge
    assert 0 <= gauge.low <= gauge.value <= gauge.high <= 100
    assert 0 <= gauge.wanted <= 100
    assert (gauge.wanted < gauge.value) == (wanted < hits / 300)


def test_an_error_is_held_from_above():
    measured = Estimate(value=2.0, low=1.8, high=2.2)
    held = judge("mae", wanted=2.5, measured=measured, images=50, less_is_better=True)
    record = record_of(held, problem=Problem(metric="mae", goal=2.5), task="regression")
    (shown,) = make_headline(record, numbers()).held
    assert (shown.name, shown.wanted) == ("mean absolute error", "at most 2.5")


def test_the_largest_confusion_is_told_with_its_figures():
    answer = make_brief(record_of(), metrics_of(GOOD), Details())[1]
    assert answer.key == "cat taken for dog"
    told = " ".join(answer.words)
    assert "Of 100 images of cat, 10 are taken for dog: 10.0 %" in told
    assert "4 of 100; both together are 100.0 % of all 14 mistakes" in told


def test_where_nothing_is_confused_that_is_said():
    answer = make_brief(record_of(), metrics_of([[9, 0], [0, 9]]), Details())[1]
    assert answer.key == "Nothing"


def test_one_class_alone_confuses_nothing():
    assert make_brief(record_of(), metrics_of([[9]]), Details())[1].key == "Nothing"


def test_only_classes_whose_interval_reaches_the_bar_are_trusted():
    trust = make_brief(record_of(), metrics_of(GOOD), Details())[2]
    assert trust.key == "1 of 3 classes"
    assert "When it says owl, it is right at least 90.0 % of the time." in trust.words
    # Every other class is 90 % or more right, but not surely so.
    assert "There are too few images to say so of cat and dog." in trust.words


def test_the_bar_is_the_goal_where_there_is_one():
    trust = make_brief(record_of(problem=Problem(goal=0.8)), metrics_of(GOOD), Details())[2]
    assert trust.key == "3 of 3 classes"


def test_classes_that_are_surely_below_the_bar_are_to_be_checked():
    trust = make_brief(record_of(), metrics_of([[50, 50], [0, 100]]), Details())[2]
    assert "Check by hand what it calls dog (66.7 % right)." in trust.words


def test_a_class_that_was_never_answered_is_named():
    trust = make_brief(record_of(), metrics_of([[0, 9], [0, 9]]), Details())[2]
    assert "It never answered cat." in trust.words


def test_too_few_images_to_trust_anything_are_told_of_as_such():
    trust = make_brief(record_of(), metrics_of([[5, 0], [0, 5]]), Details())[2]
    assert trust.key == "0 of 2 classes"
    assert "too few images" in trust.words[0]


def coverage(*points: tuple[float, float, float | None]) -> Details:
    made = [
        CoveragePoint(threshold=at, answered=answered, accuracy=right, cost=None)
        for at, answered, right in points
    ]
    return Details(coverage=tuple(made))


def test_the_first_bar_that_halves_the_mistakes_is_named():
    curve = coverage((0.0, 1.0, 0.953), (0.6, 0.9, 0.97), (0.7, 0.8, 0.98), (0.9, 0.5, 1.0))
    trust = make_brief(record_of(), metrics_of(GOOD), curve)[2]
    assert any("at least 70 % confidence halves" in words for words in trust.words)
    by_entropy = record_of(abstain_by="certainty")
    trust = make_brief(by_entropy, metrics_of(GOOD), curve)[2]
    assert any("at least 70 % certainty halves" in words for words in trust.words)
    unhelpful = coverage((0.0, 1.0, 0.953), (0.9, 0.5, 0.96), (1.0, 0.0, None))
    trust = make_brief(record_of(), metrics_of(GOOD), unhelpful)[2]
    assert not any("halves" in words for words in trust.words)


def test_images_without_an_answer_are_told_of():
    good = make_brief(record_of(), metrics_of(GOOD, silent=30), Details())[0]
    assert any("It answers 90.0 % of them" in words for words in good.words)
    control = make_brief(record_of(), metrics_of(GOOD), Details())[0]
    assert not any("It answers" in words for words in control.words)


def test_of_several_labels_what_is_missed_and_what_is_claimed_are_told_apart():
    made = metrics_of([[50, 50], [0, 100]])
    answer = make_brief(record_of(task="multi-label"), made, Details())[1]
    assert answer.question == "What does it miss?"
    assert "cat is missed most often: on 50 of 100 images that have it." in answer.words
    assert "dog is claimed wrongly most often: on 50 of 150 images" in answer.words[1]


def test_names_are_listed_as_people_do():
    assert [listed([*"abcdef"[:n]]) for n in (1, 2, 3)] == ["a", "a and b", "a, b and c"]
    assert listed([*"abcdef"], "or") == "a, b, c, d or 2 more"


def test_the_matrix_holds_every_count_and_both_shares():
    found = find_confusions(metrics_of(GOOD))
    cell = found.rows[0][1]
    assert (cell.true, cell.taken, cell.images) == ("cat", "dog", 10)
    assert (cell.of_true, cell.of_taken) == (0.1, 10 / 106)
    assert [each.images for each in found.largest] == [10, 4]
    assert (found.wrong, found.pairs) == (14, 2)


def test_shares_of_a_class_without_images_are_not_defined():
    found = find_confusions(metrics_of([[0, 0], [3, 5]]))
    assert found.rows[0][1].of_true is None
    assert found.rows[0][1].shades == (0, 0)


def test_the_largest_error_has_the_strongest_colour_however_small_it_is():
    found = find_confusions(metrics_of([[990, 10], [1, 999]]))
    assert found.rows[0][1].shades[0] == 100
    assert 0 < found.rows[1][0].shades[0] < 50
    assert found.rows[0][0].shades[0] == 99


def numbers(**changed) -> RegressionMetrics:
    values = {
        name: Estimate(value=2.0, low=1.8, high=2.2)
        for name in ("mae", "mse", "rmse", "r2", "bias", "always_mean")
    }
    return RegressionMetrics(images=50, **{**values, **changed})


def errors(values: list[float]) -> pl.DataFrame:
    targets = np.arange(len(values), dtype=float)
    return pl.DataFrame(
        {
            "image": [f"{number}.png" for number in range(len(values))],
            "target": targets,
            "value": (targets + values).astype(np.float32),
            "error": np.array(values, np.float32),
        }
    )


def test_the_largest_error_is_named_with_both_numbers():
    made = errors([0.5] * 30 + [-8.0] + [0.5] * 9)
    where = brief_of_numbers(record_of(task="regression"), numbers(), made)[1]
    assert "The largest error is -8: 22 instead of 30 on 30.png." in where.words


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(-0.1, 0.2, "leans neither"), (0.1, 0.3, "too high"), (-0.3, -0.1, "too low")],
)
def test_a_leaning_is_told_only_when_it_is_certain(low, high, words):
    leaning = Estimate(value=(low + high) / 2, low=low, high=high)
    where = brief_of_numbers(
        record_of(task="regression"), numbers(bias=leaning), errors([0.1] * 40)
    )[1]
    assert words in where.words[-1]


def test_targets_are_cut_into_quarters_that_hold_every_image_once():
    ranges = target_ranges(errors([0.0] * 30 + [3.0] * 10))
    assert sum(each.images for each in ranges) == 40
    assert all(one.high <= other.low for one, other in itertools.pairwise(ranges))
    assert [each.error for each in ranges] == [0, 0, 0, 3]
    trust = brief_of_numbers(
        record_of(task="regression"), numbers(), errors([0.0] * 30 + [3.0] * 10)
    )[2]
    assert "It errs most in 30 .. 39: by 3." in trust.words


def test_images_without_a_target_are_left_out_and_counted():
    good = brief_of_numbers(record_of(task="regression"), numbers(left_out=3), errors([0.1] * 40))
    assert any("3 images have no target" in words for words in good[0].words)
    nothing = errors([0.1]).with_columns(target=pl.lit(float("nan")), error=pl.lit(float("nan")))
    assert target_ranges(nothing) == ()
    where = brief_of_numbers(record_of(task="regression"), numbers(), nothing)[1]
    assert where.key == "not defined"


def test_what_is_not_defined_is_said_never_zero():
    nothing = numbers(r2=Estimate(value=None), bias=Estimate(value=None))
    assert at_a_glance(nothing)["R²"] == ("not defined", "")
    told = brief_of_numbers(record_of(task="regression"), nothing, errors([0.1] * 40))
    assert not any("R²" in words for words in told[0].words)


def test_leads_name_the_best_and_the_worst_class():
    words = leads.of_classes(metrics_of(GOOD))
    assert "owl is found best (100.0 % of its images), cat worst (90.0 %)" in words
    assert "Most often seen where it is not: dog, in 5.0 % of other images" in words
    assert "as often as the others" in leads.of_classes(metrics_of([[9, 0], [0, 9]]))


def test_reasons_are_given_for_what_is_not_defined():
    reasons = leads.why_undefined(metrics_of([[0, 0, 0], [0, 9, 0], [0, 0, 9]]))
    assert "the part has no image of cat" in reasons
    assert "nothing was taken for cat" in reasons
    assert leads.why_undefined(metrics_of(GOOD)) == ""


def test_the_rule_is_told_in_full():
    assert leads.of_the_rule(Decision(task="single-label"), Details()) == (
        "The most probable class is chosen."
    )
    rule = Decision(task="single-label", temperature=1.5, thresholds=(0.5, 0.4), abstain_below=0.6)
    words = leads.of_the_rule(rule, Details())
    assert "temperature of 1.5 softens" in words
    assert "by thresholds" in words
    assert "Below 0.6 of confidence it says nothing" in words


def test_nothing_to_slice_and_nothing_to_beat_are_said():
    assert "nothing to compare" in leads.of_slices(Slices())
    assert "None of the simple rules" in leads.of_baselines(())


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(-0.2, -0.1, "saves"), (0.1, 0.2, "dearer"), (-0.1, 0.1, "cannot be said"),
     (None, None, "no image is answered differently")],
)  # fmt: skip
def test_what_deciding_by_costs_changes_is_told_as_far_as_it_is_certain(low, high, words):
    difference = Estimate(value=0.0 if low is None else (low + high) / 2, low=low, high=high)
    costs = SimpleNamespace(difference=difference)
    assert words in leads.of_costs(costs)


def test_a_few_bars_are_named_and_none_twice():
    curve = coverage((0.0, 1.0, 0.9), (0.5, 0.9, 0.95), (0.97, 0.4, 1.0)).coverage
    assert [point.threshold for point in coverage_steps(curve)] == [0.0, 0.5, 0.97]
    assert coverage_steps(()) == []
