"""Dogs and cats from the folder to the evaluated run, beside fine-tuning in plain Keras.

Ours: one process imports darkroom, opens the folder, splits it, trains with the default recipe and
the MobileNetV2 weights that lie beside it, and evaluates on the 300 test images; first with an
empty workspace, then again with what the first one kept (another seed, so that it trains anew).
Keras: one process imports Keras, reads the same folder with `image_dataset_from_directory`, trains
the head and then the whole network end to end, as its guide to transfer learning shows, with fewer
epochs and with batch norms that rest (training them too, it guessed). The clock runs from the start
of a process to the line with its result.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time

from benchmarks.measure import report, spread, test_data

REPEATS = 3
WEIGHTS = "weights/mobilenet_v2_1.0_224_no_top.weights.h5"

OURS = """
import json, sys
import darkroom as dr
source, weights, seed = sys.argv[1], sys.argv[2], int(sys.argv[3])
dataset = dr.split_dataset(dr.open_dataset(source), valid=0.1)
recipe = dr.Recipe(transfer=dr.Transfer(weights=weights), seed=seed)
run = dr.train(dataset, recipe)
accuracy = dr.evaluate(run).metrics.accuracy
print(json.dumps({"model": run.record.architecture.name, "px": run.record.preprocess.height,
                  "accuracy": accuracy.value, "low": accuracy.low, "high": accuracy.high}),
      flush=True)
"""

KERAS = """
import json, os, sys
os.environ["KERAS_BACKEND"] = "tensorflow"
import keras
source, weights = sys.argv[1], sys.argv[2]
keras.utils.set_random_seed(0)
shape = {"label_mode": "binary", "image_size": (224, 224), "batch_size": 32}
train, valid = keras.utils.image_dataset_from_directory(
    source + "/train", validation_split=0.1, subset="both", seed=0, verbose=False, **shape)
test = keras.utils.image_dataset_from_directory(
    source + "/test", shuffle=False, verbose=False, **shape)
trunk = keras.applications.MobileNetV2(
    include_top=False, pooling="avg", weights=weights, input_shape=(224, 224, 3))
image = keras.Input((224, 224, 3))
scaled = keras.layers.Rescaling(1 / 127.5, offset=-1)(image)
features = keras.layers.Dropout(0.2)(trunk(scaled, training=False))
model = keras.Model(image, keras.layers.Dense(1, activation="sigmoid")(features))
for trainable, rate, epochs in ((False, 1e-3, 2), (True, 1e-5, 2)):
    for layer in trunk.layers:
        layer.trainable = trainable and not isinstance(layer, keras.layers.BatchNormalization)
    model.compile(keras.optimizers.Adam(rate), "binary_crossentropy", metrics=["accuracy"])
    model.fit(train, validation_data=valid, epochs=epochs, verbose=0)
print(json.dumps({"accuracy": model.evaluate(test, verbose=0)[1], "epochs": 4}), flush=True)
"""


def timed(code: str, *arguments: str, workspace: str) -> dict[str, object]:
    """Run a program as a process of its own, and add its seconds to what it says."""
    environment = os.environ | {"DARKROOM_WORKSPACE": workspace}
    command = [sys.executable, "-c", code, *arguments]
    began = time.perf_counter()
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        told = json.loads(next(line for line in process.stdout if line.startswith("{")))
        seconds = time.perf_counter() - began
    if process.returncode:
        raise SystemExit(f"it ended with {process.returncode}")
    return {"seconds": seconds, **told}


def main() -> None:
    source, weights = str(test_data() / "dogscats"), str(test_data() / WEIGHTS)
    cold, warm, keras = [], [], []
    for number in range(REPEATS):
        with tempfile.TemporaryDirectory() as workspace:
            cold.append(timed(OURS, source, weights, str(number), workspace=workspace))
            warm.append(timed(OURS, source, weights, str(number + 100), workspace=workspace))
        if number == 0:
            keras.append(timed(KERAS, source, weights, workspace=""))
    figures = {
        name: {"seconds": spread([row["seconds"] for row in rows]), "runs": rows}
        for name, rows in (("empty cache", cold), ("warm cache", warm), ("plain Keras", keras))
    }
    goals = {
        "98.5 % on the test images, every run": all(
            row["accuracy"] >= 0.985 for row in (*cold, *warm)
        ),
        "25 s with an empty cache": figures["empty cache"]["seconds"]["median"] <= 25,
        "10 s with a warm cache": figures["warm cache"]["seconds"]["median"] <= 10,
    }
    report("dogs_and_cats", figures, goals)


if __name__ == "__main__":
    main()
