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
# # 3 - Evaluating models
#
# The third notebook of the course *Practical Data Science and ML with GPUs* (AnacondaCon 2018) asks
# how one knows when a model is good enough. It overfits one, tames it with dropout, underfits
# another, trains a complex one, and looks at a confusion matrix and twelve mistakes. This one does
# the same with darkroom, puts an error bar on every number, and goes on where the course stops: how
# sure the answers are, where the model is weak, and whether two models differ at all.
#
# Wherever a copy of CIFAR-10 is at hand (`DARKROOM_TEST_DATA` names a folder that holds
# `cifar10-jpeg.zip`), 5 % of it is used, otherwise the built-in digits: the point is the way, not
# the accuracy.

# %%
import os
from pathlib import Path

import altair as alt
import numpy as np

import darkroom as dr
from darkroom.plots import (
    Figure,
    Picture,
    confusion_matrix,
    coverage_curve,
    learning_curves,
    picture_sheet,
    reliability_diagram,
)

# %%
cifar10 = Path(os.environ.get("DARKROOM_TEST_DATA", "")) / "cifar10-jpeg.zip"
if cifar10.is_file():
    dataset = dr.split_dataset(dr.open_dataset(cifar10), sample=0.05)
    side = 32  # pixels
else:
    dataset = dr.split_dataset(dr.open_dataset("builtin:digits"))
    side = 12  # pixels
dataset


# %%
def train(model, epochs, **settings):
    still = dr.Augment(flip=False, shift=0.0)  # the course varies no images either
    recipe = dr.Recipe(model=model, image_size=side, epochs=epochs, augment=still, **settings)
    return dr.train(dataset, recipe)


def curves(run):
    return learning_curves(
        [epoch.accuracy for epoch in run.history],
        [epoch.valid_accuracy for epoch in run.history],
        what="accuracy",
        best=run.best.number,
    )


# %% [markdown]
# ## Overfitting
#
# Two convolutions and a wide dense layer have more than a million parameters and two thousand images
# to learn: they learn them by heart. The training curve climbs on while the other stands still.

# %%
overfit = train("cnn_simple", 12)
curves(overfit)

# %% [markdown]
# A gap on a plot is an impression. The two accuracies and their intervals are a statement: when the
# intervals lie apart, it is no accident of these images. (A look at the training or the validation
# part is free. Only the test part is sealed.)


# %%
def gap(run):
    seen, fresh = (dr.evaluate(run, part=part).metrics.accuracy for part in ("train", "valid"))
    print(f"{run.record.recipe.model:<12} train {seen}   valid {fresh}")


gap(overfit)

# %% [markdown]
# ## Dropout
#
# The same network with dropout: units are silenced at random while it learns, so none can rely on
# having seen the very image before.

# %%
dropout = train("cnn_dropout", 12)
curves(dropout)

# %%
gap(dropout)

# %% [markdown]
# ## Underfitting
#
# A network that is much too small, and trained too shortly, is equally bad on what it has seen and
# on what it has not. The gap is gone, and so is the accuracy.

# %%
underfit = train("cnn_simple", 2, width=0.1)
curves(underfit)

# %%
gap(underfit)

# %% [markdown]
# ## A more complex model
#
# Four convolutions, dropout after each pair: the course's best network.

# %%
deep = train("cnn_deep", 12)
curves(deep)

# %%
gap(deep)

# %% [markdown]
# ## Which one is better?
#
# All of them were judged on the same validation images, so each pair can be compared image by image.
# The difference has an interval, and McNemar's test says how often chance alone would do as much.

# %%
runs = {"overfit": overfit, "dropout": dropout, "underfit": underfit, "deep": deep}
on_valid = {name: dr.evaluate(run, part="valid") for name, run in runs.items()}
for name in ("dropout", "underfit", "deep"):
    print(dr.compare(on_valid["overfit"], on_valid[name]).summary())

