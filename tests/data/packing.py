"""Packs drawn folders into everything a source can be, and odd archives by hand."""

from __future__ import annotations

import csv
import io
import json
import tarfile
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import polars as pl
from PIL import Image

from darkroom.data.sources.builtin import CIFAR10_CLASSES

TAR_MODES: dict[str, Literal["w", "w:gz", "w:bz2", "w:xz"]] = {
    ".tar": "w",
    ".tar.gz": "w:gz",
    ".tar.bz2": "w:bz2",
    ".tar.xz": "w:xz",
}


def pack_folder(folder: Path, ending: str, prefix: str = "") -> Path:
    """Pack what lies in a folder, and return the archive that stands beside it."""
    target = folder.with_name(folder.name + ending)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    members = [(prefix + path.relative_to(folder).as_posix(), path.read_bytes()) for path in files]
    if ending == ".zip":
        return write_zip(target, members)
    return write_tar(target, members, TAR_MODES[ending])


def write_zip(path: Path, members: Iterable[tuple[str, bytes]], *, packed: bool = True) -> Path:
    """Write a zip with exactly these member names, whatever they are."""
    how = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", how) as archive:
        for name, data in members:
            info = zipfile.ZipInfo("placeholder")
            info.filename, info.compress_type = name, how
            archive.writestr(info, data)
    return path


def write_tar(
    path: Path,
    members: Iterable[tuple[str, bytes]],
    mode: Literal["w", "w:gz", "w:bz2", "w:xz"] = "w",
) -> Path:
    """Write a tar with exactly these member names, whatever they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def write_table(path: Path, columns: Mapping[str, Sequence[Any]]) -> Path:
    """Write a table of the kind its ending tells: CSV, TSV, JSON Lines or Parquet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pl.DataFrame(columns, strict=False).write_parquet(path)
        return path
    rows = list(zip(*columns.values(), strict=True))
    with path.open("w", encoding="utf-8", newline="") as file:
        if path.suffix == ".jsonl":
            file.writelines(json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in rows)
        else:
            writer = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writerows([list(columns), *rows])
    return path


def write_claiming(path: Path, values: int) -> Path:
    """Write a Parquet table of six rows; its first page says it has some number, -64 to 63."""
    table = {"image": [f"{n}.png" for n in range(6)], "label": ["cat", "dog"] * 3}
    data = bytearray(write_table(path, table).read_bytes())
    six = b"\x2c\x15\x0c"  # a part of the header, its first field, and six as Thrift writes it
    data[data.index(six) + 2] = 2 * values if values >= 0 else -2 * values - 1
    path.write_bytes(data)
    return path


def huggingface(**classes: Sequence[str]) -> dict[str, str]:
    """Give the metadata that Hugging Face keeps in a Parquet file of whole-number labels."""
    features = {name: {"names": list(of), "_type": "ClassLabel"} for name, of in classes.items()}
    return {"huggingface": json.dumps({"info": {"features": features}})}


def write_parquet_images(
    path: Path,
    images: Sequence[bytes | None],
    labels: Sequence[Any],
    paths: Sequence[str | None] | None = None,
    metadata: dict[str, str] | None = None,
) -> Path:
    """Write a Parquet file with images in it, in Hugging Face's way when paths are given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    column: Sequence[Any] = images
    if paths is not None:
        column = [{"bytes": data, "path": name} for data, name in zip(images, paths, strict=True)]
    frame = pl.DataFrame({"image": column, "label": labels}, strict=False)
    frame.write_parquet(path, metadata=metadata)
    return path


def cifar10_records(pixels: np.ndarray, labels: Sequence[int]) -> bytes:
    """Write images of 32 x 32 px as CIFAR-10's records: a label, then all red, green and blue."""
    planes = pixels.transpose(0, 3, 1, 2).reshape(len(pixels), -1)
    return np.column_stack([np.array(labels, np.uint8), planes]).tobytes()


class Packed(msgspec.Struct, frozen=True):
    """A source made of a drawn folder, and what it has to hold."""

    location: Path
    images: dict[str, bytes | np.ndarray]  # what is listed: a file's bytes, or an image's pixels
    labels: dict[str, str]  # the class of each image
    skipped: frozenset[str] = frozenset()
    stem: str = "shapes"
    file: Path | None = None  # what a change of the source changes; None: the location


