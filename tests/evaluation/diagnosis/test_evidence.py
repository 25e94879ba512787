"""Intervals of what is compared, and the commands that findings end with."""

from __future__ import annotations

import shlex

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.evaluation.diagnosis.ailments import AILMENTS, judge_evidence
from darkroom.evaluation.diagnosis.evidence import gap_between, mapped, share_of
from darkroom.evaluation.diagnosis.inputs import AS_THEY_ARE, REVERSED
from darkroom.evaluation.diagnosis.parts import tiny_validation
from darkroom.intervals import Estimate
from darkroom.training.guards import Chance
from tests.evaluation.diagnosis.drawn import ILL, answered, changed, healthy, history, with_rate


@given(st.integers(0, 50), st.integers(0, 80))
def test_a_gap_lies_in_its_interval_and_turns_around(one, other):
    first, second = share_of(one, 50), share_of(other, 80)
    gap, back = gap_between(first, second), gap_between(second, first)
    assert gap.low <= gap.value <= gap.high
    assert gap.low == pytest.approx(-back.high)
    assert gap.value == pytest.approx(-back.value)


def test_a_gap_of_two_shares_is_newcombes():
    # Newcombe 1998, doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I, table II
    gap = gap_between(share_of(56, 70), share_of(48, 80))
    assert (gap.low, gap.high) == (pytest.approx(0.0524, abs=5e-5), pytest.approx(0.3339, abs=5e-5))


def test_what_falls_keeps_its_low_end_below():
    turned = mapped(Estimate(value=0.2, low=0.1, high=0.4), lambda share: 1 - share)
    assert (turned.low, turned.value, turned.high) == pytest.approx((0.6, 0.8, 0.9))


def test_the_command_keeps_what_the_user_settled_and_changes_one_thing():
    settled = {"model": "mlp", "image_size": 48, "dropout": 0.3}
    evidence = changed(healthy(), settled=settled)
    words = shlex.split(evidence.train_again("dropout=0.5"))
    assert words[:3] == ["darkroom", "train", "drawn-abc"]
    assert words[3:] == shlex.split("--set model=mlp --set image_size=48 --set dropout=0.5")


@pytest.mark.parametrize("name", sorted(set(ILL) - {"best-weights"}))
def test_no_finding_names_the_training_that_led_to_it(name):
    ill = ILL[name](healthy())
    (found,) = (each for each in judge_evidence(ill) if each.name == name)
    assert shlex.split(found.next_step) != shlex.split(ill.train_again())


@pytest.mark.parametrize(("batch_size", "tried"), [(4, "batch_size=32"), (64, "epochs=18")])
def test_statistics_of_batch_norm_are_steadied_by_larger_batches_or_more_of_them(batch_size, tried):
    ill = ILL["batch-norm"](healthy())
    ill = changed(ill, recipe=msgspec.structs.replace(ill.recipe, batch_size=batch_size))
    assert judge_evidence(ill).findings[0].next_step.endswith(tried)


@pytest.mark.parametrize(("valid", "named"), [(24, "data.valid=0.3"), (48, "add labelled images")])
def test_a_larger_validation_part_is_named_once_and_then_more_images(valid, named):
    chance = msgspec.structs.replace(healthy().chance, images=112)
    ill = changed(healthy(), chance=chance, valid_images=valid, valid=answered(0.9, images=valid))
    (found,) = judge_evidence(ill)
    assert found.name == "tiny-validation"
    assert named in found.next_step


@pytest.mark.parametrize(
    ("peak", "said"), [(0.4, "0.004 is usual"), (0.004, "up to 0.004, which is usual, but not")]
)
def test_a_usual_rate_is_not_held_against_itself(peak, said):
    ill = changed(with_rate(healthy(), peak), outcome="failed")
    assert said in judge_evidence(ill).findings[0].what


@pytest.mark.parametrize(
    ("steps", "width", "tried"),
    [(500, 1.0, "epochs=18"), (1200, 1.0, "width=2"), (500, 0.25, "width=0.5")],
)
def test_what_learned_little_is_trained_longer_before_it_is_made_wider(steps, width, tried):
    ill = ILL["underfitting"](healthy())
    recipe = msgspec.structs.replace(ill.recipe, width=width)
    ill = changed(ill, steps=steps, recipe=recipe, settled={"model": "mlp"})
    (found,) = (each for each in judge_evidence(ill) if each.name == "underfitting")
    assert found.next_step.endswith(f"--set {tried}")


def test_a_cause_hides_what_it_explains_and_keeps_it():
    diagnosis = judge_evidence(ILL["channel-order"](healthy()))
    assert "overfitting" not in [finding.name for finding in diagnosis]
    others = tuple(each for each in AILMENTS if each.name not in ("channel-order", "best-weights"))
    control = judge_evidence(ILL["channel-order"](healthy()), others)
    gap = changed(ILL["overfitting"](healthy()), changed=ILL["channel-order"](healthy()).changed)
    assert "overfitting" in [each.finding.name for each in judge_evidence(gap).explained]
    assert "channel-order" not in [finding.name for finding in control]


def test_a_change_that_brings_back_little_is_no_cause():
    seen = {AS_THEY_ARE: answered(0.1, images=256), REVERSED: answered(0.3, images=256)}
    evidence = changed(healthy(), valid=answered(0.1), changed=seen, history=history(0.9, 0.95))
    assert judge_evidence(changed(evidence, best_epoch=2)).findings[0].name == "best-weights"


