"""`evaluate`: the artifact, the counted looks, float32, and the report."""

from __future__ import annotations

import shutil

import msgspec
import numpy as np
import polars as pl
import pytest

import darkroom
from darkroom.data.pixels import load_images
from darkroom.errors import ArtifactError, DataError, RecipeError
from darkroom.evaluation.strangers import prepare_strangers
from darkroom.problem import ErrorCost, Problem
from darkroom.training.answers import predict_images
from tests.making import draw_folder

QUICK = darkroom.Recipe(model="mlp", width=0.05, image_size=12, epochs=2, batch_size=16)


@pytest.fixture
def own_run(workspace, tmp_path):
    root = draw_folder(tmp_path / "own", classes=("<b>ball</b>", "box & co"), per_class=16)
    return darkroom.train(root, QUICK, workspace=workspace)


def test_every_image_of_the_part_is_in_the_table_once(evaluation, dataset):
    table = evaluation.predictions
    assert table["image"].to_list() == dataset.part("test")["image"].to_list()
    sums = table["probabilities"].list.sum().to_numpy()
    np.testing.assert_allclose(sums, 1, atol=1e-5)


def test_the_table_and_the_metrics_tell_the_same(evaluation):
    table, metrics = evaluation.predictions, evaluation.metrics
    assert int(table["correct"].sum()) == metrics.accuracy.hits
    agree = (table["labels"] == table["predicted"]).sum()
    assert agree == metrics.accuracy.hits
    assert sum(map(sum, metrics.confusion)) == metrics.images


def test_labels_are_those_of_the_folders(evaluation):
    folders = evaluation.predictions["image"].str.split("/").list.first()
    assert folders.to_list() == evaluation.predictions["labels"].list.first().to_list()


def test_each_look_at_the_test_part_is_counted_whichever_run_looks(own_run, workspace):
    assert darkroom.evaluate(own_run).record.looks == 1
    other = darkroom.train(own_run.dataset, QUICK)
    assert darkroom.evaluate(other).record.looks == 2
    again = darkroom.split_dataset(darkroom.open_dataset(own_run.dataset.record.location,
                                                         workspace=workspace), seed=9)  # fmt: skip
    fresh = darkroom.train(again, QUICK)
    assert darkroom.evaluate(fresh).record.looks == 1


def test_a_look_at_the_validation_part_is_free(own_run):
    assert darkroom.evaluate(own_run, part="valid").record.looks == 0
    assert darkroom.evaluate(own_run).record.looks == 1


def test_predictions_are_float32_whatever_precision_trained(workspace, tmp_path):
    root = draw_folder(tmp_path / "own", per_class=16)
    recipe = msgspec.structs.replace(QUICK, precision="bfloat16")
    run = darkroom.train(root, recipe, workspace=workspace)
    images = load_images(run.dataset, "test", run.record.preprocess)
    answers = predict_images(run, images)
    assert answers.dtype == np.float32
    # The control: the same weights in bfloat16 answer differently, so the test can fail.
    from darkroom.data.preprocess import scale_pixels
    from darkroom.models.catalog import build_model
    from darkroom.training.run import assign_weights

    rough = build_model(run.record.architecture, precision="bfloat16")
    assign_weights(rough, run.weights())
    scaled = scale_pixels(images.take(slice(None)), run.record.preprocess)
    assert np.abs(np.asarray(rough.predict_on_batch(scaled)) - answers).max() > 1e-6
    exact = np.asarray(run.model().predict_on_batch(scaled))
    np.testing.assert_allclose(exact, answers, atol=1e-6)


def test_names_of_classes_and_files_are_text_never_markup(own_run):
    evaluation = darkroom.evaluate(own_run)
    page = evaluation.report.read_text()
    assert "<b>ball" not in page
    assert "&lt;b&gt;ball" in page
    assert "<b>ball" not in evaluation._repr_html_()
    assert "<b>ball" not in own_run.dataset._repr_html_()


def test_a_part_that_does_not_exist_is_refused(own_run):
    with pytest.raises(DataError) as refused:
        darkroom.evaluate(own_run, part="unlabelled")
    assert "unlabelled" in refused.value.problem


