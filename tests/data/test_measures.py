from __future__ import annotations

import io
import shutil

import numpy as np
import polars as pl
import pytest
from PIL import Image, ImageFilter

from darkroom import open_dataset
from darkroom.data.colour_and_light import COLOUR_AND_LIGHT, measure_colour_and_light
from darkroom.data.decode import decode_image
from darkroom.data.kept import load_dataset
from darkroom.data.measures import MEASURES, measure_images
from darkroom.data.sharpness import measure_sharpness
from darkroom.errors import DataError
from tests.making import draw_folder, draw_image, real_data


def measured(*images: np.ndarray) -> dict[str, float]:
    row = measure_colour_and_light(np.stack(images).astype(np.uint8))[0]
    return dict(zip(COLOUR_AND_LIGHT, map(float, row), strict=True))


def flat(*colour: int) -> np.ndarray:
    return np.full((8, 8, len(colour)), colour)


def halves(first: tuple[int, ...], second: tuple[int, ...]) -> np.ndarray:
    return np.vstack([flat(*first)[:4], flat(*second)[:4]])


def test_black_is_0_and_white_is_1():
    assert measured(flat(0, 0, 0))["brightness"] == 0
    assert measured(flat(255, 255, 255))["brightness"] == 1


def test_the_channels_means_are_shares_of_255():
    values = measured(flat(255, 51, 0))
    assert [values[name] for name in ("red", "green", "blue")] == pytest.approx([1, 0.2, 0])


def test_half_black_and_half_white_has_the_largest_contrast_and_1_bit():
    values = measured(halves((0, 0, 0), (255, 255, 255)))
    assert values["contrast"] == pytest.approx(0.5)
    assert values["entropy"] == pytest.approx(1)


def test_an_even_surface_has_no_contrast_no_entropy_and_no_edges():
    values = measured(flat(90, 90, 90))
    assert [values[name] for name in ("contrast", "entropy", "edges", "saturation")] == [0] * 4


def test_edges_are_the_mean_step_between_neighbours():
    board = np.indices((8, 8)).sum(axis=0) % 2 * 255
    assert measured(board[:, :, None])["edges"] == pytest.approx(1)
    assert measured(halves((0,), (255,)))["edges"] == pytest.approx(1 / 7 / 2)


def test_clear_blue_leans_to_1_clear_red_to_minus_1_and_pale_colours_to_neither():
    assert measured(flat(20, 20, 200))["blue_above"] == 1
    assert measured(flat(200, 20, 20))["blue_above"] == -1
    assert measured(flat(120, 110, 100))["blue_above"] == 0
    assert measured(halves((20, 20, 200), (200, 20, 20)))["blue_above"] == 0


def test_exchanged_channels_turn_the_lean_around():
    image = np.asarray(draw_image("ball", 3))
    lean = measured(image)["blue_above"]
    assert lean != 0
    assert measured(image[:, :, ::-1])["blue_above"] == -lean


def test_a_grey_image_measures_as_its_three_equal_channels_do():
    grey = np.asarray(draw_image("ball", 3).convert("L"))[:, :, None]
    assert measured(grey) == pytest.approx(measured(np.repeat(grey, 3, axis=2)), abs=1 / 255)


def test_an_image_measures_the_same_alone_and_among_others():
    images = [np.asarray(draw_image("box", seed)) for seed in range(5)]
    assert measured(images[3]) == measured(images[3], *images)


def blurred(image: Image.Image, share: float) -> np.ndarray:
    return np.asarray(image.filter(ImageFilter.GaussianBlur(share * min(image.size))))


def test_the_more_an_image_is_blurred_the_less_sharp_it_is():
    image = draw_image("stripe", 1, (160, 128))
    values = [measure_sharpness(blurred(image, share)) for share in (0, 0.01, 0.02, 0.05)]
    assert values == sorted(values, reverse=True)
    assert values[0] - values[-1] > 0.4


def test_light_and_contrast_do_not_change_the_sharpness():
    image = draw_image("stripe", 1, (160, 128))
    dim = image.point(lambda value: value * 0.5 + 60)
    assert measure_sharpness(np.asarray(dim)) == pytest.approx(
        measure_sharpness(np.asarray(image)), abs=0.02
    )


def test_an_even_surface_is_not_sharp():
    assert measure_sharpness(np.full((64, 64, 3), 90, np.uint8)) == 0


def test_a_photograph_is_as_sharp_in_twice_its_size():
    path = sorted(real_data("dogscats").rglob("*.jpg"))[7]
    photograph = Image.open(path).convert("RGB")
    large = photograph.resize((1024, 1024), Image.Resampling.BICUBIC)
    larger = large.resize((2048, 2048), Image.Resampling.BICUBIC)
    one, other = (measure_sharpness(np.asarray(image)) for image in (large, larger))
    assert one == pytest.approx(other, abs=0.02)


def test_scaled_decoding_tells_the_same_sharpness():
    data = io.BytesIO()
    draw_image("stripe", 1, (1600, 1200)).save(data, "JPEG", quality=95)
    whole, scaled = (decode_image(data.getvalue(), least=least) for least in (None, (256, 256)))
    assert scaled.shape[0] < whole.shape[0]
    assert measure_sharpness(scaled) == pytest.approx(measure_sharpness(whole), abs=0.05)


@pytest.fixture
def folder(tmp_path, workspace):
    root = draw_folder(tmp_path / "shapes", per_class=4)
    return draw_folder(root, ("large",), 4, size=(80, 70))


def test_there_is_a_row_for_each_image_in_the_order_of_the_index(folder):
    shutil.copy(folder / "ball" / "000.png", folder / "box" / "copy.png")
    dataset = open_dataset(folder)
    table = measure_images(dataset)
    assert table["image"].equals(dataset.index["image"])
    assert table.schema == {"image": pl.String} | dict.fromkeys(MEASURES, pl.Float32)
    copies = table.filter(pl.col("image").is_in(["ball/000.png", "box/copy.png"])).drop("image")
    assert copies.row(0) == copies.row(1)


def test_sharpness_is_told_of_images_of_64_px_and_more(folder):
    table = measure_images(open_dataset(folder))
    known = table.filter(pl.col("sharpness").is_not_null())["image"]
    assert list(known) == [f"large/{n:03d}.png" for n in range(4)]
    assert table.drop("sharpness").null_count().sum_horizontal().item() == 0


def test_what_was_measured_once_is_not_read_again(folder):
    dataset = open_dataset(folder)
    first = measure_images(dataset)
    shutil.rmtree(folder)
    assert measure_images(load_dataset(dataset.path)).equals(first)


def test_control_what_was_never_measured_is_read(folder):
    dataset = open_dataset(folder)
    shutil.rmtree(folder)
    with pytest.raises(DataError):
        measure_images(dataset)


def test_a_lost_pixel_cache_is_no_loss(folder):
    dataset = open_dataset(folder)
    first = measure_images(dataset)
    shutil.rmtree(dataset.workspace.cache)
    assert measure_images(load_dataset(dataset.path)).equals(first)


def test_an_image_that_changed_is_named(folder):
    dataset = open_dataset(folder)
    shutil.copy(folder / "ball" / "000.png", folder / "large" / "002.png")
    with pytest.raises(DataError, match=r"large/002\.png"):
        measure_images(dataset)