def _drawn(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*.png"))
    }


def _labels(names: Iterable[str]) -> dict[str, str]:
    return {name: name.split("/")[-2] for name in names}


def _whole(folder: Path) -> dict[str, bytes]:
    """Give every file that a folder or an archive of it lists, images or not."""
    return {**_drawn(folder), "notes.txt": (folder / "notes.txt").read_bytes()}


def _folder(folder: Path) -> Packed:
    labels = _labels(_drawn(folder))
    notes = folder / "notes.txt"
    return Packed(folder, _whole(folder), labels, frozenset({".hidden"}), file=notes)


def _archive(folder: Path, ending: str, prefix: str = "") -> Packed:
    path = pack_folder(folder, ending, prefix)
    return Packed(path, _whole(folder), _labels(_drawn(folder)), frozenset({".hidden"}))


def _table(folder: Path, name: str) -> Packed:
    images = _drawn(folder)
    columns = {"path": list(images), "class": [path.split("/")[0] for path in images]}
    path = write_table(folder / name, columns)
    return Packed(path, images, _labels(images), stem="labels")


def _imagefolder(folder: Path, name: str, ending: str = "") -> Packed:
    images = _drawn(folder)
    labels = {path: f"a {path.split('/')[0]}" for path in images}
    table = folder / name
    write_table(table, {"file_name": list(images), "label": list(labels.values())})
    whole = _whole(folder)
    if ending:
        path = pack_folder(folder, ending)
        table.unlink()
        return Packed(path, whole, labels, frozenset({".hidden"}))
    return Packed(folder, whole, labels, frozenset({".hidden"}), file=table)


def _parquet(folder: Path) -> Packed:
    images = _drawn(folder)
    labels = [path.split("/")[0] for path in images]
    path = folder.with_name("shapes.parquet")
    write_parquet_images(path, list(images.values()), labels, list(images))
    return Packed(path, images, _labels(images))


def _parquet_shards(folder: Path) -> Packed:
    images = _drawn(folder)
    classes = sorted({path.split("/")[0] for path in images})
    root = folder.parent / "shards" / "shapes"
    found: dict[str, bytes] = {}
    labels: dict[str, str] = {}
    for number in range(2):
        shard = f"data/train-{number:05d}-of-00002.parquet"
        part = dict(list(images.items())[number::2])
        numbers = [classes.index(path.split("/")[0]) for path in part]
        names = huggingface(label=classes)
        write_parquet_images(root / shard, list(part.values()), numbers, metadata=names)
        for row, (path, data) in enumerate(part.items()):
            found[f"{shard}/{row}"], labels[f"{shard}/{row}"] = data, path.split("/")[0]
    (root / "README.md").write_text("words")
    shard = root / "data" / "train-00000-of-00002.parquet"
    return Packed(root, found, labels, frozenset({"README.md"}), file=shard)


def webdataset_members(images: Mapping[str, bytes]) -> list[tuple[str, bytes]]:
    """Give the members of a shard: each image, and its class in a `.cls` of the same key."""
    members: list[tuple[str, bytes]] = []
    for number, (path, data) in enumerate(images.items()):
        members += [(f"{number:04d}.png", data), (f"{number:04d}.cls", path.split("/")[0].encode())]
    return members


def _webdataset(folder: Path) -> Packed:
    images = _drawn(folder)
    path = folder.with_name("shapes.tar")
    write_tar(path, [*webdataset_members(images), ("notes.txt", b"words")])
    numbered = {f"{number:04d}.png": name for number, name in enumerate(images)}
    found = {key: images[name] for key, name in numbered.items()}
    labels = {key: name.split("/")[0] for key, name in numbered.items()}
    return Packed(path, found, labels, frozenset({"notes.txt"}))