def test_an_open_run_is_refused_with_what_to_do(workspace):
    path = workspace.begin("run", "killed", made_by="train")
    with pytest.raises(ArtifactError) as refused:
        darkroom.evaluate(path)
    assert "never finished" in refused.value.problem
    assert "darkroom train" in refused.value.hint


def test_an_evaluation_knows_its_run_and_is_found_by_name(evaluation, run, shared):
    assert evaluation.run.name == run.name
    assert darkroom.open_evaluation(evaluation.name, workspace=shared).metrics == evaluation.metrics
    kinds = [step.kind for step in shared.lineage(evaluation.path)]
    assert kinds[:3] == ["evaluation", "run", "dataset"]


def test_looks_are_rows_of_the_predictions(evaluation):
    shown = evaluation.looks("confident wrong", count=5)
    wrong = evaluation.predictions.filter(~pl.col("correct"))["confidence"].sort(descending=True)
    assert shown["confidence"].to_list() == wrong.head(5).to_list()
    of_ball = evaluation.looks("random right", true="ball")
    assert {labels[0] for labels in of_ball["labels"]} == {"ball"}


def test_a_look_at_a_class_that_does_not_exist_is_refused(evaluation):
    with pytest.raises(DataError, match="bal") as refused:
        evaluation.looks(true="bal")
    assert "ball" in refused.value.hint


def test_what_is_refused_costs_no_look(own_run, workspace):
    def looks():
        return workspace.events("look", subject=own_run.dataset.fingerprint("test"))

    with pytest.raises(RecipeError) as unknown:
        darkroom.evaluate(own_run, problem=Problem(floors={"box": 0.5}))
    assert "box & co" in unknown.value.hint
    changed = next(own_run.dataset.path.parent.parent.parent.glob("own/*/003.png"))
    kept = changed.read_bytes()
    changed.write_bytes(kept + b" ")
    with pytest.raises(DataError) as refused:
        darkroom.evaluate(own_run)
    assert "003.png" in refused.value.problem
    changed.write_bytes(kept)
    assert looks() == []
    darkroom.evaluate(own_run)
    assert len(looks()) == 1  # the control


def test_the_number_of_an_evaluation_taken_in_between_is_not_lost(own_run, monkeypatch):
    numbers = iter(["own-1-test-1", "own-1-test-1", "own-1-test-2"])
    monkeypatch.setattr(type(own_run.workspace), "next_name", lambda *_: next(numbers))
    assert darkroom.evaluate(own_run).name == "own-1-test-1"
    assert darkroom.evaluate(own_run).name == "own-1-test-2"


