"""Planted wrong labels are found, right ones are left alone, and guesses accuse nobody."""

from __future__ import annotations

import json

import msgspec
import numpy as np
import polars as pl
import pytest

import darkroom
from darkroom.data import suspects as suspects_module
from darkroom.data.dataset import Dataset
from darkroom.data.embedding import Embedding
from darkroom.data.kept import store_dataset
from darkroom.data.suspects import label_suspects
from darkroom.errors import DataError
from tests.making import draw_folder


def relabelled(dataset: Dataset, share: float) -> tuple[Dataset, set[str]]:
    """Give some images another class at random."""
    rng = np.random.default_rng(5)
    labels = dataset.index["labels"].list.first().to_numpy().copy()
    wrong = np.sort(rng.permutation(len(labels))[: round(share * len(labels))])
    labels[wrong] = (labels[wrong] + rng.integers(1, len(dataset.classes), len(wrong))) % len(
        dataset.classes
    )
    column = pl.Series("labels", [[int(label)] for label in labels], dtype=pl.List(pl.UInt16))
    index = dataset.index.with_columns(column)
    changed = store_dataset(
        dataset.workspace, dataset.record, index, dataset.skipped, made_by="test"
    )
    return changed, set(index["image"].gather(wrong))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Dataset:
    root = draw_folder(tmp_path_factory.mktemp("suspects") / "shapes", per_class=100)
    return darkroom.open_dataset(root, workspace=darkroom.Workspace(root.parent / "workspace"))


def seen(dataset: Dataset) -> Embedding:
    """Points that tell the true classes apart, with some doubt."""
    names = dataset.index["image"].to_list()
    truth = [sorted({name.split("/")[0] for name in names}).index(n.split("/")[0]) for n in names]
    rng = np.random.default_rng(0)
    vectors = np.eye(3, 12)[truth] + 0.25 * rng.normal(size=(len(names), 12))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return Embedding(images=tuple(names), vectors=unit.astype(np.float32), made_by="drawn points")


def test_planted_wrong_labels_rank_first(drawn):
    changed, planted = relabelled(drawn, 0.05)
    found = label_suspects(changed, embedding=seen(changed))
    first = {suspect.image for suspect in found.images[: len(planted)]}
    assert len(first & planted) >= 0.8 * len(planted)
    named = {suspect.image for suspect in found.named}
    assert len(named & planted) >= 0.8 * len(named) > 0


def test_planted_wrong_labels_are_found_by_colours_and_gradients_too(drawn):
    changed, planted = relabelled(drawn, 0.05)
    found = label_suspects(changed)
    first = {suspect.image for suspect in found.images[: len(planted)]}
    assert len(first & planted) > 0.5 * len(planted)


def test_right_labels_are_hardly_doubted(drawn):
    assert len(label_suspects(drawn, embedding=seen(drawn)).named) <= 0.01 * len(drawn.index)


def test_a_planted_label_is_told_the_class_it_looks_like(drawn):
    changed, planted = relabelled(drawn, 0.05)
    found = label_suspects(changed, embedding=seen(changed))
    right = [s.suggested == s.image.split("/")[0] for s in found.named if s.image in planted]
    assert sum(right) >= 0.9 * len(right)


def test_the_ranking_is_the_same_every_time(drawn):
    changed, _ = relabelled(drawn, 0.05)
    assert label_suspects(changed) == label_suspects(changed)


def test_probabilities_no_better_than_guessing_accuse_nobody(drawn):
    noise = np.random.default_rng(0).normal(size=(len(drawn.index), 8)).astype(np.float32)
    names = tuple(drawn.index["image"])
    found = label_suspects(drawn, embedding=Embedding(images=names, vectors=noise, made_by="noise"))
    assert not found.can_tell
    assert found.images == found.named == ()
    assert "No suspect can be named" in found.summary()


def copied(tmp_path) -> tuple[Dataset, Embedding]:
    """Give each image one copy, and points that say nothing but which copies belong together."""
    root = draw_folder(tmp_path / "shapes", per_class=40)
    for path in sorted(root.glob("*/*.png")):
        path.with_stem(f"{path.stem}-copy").write_bytes(path.read_bytes())
    dataset = darkroom.open_dataset(root)
    digests = dataset.index["sha256"].to_list()
    rng = np.random.default_rng(0)
    point = {digest: rng.normal(size=200) for digest in sorted(set(digests))}
    vectors = np.array([point[digest] / 14 for digest in digests], np.float32)
    names = tuple(dataset.index["image"])
    return dataset, Embedding(images=names, vectors=vectors, made_by="fingerprints")


