"""Baselines: each is right where it can be, learns from `train` alone, and is kept."""

from __future__ import annotations

import csv
import shutil

import msgspec
import numpy as np
import polars as pl
import pytest
from PIL import Image

import darkroom
from darkroom.data.dataset import Dataset
from darkroom.data.kept import store_dataset
from darkroom.errors import DataError
from darkroom.evaluation import baselines as baselines_module
from darkroom.evaluation.baselines import Baseline, run_baselines

INKS = {"blue": (40, 60, 200), "green": (50, 180, 60), "red": (200, 40, 50)}
SIZES = {"blue": 40, "green": 20, "red": 20}
NAMES = ["majority", "mean colour", "nearest neighbour", "logistic regression"]


def plain_image(ink: tuple[int, int, int], rng: np.random.Generator) -> Image.Image:
    pixels = np.array(ink) + rng.normal(0, 12, (24, 20, 3)) + rng.normal(0, 12, 3)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def coloured(tmp_path_factory) -> Dataset:
    """Classes that their mean colour tells apart; half of the images are blue."""
    root = tmp_path_factory.mktemp("coloured")
    rng = np.random.default_rng(0)
    for name, count in SIZES.items():
        (root / "inks" / name).mkdir(parents=True)
        for number in range(count):
            plain_image(INKS[name], rng).save(root / "inks" / name / f"{number}.png")
    workspace = darkroom.Workspace(root / "workspace")
    return darkroom.split_dataset(darkroom.open_dataset(root / "inks", workspace=workspace))


def relabelled(dataset: Dataset, labels: list[list[int] | None], **changes: object) -> Dataset:
    """Give the same images other labels."""
    index = dataset.index.with_columns(pl.Series("labels", labels, dtype=pl.List(pl.UInt16)))
    record = msgspec.structs.replace(dataset.record, **changes)
    return store_dataset(dataset.workspace, record, index, dataset.skipped, made_by="test")


def judged(dataset: Dataset, part: str = "test", share: float = 1.0) -> dict[str, Baseline]:
    """Run the baselines beside a model that is right on a share of the images."""
    images = len(dataset.part(part))
    correct = np.arange(images) < share * images
    return {each.name: each for each in run_baselines(dataset, part, correct)}


def labels_of(dataset: Dataset) -> list[list[int]]:
    return dataset.index["labels"].to_list()


def test_what_can_be_told_by_colour_is_told_and_the_majority_is_right_as_often_as_it_occurs(
    coloured,
):
    found = judged(coloured)
    assert list(found) == NAMES
    test = coloured.part("test")
    blue = (test["labels"].list.first() == coloured.classes.index("blue")).sum()
    assert found["majority"].accuracy.hits == blue
    for name in NAMES[1:]:
        assert found[name].accuracy.value >= 0.9
        assert found[name].accuracy.of == len(test)
        assert found[name].why_not == ""


def test_a_model_beats_a_baseline_or_does_not_or_it_cannot_be_told(dataset):
    perfect, hopeless, guess = (judged(dataset, share=share) for share in (1, 0, 0.4))
    assert perfect["majority"].is_beaten is True
    assert perfect["majority"].difference.low > 0
    assert hopeless["logistic regression"].is_beaten is False
    assert guess["majority"].is_beaten is None


def test_the_difference_is_that_of_the_same_images(coloured):
    found = judged(coloured)["majority"]
    assert found.difference.value == pytest.approx(1 - found.accuracy.value)


def test_nothing_is_learned_from_the_part_that_is_answered(coloured):
    names = coloured.index["part"] == "test"
    turned = [
        [(label[0] + 1) % 3] if is_test else label
        for label, is_test in zip(labels_of(coloured), names, strict=True)
    ]
    found = judged(relabelled(coloured, turned))
    assert found["mean colour"].accuracy.value <= 0.1
    assert found["nearest neighbour"].accuracy.value <= 0.1
    assert found["logistic regression"].accuracy.value <= 0.1


def test_on_the_training_part_no_image_is_its_own_neighbour(coloured):
    found = judged(coloured, "train")
    assert found["nearest neighbour"].accuracy.value is None
    assert found["nearest neighbour"].is_beaten is None
    assert "its own nearest neighbour" in found["nearest neighbour"].why_not
    assert found["mean colour"].accuracy.value >= 0.9


def test_with_one_class_there_is_only_the_majority(coloured):
    alone = relabelled(coloured, [[0]] * len(coloured.index))
    found = judged(alone)
    assert found["majority"].accuracy.value == 1
    assert {found[name].why_not for name in NAMES[1:]} == {
        "all images to learn from have the same label"
    }


def test_without_a_label_to_learn_from_none_is_run_and_that_is_said(coloured):
    is_train = coloured.index["part"] == "train"
    bare = relabelled(
        coloured,
        [None if t else label for t, label in zip(is_train, labels_of(coloured), strict=True)],
    )
    found = judged(bare)
    assert {each.why_not for each in found.values()} == {"there is no labelled image to learn from"}
    assert {each.accuracy.value for each in found.values()} == {None}


