"""Difficulty: by a column, by a run's loss, by a measure of the images; gaps are refused."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import save

import darkroom
from darkroom.backend import keras
from darkroom.data.measures import measure_images
from darkroom.data.pixels import load_images
from darkroom.errors import ArtifactError, DataError, RecipeError
from darkroom.training.answers import predict_images
from darkroom.training.curriculum import RANKS, difficulty, kept_ranks, run_losses
from darkroom.training.recipe import Curriculum
from tests.making import draw_folder


def ranks(dataset, named: str, **settings) -> np.ndarray:
    return difficulty(dataset, Curriculum(difficulty=named, **settings))


@pytest.fixture
def table(dataset, tmp_path):
    """A table with a number for every image of every part, in an order of its own."""
    frame = pl.DataFrame({"image": dataset.index["image"]}).with_columns(
        score=pl.int_range(pl.len()).cast(float) % 17
    )
    path = tmp_path / "scores.csv"
    frame.sample(fraction=1, shuffle=True, seed=1).write_csv(path)
    return path


def test_a_column_ranks_the_training_images_in_their_order(dataset, table):
    scores = dict(pl.read_csv(table).select("image", "score").iter_rows())
    values = np.array([scores[name] for name in dataset.part("train")["image"]])
    found = ranks(dataset, f"{table}:score")
    easier = [(values < value).mean() for value in values]
    np.testing.assert_allclose(found, easier)
    assert found.min() == 0
    assert found.max() < 1


@pytest.mark.parametrize("ending", ["parquet", "jsonl", "tsv"])
def test_a_column_may_stand_in_any_kind_of_table(dataset, table, tmp_path, ending):
    frame, path = pl.read_csv(table).rename({"image": "file_name"}), tmp_path / f"other.{ending}"
    if ending == "parquet":
        frame.write_parquet(path)
    elif ending == "jsonl":
        frame.write_ndjson(path)
    else:
        frame.write_csv(path, separator="\t")
    np.testing.assert_array_equal(ranks(dataset, f"{path}:score"), ranks(dataset, f"{table}:score"))


@pytest.mark.parametrize("gap", ["", "nan", "hard"])
def test_a_column_with_gaps_is_refused_with_their_number_and_the_first(
    dataset, table, tmp_path, gap
):
    frame = pl.read_csv(table).with_columns(pl.col("score").cast(pl.String))
    missing = dataset.part("train")["image"].sort()[4:7].to_list()
    holed = frame.with_columns(
        score=pl.when(pl.col("image").is_in(missing)).then(pl.lit(gap)).otherwise("score")
    )
    path = tmp_path / "holed.csv"
    holed.write_csv(path)
    with pytest.raises(DataError) as refused:
        ranks(dataset, f"{path}:score")
    assert "3 of" in refused.value.problem
    assert missing[0] in refused.value.problem


def test_a_column_of_one_value_gives_no_order_and_is_refused(dataset, table, tmp_path):
    path = tmp_path / "flat.csv"
    pl.read_csv(table).with_columns(score=pl.lit(0.5)).write_csv(path)
    with pytest.raises(DataError, match=r"the same difficulty, 0\.5"):
        ranks(dataset, f"{path}:score")


def test_a_table_without_a_column_is_told_which_there_are(dataset, table):
    with pytest.raises(RecipeError, match="image, score") as refused:
        ranks(dataset, str(table))
    assert refused.value.hint == f"--set curriculum.difficulty={table}:COLUMN"


def test_an_image_that_the_table_lacks_is_a_gap_and_one_too_many_is_none(dataset, table, tmp_path):
    frame, path = pl.read_csv(table), tmp_path / "other.csv"
    pl.concat([frame, pl.DataFrame({"image": ["else.png"], "score": [1.0]})]).write_csv(path)
    np.testing.assert_array_equal(ranks(dataset, f"{path}:score"), ranks(dataset, f"{table}:score"))
    frame.filter(pl.col("image") != dataset.part("train")["image"][0]).write_csv(path)
    with pytest.raises(DataError, match="1 of"):
        ranks(dataset, f"{path}:score")


def test_a_gap_outside_the_training_part_is_none(dataset, table, tmp_path):
    path = tmp_path / "train-only.csv"
    train = dataset.part("train")["image"]
    pl.read_csv(table).filter(pl.col("image").is_in(train.to_list())).write_csv(path)
    assert len(ranks(dataset, f"{path}:score")) == len(train)


def test_two_values_for_one_image_are_refused(dataset, table, tmp_path):
    first, path = pl.read_csv(table)[:1], tmp_path / "twice.csv"
    pl.concat([pl.read_csv(table), first.with_columns(score=99.0)]).write_csv(path)
    with pytest.raises(DataError) as refused:
        ranks(dataset, f"{path}:score")
    assert first["image"].item() in refused.value.problem


@pytest.mark.parametrize(
    ("named", "error", "told"),
    [
        ("{table}:scroe", DataError, "scroe"),
        ("nowhere.csv:score", DataError, "nowhere.csv"),
        ("edgse", RecipeError, "edgse"),
        ("loss:no-such-run", ArtifactError, "no-such-run"),
    ],
)
def test_a_difficulty_that_is_not_there_is_refused(dataset, table, named, error, told):
    with pytest.raises(error) as refused:
        ranks(dataset, named.format(table=table))
    assert told in refused.value.problem
    assert (
        "darkroom" in refused.value.hint
        or "?" in refused.value.hint
        or "ls" in (refused.value.hint)
    )


def test_a_measure_ranks_low_values_first_and_with_a_minus_high_ones(dataset):
    table = dict(measure_images(dataset).select("image", "edges").iter_rows())
    values = np.array([table[name] for name in dataset.part("train")["image"]])
    assert ranks(dataset, "edges")[values.argmin()] == 0
    assert ranks(dataset, "-edges")[values.argmax()] == 0


def test_a_measure_that_small_images_do_not_have_is_a_gap(dataset):
    with pytest.raises(DataError) as refused:
        ranks(dataset, "sharpness")
    assert f"{dataset.counts['train']} of {dataset.counts['train']}" in refused.value.problem


def test_hardest_first_turns_the_order_around(dataset):
    plain, turned = (ranks(dataset, "edges", hardest_first=value) for value in (False, True))
    np.testing.assert_array_equal(np.argsort(plain), np.argsort(turned)[::-1])


def test_equally_difficult_images_share_a_rank(dataset, tmp_path):
    path = tmp_path / "same.csv"
    names = dataset.index["image"]
    hard = set(dataset.part("train")["image"][:8])
    scores = [3.0 if name in hard else 2.0 for name in names]
    pl.DataFrame({"image": names, "score": scores}).write_csv(path)
    count = dataset.counts["train"]
    assert set(ranks(dataset, f"{path}:score")) == {0.0, (count - 8) / count}


def test_the_loss_of_a_run_is_the_cross_entropy_of_its_own_answers(run, dataset):
    images = load_images(dataset, "train", run.record.preprocess)
    answers = predict_images(run, images)[np.arange(len(images)), images.targets.argmax(axis=1)]
    losses = run_losses(run, dataset)
    np.testing.assert_allclose(losses, -np.log(np.clip(answers, 1e-7, 1)), rtol=1e-3, atol=1e-6)
    found = ranks(dataset, f"loss:{run.name}")
    assert found[losses.argmin()] == 0
    assert found.argmax() == losses.argmax()


def test_a_run_of_other_classes_is_refused(run, shared, tmp_path):
    root = draw_folder(tmp_path / "others", classes=("ball", "box"), per_class=12)
    others = darkroom.split_dataset(darkroom.open_dataset(root, workspace=shared))
    with pytest.raises(DataError) as refused:
        ranks(others, f"loss:{run.name}")
    assert "stripe" in refused.value.problem


class Stop(keras.callbacks.Callback):
    """Fails after the second epoch, when the first was saved."""

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            raise ZeroDivisionError


@pytest.mark.parametrize("forgets", [False, True])
def test_a_table_that_changes_meanwhile_changes_nothing(dataset, table, *, forgets):
    """With the control: where the ranks of the beginning are lost, another run comes out."""
    recipe = darkroom.Recipe(
        model="mlp", width=0.05, image_size=12, epochs=4, batch_size=8, seed=5 + forgets,
        curriculum=Curriculum(difficulty=f"{table}:score", start=0.1, until=1.0),
    )  # fmt: skip
    whole = darkroom.train(dataset, recipe)
    with pytest.raises(ZeroDivisionError):
        darkroom.train(dataset, recipe, callbacks=[Stop()])
    changed = pl.read_csv(table).with_columns(pl.col("score").reverse())
    changed.write_csv(table)
    (name,) = [
        path.name
        for path, manifest in dataset.workspace.artifacts("run")
        if manifest.state == "open"
    ]
    path = dataset.workspace.folder("run") / name
    if forgets:
        (path / RANKS).unlink()
    resumed = darkroom.resume(name, workspace=dataset.workspace)
    assert (resumed.history == whole.history) is not forgets


@pytest.mark.parametrize(
    "held",
    [b"", b"torn", save({"ranks": np.zeros(3)}), save({"others": np.zeros(3)})],
    ids=["empty", "torn", "too few", "others"],
)
def test_damaged_ranks_are_refused_and_whole_ones_are_not(dataset, tmp_path, held):
    curriculum = Curriculum(difficulty="edges")
    first = kept_ranks(tmp_path, dataset, curriculum)
    assert np.array_equal(kept_ranks(tmp_path, dataset, curriculum), first)
    (tmp_path / RANKS).write_bytes(held)
    with pytest.raises(ArtifactError) as refused:
        kept_ranks(tmp_path, dataset, curriculum)
    assert str(tmp_path / RANKS) in refused.value.problem
    assert str(tmp_path) in refused.value.hint
