"""Pretrained weights: where they are found, what they were made from, and how they are fetched.

Nothing here imports Keras.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import threading
import urllib.error
import urllib.request
from pathlib import Path

import msgspec

from darkroom.data.sources.download import download
from darkroom.disk import file_sha256
from darkroom.errors import ArtifactError, RecipeError, ServiceError
from darkroom.models.trunks import TRUNKS, Published, Trunk
from darkroom.models.weight_files import read_held

_PATIENCE_S = 5.0  # until a server counts as out of reach
_IMAGENET = "ImageNet (ILSVRC 2012)"
_WIDTH = re.compile(r"_(\d[._]\d+)_")  # in the names Keras publishes: 0.75, of MobileNet V1 7_5


class Pretrained(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a trunk had learnt before it saw an image of ours."""

    trunk: str  # the catalog's name
    sha256: str  # of the file of its weights
    source: str  # the address, or the name of the file
    dataset: str | None = None  # what it was trained on; None: the file does not tell
    images: int | None = None
    classes: int | None = None

    def __str__(self) -> str:
        if self.dataset is None:
            seen = f"images that {self.source} does not name"
        else:
            seen = f"{self.dataset}, {self.images:,} photographs of {self.classes:,} classes"
        return f"{self.trunk} was pretrained on {seen}; the biases of that set come along"


class FoundWeights(msgspec.Struct, frozen=True, kw_only=True):
    """Where a trunk's weights lie, or that it starts at random."""

    width: float  # of the network they belong to
    where: str  # for example `kept by Keras`
    path: Path | None = None  # None: at random
    pretrained: Pretrained | None = None  # None: at random


def find_weights(name: str, wanted: str, *, width: float = 1.0) -> FoundWeights:
    """Find the weights a network is to start from, and fetch them if need be.

    Args:
        name: A network of the catalog.
        wanted: `imagenet`, `none`, or the path of a file that Keras wrote for the network, with
            its top or without.
        width: Of the network. A file may tell another one, which holds unless one was asked for.

    Raises:
        RecipeError: No weights of this network, or of this width, are published.
        ServiceError: They are published, not kept here, and cannot be fetched.
        ArtifactError: The path is no file, or one of another width.
    """
    if wanted == "none":
        return FoundWeights(width=width, where="at random")
    if name not in TRUNKS:
        raise RecipeError(
            f"{name} is trained from scratch here: transfer.weights = {wanted} does not fit it",
            hint="--set transfer.weights=none, or --set model=mobilenet_v2",
        )
    trunk = TRUNKS[name]
    if wanted != "imagenet":
        return _given(trunk, Path(wanted), width)
    published = _published(trunk, width)
    path, where = kept_weights(name, width=width), "kept by Keras"
    if path is None:
        path, where = fetch_weights(name, published), "fetched"
    return FoundWeights(
        width=width, where=where, path=path, pretrained=_on_imagenet(trunk, published, path)
    )


def kept_weights(name: str, *, width: float = 1.0) -> Path | None:
    """Look for ImageNet weights that Keras has fetched before, for whatever purpose.

    Args:
        name: A network with a pretrained trunk.
        width: Of the network.

    Returns:
        A whole file, or None.
    """
    published = TRUNKS[name].published.get(width)
    if published is None:
        return None
    path = _keras_folder() / published.file
    return path if path.is_file() and _is_whole(path, published) else None


def fetch_weights(name: str, published: Published) -> Path:
    """Fetch weights to where Keras itself would keep them.

    Keras' own download waits for ever, writes under the final name and begins anew after a break;
    so the address and the checksum are Keras', the way is ours.

    Args:
        name: Of the network, for the messages.
        published: What to fetch.

    Raises:
        ServiceError: The server cannot be reached, refuses, or sends something else.
        ArtifactError: The disk is full.
    """
    hint = "--set transfer.weights=FILE for a copy, or --set transfer.weights=none"
    problem = f"the ImageNet weights of {name} cannot be had"
    why = _unreachable(published.address)
    if why:
        raise ServiceError(f"{problem}: {published.address} {why}", hint=hint)
    try:
        fetched = download(published.address, _keras_folder())
    except ServiceError as refused:
        raise ServiceError(f"{problem}: {refused.problem}", hint=hint) from refused
    if not _is_whole(fetched, published):
        fetched.unlink(missing_ok=True)
        raise ServiceError(
            f"{problem}: what {published.address} sent is torn or something else"
            + (f", by its checksum: Keras has {published.checksum}" if published.checksum else ""),
            hint=hint,
        )
    return fetched.replace(_keras_folder() / published.file)


