"""Pretrained weights: what is found, what is fetched, what is said of them, what is refused."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import socket
import threading
import time

import h5py
import msgspec
import numpy as np
import pytest

from darkroom.data.sources import download
from darkroom.errors import ArtifactError, RecipeError, ServiceError
from darkroom.models import weights
from darkroom.models.trunks import TRUNKS, Published
from darkroom.models.weights import Pretrained, fetch_weights, find_weights, kept_weights
from darkroom.records import from_json, to_json
from darkroom.settings import with_overrides
from darkroom.training.recipe import Recipe
from tests.data.file_server import FileServer

BYTES = b"as good as weights" * 1000
MD5 = hashlib.md5(BYTES, usedforsecurity=False).hexdigest()
SHA256 = hashlib.sha256(BYTES).hexdigest()


@pytest.fixture(autouse=True)
def keras_home(tmp_path, monkeypatch):
    """Keras keeps nothing yet."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return tmp_path / "keras" / "models"


@pytest.fixture
def published(monkeypatch):
    """Publishes the bytes as VGG16's weights under an address and checksum of the test's own."""

    def publish(address: str, checksum: str = MD5, numbers: int | None = None) -> None:
        one = {1.0: Published(address=address, checksum=checksum, numbers=numbers)}
        vgg16 = msgspec.structs.replace(TRUNKS["vgg16"], published=one)
        monkeypatch.setitem(TRUNKS, "vgg16", vgg16)

    return publish


def test_none_is_a_start_at_random_for_every_network():
    assert find_weights("resnet18", "none", width=0.5).path is None
    assert find_weights("vgg16", "none").pretrained is None


def test_none_can_be_typed_as_the_hints_say():
    typed = with_overrides(Recipe(), ["transfer.weights=none"])
    assert typed.transfer.weights == "none"
    assert with_overrides(Recipe(balance="weights"), ["balance=none"]).balance == "none"


@pytest.mark.parametrize("checksum", [MD5, SHA256])
def test_weights_are_fetched_to_where_keras_keeps_them(published, keras_home, checksum):
    with FileServer(BYTES).running("vgg16_notop.h5") as server:
        published(server.url, checksum)
        found = find_weights("vgg16", "imagenet")
    assert found.where == "fetched"
    assert found.path == keras_home / "vgg16_notop.h5"
    assert found.path.read_bytes() == BYTES
    assert found.pretrained.sha256 == SHA256
    assert sorted(path.name for path in keras_home.iterdir()) == ["vgg16_notop.h5"]


def test_what_keras_has_kept_is_not_fetched_again(published, keras_home):
    published("http://nowhere.invalid/vgg16_notop.h5")
    keras_home.mkdir(parents=True)
    (keras_home / "vgg16_notop.h5").write_bytes(BYTES)
    assert find_weights("vgg16", "imagenet").where == "kept by Keras"


def test_a_torn_file_does_not_count_as_kept(published, keras_home):
    published("http://nowhere.invalid/vgg16_notop.h5")
    keras_home.mkdir(parents=True)
    (keras_home / "vgg16_notop.h5").write_bytes(BYTES[:-1])
    assert kept_weights("vgg16") is None
    (keras_home / "vgg16_notop.h5").write_bytes(BYTES)  # the control
    assert kept_weights("vgg16") is not None


@pytest.fixture
def hdf5(tmp_path) -> bytes:
    """Give a file with 500 numbers."""
    with h5py.File(tmp_path / "made.h5", "w") as file:
        file.create_dataset("layer/vars/0", data=np.arange(500, dtype=np.float32))
    return (tmp_path / "made.h5").read_bytes()