def test_copies_are_never_judged_by_each_other(tmp_path, workspace):
    dataset, embedding = copied(tmp_path)
    assert label_suspects(dataset, embedding=embedding).accuracy.value < 0.6


def test_that_test_would_notice_copies_on_both_sides(tmp_path, workspace, monkeypatch):
    dataset, embedding = copied(tmp_path)
    monkeypatch.setattr(
        suspects_module, "joined_groups", lambda _, index, __: index["image"].to_list()
    )
    assert label_suspects(dataset, embedding=embedding).accuracy.value > 0.7


def sure(dataset: Dataset, wrong: dict[str, str] | None = None) -> dict[str, list[float]]:
    """Give probabilities that are sure of every label, but for some."""
    given = {}
    for name in dataset.index["image"]:
        label = (wrong or {}).get(name, name.split("/")[0])
        given[name] = [0.98 if each == label else 0.01 for each in dataset.classes]
    return given


def test_probabilities_that_are_handed_in_are_taken(drawn):
    doubted = label_suspects(drawn, probabilities=sure(drawn, {"ball/007.png": "box"}))
    assert [suspect.image for suspect in doubted.named] == ["ball/007.png"]
    assert doubted.named[0].suggested == "box"
    assert doubted.named[0].quality == pytest.approx(0.01)
    assert doubted.accuracy.hits == len(drawn.index) - 1


def test_probabilities_of_some_images_judge_only_those(drawn):
    some = dict(list(sure(drawn).items())[::2])
    found = label_suspects(drawn, probabilities=some)
    assert {suspect.image for suspect in found.images} == set(some)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ([0.5, 0.5], "2 numbers"),
        ([0.5, float("nan"), 0.5], "2 finite"),
        ([0.5, 0.9, 0.1], "sum to 1.5"),
        ([1.5, -0.5, 0.0], "lowest is -0.5"),
    ],
)
def test_probabilities_that_do_not_fit_are_refused(drawn, row, told):
    with pytest.raises(DataError) as refused:
        label_suspects(drawn, probabilities={"ball/000.png": row})
    assert told in refused.value.problem
    assert "ball/000.png" in refused.value.problem


def test_an_image_that_is_not_there_is_named_with_the_nearest(drawn):
    with pytest.raises(DataError) as refused:
        label_suspects(drawn, probabilities={"ball/00.png": [1, 0, 0]})
    assert "ball/" in refused.value.hint


def test_other_tasks_are_refused(drawn):
    record = msgspec.structs.replace(drawn.record, task="multi-label")
    other = store_dataset(drawn.workspace, record, drawn.index, drawn.skipped, made_by="test")
    with pytest.raises(DataError) as refused:
        label_suspects(other)
    assert "multi-label" in refused.value.problem


def test_too_few_images_are_refused(tmp_path, workspace):
    root = draw_folder(tmp_path / "shapes", per_class=4)
    with pytest.raises(DataError):
        label_suspects(darkroom.open_dataset(root))


def test_a_tiny_class_is_left_out_and_the_others_are_judged(tmp_path, workspace):
    root = draw_folder(tmp_path / "shapes", per_class=40)
    draw_folder(root, ["rare"], per_class=2)
    found = label_suspects(darkroom.open_dataset(root))
    assert {suspect.label for suspect in found.images} == {"ball", "box", "stripe"}


def test_the_table_and_the_json_say_the_same(drawn):
    found = label_suspects(drawn, probabilities=sure(drawn, {"ball/007.png": "box"}))
    written = json.loads(msgspec.json.encode(found))
    assert found.table["image"].to_list() == [each["image"] for each in written["images"]]
    assert found.table.columns == ["image", "label", "suggested", "quality", "is_suspect"]


def test_a_notebook_shows_pictures_and_no_markup_of_file_names(tmp_path, workspace):
    root = draw_folder(tmp_path / "shapes", per_class=20)
    name = "ball/<b onload=1>.png"
    (root / "ball" / "000.png").rename(root / name)
    dataset = darkroom.open_dataset(root)
    page = label_suspects(dataset, probabilities=sure(dataset, {name: "box"}))._repr_html_()
    assert "data:image/png;base64," in page
    assert "&lt;b onload" in page
    assert "<b onload" not in page
