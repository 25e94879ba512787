"""`evaluate`: the artifact, the counted looks, float32, and the report."""

from __future__ import annotations

import re

import msgspec
import numpy as np
import polars as pl
import pytest

import darkroom
from darkroom.data.pixels import load_images
from darkroom.errors import ArtifactError, DataError, RecipeError
from darkroom.evaluation.evaluate import judge_problem
from darkroom.problem import Problem
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


def test_the_report_opens_offline_and_holds_what_was_measured(evaluation):
    page = evaluation.report.read_text()
    assert f"{100 * evaluation.metrics.accuracy.value:.1f} %" in page
    assert external_references(page) == []
    assert external_references('<img src="https://example.org/x.png">') != []
    assert len(page) < 5_000_000
    wrong = evaluation.metrics.images - evaluation.metrics.accuracy.hits
    assert page.count("% sure") == min(wrong, 12)


def external_references(page: str) -> list[str]:
    """Find what a browser would fetch."""
    links = re.findall(r"""(?:src|href)\s*=\s*["']([^"']*)["']|url\(([^)]*)\)""", page)
    return [one or other for one, other in links if not (one or other).startswith("data:")]


def test_names_of_classes_and_files_are_text_never_markup(own_run):
    evaluation = darkroom.evaluate(own_run)
    page = evaluation.report.read_text()
    assert "<b>ball" not in page
    assert "&lt;b&gt;ball" in page
    assert "<b>ball" not in evaluation._repr_html_()
    assert "<b>ball" not in own_run.dataset._repr_html_()


def test_a_problem_is_held_against_the_interval(evaluation):
    accuracy = evaluation.metrics.accuracy
    cases = {0.0: "met", accuracy.value: "undecided", 1.0: None}
    for goal, verdict in cases.items():
        promise = judge_problem(Problem(goal=goal), evaluation.metrics)[0]
        if verdict:
            assert promise.verdict == verdict
    floors = judge_problem(Problem(floors={"ball": 0.0}), evaluation.metrics)
    assert floors[0].name == "recall of ball"


@pytest.mark.parametrize("metric", ["accuracy", "balanced-accuracy", "macro-f1"])
def test_every_metric_of_a_problem_can_be_judged(evaluation, metric):
    promise = judge_problem(Problem(metric=metric, goal=0.5), evaluation.metrics)[0]
    assert promise.name == metric
    assert promise.low <= promise.measured <= promise.high


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


def test_wrong_images_are_the_ones_it_was_surest_of(evaluation):
    from darkroom.evaluation.report import most_confident_mistakes

    shown = most_confident_mistakes(evaluation.run, evaluation.predictions, 12)
    wrong = evaluation.predictions.filter(~pl.col("correct"))["confidence"].sort(descending=True)
    assert [image.confidence for image in shown] == wrong.head(12).to_list()
    assert all(image.labels != image.predicted for image in shown)


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
