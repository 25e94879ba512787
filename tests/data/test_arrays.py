"""Images that never were files: NumPy's `.npz`, and CIFAR-10 in its original binary form."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkroom import open_dataset
from darkroom.data.decode import decode_image
from darkroom.data.sources import Columns
from darkroom.data.sources.bitmap import bitmap_bytes, encode_bitmap
from darkroom.data.sources.builtin import CIFAR10_CLASSES
from darkroom.data.sources.locate import locate_source
from darkroom.data.sources.npy import read_array, read_headers
from darkroom.errors import DataError
from tests.data.packing import cifar10_records, pack_folder, write_zip

DRAW = np.random.default_rng(7)
GREY = DRAW.integers(0, 256, (6, 9, 7), dtype=np.uint8)
COLOUR = DRAW.integers(0, 256, (6, 9, 7, 3), dtype=np.uint8)
NUMBERS = np.array([0, 1, 0, 1, 0, 1])


def npz(path: Path, **arrays: np.ndarray) -> Path:
    np.savez_compressed(path, **arrays)
    return path


def refused(path: Path) -> DataError:
    with pytest.raises(DataError) as caught:
        open_dataset(path)
    assert str(path) in caught.value.problem
    return caught.value


def labels(dataset) -> list[list[str] | None]:
    return [
        None if found is None else [dataset.classes[label] for label in found]
        for found in dataset.index["labels"]
    ]


@pytest.mark.parametrize("shape", [(1, 1), (9, 7), (9, 7, 1), (9, 7, 3), (2, 3, 3), (3, 4, 1)])
def test_a_bitmap_has_the_pixels_and_the_size_that_are_told(shape):
    pixels = DRAW.integers(0, 256, shape, dtype=np.uint8)
    data = encode_bitmap(pixels)
    channels = (*shape, 1)[2]
    assert np.array_equal(decode_image(data), pixels.reshape(*shape[:2], channels))
    assert len(data) == bitmap_bytes(*shape[:2], channels)
    assert encode_bitmap(pixels.copy()) == data


@pytest.mark.parametrize(
    "names",
    [
        ("x_train", "y_train", "x_test", "y_test"),
        ("X_train", "Y_train", "X_test", "Y_test"),
        ("train_images", "train_labels", "test_images", "test_labels"),
        ("images_train", "targets_train", "images_test", "targets_test"),
    ],
)
def test_parts_are_told_by_the_usual_names_of_arrays(tmp_path, workspace, names):
    images, numbers, test_images, test_numbers = names
    arrays = {images: GREY[:4], numbers: NUMBERS[:4], test_images: GREY[4:]}
    path = npz(tmp_path / "a.npz", **arrays, **{test_numbers: NUMBERS[4:]})
    dataset = open_dataset(path)
    assert dataset.counts == {"train": 4, "test": 2}
    assert dataset.classes == ("0", "1")
    assert set(dataset.index["channels"]) == {1}


@pytest.mark.parametrize(
    ("images", "numbers"), [("X", "y"), ("images", "labels"), ("data", "target")]
)
def test_arrays_without_parts_are_not_split_yet(tmp_path, workspace, images, numbers):
    dataset = open_dataset(npz(tmp_path / "a.npz", **{images: COLOUR, numbers: NUMBERS}))
    assert dataset.counts == {"unsplit": 6}
    pixels = [decode_image(data) for data in dataset.read(dataset.index)]
    assert np.array_equal(np.stack(pixels), COLOUR)


@pytest.mark.parametrize(
    "told",
    [
        NUMBERS,
        NUMBERS[:, None],
        NUMBERS.astype(np.uint8),
        NUMBERS.astype(">i4"),
        NUMBERS.astype(bool),
        np.eye(2)[NUMBERS],
        np.eye(2, dtype=np.int8)[NUMBERS],
    ],
    ids=["plain", "column", "uint8", "big-endian", "bool", "one-hot", "one-hot-int"],
)
def test_classes_are_numbers_or_rows_with_a_single_one(tmp_path, workspace, told):
    dataset = open_dataset(npz(tmp_path / "a.npz", x=GREY, y=told))
    assert dataset.task == "single-label"
    assert dataset.index["labels"].to_list() == [[0], [1]] * 3


@pytest.mark.parametrize("kind", ["U", "S"])
def test_classes_may_be_text(tmp_path, workspace, kind):
    told = np.array(["Löwe" if kind == "U" else "Loewe", "007"] * 3).astype(kind)
    assert "007" in open_dataset(npz(tmp_path / "a.npz", x=GREY, y=told)).classes


@pytest.mark.parametrize("labels", [[b"\xff", b"\xfe"], ["\ud800", "\ud801"]])
def test_labels_that_are_no_text_stay_two_classes(tmp_path, workspace, labels):
    path = tmp_path / "odd.npz"
    np.savez(path, x=np.arange(64, dtype=np.uint8).reshape(4, 4, 4), y=np.array(labels * 2))
    assert len(open_dataset(path).classes) == 2


def test_numbers_get_the_names_of_an_array_of_class_names(tmp_path, workspace):
    names = np.array(["Katze", "Hund"])
    dataset = open_dataset(npz(tmp_path / "a.npz", x=GREY, y=NUMBERS, class_names=names))
    assert labels(dataset) == [["Katze"], ["Hund"]] * 3


def test_rows_with_several_ones_are_multi_label(tmp_path, workspace):
    told = np.array([[1, 1, 0], [0, 0, 1], [0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 1]])
    dataset = open_dataset(npz(tmp_path / "a.npz", x=GREY, y=told))
    assert dataset.task == "multi-label"
    assert labels(dataset)[:3] == [["0", "1"], ["2"], []]


def test_fractions_are_targets_and_one_that_is_not_finite_is_listed(tmp_path, workspace):
    told = np.array([0.5, 1.0, -2.0, np.nan, np.inf, 7.25])
    dataset = open_dataset(npz(tmp_path / "a.npz", x=GREY, y=told))
    assert dataset.task == "regression"
    assert dataset.index["target"].to_list() == [0.5, 1.0, -2.0, 7.25]
    assert set(dataset.skipped["name"]) == {"x/3.bmp", "x/4.bmp"}


def test_images_without_labels_beside_others_are_unlabelled(tmp_path, workspace):
    path = npz(tmp_path / "a.npz", x_train=GREY[:4], y_train=NUMBERS[:4], x_test=GREY[4:])
    assert open_dataset(path).counts == {"train": 4, "unlabelled": 2}


def test_arrays_of_no_known_meaning_are_listed(tmp_path, workspace):
    dataset = open_dataset(npz(tmp_path / "a.npz", x=GREY, y=NUMBERS, weights=np.ones(3)))
    assert dataset.skipped.rows() == [("weights", "not images or labels")]


@pytest.mark.parametrize(
    ("arrays", "told", "hint"),
    [
        ({"x": GREY / 255, "y": NUMBERS}, "float64", "np.rint(x * 255).astype(np.uint8)"),
        ({"x": GREY.astype(np.int64), "y": NUMBERS}, "int64", "x.astype(np.uint8)"),
        ({"x": GREY.astype(">u2"), "y": NUMBERS}, "u2", "x.astype(np.uint8)"),
        ({"x": GREY.reshape(6, -1), "y": NUMBERS}, "(6, 63)", "reshape"),
        ({"x": COLOUR.transpose(0, 3, 1, 2), "y": NUMBERS}, "7 values", "transpose(0, 2, 3, 1)"),
        ({"x": np.dstack([GREY] * 4).reshape(6, 9, 7, 4), "y": NUMBERS}, "4 values", "[..., :3]"),
        ({"x": GREY[:0], "y": NUMBERS[:0]}, "(0, 9, 7)", "height"),
        ({"x": GREY, "y": NUMBERS[:5]}, "(5,)", "one label"),
        ({"x": GREY, "y": np.full((6, 2), 3)}, "(6, 2)", "ones and zeros"),
        ({"x": GREY, "y": np.array(3)}, "()", "one label"),
        ({"x": GREY}, "no array holds labels", "np.savez"),
        ({"y": NUMBERS}, "no array", "np.savez"),
        ({"x": GREY, "y": NUMBERS, "y_test": NUMBERS}, "y_test has no images", "np.savez"),
        ({"x": GREY, "images": GREY, "y": NUMBERS}, "mean the same", "keep one"),
        ({"x": GREY, "y": NUMBERS, "class_names": NUMBERS}, "class_names", "dtype=str"),
        ({"x": GREY, "y": NUMBERS + 1, "classes": np.array(["a", "b"])}, "label 2", "class names"),
        ({"x": GREY, "y": NUMBERS.astype(complex)}, "complex", "whole numbers"),
        ({"x": GREY, "y": np.zeros(6, "datetime64[s]")}, "datetime", "whole numbers"),
        ({"x": GREY, "y": np.zeros(6, "V8")}, "V8", "whole numbers"),
    ],
)  # fmt: skip
def test_arrays_that_are_no_labelled_images_are_refused_with_a_way_out(
    tmp_path, workspace, arrays, told, hint
):
    error = refused(npz(tmp_path / "a.npz", **arrays))
    assert told in error.problem
    assert hint in error.hint


class Trap:
    """What a pickle may do when it is opened."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('opened')",))


