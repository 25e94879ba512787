"""Outliers: of every kind, at every size, the same for the same seed, and none a known image."""

from __future__ import annotations

import numpy as np
import pytest

from darkroom.errors import DataError
from darkroom.evaluation.outliers import draw_outliers

KINDS = {
    "uniform noise", "coloured noise", "flat colour", "gradient", "shuffled patches",
    "stretched crop", "blend",
}  # fmt: skip


def images(*shape: int, seed: int = 0) -> np.ndarray:
    """Draw discs on a plain ground: unlike in colour, place and size."""
    count, height, width, channels = shape
    rng = np.random.default_rng(seed)
    down, across = np.mgrid[:height, :width]
    drawn = np.empty(shape, np.uint8)
    for row in range(count):
        ground, colour = rng.integers(0, 256, (2, channels))
        middle = rng.uniform(0.2, 0.8, 2) * (height, width)
        inside = np.hypot(down - middle[0], across - middle[1]) < 0.3 * min(height, width)
        drawn[row] = np.where(inside[..., None], colour, ground)
    return drawn


@pytest.mark.parametrize(
    "shape", [(20, 8, 8, 1), (20, 32, 24, 3), (4, 224, 224, 3), (3, 3, 2, 3), (2, 1, 1, 1)]
)
def test_every_kind_is_drawn_at_every_size(shape):
    found = draw_outliers(images(*shape), count=5)
    assert set(found) == KINDS
    for pixels in found.values():
        assert (pixels.shape, pixels.dtype) == ((5, *shape[1:]), np.uint8)


def test_the_same_seed_draws_the_same_and_another_does_not():
    one, same, other = (draw_outliers(images(9, 16, 16, 3), count=6, seed=s) for s in (1, 1, 2))
    for kind, pixels in one.items():
        np.testing.assert_array_equal(pixels, same[kind])
        assert (pixels != other[kind]).any()


def test_more_are_drawn_than_there_are_images():
    found = draw_outliers(images(3, 8, 8, 1), count=50)
    assert all(len(pixels) == 50 for pixels in found.values())


def test_none_at_all_may_be_asked_for():
    assert all(len(each) == 0 for each in draw_outliers(images(3, 8, 8, 1), count=0).values())


def test_the_images_are_left_as_they_were():
    given = images(5, 16, 16, 3)
    before = given.copy()
    draw_outliers(given, count=8)
    np.testing.assert_array_equal(given, before)


@pytest.mark.parametrize("kind", sorted(KINDS - {"flat colour"}))
def test_no_outlier_is_a_known_image(kind):
    known = images(20, 16, 16, 3)
    found = draw_outliers(known, count=40)[kind].astype(int)
    apart = np.abs(found[:, None] - known[None].astype(int)).mean(axis=(2, 3, 4))
    assert (apart > 1).mean() > 0.9


def test_shuffled_patches_keep_their_pixels_and_leave_no_patch_in_its_place():
    known = np.arange(2 * 16 * 16, dtype=np.uint8).reshape(2, 16, 16, 1)
    found = draw_outliers(known, count=6)["shuffled patches"]
    for each in found:
        assert sorted(each.ravel()) in [sorted(one.ravel()) for one in known]
    patches = found.reshape(6, 4, 4, 4, 4, 1).swapaxes(2, 3).reshape(6, 16, 16)
    own = known.reshape(2, 4, 4, 4, 4, 1).swapaxes(2, 3).reshape(2, 16, 16)
    in_place = (patches[:, None] == own[None]).all(axis=3)
    assert not in_place.any()


def test_blends_are_of_images_that_differ():
    known = np.concatenate([np.full((10, 8, 8, 1), 0, np.uint8), np.full((1, 8, 8, 1), 200)])
    found = draw_outliers(known.astype(np.uint8), count=60)["blend"]
    shares = (found == 100).all(axis=(1, 2, 3)).mean()
    # By pure chance a partner differs in one of eleven pairs or so.
    assert shares > 0.4


def test_where_all_images_are_alike_there_is_nothing_to_blend():
    assert "blend" not in draw_outliers(np.full((4, 8, 8, 3), 7, np.uint8), count=2)


def test_gradients_and_coloured_noise_are_smooth_and_uniform_noise_is_not():
    found = draw_outliers(images(5, 64, 64, 3), count=10)

    def steps(kind):
        return np.abs(np.diff(found[kind].astype(int), axis=1)).mean()

    assert steps("flat colour") == 0 < steps("gradient") < steps("coloured noise") < 12
    assert steps("uniform noise") > 60


def test_a_stretched_crop_shows_a_small_piece():
    # Brightness is the place of a pixel, so what a crop spans can be read off it.
    ramp = np.broadcast_to(np.arange(64, dtype=np.uint8)[:, None], (64, 64))[None, ..., None]
    found = draw_outliers(np.concatenate([ramp, ramp[:, ::-1]]), count=50)["stretched crop"]
    spans = np.ptp(found.astype(int), axis=(1, 2, 3))
    assert spans.min() >= 3
    assert spans.max() <= 17


@pytest.mark.parametrize(
    "given",
    [
        np.zeros((0, 8, 8, 3), np.uint8),
        np.zeros((8, 8, 3), np.uint8),
        np.zeros((2, 8, 8, 3), np.float32),
    ],
    ids=["none", "one image", "scaled"],
)
def test_what_is_no_table_of_pixels_is_refused(given):
    with pytest.raises(DataError) as refused:
        draw_outliers(given, count=3)
    assert str(given.shape) in refused.value.problem
    assert "uint8" in refused.value.hint
