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
# # Dogs and cats, from a few hundred photographs
#
# The first lesson of fast.ai's course tells dogs from cats: look at the images, find a learning
# rate, train a head on what a pretrained network sees, thaw that network, and look at what went
# right and wrong. This notebook does the same; what the course leaves to you is checked on the way.
#
# Where the photographs and the weights are at hand (`DARKROOM_TEST_DATA` names a folder with
# `dogscats/` and `weights/`), 600 photographs are used. Elsewhere the built-in digits are, with a
# small network from scratch: the steps are the same, and the pretrained part is left out.

# %%
import io
import os
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
from PIL import Image

import darkroom as dr
from darkroom.plots import Picture, confusion_matrix, learning_curves, picture_sheet, rate_curve

# %% [markdown]
# ## Look
#
# One folder per class is all it takes. `check_dataset` says what would spoil the training or its
# score before anything is trained: unreadable files, copies in two parts, a class that is rare.

# %%
folder = Path(os.environ.get("DARKROOM_TEST_DATA", ""))
weights = folder / "weights" / "mobilenet_v2_1.0_224_no_top.weights.h5"
pretrained = weights.is_file() and (folder / "dogscats").is_dir()
source = folder / "dogscats" if pretrained else "builtin:digits"
dataset = dr.split_dataset(dr.open_dataset(source), valid=0.15)
dataset

# %%
for finding in dr.check_dataset(dataset):
    print(finding.severity, "·", finding.what)

# %%
dataset.plot.contact_sheet()

# %%
dataset.plot.class_balance()

# %% [markdown]
# ## The recipe
#
# A recipe is data. What it leaves open is settled by the images and the network; the run records
# it with nothing left open. `transfer.weights` may be left out where Keras can download.

# %%
recipe = dr.Recipe(epochs=8)
if pretrained:
    recipe = dr.Recipe(model="mobilenet_v2", transfer=dr.Transfer(weights=str(weights)))

# %% [markdown]
# ## A learning rate
#
# The rate climbs from far too low to far too high while the loss is watched, three times over.
# Nothing is kept of it: no run is made, and no weight of anything changes.

# %%
search = dr.find_learning_rate(dataset, recipe)
search

# %% [markdown]
# The steepest descent and the valley are both suggestions with an interval; any rate within it will
# do. Without a valley there is no suggestion, and the default stays.

# %%
if search.suggestion is not None:
    recipe = msgspec.structs.replace(recipe, optimizer=dr.Optimizer(peak_lr=search.suggestion))
recipe.optimizer.peak_lr

# %% [markdown]
# ## Train the head
#
# The trunk rests. It looked at every image once, above, for the search; what it saw is kept, so the
# head now trains on rows of numbers, which takes seconds. (The course's `precompute=True` is the
# same idea; here the features are kept by image, trunk and preparation, so that they can never be
# those of other images.)

# %%
head = dr.train(dataset, recipe)
head

# %%
rate_curve(head.rates().tolist(), epochs=len(head.history))

# %%
learning_curves(
    [epoch.loss for epoch in head.history],
    [epoch.valid_loss for epoch in head.history],
    what="loss",
    best=head.best.number,
)

# %% [markdown]
# ## Thaw the trunk
#
# Then the trunk may learn too: its layers thaw in groups, the last first, each at a share of the
# rate of the one after it, and batch norms keep their statistics. With a few hundred images there is
# seldom much to win, and two cores are slow at it, so two epochs have to do here.

# %%
run = head
if pretrained:
    gentle = msgspec.structs.replace(recipe.transfer, fine_tune_epochs=2, groups=2)
    run = dr.train(dataset, msgspec.structs.replace(recipe, transfer=gentle))
for epoch in run.history[-4:]:
    print(epoch.number, epoch.stage, f"valid {100 * epoch.valid_accuracy:.1f} %")

# %% [markdown]
# ## Right and wrong
#
# The choice between the two was made on the validation part, so the number that counts comes from
# the test part. The look is counted.

# %%
best = max((head, run), key=lambda one: (one.best.valid_accuracy, -one.best.valid_loss))
evaluation = dr.evaluate(best)
evaluation

# %%
confusion_matrix(evaluation.metrics.confusion, evaluation.record.classes)

# %% [markdown]
# The course's pictures: some that are right and some that are wrong, those it was surest of, and
# those it was least sure of.

# %%
table = evaluation.predictions.with_row_index("row")


def small(data):
    image = Image.open(io.BytesIO(data)).convert("RGB")
    image.thumbnail((120, 120))
    return np.asarray(image)


def pictures(rows):
    named = dataset.part("test")[rows["row"].to_numpy()]
    return [
        Picture(pixels=small(data), name=name, caption=f"{label[0]} {100 * share:.0f} %")
        for data, name, label, share in zip(
            dataset.read(named), rows["image"], rows["predicted"], rows["confidence"]
        )
    ]


right, wrong = table.filter(pl.col("correct")), table.filter(~pl.col("correct"))
picture_sheet(
    {
        "right, at random": pictures(right.sample(min(4, len(right)), seed=0)),
        "right, and surest": pictures(right.sort("confidence", descending=True).head(4)),
        "least sure": pictures(table.sort("confidence").head(4)),
        "wrong, and surest": pictures(wrong.sort("confidence", descending=True).head(4)),
    },
    side=100,
)

# %% [markdown]
# ## Predict a folder without labels
#
# A bundle holds all that an answer needs, and was proven to answer as the run did. Here is a folder
# of images that nobody labelled.

# %%
bundle = dr.pack(best, evaluation)
bundle

# %%
unlabelled = Path("unlabelled")
unlabelled.mkdir(exist_ok=True)
some = dataset.part("test").sample(6, seed=1)
for number, data in enumerate(dataset.read(some)):
    (unlabelled / f"{number}.jpg").write_bytes(data)
for path in sorted(unlabelled.iterdir()):
    answer = bundle.predict(path)
    print(path.name, answer.label, f"{100 * answer.probability:.1f} %")

# %% [markdown]
# `darkroom predict BUNDLE unlabelled/ --csv` writes the same as a table, as competitions want it.
