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
# # 1 - Getting started and data prep
#
# The first notebook of the course *Practical Data Science and ML with GPUs* (AnacondaCon 2018)
# looks at CIFAR-10 before any network does: shapes and types, a few pictures, one-hot labels,
# colour channels, values rescaled. This one does the same with darkroom, and adds what usually
# decides whether a classifier will work: the split, the checks, and what the images say about
# themselves.
#
# Wherever a copy of CIFAR-10 is at hand (`DARKROOM_TEST_DATA` names a folder that holds
# `cifar10-jpeg.zip`), 5 % of it is used, so that everything runs within a minute or two.
# Otherwise the built-in handwritten digits are; they are grey, so two figures have nothing to
# show then, and say so.

# %%
import os
import tempfile
from pathlib import Path

import msgspec
import numpy as np

import darkroom as dr

# %% [markdown]
# ## Opening and splitting
#
# `open_dataset` reads every file once, hashes it and accounts for it; nothing is moved or copied.
# `split_dataset` then gives each image its part. CIFAR-10 brings a test part, which stays as it
# is; the validation part is cut from the training part. Identical files always go to the same
# part.

# %%
cifar10 = Path(os.environ.get("DARKROOM_TEST_DATA", "")) / "cifar10-jpeg.zip"
if cifar10.is_file():
    dataset = dr.split_dataset(dr.open_dataset(cifar10), sample=0.05)
else:
    dataset = dr.split_dataset(dr.open_dataset("builtin:digits"))
dataset

# %%
print(dataset.record.split)
print(f"{dataset.record.used:,} used + {dataset.record.left_out:,} left out by the sample + "
      f"{dataset.record.skipped:,} skipped = {dataset.record.found:,} found")

# %% [markdown]
# The index is an ordinary table, one row per image.

# %%
dataset.index.select("image", "part", "labels", "height", "width", "channels").head(5)

# %% [markdown]
# ## Checks before anything else
#
# Each finding says what is wrong, how bad it is and what to do about it. An error stops `train`.

# %%
for finding in dr.check_dataset(dataset):
    print(f"{finding.severity:<8} {finding.what}\n         next: {finding.next_step}")

# %% [markdown]
# ## Shapes and types
#
# A `Preprocess` says what is done to an image between the file and the network, and it travels
# with the weights. `load_images` does everything but the scaling, once: the pixels are kept as
# bytes, 0 to 255, in a cache that is shared by all later runs.

# %%
preprocess = dataset.default_preprocess()
train = dr.load_images(dataset, "train", preprocess)
pixels = train.take(slice(None))
print(preprocess)
print("pixels ", pixels.shape, pixels.dtype, "from", pixels.min(), "to", pixels.max())
print("targets", train.targets.shape, train.targets.dtype)

# %% [markdown]
# ## A look at the images
#
# Eight of each class, spread evenly over it rather than the first eight: neighbours in a folder
# often come from one scene.

# %%
dataset.plot.contact_sheet(part="train")

# %% [markdown]
# ## How many of each
#
# One panel per part, each with its own scale: equal proportions look equal, whatever the sizes.

# %%
dataset.plot.class_balance()

# %%
dataset.plot.sizes()

# %% [markdown]
# ## One-hot and back
#
# A network with ten outputs wants ten numbers as the truth: a one at the image's class, zeros
# elsewhere. The way back refuses rows that are no such thing, because the largest place of a row
# of probabilities is a guess and not a label.

# %%
labels = dataset.label_indices("train")
rows = dr.one_hot(labels, len(dataset.classes))
names = dataset.part("train")["image"]
for first in np.unique(labels, return_index=True)[1][:3].tolist():  # of three classes
    print(labels[first], "->", rows[first].astype(int), names[first])

assert (dr.from_one_hot(rows) == labels).all()
assert (rows == dataset.targets("train")).all()

# %%
try:
    dr.from_one_hot(np.array([[0.2, 0.7, 0.1]]))
except dr.DataError as refused:
    print(refused)

