"""Decode and resize photographs to 160 px: ours beside a bare loop, Pillow and TensorFlow.

One core a side, the files in memory, the same 300 photographs for all. `psnr_db` says how far each
way's pixels are from those of a full decode, so that nobody is fast by being sloppy unseen.
"""

from __future__ import annotations

import argparse
import io
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import simplejpeg
from PIL import Image

from benchmarks.measure import paired, report, spread, test_data
from darkroom.data.preprocess import Preprocess, prepare_image

SIDE = 160
IMAGES = 300
PAIRS = 21
CHUNK = 15  # images; what a thread takes at a time
SCALED = Preprocess(height=SIDE, width=SIDE, decode="scaled")
FULL = Preprocess(height=SIDE, width=SIDE, decode="full")
BILINEAR = Image.Resampling.BILINEAR

Way = Callable[[bytes], np.ndarray]


def ours(data: bytes) -> np.ndarray:
    return prepare_image(data, SCALED)


def bare(data: bytes) -> np.ndarray:
    """Do what is left when every check and every odd kind of image is left out."""
    pixels = simplejpeg.decode_jpeg(data, min_height=SIDE, min_width=SIDE)
    return np.asarray(Image.fromarray(pixels).resize((SIDE, SIDE), BILINEAR))


def pillow(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB").resize((SIDE, SIDE), BILINEAR))


def careful_pillow(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        image.draft("RGB", (SIDE, SIDE))
        return np.asarray(image.convert("RGB").resize((SIDE, SIDE), BILINEAR))


def rate(way: Way, files: Sequence[bytes]) -> float:
    """Give images/s of one thread."""
    started = time.perf_counter()
    for data in files:
        way(data)
    return len(files) / (time.perf_counter() - started)


def gain(way: Way, files: Sequence[bytes], pool: ThreadPoolExecutor) -> float:
    """Say how many times as fast two threads are as one."""
    one = rate(way, files)
    chunks = [files[start : start + CHUNK] for start in range(0, len(files), CHUNK)]
    started = time.perf_counter()
    list(pool.map(lambda chunk: rate(way, chunk), chunks))
    return len(files) / (time.perf_counter() - started) / one


def tensorflow_ways(files: Sequence[bytes]) -> dict[str, Callable[[], np.ndarray]]:
    """Give TensorFlow's four ways, each a pass over all files on this thread.

    Decoded in full or at the largest of its ratios that leaves enough; smoothed as Pillow and we
    do it, or not at all, which is its default and leaves jagged edges.
    """
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)

    def scaled(data: tf.Tensor) -> tf.Tensor:
        shape = tf.io.extract_jpeg_shape(data)
        ratio = tf.minimum(shape[0], shape[1]) // SIDE
        choice = tf.where(ratio >= 8, 3, tf.where(ratio >= 4, 2, tf.where(ratio >= 2, 1, 0)))
        return tf.switch_case(
            choice,
            [lambda by=by: tf.io.decode_jpeg(data, channels=3, ratio=by) for by in (1, 2, 4, 8)],
        )

    def plain(data: tf.Tensor) -> tf.Tensor:
        return tf.io.decode_jpeg(data, channels=3)

    def way(decode: Callable, antialias: bool) -> Callable[[], np.ndarray]:
        dataset = tf.data.Dataset.from_tensor_slices(list(files)).map(
            lambda data: tf.image.resize(decode(data), (SIDE, SIDE), antialias=antialias)
        )
        options = tf.data.Options()
        options.autotune.enabled = False
        options.threading.private_threadpool_size = 1
        dataset = dataset.with_options(options)
        return lambda: np.stack(list(dataset.as_numpy_iterator()))

    return {
        "tensorflow": way(plain, True),
        "tensorflow_unsmoothed": way(plain, False),
        "tensorflow_scaled": way(scaled, True),
        "tensorflow_scaled_unsmoothed": way(scaled, False),
    }


def whole_rate(one_pass: Callable[[], np.ndarray]) -> float:
    started = time.perf_counter()
    return len(one_pass()) / (time.perf_counter() - started)


def psnr(made: Sequence[np.ndarray], full: Sequence[np.ndarray]) -> dict[str, float | int]:
    """Give the median over images, in dB; equal pixels count as 99."""
    errors = [
        np.mean((np.asarray(one, np.float64) - other) ** 2)
        for one, other in zip(made, full, strict=True)
    ]
    return spread([min(float(10 * np.log10(255**2 / max(error, 1e-9))), 99) for error in errors])


def main(pairs: int = PAIRS) -> None:
    paths = sorted((test_data() / "dogscats").rglob("*.jpg"))
    if not paths:
        raise SystemExit(f"{test_data() / 'dogscats'} is not there; set DARKROOM_TEST_DATA")
    files = [path.read_bytes() for path in paths[:: max(len(paths) // IMAGES, 1)][:IMAGES]]
    full = [prepare_image(data, FULL) for data in files]
    ways = {"bare_loop": bare, "pillow_draft": careful_pillow, "pillow": pillow}
    quality = {name: psnr([way(data) for data in files], full) for name, way in ways.items()}
    quality["ours"] = psnr([ours(data) for data in files], full)
    with ThreadPoolExecutor(2) as pool:
        threads = paired(lambda: gain(ours, files, pool), lambda: gain(bare, files, pool), pairs)
    if hasattr(os, "sched_setaffinity"):  # before TensorFlow makes its threads
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    figures: dict[str, object] = {"images": len(files), "two_threads_over_one": threads}
    one = {
        name: paired(lambda: rate(ours, files), lambda way=way: rate(way, files), pairs)
        for name, way in ways.items()
    }
    for name, one_pass in tensorflow_ways(files).items():
        quality[name] = psnr(one_pass(), full)
        one[name] = paired(lambda: rate(ours, files), lambda go=one_pass: whole_rate(go), pairs)
    figures |= {"images_per_s_of_one_core": one, "psnr_db": quality}
    goals = {
        "0.9 of the bare loop on one core": one["bare_loop"]["ratio"]["high"] >= 0.9,
        "two threads gain 0.95 of what they gain the bare loop": threads["ratio"]["high"] >= 0.95,
        **{
            f"faster than {name}": row["ratio"]["low"] > 1
            for name, row in one.items()
            if name != "bare_loop" and not name.endswith("unsmoothed")  # that is less work
        },
    }
    report("decode", figures, goals)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    main(parser.parse_args().pairs)