# %%
rows = [
    {"model": name, "accuracy": rate.value, "low": rate.low, "high": rate.high}
    for name, rate in ((name, each.metrics.accuracy) for name, each in on_valid.items())
]
base = alt.Chart(alt.InlineData(values=rows)).encode(
    y=alt.Y("model:N", sort=list(on_valid), title=None)
)
axis = alt.X("low:Q", title="validation accuracy", axis=alt.Axis(format="%", tickCount=6))
Figure(
    alt.layer(
        base.mark_rule(strokeWidth=2, color="#57606a").encode(x=axis, x2="high:Q"),
        base.mark_point(filled=True, size=70, color="#0b6bcb", opacity=1).encode(x="accuracy:Q"),
    ).properties(width=380, height=150),
    "validation accuracy of " + ", ".join(f"{row['model']} {row['accuracy']:.2f}" for row in rows),
)

# %% [markdown]
# ## The number that counts
#
# The choice was made on the validation part, so it looks better there than it is. The test part has
# not been looked at yet; this look is counted. `Problem` names the number to reach, and the verdict
# is about the whole interval.

# %%
chosen = max(runs, key=lambda name: on_valid[name].metrics.accuracy.value)
evaluation = dr.evaluate(runs[chosen], problem=dr.Problem(goal=0.6))
print(chosen)
for promise in evaluation.record.promises:
    print(promise.verdict, "·", promise)
evaluation

# %% [markdown]
# Is it better than a simple way to answer? Four of them were run on the same images.

# %%
for baseline in evaluation.details.baselines:
    print(f"{baseline.name:<20} {baseline.accuracy}   beaten: {baseline.is_beaten}")

# %% [markdown]
# ## What it confuses
#
# Each row is a true class, each column what it was taken for. In the report every cell opens its
# images.

# %%
confusion_matrix(evaluation.metrics.confusion, evaluation.record.classes)

# %%
true, taken_for, images = evaluation.metrics.most_confused()
print(f"most often: {true} taken for {taken_for}, {images} images")


# %% [markdown]
# ## Twelve mistakes, and four other looks
#
# The course shows twelve mistakes. The mistakes it was surest of teach the most: look for wrong labels
# and for images nobody could tell.


# %%
def pictures(look, **of):
    rows = evaluation.looks(look, count=6, **of)
    order = {name: row for row, name in enumerate(dataset.part("test")["image"])}
    pixels = dr.load_images(dataset, "test", dataset.default_preprocess())
    return [
        Picture(
            pixels=pixels.take(np.array([order[name]]))[0],
            name=name,
            caption=f"{' '.join(taken)} {100 * share:.0f} %",
        )
        for name, taken, share in rows.select("image", "predicted", "confidence").iter_rows()
    ]


picture_sheet(
    {
        look: pictures(look)
        for look in ("random right", "random wrong", "confident right", "confident wrong", "most uncertain")
    },
    side=90,
)

# %% [markdown]
# ## How sure is it?
#
# When it says 80 %, is it right in 80 of 100? A temperature, fitted on the validation part, moves
# the probabilities there; it changes no label. The gap is measured on the test part, before and
# after.

# %%
calibration = evaluation.details.calibration
print(f"temperature {calibration.temperature:.2f}")
print(f"gap before {calibration.gap_before}, after {calibration.gap}")


def groups(bins):
    return [(each.confidence, each.accuracy) for each in bins]


reliability_diagram(groups(calibration.bins), groups(calibration.bins_before))

# %% [markdown]
# Whoever may leave the doubtful images to a person answers fewer, and is right more often.

# %%
coverage_curve(
    [
        (point.threshold, point.answered, point.accuracy)
        for point in evaluation.details.coverage
        if point.accuracy is not None
    ]
)

# %% [markdown]
# ## Where is it weak?
#
# The same accuracy by class, brightness, sharpness and whatever else is known of the images, the
# weakest first. With so many slices some look weak by chance; those that are marked still do when
# that is taken into account.

# %%
for each in evaluation.details.slices.rows[:8]:
    print("weak" if each.is_worse else "    ", f"{each.column} {each.value}: {each.accuracy}")

# %% [markdown]
# All of it, with the images behind every cell, stands on one page that opens offline.

# %%
print(evaluation.report.name, f"{evaluation.report.stat().st_size / 1e6:.1f} MB")