def _published(trunk: Trunk, width: float) -> Published:
    if width not in trunk.published:
        widths = ", ".join(f"{known:g}" for known in trunk.published)
        raise RecipeError(
            f"there are no ImageNet weights of {trunk.name} at width = {width:g}, only at {widths}",
            hint="--set transfer.weights=none, or another width",
        )
    return trunk.published[width]


def _given(trunk: Trunk, path: Path, width: float) -> FoundWeights:
    if not path.is_file():
        raise ArtifactError(
            f"transfer.weights = {path} is no file",
            hint="--set transfer.weights=imagenet, none, or the path of a file",
        )
    told = _held_width(trunk, path) or _told_width(trunk, path.name)
    if told is not None and width not in (1.0, told):
        raise ArtifactError(
            f"{path} is of width {told:g}, the recipe asks for {width:g}",
            hint=f"--set width={told:g}",
        )
    width = told or width
    known = trunk.published.get(width)
    is_keras_own = known and (known.checksum or path.name == known.file)
    if known and is_keras_own and _is_whole(path, known):
        pretrained = _on_imagenet(trunk, known, path)
    else:
        pretrained = Pretrained(trunk=trunk.name, source=path.name, sha256=file_sha256(path))
    return FoundWeights(width=width, where="given", path=path, pretrained=pretrained)


def _held_width(trunk: Trunk, path: Path) -> float | None:
    """Tell the width of a network by how many numbers its file holds."""
    known = {width: one.numbers for width, one in trunk.published.items() if one.numbers}
    held = read_held(path) if known else None
    for width, numbers in known.items():
        top = 1_000 * (trunk.count_features(width) + 1)
        if held is not None and held.numbers in (numbers, numbers + top):
            return width
    return None


def _told_width(trunk: Trunk, file: str) -> float | None:
    """Read the width of a network from the name of a file, as Keras writes it there."""
    for width, published in trunk.published.items():
        written = _WIDTH.search(published.file)
        if written and (f"_{written[1]}_" in file or f"_{width}_" in file):
            return width
    return None


def _on_imagenet(trunk: Trunk, published: Published, path: Path) -> Pretrained:
    return Pretrained(
        trunk=trunk.name,
        source=published.address,
        sha256=file_sha256(path),
        dataset=_IMAGENET,
        images=1_281_167,
        classes=1_000,
    )


def _keras_folder() -> Path:
    return Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "models"


def _is_whole(path: Path, published: Published) -> bool:
    """Hold a file against Keras' checksum; where it has none, against the numbers it should hold.

    A torn HDF5 cannot be opened, and what is no HDF5 holds none.
    """
    if not published.checksum:
        held = read_held(path)
        return held is not None and held.numbers >= (published.numbers or 1)
    algorithm = "md5" if len(published.checksum) == 32 else "sha256"
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest() == published.checksum


def _unreachable(address: str) -> str:
    """Say within seconds why an address cannot be reached, or nothing.

    In a thread, because looking up a name can take longer than any time limit of a connection.
    """
    answers: list[str] = []

    def ask() -> None:
        try:
            with urllib.request.urlopen(address, timeout=_PATIENCE_S):
                answers.append("")
        except urllib.error.HTTPError as refused:
            refused.close()
            answers.append(f"answered {refused.code} {refused.reason}")
        except (OSError, http.client.HTTPException, ValueError) as failed:
            answers.append(f"cannot be reached: {getattr(failed, 'reason', failed)}")

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_PATIENCE_S)
    return answers[0] if answers else f"did not answer within {_PATIENCE_S:g} s"