# %% [markdown]
# ## Channels
#
# A colour image is three grey ones: how much red, how much green, how much blue. Shown in colour
# they add up to the image. Shown as brightness they can be compared: a blue sky is bright in the
# blue channel and dark in the red one.

# %%
in_colour = preprocess.channels == 3
image = dataset.part("train")["image"][7]
dataset.plot.channels(image) if in_colour else f"{image} is grey: one channel, nothing to take apart"

# %%
if in_colour:
    alone = dr.split_channels(pixels[7])
    assert (alone["red"] + alone["green"] + alone["blue"] == pixels[7]).all()
    print({name: float(channel.sum(axis=2).mean().round(1)) for name, channel in alone.items()})

# %% [markdown]
# ## RGB or BGR
#
# Some libraries store blue first. Nothing fails when the two are taken for each other: the
# colours are merely wrong, in training or in production, and the accuracy drops. That is why
# the order of the channels is a field of the `Preprocess`.

# %%
dataset.plot.rgb_bgr(image) if in_colour else f"{image} is grey: the same in either order"

# %%
if in_colour:
    bgr = msgspec.structs.replace(preprocess, channel_order="bgr")
    as_bgr = dr.load_images(dataset, "train", bgr).take([7])[0]
    assert (as_bgr == dr.swap_red_and_blue(pixels[7])).all()

# %% [markdown]
# ## Rescaling
#
# Three usual ranges: 0 to 1, -1 to 1, and standardised, which is mean 0 and standard deviation 1
# per channel. The mean and the deviation come from the *training* part and from nothing else;
# taken over all images they would tell the network a little about the test images.

# %%
mean, std = dr.channel_statistics(train)
ways = {
    "unit": msgspec.structs.replace(preprocess, scaling="unit"),
    "signed": msgspec.structs.replace(preprocess, scaling="signed"),
    "standard": msgspec.structs.replace(preprocess, scaling="standard", mean=mean, std=std),
}
valid = dr.load_images(dataset, "valid", preprocess).take(slice(None))
for name, way in ways.items():
    for part, of in (("train", pixels), ("valid", valid)):
        values = dr.scale_pixels(of, way).astype(np.float64)
        print(f"{name:<9} {part} {values.min():6.2f} .. {values.max():5.2f}   "
              f"mean {values.mean():6.2f}   deviation {values.std():.2f}")

# %% [markdown]
# The validation part does not come out at exactly 0 and 1, and must not: it is treated as every
# later image will be.

# %%
dataset.plot.rescaled(image)

# %% [markdown]
# ## What the images say of themselves
#
# Brightness by part first: were the parts drawn from the same pile? Then a measure by class: a
# class that can be told by its contrast alone is one that a network will tell by its contrast
# alone.

# %%
dataset.plot.brightness()

# %%
dataset.plot.measure("contrast", by="class")

# %% [markdown]
# The mean image of each class shows what stands at the same place in most of its images. A blur
# is what one hopes for; a sharp shape that has nothing to do with the class (a ruler, a date, a
# frame) is what a network would learn instead.

# %%
dataset.plot.mean_images(part="train")

# %% [markdown]
# Finally the images laid out so that those that are alike stand near each other, alike in nothing
# more than colours and gradients. Point at a dot for its name, click a class in the legend to
# bring it out. Where classes lie mixed, a network has to find something better.

# %%
dataset.plot.map()

# %%
dataset.plot.neighbours(image)

# %% [markdown]
# ## Taking it elsewhere
#
# Up to here the images have stayed where they are. `export` writes them, byte for byte and with
# their parts and labels, as folders, as Parquet or as WebDataset shards. Opened again, an export
# is the same dataset: the fingerprint says so.

# %%
target = Path(tempfile.mkdtemp()) / "exported"
exported = dr.open_dataset(dataset.export(target, format="parquet"))
for file in sorted(target.iterdir()):
    print(f"{file.stat().st_size:>10,} bytes  {file.name}")
assert exported.fingerprint() == dataset.fingerprint()
exported

# %% [markdown]
# The images are ready. The next notebook trains on them:
# [Building and training models](building-and-training-models.md).
