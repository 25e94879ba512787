"""`dataset.plot`: each figure shows what the dataset holds."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import darkroom
from darkroom.data.embedding import Embedding, simple_embedding
from darkroom.data.showing import class_rows, mean_image, small_images, spread_evenly
from darkroom.errors import DataError
from darkroom.plots import Figure
from tests.making import CLASSES, draw_folder, draw_image
from tests.test_plots import rows


@pytest.fixture
def unsplit(workspace, tmp_path):
    return darkroom.open_dataset(draw_folder(tmp_path / "shapes", per_class=4))


@pytest.fixture
def tables(workspace, tmp_path):
    """Give what makes a dataset of a table of images."""

    def make(lines: list[str]):
        for line in lines[1:]:
            name = line.split(",")[0]
            draw_image("box", len(name) + sum(name.encode())).save(tmp_path / name)
        (tmp_path / "images.csv").write_text("\n".join(lines) + "\n")
        return darkroom.open_dataset(tmp_path / "images.csv")

    return make


FIGURES = {
    "contact_sheet": lambda plot, _: plot.contact_sheet(),
    "class_balance": lambda plot, _: plot.class_balance(),
    "sizes": lambda plot, _: plot.sizes(),
    "brightness": lambda plot, _: plot.brightness(),
    "measure by class": lambda plot, _: plot.measure("contrast", by="class"),
    "mean_images": lambda plot, _: plot.mean_images(),
    "map": lambda plot, _: plot.map(),
    "map of clusters": lambda plot, _: plot.map(by="cluster"),
    "neighbours": lambda plot, image: plot.neighbours(image),
    "channels": lambda plot, image: plot.channels(image),
    "rgb_bgr": lambda plot, image: plot.rgb_bgr(image),
    "rescaled": lambda plot, image: plot.rescaled(image),
}


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_of_a_dataset_is_drawn(dataset, name):
    figure = FIGURES[name](dataset.plot, dataset.index["image"][0])
    assert isinstance(figure, Figure)
    assert figure.svg().startswith("<svg")


@pytest.mark.parametrize("name", sorted(FIGURES.keys() - {"rescaled"}))
def test_every_figure_of_a_dataset_without_parts_is_drawn(unsplit, name):
    assert FIGURES[name](unsplit.plot, unsplit.index["image"][0]).spec


def test_a_contact_sheet_shows_every_class(dataset):
    shown = [row for row in rows(dataset.plot.contact_sheet(images=5)) if "url" in row]
    assert {row["group"] for row in shown} == set(CLASSES)
    assert all(row["name"].startswith(row["group"]) for row in shown)
    assert len(shown) == 15


def test_a_contact_sheet_shows_one_class_of_one_part(dataset):
    figure = dataset.plot.contact_sheet("box", part="valid", images=3)
    valid = set(dataset.part("valid")["image"])
    shown = [row["name"] for row in rows(figure) if "url" in row]
    assert len(shown) == 3
    assert all(name.startswith("box/") and name in valid for name in shown)
    assert "box" in figure.spec["title"]
    assert "valid" in figure.spec["title"]


def test_the_title_says_when_images_or_classes_are_left_out(workspace, tmp_path):
    root = tmp_path / "many"
    for number in range(500):
        (root / f"class {number}").mkdir(parents=True)
        Image.new("L", (2, 2), number % 256).save(root / f"class {number}" / "a.png")
    title = darkroom.open_dataset(root).plot.contact_sheet().spec["title"]
    assert title == "1 image of each of 480 of 500 classes"


def test_an_unknown_class_is_named_with_the_nearest(dataset):
    with pytest.raises(DataError) as caught:
        dataset.plot.contact_sheet("boxx")
    assert "boxx" in caught.value.problem
    assert "box" in caught.value.hint


def test_an_image_with_two_labels_stands_in_both_classes(tables):
    dataset = tables(["image,label", "a.png,cat|dog", "b.png,dog", "c.png,cat"])
    shown = [
        (row["group"], row["name"]) for row in rows(dataset.plot.contact_sheet()) if "url" in row
    ]
    assert shown == [("cat", "a.png"), ("cat", "c.png"), ("dog", "a.png"), ("dog", "b.png")]
    counts = {row["class"]: row["images"] for row in rows(dataset.plot.class_balance())}
    assert counts == {"cat": 2, "dog": 2}


def test_a_regression_is_shown_by_ranges_of_its_target(tables):
    lines = [f"{number}.png,{number / 2}" for number in range(10)]
    dataset = tables(["image,value", *lines])
    groups = [row["group"] for row in rows(dataset.plot.contact_sheet()) if "url" in row]
    assert list(dict.fromkeys(groups)) == [
        "0 to 0.5", "1 to 1.5", "2 to 2.5", "3 to 3.5", "4 to 4.5",
    ]  # fmt: skip
    assert dataset.plot.measure("target").spec
    ranges = dataset.plot.measure("brightness", by="class")
    assert {row["group"] for row in rows(ranges)} == set(groups)
    with pytest.raises(DataError) as caught:
        dataset.plot.class_balance()
    assert "measure('target')" in caught.value.hint


def test_the_map_of_a_regression_has_the_ranges_of_its_target(tables):
    dataset = tables(["image,value", *[f"{number}.png,{number / 2}" for number in range(10)]])
    groups = {row["drawn"] for row in rows(dataset.plot.map())}
    assert groups == {"0 to 0.5", "1 to 1.5", "2 to 2.5", "3 to 3.5", "4 to 4.5"}


def test_images_without_a_label_stand_apart(tables):
    dataset = tables(["image,label", "a.png,cat", "b.png,cat", "c.png,"])
    shown = [row["group"] for row in rows(dataset.plot.contact_sheet()) if "url" in row]
    assert shown == ["cat", "cat", "unlabelled"]


def test_rows_are_spread_over_a_class(dataset):
    chosen = spread_evenly(dataset.index, 5)["image"].to_list()
    assert chosen[0] == dataset.index["image"][0]
    assert chosen[-1] == dataset.index["image"][-1]
    assert len(set(chosen)) == 5


def test_a_mean_image_is_the_mean(dataset):
    of_class = class_rows(dataset, dataset.index)["box"]
    pixels = np.stack([np.asarray(image) for image in small_images(dataset, of_class, 999)])
    mean = mean_image(dataset, of_class)
    assert np.abs(mean.astype(float) - pixels.mean(axis=0)).max() <= 0.5


def test_large_images_are_made_small_and_keep_their_shape(workspace, tmp_path):
    root = draw_folder(tmp_path / "large", ("ball", "box"), 1, size=(400, 100))
    dataset = darkroom.open_dataset(root)
    for pixels in small_images(dataset, dataset.index, 50):
        assert pixels.shape[1] == 50
        assert pixels.shape[0] in (12, 13)


def test_a_picture_of_a_changed_file_is_refused(unsplit):
    name = unsplit.index["image"][0]
    draw_image("stripe", 99).save(f"{unsplit.record.location}/{name}")
    with pytest.raises(DataError) as caught:
        unsplit.plot.contact_sheet()
    assert name in caught.value.problem


def test_the_nearest_neighbours_come_first_and_not_the_image_itself(dataset):
    images = tuple(dataset.index["image"].head(4))
    vectors = np.array([[1, 0], [0, 1], [0.8, 0.6], [0.6, 0.8]], np.float32)
    embedding = Embedding(images=images, vectors=vectors, made_by="test")
    figure = dataset.plot.neighbours(images[0], embedding, images=2)
    shown = [row["name"] for row in rows(figure) if "url" in row]
    assert shown == [images[0], images[2], images[3]]


def test_an_embedding_of_other_images_is_refused(dataset, unsplit):
    strange = Embedding(images=("nowhere.png",), vectors=np.ones((1, 1), np.float32), made_by="x")
    with pytest.raises(DataError) as caught:
        dataset.plot.map(strange)
    assert "nowhere.png" in caught.value.problem


def test_an_image_that_an_embedding_does_not_hold_is_refused(dataset):
    one, other = dataset.index["image"].head(2)
    sample = Embedding(images=(one,), vectors=np.ones((1, 1), np.float32), made_by="x")
    with pytest.raises(DataError) as caught:
        dataset.plot.neighbours(other, sample)
    assert other in caught.value.problem


def test_a_map_takes_an_embedding_of_some_of_the_images(dataset):
    whole = simple_embedding(dataset)
    some = Embedding(images=whole.images[:20], vectors=whole.vectors[:20], made_by="some")
    assert {row["name"] for row in rows(dataset.plot.map(some))} == set(whole.images[:20])


def test_red_and_blue_are_exchanged_beside_the_image(workspace, tmp_path):
    import base64
    import io

    for label in ("one", "two"):
        (tmp_path / "red" / label).mkdir(parents=True)
        Image.new("RGB", (4, 4), (200, 10, 30)).save(tmp_path / "red" / label / f"{label}.png")
    figure = darkroom.open_dataset(tmp_path / "red").plot.rgb_bgr("one/one.png")
    shown = [
        Image.open(io.BytesIO(base64.b64decode(row["url"].partition(",")[2]))).getpixel((1, 1))
        for row in rows(figure)
        if "url" in row
    ]
    assert shown == [(200, 10, 30), (30, 10, 200)]


def test_a_grey_image_has_no_channels_to_show(workspace):
    digits = darkroom.open_dataset("builtin:digits")
    with pytest.raises(DataError) as caught:
        digits.plot.channels(digits.index["image"][0])
    assert "one channel" in caught.value.problem


def test_standardising_uses_the_training_part_alone(workspace, tmp_path):
    for part, light in (("train", (0, 100)), ("valid", (200, 200)), ("test", (255, 255))):
        for label, value in zip(("a", "b"), light, strict=True):
            (tmp_path / "p" / part / label).mkdir(parents=True)
            Image.new("L", (4, 4), value).save(tmp_path / "p" / part / label / f"{part}{label}.png")
    dataset = darkroom.open_dataset(tmp_path / "p")
    figure = dataset.plot.rescaled("train/b/trainb.png")
    assert "standard: by the training part: 1 to 1" in figure.alternative  # mean 50, spread 50


def test_without_a_training_part_nothing_is_standardised(unsplit):
    with pytest.raises(DataError) as caught:
        unsplit.plot.rescaled(unsplit.index["image"][0])
    assert "training part" in caught.value.problem
    assert "split_dataset" in caught.value.hint


@pytest.mark.parametrize("name", ["neighbours", "channels", "rgb_bgr", "rescaled"])
def test_an_unknown_image_is_named(dataset, name):
    with pytest.raises(DataError) as caught:
        FIGURES[name](dataset.plot, "ball/nothing.png")
    assert "ball/nothing.png" in caught.value.problem


def test_an_unknown_measure_is_named_with_the_nearest(dataset):
    with pytest.raises(DataError) as caught:
        dataset.plot.measure("brightnes")
    assert "brightness" in caught.value.hint


def test_an_unknown_part_is_named(dataset):
    with pytest.raises(DataError) as caught:
        dataset.plot.contact_sheet(part="holdout")
    assert "holdout" in caught.value.problem


def test_opening_a_dataset_does_not_load_the_figures():
    code = "import sys, darkroom.data.dataset; sys.exit('altair' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