def test_a_network_that_is_merely_weak_doubts_no_label():
    weak = changed(
        healthy(),
        train=answered(0.75, images=1000),
        valid=answered(0.74),
        history=history(0.7, 0.74, 0.74),
        best_epoch=3,
    )
    assert "label-noise" not in [finding.name for finding in judge_evidence(weak)]
    sure = changed(weak, valid=answered(0.74, sure=True))
    assert judge_evidence(sure).findings[0].name == "label-noise"  # control


def test_a_network_that_learned_by_heart_doubts_no_label():
    told = judge_evidence(changed(ILL["overfitting"](healthy()), valid=answered(0.7, sure=True)))
    assert [finding.name for finding in told] == ["overfitting"]
    assert "by heart" in next(each.why for each in told.unclear if each.name == "label-noise")


@pytest.mark.parametrize("name", ["rate-too-high", "rate-too-low"])
def test_an_odd_rate_without_weights_cannot_be_told(name):
    lost = changed(ILL[name](healthy()), train=None, missing={"train": "no weights"})
    told = judge_evidence(lost, tuple(each for each in AILMENTS if each.name == name))
    assert (told.findings, told.unclear[0].why) == ((), "no weights")


def test_a_loss_that_climbed_back_or_is_no_number_speaks_of_the_rate():
    climbed = changed(healthy(), history=history(0.2, 0.8, 0.3), best_epoch=2)
    assert "rate-too-high" in [each.name for each in judge_evidence(climbed)]
    failed = changed(healthy(), outcome="failed")
    assert "no number" in judge_evidence(failed).findings[0].what
    control = changed(healthy(), history=history(0.2, 0.8, 0.79), best_epoch=2)
    assert "rate-too-high" not in [each.name for each in judge_evidence(control)]


@pytest.mark.parametrize("stages", [("head", "fine-tune"), ("head", "head")])
def test_losses_of_a_head_and_of_a_thawed_trunk_are_not_held_against_each_other(stages):
    epochs = history(0.9, 0.5)  # of images that are varied, a thawed trunk sees harder ones
    staged = tuple(
        msgspec.structs.replace(epoch, stage=stage)
        for epoch, stage in zip(epochs, stages, strict=True)
    )
    found = [each.name for each in judge_evidence(changed(healthy(), history=staged, best_epoch=1))]
    assert ("rate-too-high" in found) is (stages == ("head", "head"))


def test_numbers_are_judged_by_their_error():
    rng = np.random.default_rng(0)

    def told(error: float) -> object:
        values = rng.normal(0, 10, (300, 1))
        return msgspec.structs.replace(
            answered(0.5, images=300), task="regression", targets=values,
            answers=values + rng.normal(0, error, (300, 1)),
        )  # fmt: skip

    base = changed(
        healthy(),
        task="regression",
        history=(),
        best_epoch=None,
        chance=msgspec.structs.replace(healthy().chance, accuracy=None, error=8.0, loss=None),
    )
    names = [each.name for each in judge_evidence(changed(base, train=told(1), valid=told(4)))]
    assert names == ["overfitting"]
    names = [each.name for each in judge_evidence(changed(base, train=told(9), valid=told(9)))]
    assert names == ["underfitting"]


def test_images_that_are_dealt_anew_are_trained_on_as_before():
    opened_with = {"data.target": "light", "data.group_by": "folder"}
    evidence = changed(healthy(), settled={"model": "mlp"}, opened_with=opened_with)
    words = shlex.split(evidence.split_again(valid=0.3))
    assert words[:3] == ["darkroom", "train", "photos"]
    assert words[3:] == shlex.split(
        "--set model=mlp --set data.target=light --set data.group_by=folder --set data.parts=anew "
        "--set data.valid=0.3"
    )


def few_learned_from() -> Chance:
    return msgspec.structs.replace(healthy().chance, images=90)


@pytest.mark.parametrize("brings_test", [True, False])
def test_who_is_to_deal_anew_is_told_that_the_test_part_of_the_source_goes(brings_test):
    found = tiny_validation(changed(healthy(), valid_images=20, brings_test=brings_test))
    assert "data.parts=anew --set data.valid=0.3" in found.next_step
    assert ("test part" in found.what) is brings_test
    enough = changed(healthy(), valid_images=40, brings_test=brings_test, chance=few_learned_from())
    assert "test part" not in tiny_validation(enough).what  # nothing is dealt: more are needed


def test_a_patience_that_ended_a_training_is_left_out_where_it_should_go_on():
    settled = {"model": "mlp", "patience": 1}
    stopped = changed(healthy(), settled=settled, outcome="stopped early")
    assert "patience" not in stopped.train_again("epochs=9")
    assert "patience=1" in stopped.train_again("dropout=0.5")
    assert "patience=1" in changed(healthy(), settled=settled).train_again("epochs=9")


@pytest.mark.parametrize(("steps", "epochs"), [(10, 60), (49, 13), (50, 6), (900, 6)])
def test_more_epochs_are_three_times_as_many_unless_those_are_a_few_steps_too(steps, epochs):
    history = healthy().history[:2]
    recipe = msgspec.structs.replace(healthy().recipe, epochs=2)
    evidence = changed(healthy(), history=history, steps=steps, recipe=recipe)
    assert evidence.more_epochs == f"epochs={epochs}"