def _webdataset_shards(folder: Path) -> Packed:
    images = _drawn(folder)
    root = folder.parent / "tars" / "shapes"
    found: dict[str, bytes] = {}
    labels: dict[str, str] = {}
    for number in range(2):
        shard = f"train-{number:04d}.tar"
        part = dict(list(images.items())[number::2])
        write_tar(root / shard, webdataset_members(part))
        for row, (path, data) in enumerate(part.items()):
            name = f"{shard}/{row:04d}.png"
            found[name], labels[name] = data, path.split("/")[0]
    (root / "sizes.json").write_text("{}")
    return Packed(root, found, labels, frozenset({"sizes.json"}), file=root / "train-0000.tar")


def drawn_pixels(folder: Path, side: int) -> tuple[np.ndarray, list[str]]:
    """Give the images of a drawn folder as one array, and their classes."""
    images = _drawn(folder)
    pixels = [
        np.asarray(Image.open(io.BytesIO(data)).convert("RGB").resize((side, side)))
        for data in images.values()
    ]
    return np.stack(pixels), [path.split("/")[0] for path in images]


def _cifar10(folder: Path, *, packed: bool = False) -> Packed:
    pixels, _ = drawn_pixels(folder, 32)
    root = folder.parent / "cifar" / "shapes"
    below = "cifar-10-batches-bin"
    (root / below).mkdir(parents=True, exist_ok=True)
    half = len(pixels) // 2
    found: dict[str, np.ndarray] = {}
    labels: dict[str, str] = {}
    for name, part in (("data_batch_1", pixels[:half]), ("test_batch", pixels[half:])):
        numbers = list(range(len(part)))
        (root / below / f"{name}.bin").write_bytes(cifar10_records(part, numbers))
        for row, image in enumerate(part):
            key = f"{below}/{name}/{row:05d}.bmp"
            found[key], labels[key] = image, CIFAR10_CLASSES[row]
    (root / below / "batches.meta.txt").write_text("\n".join(CIFAR10_CLASSES) + "\n")
    (root / below / "readme.html").write_text("words")
    odd = frozenset({f"{below}/readme.html"})
    if packed:
        return Packed(pack_folder(root, ".tar.gz"), found, labels, odd)
    return Packed(root, found, labels, odd, file=root / below / "test_batch.bin")


def _arrays(folder: Path) -> Packed:
    pixels, classes = drawn_pixels(folder, 16)
    path = folder.with_name("shapes.npz")
    half = len(pixels) // 2
    parts = {"train": slice(0, half), "test": slice(half, None)}
    found: dict[str, np.ndarray] = {}
    labels: dict[str, str] = {}
    arrays: dict[str, np.ndarray] = {"notes": np.arange(3)}
    for part, rows in parts.items():
        arrays[f"x_{part}"], arrays[f"y_{part}"] = pixels[rows], np.array(classes[rows])
        for row, (image, label) in enumerate(zip(pixels[rows], classes[rows], strict=True)):
            name = f"x_{part}/{row}.bmp"
            found[name], labels[name] = image, label
    np.savez(path, **arrays)
    return Packed(path, found, labels, frozenset({"notes"}))


PACKERS = {
    "folder": _folder,
    "zip": lambda folder: _archive(folder, ".zip"),
    **{ending: lambda folder, ending=ending: _archive(folder, ending) for ending in TAR_MODES},
    "./.tar": lambda folder: _archive(folder, ".tar", "./"),  # as `tar cf shapes.tar .` writes
    "csv": lambda folder: _table(folder, "labels.csv"),
    "tsv": lambda folder: _table(folder, "labels.tsv"),
    "jsonl": lambda folder: _table(folder, "labels.jsonl"),
    "parquet": lambda folder: _table(folder, "labels.parquet"),
    "imagefolder-csv": lambda folder: _imagefolder(folder, "metadata.csv"),
    "imagefolder-jsonl": lambda folder: _imagefolder(folder, "metadata.jsonl"),
    "imagefolder-parquet": lambda folder: _imagefolder(folder, "metadata.parquet"),
    "imagefolder-zip": lambda folder: _imagefolder(folder, "metadata.csv", ".zip"),
    "parquet-images": _parquet,
    "parquet-shards": _parquet_shards,
    "webdataset": _webdataset,
    "webdataset-shards": _webdataset_shards,
    "cifar10": _cifar10,
    "cifar10-tar": lambda folder: _cifar10(folder, packed=True),
    "npz": _arrays,
}
