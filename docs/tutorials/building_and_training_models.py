# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 2 - Building and training models
#
# The second notebook of the course *Practical Data Science and ML with GPUs* (AnacondaCon 2018)
# builds a small convolutional network by hand and trains it on CIFAR-10. This one does the same,
# first with bare Keras, then with darkroom on the same images, and says what the second way adds.
#
# Wherever a copy of CIFAR-10 is at hand (`DARKROOM_TEST_DATA` names a folder that holds
# `cifar10-jpeg.zip`), 5 % of it is used, so that everything runs in a few minutes on two
# cores. Otherwise the built-in handwritten digits are. Few images mean modest accuracies: the
# comparison is what counts here.

# %%
import base64
import io
import os
from pathlib import Path

import altair as alt
import numpy as np
from PIL import Image

import darkroom as dr
from darkroom.backend import keras  # Keras itself, with its backend settled
from darkroom.plots import Figure, confusion_matrix, learning_curves

EPOCHS = 6

# %% [markdown]
# ## The images
#
# `open_dataset` reads every file once, hashes it and says what it could not use; nothing is
# moved. `split_dataset` gives each image a part. CIFAR-10 brings its own test part, which stays;
# the validation part is cut from the training part.

# %%
cifar10 = Path(os.environ.get("DARKROOM_TEST_DATA", "")) / "cifar10-jpeg.zip"
if cifar10.is_file():
    dataset = dr.split_dataset(dr.open_dataset(cifar10), sample=0.05)
    side = 32  # pixels
else:
    dataset = dr.split_dataset(dr.open_dataset("builtin:digits"))
    side = 12  # pixels; the digits are 8 x 8, and the deep network below needs 10
dataset

# %%
for finding in dr.check_dataset(dataset):
    print(finding.severity, finding.what)

# %% [markdown]
# A look at a few of them comes before anything else: three images of every class.

# %%
def gallery(dataset, per_class=3, size=54):
    rows = []
    for label, name in enumerate(dataset.classes):
        of_class = dataset.part("train")[np.flatnonzero(dataset.label_indices("train") == label)]
        for column, data in enumerate(dataset.read(of_class.head(per_class))):
            small = io.BytesIO()
            Image.open(io.BytesIO(data)).resize((size, size), Image.Resampling.NEAREST).save(
                small, "PNG"
            )
            url = "data:image/png;base64," + base64.b64encode(small.getvalue()).decode()
            rows.append({"class": name, "column": column, "url": url})
    chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_image(width=size, height=size)
        .encode(
            x=alt.X("class:N", title=None, axis=alt.Axis(orient="top", labelAngle=0, domain=False)),
            y=alt.Y("column:O", axis=None),
            url="url:N",
        )
        .properties(width=alt.Step(size + 8), height=alt.Step(size + 4))
        .configure_view(stroke=None)
    )
    return Figure(chart, f"{per_class} images of each of {len(dataset.classes)} classes")


gallery(dataset)

# %% [markdown]
# ## One-hot targets
#
# The network will answer with one probability per class, so the truth is written the same way:
# a one at the image's class in a row of zeros.

# %%
targets = dataset.targets("train")
print(targets.shape)
for name, row in zip(dataset.part("train")["image"].head(3), targets[:3]):
    print(row.astype(int), name)

# %%
sizes = [
    {"class": name, "images": int(count)}
    for name, count in zip(dataset.classes, targets.sum(axis=0))
]
Figure(
    alt.Chart(alt.InlineData(values=sizes))
    .mark_bar(color="#0b6bcb")
    .encode(
        x=alt.X("images:Q", title="training images", axis=alt.Axis(tickCount=5)),
        y=alt.Y("class:N", title=None),
    )
    .properties(width=320),
    f"training images per class: {min(row['images'] for row in sizes)} to "
    f"{max(row['images'] for row in sizes)}",
)

# %% [markdown]
# ## With bare Keras
#
# Decode the files, scale the pixels to 0..1, stack layers, compile, fit. This is the course's
# first network: two convolutions, a maximum, a dense layer and one output per class, trained
# with Adadelta. (Keras 2 had 1.0 as Adadelta's default rate; Keras 3 has 0.001, so it is named.)

# %%
def arrays(part):
    images = [
        Image.open(io.BytesIO(data)).resize((side, side), Image.Resampling.BILINEAR)
        for data in dataset.read(dataset.part(part))
    ]
    pixels = np.stack([np.atleast_3d(np.asarray(image)) for image in images])
    return pixels.astype(np.float32) / 255, dataset.targets(part)


train_images, train_targets = arrays("train")
valid_images, valid_targets = arrays("valid")
train_images.shape, valid_images.shape

