"""One way per check to make clean images ill; the contract of the checks plants them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from darkroom import Workspace, open_dataset, split_dataset
from darkroom.data.dataset import Dataset
from darkroom.findings import Severity
from tests.data.indexes import Row, make_index
from tests.making import CLASSES, draw_folder, draw_image, image_bytes

LARGE = (96, 80)  # width and height in pixels; large enough for all that is looked at
START = datetime(2024, 3, 1)  # noqa: DTZ001 (cameras know no time zone)


def opened(root: Path) -> Dataset:
    return split_dataset(open_dataset(root))


def change(path: Path, by: Callable[[Image.Image], Image.Image]) -> None:
    with Image.open(path) as image:
        by(image).save(path)


def scaled(factor: float, offset: float = 0.0) -> Callable[[Image.Image], Image.Image]:
    return lambda image: image.point(lambda value: value * factor + offset)


def three_parts(root: Path) -> Path:
    parts = root.parent / "parts"
    for number, part in enumerate(("train", "valid", "test")):
        draw_folder(parts / part, per_class=25, seed=10 + number)
    return parts


def spoil_one(root: Path) -> Dataset:
    (root / "ball" / "000.png").write_bytes(b"")
    return opened(root)


def spoil_two(root: Path) -> Dataset:
    (root / "ball" / "001.png").write_bytes(b"")
    return spoil_one(root)


def empty_one_class(root: Path) -> Dataset:
    (root / "spiral").mkdir()
    return opened(root)


def empty_two_classes(root: Path) -> Dataset:
    (root / "circle").mkdir()
    return empty_one_class(root)


def keep_one_class(root: Path) -> Dataset:
    shutil.rmtree(root / "ball")
    shutil.rmtree(root / "box")
    return opened(root)


def keep_one_image(root: Path) -> Dataset:
    for path in sorted(root.rglob("*.png"))[1:]:
        path.unlink()
    return open_dataset(root)


def add_a_tiny_class(root: Path) -> Dataset:
    (root / "spiral").mkdir()
    (root / "spiral" / "1.png").write_bytes(image_bytes("stripe", 500))
    return opened(root)


def add_two_tiny_classes(root: Path) -> Dataset:
    (root / "circle").mkdir()
    (root / "circle" / "1.png").write_bytes(image_bytes("ball", 501))
    return add_a_tiny_class(root)


def tear_a_class_from_training(root: Path) -> Dataset:
    for part in ("train", "valid", "test"):
        shutil.copytree(root, root.parent / "parts" / part)
    shutil.rmtree(root.parent / "parts" / "train" / "ball")
    return open_dataset(root.parent / "parts")


def copy_across_parts(root: Path) -> Dataset:
    parts = three_parts(root)
    shutil.copy(parts / "test" / "ball" / "003.png", parts / "train" / "ball" / "copy.png")
    return open_dataset(parts)


def copy_two_across_parts(root: Path) -> Dataset:
    copy_across_parts(root)
    parts = root.parent / "parts"
    shutil.copy(parts / "test" / "box" / "003.png", parts / "train" / "box" / "copy.png")
    return open_dataset(parts)


def tear_groups(count: int) -> Dataset:
    """Give images in pairs of one group, and put the first pairs into two parts."""
    rows = [
        Row(f"{part}/{n}.png", n % 2, part, group=f"{part}{n // 2}")
        for part in ("train", "valid", "test")
        for n in range(50)
    ]
    torn = [
        Row(f"{part}/torn{n}.png", 0, part, group=f"shoe{n}")
        for part in ("train", "test")
        for n in range(count)
    ]
    return make_index(Workspace(), rows + torn)


def tear_one_group(root: Path) -> Dataset:
    return tear_groups(1)


def tear_two_groups(root: Path) -> Dataset:
    return tear_groups(2)


def tear_two_classes_from_training(root: Path) -> Dataset:
    tear_a_class_from_training(root)
    shutil.rmtree(root.parent / "parts" / "train" / "box")
    return open_dataset(root.parent / "parts")


def swell_one_class(root: Path) -> Dataset:
    draw_folder(root, ("ball",), 25 * 6, seed=5)
    return opened(root)


def name_a_class_twice(root: Path) -> Dataset:
    draw_folder(root, ("Ball",), 25, seed=7)
    return opened(root)


def name_two_classes_twice(root: Path) -> Dataset:
    draw_folder(root, ("Ball", "BOX"), 25, seed=7)
    return opened(root)


def label_one_otherwise(root: Path) -> Dataset:
    shutil.copy(root / "ball" / "003.png", root / "box" / "copy.png")
    return opened(root)


def label_two_otherwise(root: Path) -> Dataset:
    shutil.copy(root / "ball" / "004.png", root / "box" / "another.png")
    return label_one_otherwise(root)


def copy_one(root: Path) -> Dataset:
    shutil.copy(root / "ball" / "003.png", root / "ball" / "copy.png")
    return opened(root)


def copy_two(root: Path) -> Dataset:
    shutil.copy(root / "box" / "003.png", root / "box" / "copy.png")
    shutil.copy(root / "box" / "003.png", root / "box" / "again.png")
    return copy_one(root)


def add_a_scene(image: Path, copy: Path, seed: int) -> None:
    """Save a picture of soft coloured blots, and the same again as a JPEG."""
    blots = np.random.default_rng(seed).integers(0, 256, (9, 9, 3)).astype(np.uint8)
    scene = Image.fromarray(blots).resize(LARGE, Image.Resampling.BICUBIC)
    scene.save(image)
    scene.save(copy, quality=60)


def encode_one_again(root: Path) -> Dataset:
    add_a_scene(root / "ball" / "scene.png", root / "ball" / "again.jpg", seed=0)
    return opened(root)


def encode_one_again_across_parts(root: Path) -> Dataset:
    parts = three_parts(root)
    add_a_scene(parts / "test" / "ball" / "scene.png", parts / "train" / "ball" / "again.jpg", 0)
    return open_dataset(parts)


def encode_two_again_across_parts(root: Path) -> Dataset:
    encode_one_again_across_parts(root)
    parts = root.parent / "parts"
    add_a_scene(parts / "valid" / "box" / "scene.png", parts / "train" / "box" / "again.jpg", 1)
    return open_dataset(parts)


def label_a_near_duplicate_otherwise(root: Path) -> Dataset:
    add_a_scene(root / "ball" / "scene.png", root / "box" / "again.jpg", seed=0)
    return opened(root)


def enlarge_one(root: Path) -> Dataset:
    draw_image("ball", 0, (240, 200)).save(root / "ball" / "000.png")
    return opened(root)


def enlarge_two(root: Path) -> Dataset:
    draw_image("ball", 1, (120, 100)).save(root / "ball" / "001.png")
    return enlarge_one(root)


def darken_one(root: Path) -> Dataset:
    change(root / "ball" / "000.png", scaled(0.1))
    return opened(root)


def darken_two(root: Path) -> Dataset:
    change(root / "ball" / "001.png", scaled(0.12))
    return darken_one(root)


def bleach_one(root: Path) -> Dataset:
    change(root / "ball" / "000.png", scaled(0.1, 229))
    return opened(root)


def blur_one(root: Path) -> Dataset:
    draw_folder(root, size=LARGE, per_class=25)
    change(root / "ball" / "000.png", lambda image: image.filter(ImageFilter.GaussianBlur(6)))
    return opened(root)


def empty_one(root: Path) -> Dataset:
    change(root / "ball" / "000.png", scaled(0, 120))
    return opened(root)


def tint(image: Image.Image) -> Image.Image:
    """Make an image lean to red, as photographs do."""
    pixels = np.asarray(image) * np.array([1.0, 0.7, 0.4])
    return Image.fromarray(pixels.astype(np.uint8))


def exchange(image: Image.Image) -> Image.Image:
    return Image.merge("RGB", image.split()[::-1])


def exchange_the_test_part(root: Path) -> Dataset:
    parts = three_parts(root)
    for path in parts.rglob("*.png"):
        change(path, tint)
    for path in (parts / "test").rglob("*.png"):
        change(path, exchange)
    return open_dataset(parts)


def exchange_all(root: Path) -> Dataset:
    for path in root.rglob("*.png"):
        change(path, tint)
        change(path, exchange)
    return opened(root)


def save_a_class_as_bmp(root: Path) -> Dataset:
    for path in (root / "box").glob("*.png"):
        with Image.open(path) as image:
            image.save(path.with_suffix(".bmp"))
        path.unlink()
    return opened(root)


def dim_the_test_part(root: Path) -> Dataset:
    parts = three_parts(root)
    for path in (parts / "test").rglob("*.png"):
        change(path, scaled(0.6))
    return open_dataset(parts)


def take_a_class_early(root: Path) -> Dataset:
    rows = [
        Row(f"{label}/{n}.png", label, taken=START + timedelta(days=n / 4 if label == 0 else n))
        for label in range(3)
        for n in range(100)
    ]
    return make_index(Workspace(), rows, classes=CLASSES)


def take_two_classes_early(root: Path) -> Dataset:
    rows = [
        Row(f"{label}/{n}.png", label, taken=START + timedelta(days=n / 10 if label < 2 else n))
        for label in range(6)
        for n in range(100)
    ]
    return make_index(Workspace(), rows)


# check -> (how to make a clean folder ill, severity, what must be named)
AILMENTS: dict[str, tuple[Callable[[Path], Dataset], Severity, str]] = {
    "unreadable": (spoil_one, "error", "ball/000.png"),
    "empty-class": (empty_one_class, "error", "spiral"),
    "single-class": (keep_one_class, "error", "stripe"),
    "name-twins": (name_a_class_twice, "error", "Ball"),
    "tiny-class": (add_a_tiny_class, "error", "spiral"),
    "class-in-one-part": (tear_a_class_from_training, "error", "ball"),
    "conflicting-labels": (label_one_otherwise, "error", "box/copy.png"),
    "duplicates-across-parts": (copy_across_parts, "error", "train/ball/copy.png"),
    "groups-across-parts": (tear_one_group, "error", "test/torn0.png"),
    "near-duplicates-across-parts": (
        encode_one_again_across_parts,
        "warning",
        "train/ball/again.jpg",
    ),
    "shift-between-parts": (dim_the_test_part, "warning", "test"),
    "metadata-leak": (save_a_class_as_bmp, "warning", "box"),
    "channel-order": (exchange_the_test_part, "warning", "test/ball/000.png"),
    "drift-over-time": (take_a_class_early, "warning", "ball"),
    "imbalance": (swell_one_class, "warning", "ball"),
    "duplicates": (copy_one, "note", "ball/copy.png"),
    "near-duplicates": (encode_one_again, "note", "ball/again.jpg"),
    "odd-size": (enlarge_one, "note", "ball/000.png"),
    "dark": (darken_one, "note", "ball/000.png"),
    "bright": (bleach_one, "note", "ball/000.png"),
    "blurry": (blur_one, "note", "ball/000.png"),
    "low-information": (empty_one, "note", "ball/000.png"),
}

SENTENCES: list[tuple[str, Callable[[Path], Dataset], str]] = [
    ("unreadable", spoil_one, "is not a readable image; ball/000.png is empty (0 bytes)"),
    ("unreadable", spoil_two, "images; the first, ball/000.png, is empty (0 bytes)"),
    ("empty-class", empty_one_class, "1 class folder holds no image: spiral"),
    ("empty-class", empty_two_classes, "2 class folders hold no image: circle, spiral"),
    ("tiny-class", add_a_tiny_class, "1 class has fewer than 3 images: spiral (1)"),
    ("tiny-class", add_two_tiny_classes, "2 classes have fewer than 3 images:"),
    ("single-class", keep_one_class, "all 25 images belong to one class: stripe"),
    ("single-class", keep_one_image, "the only image belongs to one class: ball"),
    ("duplicates-across-parts", copy_across_parts, "1 image stands in more than one part"),
    ("duplicates-across-parts", copy_two_across_parts, "2 images stand in more than one"),
    ("groups-across-parts", tear_one_group, "1 group lies in more than one part; of shoe0,"),
    ("groups-across-parts", tear_one_group, "test/torn0.png is in test, train/torn0.png in train"),
    ("groups-across-parts", tear_two_groups, "2 groups lie in more than one part"),
    ("class-in-one-part", tear_a_class_from_training, "the class ball is in valid and test, not"),
    ("class-in-one-part", tear_two_classes_from_training, "not in train: ball, box"),
    ("name-twins", name_a_class_twice, "1 class is there under several names ('Ball' and 'ball')"),
    ("name-twins", name_two_classes_twice, "2 classes are there under several names"),
    ("conflicting-labels", label_one_otherwise, "1 image stands under different labels"),
    ("conflicting-labels", label_one_otherwise, "ball/003.png is ball, box/copy.png box"),
    ("conflicting-labels", label_two_otherwise, "2 images stand under different labels"),
    ("conflicting-labels", label_a_near_duplicate_otherwise, "1 pair of near-duplicates under"),
    (
        "near-duplicates",
        encode_one_again,
        "2 images (2.6 %) have a near-duplicate in the same part",
    ),
    ("duplicates", copy_one, "1 image is there more than once"),
    ("duplicates", copy_two, "2 images are there more than once"),
    ("duplicates", copy_two, ": 3 copies of 78 images"),
    (
        "near-duplicates-across-parts",
        encode_one_again_across_parts,
        "1 pair of near-duplicates lies",
    ),
    ("near-duplicates-across-parts", encode_two_again_across_parts, "2 pairs of near-duplicates"),
    ("odd-size", enlarge_one, "1 image has an odd size or shape; ball/000.png has 240 x 200 px"),
    ("odd-size", enlarge_two, "2 images have an odd size or shape; ball/000.png"),
    ("dark", darken_one, "1 image is very dark, unlike the rest; it is ball/000.png"),
    ("dark", darken_two, "2 images are very dark, unlike the rest; the most so is ball/000.png"),
    ("metadata-leak", save_a_class_as_bmp, "the format alone tells the class of"),
    ("channel-order", exchange_the_test_part, "exchanged in the part test"),
    ("channel-order", exchange_all, "red and blue may be exchanged in all images"),
    ("shift-between-parts", dim_the_test_part, "test images can be told from train images"),
    ("drift-over-time", take_a_class_early, "of ball is from the earlier half"),
    ("drift-over-time", take_two_classes_early, "; 1 other class is as one-sided"),
]