@pytest.mark.parametrize("numbers", [None, 500])
def test_where_keras_has_no_checksum_the_numbers_in_a_file_count(
    published, keras_home, hdf5, numbers
):
    published("http://nowhere.invalid/vgg16_notop.h5", checksum="", numbers=numbers)
    keras_home.mkdir(parents=True)
    kept = keras_home / "vgg16_notop.h5"
    for torn in (hdf5[:-1], hdf5[:2000], b"please sign in", b""):
        kept.write_bytes(torn)
        assert kept_weights("vgg16") is None
    kept.write_bytes(hdf5)
    assert kept_weights("vgg16") == kept
    published("http://nowhere.invalid/vgg16_notop.h5", checksum="", numbers=501)
    assert kept_weights("vgg16") is None


def test_a_fetch_that_broke_off_is_resumed(published):
    server = FileServer(BYTES, tags={"ETag": '"one"'})
    with server.running("vgg16_notop.h5"):
        published(server.url)
        server.answer, whole = _breaking_second(server), server.answer
        assert find_weights("vgg16", "imagenet").path.read_bytes() == BYTES
        server.answer = whole


def _breaking_second(server):
    """The first request only asks whether anybody is there; the one after it breaks off."""
    usual, asked = server.answer, []

    def answer(request):
        asked.append(request)
        server.breaks_off_after = 5_000 if len(asked) == 2 else None
        usual(request)

    return answer


@pytest.mark.parametrize("checksum", [MD5, ""])
def test_something_else_than_the_weights_is_refused_and_not_kept(published, keras_home, checksum):
    with FileServer(b"please sign in to this network").running("vgg16_notop.h5") as server:
        published(server.url, checksum)
        with pytest.raises(ServiceError) as refused:
            find_weights("vgg16", "imagenet")
    assert "torn or something else" in refused.value.problem
    assert (MD5 in refused.value.problem) is bool(checksum)
    assert not list(keras_home.glob("*.h5"))


def test_a_server_that_refuses_is_quoted(published):
    with FileServer(BYTES, status=403).running() as server:
        published(server.url)
        with pytest.raises(ServiceError) as refused:
            find_weights("vgg16", "imagenet")
    assert "the ImageNet weights of vgg16 cannot be had" in refused.value.problem
    assert "403" in refused.value.problem
    assert "transfer.weights" in refused.value.hint


def test_nobody_at_the_address_is_known_at_once(published):
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    published(f"http://127.0.0.1:{port}/vgg16_notop.h5")
    with pytest.raises(ServiceError) as refused:
        find_weights("vgg16", "imagenet")
    assert "cannot be reached" in refused.value.problem


def test_a_server_that_never_answers_costs_seconds_only(published, monkeypatch):
    monkeypatch.setattr(weights, "_PATIENCE_S", 0.2)
    monkeypatch.setattr(download, "_TIMEOUT_S", 0.2)  # if it were asked in spite of all
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as silent:
        published(f"http://127.0.0.1:{silent.getsockname()[1]}/vgg16_notop.h5")
        began = time.monotonic()
        with pytest.raises(ServiceError):
            find_weights("vgg16", "imagenet")
        assert time.monotonic() - began < 2


def test_a_name_that_takes_ages_to_look_up_costs_seconds_only(published, monkeypatch):
    monkeypatch.setattr(weights, "_PATIENCE_S", 0.2)
    over = threading.Event()

    def open_late(*_, **__):
        over.wait(10)
        raise OSError("no such name")

    monkeypatch.setattr(weights.urllib.request, "urlopen", open_late)
    began = time.monotonic()
    with pytest.raises(ServiceError) as refused:
        fetch_weights("vgg16", Published(address="http://nowhere.invalid/vgg16_notop.h5"))
    over.set()
    assert time.monotonic() - began < 2
    assert "did not answer" in refused.value.problem