# %%
keras.utils.set_random_seed(0)
by_hand = keras.Sequential(
    [
        keras.Input(train_images.shape[1:]),
        keras.layers.Conv2D(32, 3, activation="relu"),
        keras.layers.Conv2D(64, 3, activation="relu"),
        keras.layers.MaxPooling2D(2),
        keras.layers.Flatten(),
        keras.layers.Dense(128, activation="relu"),
        keras.layers.Dense(len(dataset.classes), activation="softmax"),
    ]
)
by_hand.compile(
    optimizer=keras.optimizers.Adadelta(1.0),
    loss="categorical_crossentropy",
    metrics=["accuracy"],
)
history = by_hand.fit(
    train_images,
    train_targets,
    batch_size=128,
    epochs=EPOCHS,
    validation_data=(valid_images, valid_targets),
    verbose=0,
).history
print(f"{by_hand.count_params():,} parameters, valid {100 * history['val_accuracy'][-1]:.1f} % at the end")

# %%
learning_curves(history["accuracy"], history["val_accuracy"], what="accuracy")

# %% [markdown]
# ## The same with darkroom
#
# The same network, optimizer, rate and batch size, as a `Recipe`: data instead of code. The
# pictures are decoded, resized and scaled as the recipe says, and that description travels with
# the weights. The two results differ a little: the first weights and the order of the images do.

# %%
course = dr.Recipe(
    model="cnn_simple",
    image_size=side,
    epochs=EPOCHS,
    batch_size=128,
    optimizer=dr.Optimizer(name="adadelta", peak_lr=1.0, schedule="constant"),
    augment=dr.Augment(flip=False, shift=0.0),
    precision="float32",
)
same = dr.train(dataset, course)
same

# %%
learning_curves(
    [epoch.accuracy for epoch in same.history],
    [epoch.valid_accuracy for epoch in same.history],
    what="accuracy",
    best=same.best.number,
)

# %% [markdown]
# What is there now that was not before: the weights of the *best* epoch rather than of the last,
# a folder that says exactly how they came about, and a line of descent back to the images.

# %%
print(same.path)
for step in same.workspace.lineage(same.path):
    print("  " * step.depth, step.kind, step.name, step.id[:12])

# %% [markdown]
# ## Four networks compared
#
# The course goes on to dropout, then to a deeper network. `resnet_tiny` is darkroom's default.
# All four get the default recipe (AdamW, one-cycle, images moved a little, and mirrored when they
# are in colour) and the same number of epochs.
#
# Each accuracy comes from a few hundred validation images, so it carries a 95 % Wilson interval.
# Where two intervals overlap widely, this validation part cannot tell the networks apart.
#
# Do not read the course's ranking into it. Dropout and depth pay off in longer trainings on more
# images; after six epochs on a few thousand images such a network may well be behind the plain
# one. `sample=1.0` and `EPOCHS = 15` make the course's own comparison.

# %%
runs = {
    model: dr.train(dataset, dr.Recipe(model=model, image_size=side, epochs=EPOCHS))
    for model in ("cnn_simple", "cnn_dropout", "cnn_deep", "resnet_tiny")
}
on_valid = {model: dr.evaluate(run, part="valid").metrics.accuracy for model, run in runs.items()}
for model, rate in on_valid.items():
    print(f"{model:<12} {runs[model].record.parameters:>10,} parameters   valid {rate}")

# %%
rows = [
    {"model": model, "accuracy": rate.value, "low": rate.low, "high": rate.high}
    for model, rate in on_valid.items()
]
base = alt.Chart(alt.InlineData(values=rows)).encode(
    y=alt.Y("model:N", sort=list(on_valid), title=None)
)
bars = base.mark_rule(strokeWidth=2, color="#57606a").encode(
    x=alt.X(
        "low:Q",
        title="validation accuracy, 95 % interval",
        axis=alt.Axis(format="%", tickCount=6),
        scale=alt.Scale(zero=False),
    ),
    x2="high:Q",
)
points = base.mark_point(filled=True, size=70, color="#0b6bcb", opacity=1).encode(x="accuracy:Q")
Figure(
    alt.layer(bars, points).properties(width=380, height=150),
    "validation accuracy of " + ", ".join(f"{model} {rate}" for model, rate in on_valid.items()),
)

# %% [markdown]
# ## Evaluating
#
# Choosing among networks used the validation part up: the chosen one looks better there than it
# is. So the final number comes from the test part, which has not been looked at yet. The look is
# counted.

# %%
chosen = max(on_valid, key=lambda model: on_valid[model].value)
evaluation = dr.evaluate(runs[chosen])
print(chosen, evaluation.summary())
evaluation

# %%
confusion_matrix(evaluation.metrics.confusion, evaluation.record.classes)

# %%
true, taken_for, images = evaluation.metrics.most_confused()
print(f"most often: {true} taken for {taken_for}, {images} images")
print("the report with the wrong images:", evaluation.report.name)

# %% [markdown]
# To use the network elsewhere, `dr.pack(runs[chosen], evaluation)` makes a bundle of it: see
# [From a folder of photographs to a bundle](from-photographs-to-a-bundle.md).