def test_images_with_several_labels_have_baselines_but_for_the_mean_colour(tmp_path):
    rng = np.random.default_rng(0)
    rows = []
    for number in range(60):
        ink = list(INKS)[number % 3]
        plain_image(INKS[ink], rng).save(tmp_path / f"{number:02}.png")
        rows.append((f"{number:02}.png", f"{ink}|thing" if ink != "red" else "red"))
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("image", "labels"), *rows])
    several = darkroom.split_dataset(
        darkroom.open_dataset(tmp_path / "labels.csv", workspace=darkroom.Workspace(tmp_path / "w"))
    )
    assert several.task == "multi-label"
    found = judged(several)
    assert "no class has a colour" in found["mean colour"].why_not
    assert found["nearest neighbour"].accuracy.value >= 0.8
    assert found["logistic regression"].accuracy.value >= 0.8
    assert 0 < found["majority"].accuracy.value < 0.7


def test_where_numbers_are_predicted_there_are_none(coloured):
    assert run_baselines(relabelled(coloured, labels_of(coloured), task="regression"), "test",
                         np.ones(1, bool)) == ()  # fmt: skip


def test_what_was_computed_is_kept_and_given_again(coloured, monkeypatch):
    first = judged(coloured)

    def never(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(baselines_module, "_computed", never)
    assert judged(coloured) == first
    with pytest.raises(AssertionError):
        judged(coloured, "valid")  # a control: another part is not kept


def flipped(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 128])


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda _: b"", flipped])
def test_what_was_kept_and_is_damaged_is_computed_again(coloured, damage):
    shutil.rmtree(coloured.workspace.cache / "baselines", ignore_errors=True)
    first = judged(coloured)
    (path,) = (coloured.workspace.cache / "baselines").iterdir()
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert judged(coloured) == first
    assert path.read_bytes() == whole


def test_other_labels_are_not_taken_for_those_that_were_kept(coloured):
    judged(coloured)
    is_test = coloured.index["part"] == "test"
    turned = [
        [(label[0] + 2) % 3] if t else label
        for t, label in zip(is_test, labels_of(coloured), strict=True)
    ]
    assert judged(relabelled(coloured, turned))["mean colour"].accuracy.value <= 0.1


def test_answers_that_belong_to_other_images_are_refused(coloured):
    with pytest.raises(DataError) as refused:
        run_baselines(coloured, "test", np.ones(3, bool))
    assert "3 answers" in refused.value.problem


def seen(rng: np.random.Generator, images: int, classes: int = 3) -> baselines_module._Seen:
    labels = np.eye(classes, dtype=bool)[rng.integers(0, classes, images)]
    return baselines_module._Seen(
        pixels=rng.random((images, 8, 6, 3), np.float32),
        features=rng.random((images, 40), np.float32),
        labels=labels,
    )


def test_the_nearest_neighbour_is_the_one_with_the_smallest_distance():
    rng = np.random.default_rng(0)
    known, asked = seen(rng, 700), seen(rng, 300)
    apart = ((asked.pixels[:, None] - known.pixels[None]) ** 2).sum(axis=(2, 3, 4))
    expected = known.labels[apart.argmin(axis=1)]
    assert (baselines_module._nearest(known, asked) == expected).all()


def test_a_class_that_the_fitted_images_lack_or_all_have_is_answered_so():
    rng = np.random.default_rng(0)
    known, asked = seen(rng, 60, classes=4), seen(rng, 20, classes=4)
    labels = known.labels.copy()
    labels[:, 0], labels[:, 1] = True, False
    several = msgspec.structs.replace(known, labels=labels)
    answered = baselines_module._logistic(several, asked)
    assert answered[:, 0].all()
    assert not answered[:, 1].any()


def test_one_class_among_the_fitted_images_is_no_reason_to_fail():
    rng = np.random.default_rng(0)
    known, asked = seen(rng, 60), seen(rng, 20)
    labels = np.eye(3, dtype=bool)[[0] * 30 + [1] * 30]
    first = msgspec.structs.replace(known, features=known.features[:30], labels=labels)
    assert baselines_module._logistic(first, asked)[:, 0].all()


@pytest.mark.parametrize("shape", [(24, 20, 3), (64, 64, 1), (5, 7, 3), (9, 16, 1)])
def test_a_cell_is_the_mean_of_its_pixels(shape):
    height, width, channels = shape
    pixels = np.random.default_rng(0).integers(0, 256, (3, *shape), np.uint8)
    tall, wide = -(-height // 8), -(-width // 8)
    cells = baselines_module._cells(pixels)
    assert cells.shape == (3, height // tall, width // wide, channels)
    assert max(cells.shape[1:3]) <= 8
    expected = pixels[:, :tall, :wide].mean(axis=(1, 2)) / 255
    assert cells[:, 0, 0] == pytest.approx(expected, abs=1e-6)