@pytest.mark.parametrize(
    ("name", "file", "width"),
    [
        ("mobilenet_v2", "mobilenet_v2_0.35_224_no_top.weights.h5", 0.35),
        ("mobilenet_v2", "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.4_96_no_top.h5", 1.4),
        ("mobilenet", "mobilenet_7_5_224_tf_no_top.h5", 0.75),
        ("mobilenet", "mobilenet_0.25_224_no_top.weights.h5", 0.25),
        ("mobilenet_v3_small", "weights_mobilenet_v3_small_224_0.75_float_no_top_v2.h5", 0.75),
        ("mobilenet_v2", "ours_3.15_final.h5", 1.0),
        ("vgg16", "vgg16_0.5_final.h5", 1.0),
    ],
)
def test_a_file_tells_its_width_by_its_name(tmp_path, name, file, width):
    path = tmp_path / file
    path.write_bytes(BYTES)
    assert find_weights(name, str(path)).width == width


@pytest.mark.parametrize("top", [0, 1_281_000])
def test_a_file_tells_its_width_by_its_content_before_its_name(tmp_path, top):
    path = tmp_path / "mobilenet_v2_1.0_224_no_top.weights.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("layers/convolutions/vars/0", data=np.zeros(410_208, np.float32))
        file.create_dataset("layers/predictions/vars/0", data=np.zeros(top, np.float32))
        file.create_dataset("optimizer/vars/0", data=np.zeros(99, np.float32))
    assert find_weights("mobilenet_v2", str(path)).width == 0.35
    with h5py.File(path, "a") as file:  # the control
        file.create_dataset("layers/more/vars/0", data=np.zeros(1, np.float32))
    assert find_weights("mobilenet_v2", str(path)).width == 1.0


def test_another_width_than_the_file_tells_is_refused(tmp_path):
    path = tmp_path / "mobilenet_v2_0.35_224_no_top.weights.h5"
    path.write_bytes(BYTES)
    assert find_weights("mobilenet_v2", str(path), width=0.35).width == 0.35
    with pytest.raises(ArtifactError) as refused:
        find_weights("mobilenet_v2", str(path), width=0.5)
    assert "width=0.35" in refused.value.hint


def test_a_path_that_is_no_file_is_refused(tmp_path):
    with pytest.raises(ArtifactError) as refused:
        find_weights("vgg16", str(tmp_path / "gone.h5"))
    assert "gone.h5" in refused.value.problem


def test_a_width_nobody_published_is_refused_with_those_that_are():
    with pytest.raises(RecipeError) as refused:
        find_weights("mobilenet_v2", "imagenet", width=0.6)
    assert "0.35, 0.5, 0.75, 1, 1.3, 1.4" in refused.value.problem


def test_a_network_from_scratch_takes_no_weights():
    with pytest.raises(RecipeError) as refused:
        find_weights("resnet18", "imagenet")
    assert "resnet18" in refused.value.problem


def test_published_weights_say_what_they_have_seen(published, keras_home, tmp_path):
    published("http://nowhere.invalid/vgg16_notop.h5")
    path = tmp_path / "under-another-name.h5"
    path.write_bytes(BYTES)
    pretrained = find_weights("vgg16", str(path)).pretrained
    assert (pretrained.images, pretrained.classes) == (1_281_167, 1_000)
    assert "ImageNet" in str(pretrained)
    assert "biases" in str(pretrained)
    shutil.copy(path, tmp_path / "changed.h5")
    (tmp_path / "changed.h5").write_bytes(BYTES + b".")  # the control
    assert find_weights("vgg16", str(tmp_path / "changed.h5")).pretrained.dataset is None


def test_a_file_of_unknown_origin_is_said_to_be_one(tmp_path):
    path = tmp_path / "mine.h5"
    path.write_bytes(BYTES)
    pretrained = find_weights("vgg16", str(path)).pretrained
    assert pretrained.sha256 == SHA256
    assert "mine.h5" in str(pretrained)
    assert "biases" in str(pretrained)
    assert str(tmp_path) not in pretrained.source


def test_what_a_trunk_has_seen_travels_as_a_record(tmp_path):
    path = tmp_path / "mine.h5"
    path.write_bytes(BYTES)
    pretrained = find_weights("vgg16", str(path)).pretrained
    assert from_json(to_json(pretrained), Pretrained, where="here") == pretrained
