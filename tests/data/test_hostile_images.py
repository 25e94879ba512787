"""P6: a corpus of hostile and odd files costs bounded time and memory and harms no neighbour."""

from __future__ import annotations

import contextlib
import io
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from darkroom.bundles.predictor import Predictor
from darkroom.data.decode import decode_image, image_facts
from darkroom.data.opening import open_dataset
from darkroom.data.pixels import load_images
from darkroom.data.preprocess import Preprocess, prepare_image
from darkroom.errors import DataError
from tests.data.hostile import KINDS, hostile_files
from tests.making import draw_image, image_bytes

ROOT = Path(__file__).parent.parent.parent
MOST_S = 2.0  # of one core
MOST_BYTES = 256 * 2**20
SMALL = Preprocess(height=40, width=48, decode="scaled")


def as_we_do(data: bytes) -> object:
    with contextlib.suppress(DataError):
        image_facts(data)
    return decode_image(data)


def as_others_do(data: bytes) -> object:
    """Open whatever Pillow can, without a cap: the control."""
    Image.MAX_IMAGE_PIXELS = None
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGBA").convert("RGB"))


def measure(work: Callable[[bytes], object]) -> None:
    """Write a line for each file named: seconds of one core, bytes of memory, what came out."""
    for path in map(Path, sys.argv[1:]):
        data = path.read_bytes()
        Path("/proc/self/clear_refs").write_text("5")  # forgets the highest use so far
        before, started = memory("VmRSS"), time.process_time()
        try:
            work(data)
            outcome = "decoded"
        except DataError as refused:
            outcome = "refused" if refused.problem and refused.hint else "no reason"
        except Exception as crash:  # noqa: BLE001 - to be reported by the test
            outcome = repr(crash)
        took = time.process_time() - started
        row = [path.name, took, memory("VmHWM") - before, outcome]
        sys.stdout.write(json.dumps(row) + "\n")


def memory(what: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(what))


def measured(work: Callable[[bytes], object], paths: list[Path]) -> tuple[dict[str, list], str]:
    """Measure in a process of its own, in which every warning is an error."""
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("peaks of memory are read from Linux's /proc")
    code = (
        "from tests.data.test_hostile_images import as_others_do, as_we_do, measure; "
        f"measure({work.__name__})"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *paths],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (90, 95)),
    )
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return {name: row for name, *row in rows}, done.stderr


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Give the path of every file of the corpus by its name."""
    folder = tmp_path_factory.mktemp("hostile")
    for name, data in hostile_files().items():
        (folder / name).write_bytes(data)
    return {path.name: path for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def corpus(files):
    return measured(as_we_do, list(files.values()))


@pytest.fixture(scope="module")
def quick(files):
    """Give the part of the corpus that is quick, so that neighbours can be tested often."""
    small = (path for path in files.values() if path.stat().st_size < 50_000)
    return {path.name: path.read_bytes() for path in small if "flat" not in path.name}


def test_the_corpus_is_large_and_odd_of_every_kind(corpus):
    rows, _ = corpus
    assert len(rows) >= 250
    outcomes = [outcome for _, _, outcome in rows.values()]
    assert min(outcomes.count("decoded"), outcomes.count("refused")) >= 50


def test_each_file_is_decoded_or_refused_with_a_reason_and_a_hint(corpus):
    rows, _ = corpus
    odd = {name: row for name, row in rows.items() if row[2] not in ("decoded", "refused")}
    assert odd == {}


def test_no_file_takes_longer_than_two_seconds(corpus):
    rows, _ = corpus
    assert {name: row[0] for name, row in rows.items() if row[0] > MOST_S} == {}


def test_no_file_takes_more_than_256_mib(corpus):
    rows, _ = corpus
    assert {name: row[1] >> 20 for name, row in rows.items() if row[1] > MOST_BYTES} == {}


def test_nothing_is_printed_or_logged(corpus):
    assert corpus[1] == ""


@pytest.fixture(scope="module")
def others(files):
    """Measure the control: a few files, by Pillow as it comes."""
    names = (
        "claims-10000x10001.png",
        "flat-above-the-cap-alpha.png",
        "pcx.called.jpg",
        "jpeg2000.called.jpg",
        "1500-layers-5000.jpg",
    )
    return measured(as_others_do, [files[name] for name in names])[0]


def test_control_without_a_cap_memory_is_not_bounded(others):
    assert max(row[1] for row in others.values()) > MOST_BYTES


def test_control_without_a_list_of_formats_others_are_opened(others):
    assert others["pcx.called.jpg"][2] == others["jpeg2000.called.jpg"][2] == "decoded"


def test_control_without_bounds_a_busy_file_takes_too_long(others):
    assert max(row[0] for row in others.values()) > MOST_S


def plant(root: Path, hostile: dict[str, bytes]) -> Path:
    """Write 24 good images of all formats, and hostile files among them by name."""
    for number in range(24):
        kind = KINDS[number % len(KINDS)]
        label = ("ball", "box")[number // len(KINDS) % 2]
        folder = root / "train" / label
        folder.mkdir(parents=True, exist_ok=True)
        image_path = folder / f"{number:03d}.{kind.lower()}"
        image_path.write_bytes(good(number))
        for name, data in list(hostile.items())[number::24]:
            (folder / f"{number:03d}-{name}").write_bytes(data)
    return root


def good(number: int) -> bytes:
    kind = KINDS[number % len(KINDS)]
    buffer = io.BytesIO()
    draw_image(("ball", "box")[number % 2], 100 + number, (61, 52)).save(buffer, kind)
    return buffer.getvalue()


def test_neighbours_in_a_folder_are_unchanged_and_every_hostile_file_is_accounted_for(
    tmp_path, workspace, quick
):
    alone = open_dataset(plant(tmp_path / "alone", {}), workspace=workspace)
    among = open_dataset(plant(tmp_path / "among", quick), workspace=workspace)
    assert len(quick) >= 150
    assert among.record.found == 24 + len(quick)
    pixels = {}
    for dataset in (alone, among):
        images = load_images(dataset, "train", SMALL).take(slice(None))
        pixels[dataset.name] = dict(zip(dataset.part("train")["image"], images, strict=True))
    assert len(pixels[alone.name]) == 24
    for name, image in pixels[alone.name].items():
        assert np.array_equal(image, pixels[among.name][name])


def test_neighbours_in_a_batch_are_answered_as_ever(bundle, quick):
    predictor = Predictor(bundle.path, bundle.record)
    hostile = [data for data in quick.values() if is_refused(data)][:60]
    mixed = [data for number in range(60) for data in (good(number), hostile[number])]
    answers = [answer for _, answer in predictor.stream(mixed)]
    assert all(isinstance(answer, DataError) for answer in answers[1::2])
    for number, answer in enumerate(answers[::2]):
        (alone,) = predictor.predict([good(number)])
        assert answer.labels == alone.labels
        assert answer.probabilities == pytest.approx(alone.probabilities, abs=1e-5)


def test_control_another_image_is_answered_otherwise(bundle):
    predictor = Predictor(bundle.path, bundle.record)
    one, other = predictor.predict([good(0), image_bytes("stripe", 3)])
    assert one.probabilities != pytest.approx(other.probabilities, abs=1e-5)


def is_refused(data: bytes) -> bool:
    try:
        prepare_image(data, SMALL)
    except DataError:
        return True
    return False