def test_a_decision_is_fitted_on_the_validation_part_and_carried_on(evaluation, bundle):
    assert evaluation.record.decision.temperature == 1.0  # 24 images are too few to fit one
    assert any("temperature" in note for note in evaluation.details.fit.notes)
    assert bundle.record.decision == evaluation.record.decision


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Give a run with 100 validation images."""
    root = draw_folder(tmp_path_factory.mktemp("large") / "shapes", per_class=120)
    place = darkroom.Workspace(tmp_path_factory.mktemp("large") / "workspace")
    dataset = darkroom.split_dataset(darkroom.open_dataset(root, workspace=place), valid=0.3)
    return darkroom.train(dataset, msgspec.structs.replace(QUICK, epochs=4))


def test_costs_choose_thresholds_and_say_what_they_cost(large):
    problem = Problem(costs=(ErrorCost(true="ball", cost=20.0),))
    plain, dear = darkroom.evaluate(large), darkroom.evaluate(large, problem=problem)
    assert plain.record.decision.thresholds == ()
    assert plain.details.costs is None
    ball, box, _ = dear.record.decision.thresholds
    assert ball < box
    assert dear.metrics.classes[0].recall.value >= plain.metrics.classes[0].recall.value
    assert dear.details.costs.chosen.value <= dear.details.costs.plain.value


def test_false_alarms_put_a_rule_in_force_that_predict_applies(large, tmp_path):
    evaluation = darkroom.evaluate(large, problem=Problem(false_alarms=0.25))
    decision = evaluation.record.decision
    assert decision.abstain_below > 0
    assert evaluation.details.unknown.false_alarms.low <= 0.25
    bundle = darkroom.pack(large, evaluation, name="careful")
    table = evaluation.predictions
    files = [large.dataset.source().read(name) for name in table["image"]]
    answers = bundle.predictor.predict(files)
    assert [answer.abstained for answer in answers] == table["abstained"].to_list()
    assert any(table["abstained"])
    assert not any(answer.labels for answer in answers if answer.abstained)


def test_strangers_are_measured_and_nothing_is_put_in_force(large, tmp_path):
    other = draw_folder(tmp_path / "other", classes=("star", "moon"), per_class=10, seed=5)
    evaluation = darkroom.evaluate(large, unknown=[other])
    kinds = {kind.name: kind.images for kind in evaluation.details.unknown.kinds}
    assert 20 in kinds.values()
    assert evaluation.record.decision.abstain_below == 0
    assert evaluation.metrics.answered.value == 1
    assert any("in force" in note or "false_alarms" in note for note in evaluation.details.notes)


def test_strangers_in_a_plain_folder_are_the_same_as_those_in_folders_of_classes(large, tmp_path):
    sorted_ones = draw_folder(tmp_path / "other", classes=("star", "moon"), per_class=10, seed=5)
    plain = tmp_path / "plain"
    plain.mkdir()
    for path in sorted_ones.rglob("*.png"):
        shutil.copy(path, plain / f"{path.parent.name}-{path.name}")
    (plain / "notes.txt").write_text("no image")
    one, other = (prepare_strangers(large, source) for source in (sorted_ones, plain))
    assert other[0] == "plain"
    every = np.arange(20)
    for images in (one[1], other[1]):
        assert len(images) == 20
    tables = [np.sort(images.take(every).reshape(20, -1).sum(1)) for _, images in (one, other)]
    np.testing.assert_array_equal(*tables)
    (plain / "gone.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(DataError, match=r"gone\.png cannot be taken: broken link"):
        prepare_strangers(large, plain)
    (plain / "gone.png").unlink()
    (plain / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(DataError, match=r"torn\.png"):
        prepare_strangers(large, plain)


def test_slices_of_the_users_own_stand_beside_the_usual_ones(large, tmp_path):
    names = large.dataset.part("test")["image"]
    rows = pl.DataFrame({"image": names, "shift": ["day", "night"] * (len(names) // 2)})
    rows.write_csv(tmp_path / "extra.csv")
    evaluation = darkroom.evaluate(large, slices=tmp_path / "extra.csv")
    columns = {each.column for each in evaluation.details.slices.rows}
    assert {"shift", "class"} <= columns
    with pytest.raises(DataError, match="3 values"):
        darkroom.evaluate(large, slices={"shift": ["a", "b", "c"]})


def test_baselines_run_beside_the_model(large):
    baselines = {each.name: each for each in darkroom.evaluate(large).details.baselines}
    assert set(baselines) == {
        "majority", "mean colour", "nearest neighbour", "logistic regression"
    }  # fmt: skip
    assert baselines["majority"].accuracy.value == pytest.approx(1 / 3, abs=0.05)


def test_a_run_that_predicts_numbers_is_evaluated(workspace, tmp_path):
    root = draw_folder(tmp_path / "sizes", per_class=30)
    values = {"ball": 1.5, "box": 5.0, "stripe": 9.5}
    files = sorted(root.rglob("*.png"))
    pl.DataFrame(
        {
            "image": [str(path.relative_to(root)) for path in files],
            "target": [values[path.parent.name] for path in files],
        }
    ).write_csv(root / "sizes.csv")
    run = darkroom.train(root / "sizes.csv", QUICK, workspace=workspace)
    goal = Problem(metric="mae", goal=100.0)
    evaluation = darkroom.evaluate(run, problem=goal)
    table = evaluation.predictions
    assert evaluation.errors.mae.value == pytest.approx(table["error"].abs().mean(), rel=1e-5)
    assert [promise.verdict for promise in evaluation.record.promises] == ["met"]
    assert "mean absolute error" in evaluation.summary()
    assert evaluation.report.stat().st_size < 5_000_000
    for refused in (lambda: evaluation.metrics, lambda: darkroom.pack(run, evaluation)):
        with pytest.raises(DataError, match="number"):
            refused()
    with pytest.raises(RecipeError, match="accuracy"):
        darkroom.evaluate(run, problem=Problem(goal=0.9))