def test_objects_are_refused_and_never_opened(tmp_path, workspace):
    told = np.array([Trap()] * 6, object)
    error = refused(npz(tmp_path / "a.npz", x=GREY, y=told))
    assert "y" in error.problem
    assert "Python objects" in error.problem


def test_control_numpy_itself_opens_them_when_allowed(tmp_path):
    path = npz(tmp_path / "a.npz", y=np.array([Trap()], object))
    with np.load(path, allow_pickle=True) as arrays, pytest.raises(SystemExit):
        _ = arrays["y"]


def header(shape: str, dtype: str = "|u1") -> bytes:
    """Write the beginning of an `.npy` file, whatever it claims."""
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}}}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def good(name: str, array: np.ndarray) -> tuple[str, bytes]:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return name, buffer.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        header("(6, 9, 7)") + bytes(100),  # claims more than there is
        header("(6, 9, 7)") + bytes(6 * 9 * 7 + 1),  # ... less
        header("(1000000, 1000000, 1000000)") + bytes(100),
        header("(6, -9, -7)") + bytes(6 * 9 * 7),
        header("(6, 9, 7)", "|O") + bytes(8 * 6 * 9 * 7),
        header("(6, 9, 7)", "|V0"),
        header("__import__('os').getcwd()") + bytes(100),
        b"\x93NUMPY\x07\x00" + bytes(100),
        b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 65_535,
        b"words",
        b"",
    ],
)
def test_a_header_that_lies_is_refused_before_anything_is_read(tmp_path, workspace, data):
    members = [good("y.npy", NUMBERS), ("x.npy", data)]
    refused(write_zip(tmp_path / "a.npz", members))


