"""Near duplicates: small changes are seen through, different pictures are not called the same."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from darkroom import open_dataset, split_dataset
from darkroom.data import near_duplicates as room
from darkroom.data.near_duplicates import NearDuplicates, near_duplicates
from tests.data.packing import write_claiming
from tests.data.scenes import SMALL_CHANGES, draw_digit, draw_scene, encoded, write_images
from tests.making import real_data

SCENES = 12


@pytest.fixture
def images() -> dict[str, bytes]:
    """Give twelve different pictures."""
    return {f"{number:02d}.png": encoded(draw_scene(number)) for number in range(SCENES)}


def look(root: Path, images: dict[str, bytes]) -> NearDuplicates:
    return near_duplicates(open_dataset(write_images(root, images)))


def names_of(found: NearDuplicates) -> set[tuple[str, str]]:
    pairs = found.pairs.select("image", "other").rows()
    return {tuple(name.removeprefix("all/") for name in pair) for pair in pairs}


@pytest.mark.parametrize("change", SMALL_CHANGES)
def test_a_small_change_does_not_hide_a_copy(tmp_path, workspace, images, change):
    copies = {
        f"{number:02d}-copy.png": SMALL_CHANGES[change](draw_scene(number))
        for number in range(SCENES)
    }
    found = names_of(look(tmp_path / "shapes", images | copies))
    assert found == {(f"{number:02d}-copy.png", f"{number:02d}.png") for number in range(SCENES)}


def test_different_pictures_are_no_duplicates(tmp_path, workspace):
    images = {f"{number}.png": encoded(draw_scene(number)) for number in range(150)}
    found = look(tmp_path / "shapes", images)
    assert (found.pairs.rows(), found.clusters, found.looked_at) == ([], (), 150)


def test_control_without_the_finer_comparison_different_digits_would_be_duplicates(
    tmp_path, workspace, monkeypatch
):
    images = {f"{number}.png": encoded(draw_digit(number)) for number in range(150)}
    found = look(tmp_path / "digits", images)
    assert found.looked_at == 150
    assert len(found.pairs) <= 1
    shutil.rmtree(workspace.cache / "near")
    monkeypatch.setattr(
        room, "verify_pairs", lambda _take, _coarse, _fine, one, _two: one * 0.0 + 0.9
    )
    assert len(look(tmp_path / "digits", images).pairs) > 150


def test_a_brighter_digit_is_a_duplicate_all_the_same(tmp_path, workspace):
    images = {f"{number}.png": encoded(draw_digit(number)) for number in range(30)}
    brighter = encoded(draw_digit(4).point(lambda level: round(level * 0.9)))
    assert ("4.png", "copy.png") in names_of(
        look(tmp_path / "digits", images | {"copy.png": brighter})
    )


def test_pairs_are_in_order_and_likeness_is_a_share(tmp_path, workspace, images):
    images["a.jpg"] = SMALL_CHANGES["encoded anew"](draw_scene(3))
    images["00.jpg"] = SMALL_CHANGES["encoded anew"](draw_scene(5))
    pairs = look(tmp_path / "shapes", images).pairs
    assert pairs.columns == ["image", "other", "likeness"]
    assert [image < other for image, other, _ in pairs.rows()] == [True, True]
    assert pairs.equals(pairs.sort("image", "other"))
    assert all(0 < likeness <= 1 for likeness in pairs["likeness"])


def test_names_and_so_the_order_of_images_do_not_matter(tmp_path, workspace, images):
    images |= {"c.jpg": SMALL_CHANGES["cropped"](draw_scene(3))}
    forth = look(tmp_path / "one", images)
    turned = {f"{99 - row}-{name}": data for row, (name, data) in enumerate(images.items())}
    shutil.rmtree(workspace.cache)
    back = look(tmp_path / "other", turned)
    assert names_of(forth) == {("03.png", "c.jpg")}
    assert [sorted(name.split("-")[1] for name in pair) for pair in names_of(back)] == [
        ["03.png", "c.jpg"]
    ]
    assert forth.pairs["likeness"].to_list() == back.pairs["likeness"].to_list()


def test_the_number_of_threads_does_not_matter(tmp_path, workspace, images, monkeypatch):
    images |= {f"{n}.jpg": SMALL_CHANGES["turned"](draw_scene(n)) for n in range(SCENES)}
    many = look(tmp_path / "shapes", images)
    shutil.rmtree(workspace.cache / "near")
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    one = look(tmp_path / "shapes", images)
    assert len(one.pairs) == SCENES
    assert one.pairs.equals(many.pairs)


def test_unrelated_images_change_nothing_about_the_others(tmp_path, workspace, images):
    images |= {f"{n}.jpg": SMALL_CHANGES["brighter"](draw_scene(n)) for n in range(SCENES)}
    few = look(tmp_path / "few", images)
    others = {f"x{number}.png": encoded(draw_scene(1000 + number)) for number in range(150)}
    many = look(tmp_path / "many", images | others)
    assert len(few.pairs) == SCENES
    assert many.pairs.equals(few.pairs)


def test_identical_files_are_no_pair_but_belong_to_the_cluster(tmp_path, workspace, images):
    images["again.png"] = images["03.png"]
    images["near.jpg"] = SMALL_CHANGES["encoded anew"](draw_scene(3))
    images["twin.png"] = images["05.png"]
    found = look(tmp_path / "shapes", images)
    assert names_of(found) == {("03.png", "near.jpg")}
    assert found.clusters == (
        ("all/03.png", "all/again.png", "all/near.jpg"),
        ("all/05.png", "all/twin.png"),
    )


def test_of_identical_files_in_two_parts_both_are_paired(tmp_path, workspace, images):
    for part in ("train", "test"):
        write_images(tmp_path / "parts" / part, images)
    near = {"near.jpg": SMALL_CHANGES["encoded anew"](draw_scene(3))}
    write_images(tmp_path / "parts" / "test", near)
    pairs = near_duplicates(open_dataset(tmp_path / "parts")).pairs
    assert set(pairs.select("image", "other").rows()) == {
        ("test/all/03.png", "test/all/near.jpg"),
        ("test/all/near.jpg", "train/all/03.png"),
    }


def test_a_chain_of_small_changes_is_one_cluster(tmp_path, workspace, images):
    frames = {f"f{n}.png": encoded(draw_scene(50).rotate(n)) for n in range(1, 9)}
    found = look(tmp_path / "shapes", images | frames)
    assert found.clusters == (tuple(f"all/{name}" for name in sorted(frames)),)


def test_images_under_24_pixels_are_counted_and_not_compared(tmp_path, workspace, images):
    images["s1.png"] = encoded(draw_scene(1).resize((30, 23)))
    images["s2.png"] = encoded(draw_scene(1).resize((23, 40)))
    found = look(tmp_path / "shapes", images)
    assert (found.too_small, found.looked_at, found.pairs.rows()) == (2, SCENES, [])


def test_control_at_24_pixels_they_are_compared(tmp_path, workspace, images):
    images["s1.png"] = encoded(draw_scene(1).resize((30, 24)))
    images["s2.jpg"] = encoded(draw_scene(1).resize((30, 24)), "JPEG", quality=90)
    found = look(tmp_path / "shapes", images)
    assert found.too_small == 0
    assert ("s1.png", "s2.jpg") in names_of(found)


def test_a_small_image_and_its_smaller_copy_are_found(tmp_path, workspace):
    images = {f"{n}.png": encoded(draw_scene(n).resize((32, 32))) for n in range(SCENES)}
    copies = {
        f"{n}-copy.jpg": encoded(draw_scene(n).resize((32, 32)).resize((26, 26)), "JPEG")
        for n in range(SCENES)
    }
    assert len(names_of(look(tmp_path / "shapes", images | copies))) >= SCENES - 1


def test_the_built_in_digits_are_too_small_to_tell_apart(workspace):
    found = near_duplicates(open_dataset("builtin:digits"))
    assert (found.too_small, found.looked_at, len(found.pairs)) == (1797, 0, 0)


def test_plain_images_are_counted_and_not_compared(tmp_path, workspace, images):
    images |= {f"p{n}.png": encoded(Image.new("RGB", (40, 40), (n, n, 90))) for n in range(40)}
    found = look(tmp_path / "shapes", images)
    assert (found.too_plain, found.looked_at, found.pairs.rows()) == (40, SCENES, [])


@pytest.mark.parametrize("count", [1, 2])
def test_one_image_and_two_are_enough(tmp_path, workspace, images, count):
    few = dict(list(images.items())[:count])
    assert look(tmp_path / "shapes", few).looked_at == count


def test_two_images_that_are_alike_are_found(tmp_path, workspace, images):
    two = {"a.png": images["01.png"], "b.jpg": SMALL_CHANGES["encoded anew"](draw_scene(1))}
    assert names_of(look(tmp_path / "shapes", two)) == {("a.png", "b.jpg")}


def test_grey_images_among_coloured_ones_find_their_grey_copies(tmp_path, workspace, images):
    grey = draw_scene(60).convert("L")
    images["grey.png"] = encoded(grey)
    images["grey.jpg"] = encoded(grey, "JPEG", quality=60)
    assert names_of(look(tmp_path / "shapes", images)) == {("grey.jpg", "grey.png")}


def test_all_grey_images_are_compared_too(tmp_path, workspace):
    grey = {f"{n}.png": encoded(draw_scene(n).convert("L")) for n in range(SCENES)}
    grey["copy.jpg"] = encoded(draw_scene(2).convert("L"), "JPEG", quality=60)
    assert names_of(look(tmp_path / "shapes", grey)) == {("2.png", "copy.jpg")}


def test_a_second_look_computes_nothing(tmp_path, workspace, images, monkeypatch):
    images["near.jpg"] = SMALL_CHANGES["cropped"](draw_scene(3))
    first = look(tmp_path / "shapes", images)
    monkeypatch.setattr(room, "find_candidates", lambda _prints: pytest.fail("computed"))
    again = look(tmp_path / "shapes", images)
    assert again.pairs.equals(first.pairs)
    parts = split_dataset(open_dataset(tmp_path / "shapes"), group_by={})
    assert near_duplicates(parts).pairs.equals(first.pairs)


def test_control_other_images_are_looked_at(tmp_path, workspace, images, monkeypatch):
    look(tmp_path / "shapes", images)
    monkeypatch.setattr(room, "find_candidates", lambda _prints: pytest.fail("computed"))
    with pytest.raises(pytest.fail.Exception, match="computed"):
        look(tmp_path / "shapes", images | {"new.png": encoded(draw_scene(99))})


@pytest.mark.parametrize("damage", [b"", b"PAR1 and no more", -1])
def test_a_damaged_memory_is_made_anew(tmp_path, workspace, images, damage):
    images["near.jpg"] = SMALL_CHANGES["cropped"](draw_scene(3))
    first = look(tmp_path / "shapes", images)
    (kept,) = (workspace.cache / "near").glob("*.parquet")
    whole = kept.read_bytes()
    if isinstance(damage, int):  # a page that claims so many rows, which ends polars' process
        write_claiming(kept, damage)
    else:
        kept.write_bytes(damage)
    assert look(tmp_path / "shapes", images).pairs.equals(first.pairs)
    assert kept.read_bytes() == whole


def test_flowers_that_were_published_twice_are_found(tmp_path, workspace):
    flowers = real_data("flowers")
    twice = ("daisy/10993710036_2033222c91.jpg", "daisy/10993818044_4c19b86c82.jpg")
    others = {path.relative_to(flowers).as_posix() for path in sorted(flowers.glob("*/1*.jpg"))}
    for name in [*sorted(others - set(twice))[:200], *twice]:
        (tmp_path / "flowers" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(flowers / name, tmp_path / "flowers" / name)
    found = near_duplicates(open_dataset(tmp_path / "flowers"))
    assert twice in found.clusters
