# %% [markdown]
# # 6 · Transfer learning on your own folder
#
# A classifier that has seen a million photographs knows edges, textures and
# parts of things. Little of that depends on what it was asked to name. A
# network that segments your own images can start from it, and learns more from
# the same masks.
#
# This tutorial turns an ImageNet classifier into a U-Net, trains it on a folder
# of images and masks, and measures what the transfer was worth: the same
# network from random weights is trained for as long.
#
# You need `pip install "keras-seg[tensorflow,viz]"` (or `jax`, or `torch`).
# TensorFlow's warnings of *retracing* are harmless.
# Without a folder of yours, images are drawn by the package. To use your own:
# `DATA=folder python tutorials/06_transfer_learning.py`, where `folder` has
# `images/` and `labels/`, or any other layout that `keras-seg check` can read.

# %%
import os
import pathlib

import keras
import matplotlib.pyplot as plt
import numpy as np

from keras_seg import applications
from keras_seg import data
from keras_seg import inference
from keras_seg import training
from keras_seg import visualization
from keras_seg.data import augment
from keras_seg.data import synthetic
from keras_seg.training import recipes

# The short form is for the tests and for building the pages.
QUICK = os.environ.get("KERAS_SEG_QUICK") == "1"
OUT = pathlib.Path("tutorial_06")  # where data and pictures go
DATA = os.environ.get("DATA")
CROP = 32 if QUICK else 224
# "imagenet" is downloaded by Keras, once; or the path of a file, or "none".
WEIGHTS = os.environ.get("WEIGHTS", "none" if QUICK else "imagenet")

OUT.mkdir(exist_ok=True)
keras.utils.set_random_seed(0)

# %% [markdown]
# ## The folder
#
# Drawn images are squares, disks and triangles. Only their outlines tell them
# apart: colors and textures are drawn at random. `check` reads every file and
# says what is wrong with it, before any training.

# %%
if DATA is None:
    DATA = OUT / "data"
    count, classes = 10 if QUICK else 60, synthetic.shape_classes(4)
    images, masks = synthetic.shapes(count, size=CROP, classes=4)
    first = count // 5
    for split, part in (("val", slice(first)), ("train", slice(first, None))):
        synthetic.write_folder(DATA, images[part], masks[part], classes, split)

print(data.check(DATA).raise_if_failed().to_text())

# %% [markdown]
# What matters is the first line: there are no errors, and notes can wait.
# *Void* pixels have no class, here a band around each shape. They count neither
# in training nor in scores.
#
# Some images are held out: those of `val`, if the folder has it, or else every
# sixth. What is measured on them was not trained on. The others are scaled, cut
# and mirrored anew in each epoch.

# %%
splits = data.splits(DATA)
train = data.from_folder(DATA, "train" if splits else None)
if "val" in splits:
    held_out = data.from_folder(DATA, "val", class_table=train.class_table)
else:
    every_sixth = range(0, len(train), 6)
    rest = sorted(set(range(len(train))) - set(every_sixth))
    train, held_out = train.subset(rest), train.subset(every_sixth)

batches = data.Batches(
    train,
    8,
    [
        augment.RandomScale(0.75, 1.5),
        augment.RandomCrop(CROP),
        augment.RandomFlip(),
    ],
    shuffle=True,
)
classes = len(train.class_table)
first, second = (1, 1) if QUICK else (8, 12)  # epochs of steps 3 and 6

# %% [markdown]
# ## Transfer
#
# 1. Turn the classifier into a segmentation network. Here it becomes the way
#    down of a U-Net, with its weights and the preprocessing that it expects.
#    The way up is new, and its weights are random.
# 2. Freeze what comes from the classifier: its weights stay. The first
#    gradients of the new layers are noise and would only spoil them.
# 3. Compile, with the optimizer, loss and metrics that `finetune` gives, and
#    train the new layers.


# %%
def network(weights):
    """A U-Net on MobileNetV2; in the short form on a few layers instead."""
    if QUICK and weights == "none":
        encoder = keras.Sequential([keras.Input((None, None, 3))])
        for filters in (8, 16, 32):
            encoder.add(keras.layers.Conv2D(filters, 3, 2, padding="same"))
            encoder.add(keras.layers.BatchNormalization())
            encoder.add(keras.layers.ReLU())
        return applications.UNet(encoder, classes=classes, filters=4)
    weights = None if weights == "none" else weights
    return applications.UNet("mobilenet_v2", weights=weights, classes=classes)


model = network(WEIGHTS)
training.freeze_backbone(model)
model.compile(**recipes.finetune(train, model, epochs=first))
history = model.fit(batches, epochs=first, verbose=2)