def test_a_member_above_two_gibibytes_is_refused(tmp_path, workspace):
    path = write_zip(tmp_path / "a.npz", [good("y.npy", NUMBERS), ("x.npy", header("(6, 9, 7)"))])
    data = bytearray(path.read_bytes())
    claimed = 2**31 + 2**20
    shape = f"({claimed}, 1, 1)"
    path.unlink()
    write_zip(path, [good("y.npy", NUMBERS), ("x.npy", header(shape))])
    data = bytearray(path.read_bytes())
    size = claimed + len(header(shape))
    struct.pack_into("<I", data, data.rindex(b"PK\x01\x02") + 24, size)
    path.write_bytes(data)
    assert "above the cap" in refused(path).problem


def test_a_bomb_is_refused_without_being_unpacked(tmp_path, workspace):
    side = 20_000
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(*good("y.npy", NUMBERS[:1]))
        with archive.open("x.npy", "w") as member:
            member.write(header(f"(1, {side}, {side})"))
            for _ in range(side):
                member.write(bytes(side))
    tracemalloc.start()
    try:
        assert "unpacks" in refused(path).problem
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()


def test_control_a_small_array_that_packs_well_is_read(tmp_path, workspace):
    dark = np.zeros((6, 100, 100), np.uint8)
    assert open_dataset(npz(tmp_path / "a.npz", x=dark, y=NUMBERS)).record.used == 6


def test_a_locked_member_is_refused(tmp_path, workspace):
    path = npz(tmp_path / "a.npz", x=GREY, y=NUMBERS)
    data = bytearray(path.read_bytes())
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    assert "password" in refused(path).problem


def test_fortran_order_is_read_as_it_is_meant(tmp_path):
    path = npz(tmp_path / "a.npz", x=np.asfortranarray(COLOUR))
    (only,) = read_headers(path)
    assert np.array_equal(read_array(path, only), COLOUR)


@settings(deadline=None, max_examples=80)
@given(st.data())
def test_a_damaged_npz_raises_nothing_but_data_errors(tmp_path_factory, data):
    path = npz(tmp_path_factory.getbasetemp() / "a.npz", x=GREY, y=NUMBERS)
    damaged = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(damaged)
    try:
        source = locate_source(path, path.parent)
        for entry in source.listing().entries:
            source.read(entry.name)
    except DataError:
        pass


def cifar10(root: Path, count: int = 4) -> Path:
    """Write a small CIFAR-10 in its own binary form."""
    root.mkdir(parents=True)
    for number, name in enumerate([*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]):
        pixels = np.random.default_rng(number).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
        (root / f"{name}.bin").write_bytes(cifar10_records(pixels, range(count)))
    return root


@pytest.mark.parametrize("ending", ["", ".tar.gz", ".zip"])
def test_cifar10_in_its_own_binary_form_is_read(tmp_path, workspace, ending):
    root = cifar10(tmp_path / "cifar")
    dataset = open_dataset(pack_folder(root, ending) if ending else root)
    assert dataset.counts == {"train": 20, "test": 4}
    assert dataset.classes == CIFAR10_CLASSES[:4]
    first = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)[0]
    row = dataset.index.filter(image="data_batch_1/00000.bmp")
    assert np.array_equal(decode_image(dataset.read(row)[0]), first)


@pytest.mark.parametrize("change", [-1, 1, 3072])
def test_a_batch_of_no_whole_records_is_refused(tmp_path, workspace, change):
    batch = cifar10(tmp_path / "cifar") / "data_batch_3.bin"
    batch.write_bytes((batch.read_bytes() + bytes(4000))[: 4 * 3073 + change])
    error = refused(tmp_path / "cifar")
    assert "data_batch_3.bin" in error.problem
    assert f"{4 * 3073 + change:,} bytes" in error.problem


def test_an_empty_batch_is_refused(tmp_path, workspace):
    (cifar10(tmp_path / "cifar") / "test_batch.bin").write_bytes(b"")
    assert "0 bytes" in refused(tmp_path / "cifar").problem


def test_a_label_above_nine_is_refused_with_its_place(tmp_path, workspace):
    batch = cifar10(tmp_path / "cifar") / "test_batch.bin"
    data = bytearray(batch.read_bytes())
    data[2 * 3073] = 10
    batch.write_bytes(data)
    error = refused(tmp_path / "cifar")
    assert "record 2 of test_batch.bin" in error.problem
    assert "label 10" in error.problem


@pytest.mark.parametrize("ending", ["", ".tar.gz"])
def test_the_python_version_is_refused_and_never_opened(tmp_path, workspace, ending):
    root = tmp_path / "cifar-10-batches-py"
    root.mkdir()
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta"):
        (root / name).write_bytes(b"\x80\x04cos\nsystem\n")
    path = pack_folder(root, ending) if ending else root
    error = refused(path)
    assert "pickles" in error.problem
    assert "cifar-10-binary.tar.gz" in error.hint


def test_a_wrong_list_of_cifar10s_classes_is_refused(tmp_path, workspace):
    root = cifar10(tmp_path / "cifar")
    (root / "batches.meta.txt").write_text("cat\ndog\n")
    assert "names 2 classes" in refused(root).problem


def test_its_own_list_of_classes_names_the_labels(tmp_path, workspace):
    root = cifar10(tmp_path / "cifar")
    (root / "batches.meta.txt").write_text("".join(f"{name}s\n" for name in CIFAR10_CLASSES))
    assert "airplanes" in open_dataset(root).classes


@pytest.mark.parametrize("make", [lambda path: npz(path, x=GREY, y=NUMBERS), cifar10])
def test_columns_are_not_named_for_what_has_none(tmp_path, workspace, make):
    path = make(tmp_path / "a.npz")
    with pytest.raises(DataError, match="no column for label"):
        open_dataset(path, columns=Columns(label="y"))