# %% [markdown]
# A high loss is no error in the short form: it has no ImageNet weights, and
# freezes random ones.
#
# 4. Unfreeze everything but batch normalization, which scales each channel by a
#    mean and a variance. It keeps those of ImageNet: those of a short training
#    on small batches are worse.
# 5. Compile again. Keras asks for it after such a change, and `finetune` now
#    lets what came from the classifier learn at a tenth of the rate of the
#    new layers.
# 6. Train on.

# %%
training.freeze_batch_norm(training.unfreeze(model))
model.compile(**recipes.finetune(train, model, epochs=second))
history = model.fit(batches, epochs=second, verbose=2)

# %% [markdown]
# ## The same network without transfer
#
# It has random weights and is trained for as many epochs. All weights learn at
# one rate, and batch normalization learns its means and variances.

# %%
scratch = network("none")
epochs = first + second
recipes.set_batch_norm_momentum(
    scratch, recipes.momentum_for(epochs * len(batches))
)
scratch.compile(**recipes.finetune(train, epochs=epochs))
history = scratch.fit(batches, epochs=epochs, verbose=2)

# %% [markdown]
# ## What it was worth
#
# The short form trains for two epochs on eight small images, from random
# weights in both cases. Its scores and stripes say nothing about transfer.

# %%
models = {"transferred": model, "from scratch": scratch}
for name, trained in models.items():
    evaluation = inference.evaluate(trained, held_out)
    print(f"{name}: mean IoU {evaluation.scores.mean_iou:.3f}")
    for row in evaluation.rows():
        print(f"    {row['name']}: {row['iou']:.3f}")

# %%
count = min(4, len(held_out))
figure, axes = plt.subplots(
    count, 4, figsize=(11, 2.8 * count), layout="constrained", squeeze=False
)
colors = train.class_table.colors
for row, (image, mask) in zip(axes, held_out, strict=False):
    pictures = {
        "image": image,
        "truth": visualization.overlay(image, mask, colors),
    }
    for name, trained in models.items():
        ids = inference.predict(trained, image)
        pictures[name] = visualization.overlay(image, ids, colors)
    for axis, (title, picture) in zip(row, pictures.items(), strict=True):
        axis.imshow(picture)
        axis.set_title(title)
        axis.axis("off")
figure.savefig(OUT / "overlays.png")

# %% [markdown]
# In the full form (one run, 27 minutes beside other work, 8 of processor time)
# the 48 drawn images are too few. With transfer, shapes are found, but most are
# called squares (mean IoU 0.28). Without, nothing is found: background
# everywhere gives 0.19.
#
# On photographs of horses (120 of Weizmann's, every sixth held out), trained
# for 8 and 12 epochs on two CPU cores in 12 minutes for both (TensorFlow 2.21,
# seed 0, one run, November 2026):
#
# | | IoU of horse | mean IoU |
# |---|---:|---:|
# | transferred | 0.84 | 0.89 |
# | from random weights, 20 epochs | 0.58 | 0.70 |
#
# Without transfer, whatever is dark or brown becomes horse: rocks and shade
# too. With it the horses are whole, down to the hooves, and a rider is taken
# for a part of his horse.
#
# Other ways to start: [from a classifier of your own](../howto/classifier), or
# [from a network that segments already](../howto/pretrained).
#
# ## Exercises
#
# 1. How many of the weights were trained while the classifier was frozen?
# 2. Which images are worst? Draw the four worst with their errors
#    (`evaluation.show_worst`).
# 3. Is the network sure where it is wrong? Compare its confidence, the largest
#    probability, on right and on wrong pixels that are not void.

# %% tags=["hide-cell"]
# 1. Only those of the way up. In the full form 4,716,564 of 6,974,548.
training.freeze_backbone(model)
count = sum(np.prod(weight.shape) for weight in model.trainable_weights)
print(f"{count:,} of {model.count_params():,}")

# %% tags=["hide-cell"]
# 2. The model predicts them again; the title has their mean IoU.
evaluation = inference.evaluate(model, held_out)
worst = evaluation.show_worst(4)
worst.save(OUT / "worst.png")
worst  # noqa: B018

# %% tags=["hide-cell"]
# 3. It should be less sure where it is wrong, as it is in the full form. Where
# it is as sure as elsewhere, its confidence is no help in finding errors.
image, mask = held_out[0]
logits = model.predict(image[None], verbose=0)[0]
confidence = keras.ops.convert_to_numpy(keras.ops.softmax(logits)).max(axis=-1)
right = logits.argmax(axis=-1) == mask
wrong = ~right & (mask != data.VOID)
print("right:", confidence[right].mean(), "wrong:", confidence[wrong].mean())
