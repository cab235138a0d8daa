# %% [markdown]
# # 4 · Holes and receptive fields
#
# Whether a gray pixel is road or roof depends on what is around it. How far a
# network can see is its *receptive field*. The networks called DeepLab
# ([v1](https://arxiv.org/abs/1412.7062) to v3, 2014 to 2017) enlarge it with
# holes in the kernels, at no cost in weights. This tutorial draws what a
# position of a map really sees, and measures when a larger field helps and when
# it is too large.
#
# You need `pip install "keras-seg[tensorflow,viz]"` (or `jax`, or `torch`).
# TensorFlow's warnings of *retracing* are harmless.

# %%
import os
import pathlib

import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import layers

import keras_seg
from keras_seg import data
from keras_seg import inference
from keras_seg import surgery
from keras_seg import visualization
from keras_seg.data import augment
from keras_seg.layers import ASPP
from keras_seg.layers import AtrousConv
from keras_seg.layers import BilinearUpsampling
from keras_seg.training import recipes

# The short form is for the tests and for building the pages.
QUICK = os.environ.get("KERAS_SEG_QUICK") == "1"
OUT = pathlib.Path("tutorial_04")  # where the pictures go

OUT.mkdir(exist_ok=True)
keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)

# %% [markdown]
# ## Nine numbers, further apart
#
# A kernel of 3×3 multiplies nine numbers that lie side by side. At *rate* 2
# (`dilation_rate`) they are two positions apart, at rate 3 three. The holes
# between them are not looked at and have no weights; *atrous* is French for
# "with holes". Here is rate 2 on a map of 5×5, with a kernel of ones: it adds
# up every second number.

# %%
numbers = np.arange(25, dtype="float32").reshape(1, 5, 5, 1)
with_holes = AtrousConv(
    1, 3, dilation_rate=2, padding="valid", kernel_initializer="ones"
)
total = float(keras.ops.convert_to_numpy(with_holes(numbers)).squeeze())
print(numbers[0, :, :, 0].astype(int))
print(numbers[0, ::2, ::2, 0].astype(int), "sum:", total)
assert total == numbers[0, ::2, ::2].sum() == 108


# %% [markdown]
# k numbers at rate r have k − 1 gaps of r − 1 holes, so they span
# k + (k − 1)(r − 1) positions. So 3×3 at rate 3 spans 7×7, like a kernel of
# 7×7, and like three layers of 3×3 one behind the other (3, 5, 7). What they
# cost is different. DeepLab v1 is the VGG16 of
# [tutorial 3](03_from_classifier_to_fcn) with 3×3 and 1024 filters where that
# has 7×7 and 4096, on a map of 512 channels:


# %%
def parameters(size, channels, filters):
    """Weights and biases of a convolution."""
    return filters * (size * size * channels + 1)


print(f"7×7, 512 → 4096, VGG16's own:  {parameters(7, 512, 4096):12,}")
print(f"3×3, 512 → 1024, at any rate:  {parameters(3, 512, 1024):12,}")
print(f"two more 3×3, 1024 → 1024:     {2 * parameters(3, 1024, 1024):12,}")
print(f"one 7×7, 1024 → 1024:          {parameters(7, 1024, 1024):12,}")

large_fov = AtrousConv(1024, 3, dilation_rate=12)
large_fov.build((None, 28, 28, 512))
print(f"AtrousConv, rate 12:           {large_fov.count_params():12,}")
assert large_fov.count_params() == parameters(3, 512, 1024) == 4_719_616
assert 2 * parameters(3, 1024, 1024) == 18_876_416
assert parameters(7, 1024, 1024) == 51_381_248

# %% [markdown]
# At any rate the layer has a 22nd of the weights of VGG16's. To span 7×7
# without holes, two more layers behind it cost four times as much as it does,
# and one of 7×7 eleven times.
#
# ## What a position sees
#
# A position depends on a pixel if its *gradient* for that pixel is not zero:
# its value changes when the pixel does. `visualization.support` computes these
# gradients. Below, for the middle of a map of 28×28, which is what DeepLab v1
# has for an image of 224×224. What it sees is blue, and counted in the title.


# %%
def stack(*rates):
    """3×3 convolutions at these rates, one behind the other."""
    image = x = keras.Input((28, 28, 1))
    for rate in rates:
        x = AtrousConv(1, 3, dilation_rate=rate, kernel_initializer="ones")(x)
    return keras.Model(image, x)


def show(name, supports):
    """Draws supports side by side, with the number of pixels that are seen."""
    figure, axes = plt.subplots(
        1, len(supports), figsize=(11, 2.7), layout="constrained"
    )
    for axis, (title, seen) in zip(axes, supports.items(), strict=True):
        axis.imshow(visualization.strengths(seen))
        axis.set_title(f"{title}: sees {np.count_nonzero(seen)}")
        axis.set(xticks=[], yticks=[])
    figure.savefig(OUT / f"{name}.png")


blank = np.zeros((1, 28, 28, 1))
show(
    "rates",
    {
        f"rate {rate}": visualization.support(stack(rate), blank)
        for rate in (1, 3, 12, 24)
    },
)

# %% [markdown]
# At rate 24 the kernel spans 3 + 2 · 23 = 49 positions on a map of 28: in the
# middle only its center lies on the map, and the kernel of 3×3 has become one
# of 1×1. Over all positions of the map, this is the share of the nine numbers
# that meet the map and not the padding around it:

# %%
for rate in (1, 2, 3, 12, 24):
    # How many of the kernel's three rows lie on the map, in the mean.
    inside = np.clip(28 - np.abs([-rate, 0, rate]), 0, None).sum() / 28
    print(f"rate {rate:2}: {inside**2 / 9:.0%}")

# %% [markdown]
# At rate 12 half of the kernel meets padding, at rate 24 four fifths.
#
# Holes have another price. Layers with equal rates, one behind the other, see
# a grid, and nothing of what lies between. Rates of 1, 2 and 3 leave no gaps.
# (Not every mixture does that: 2, 3 and 5 leave some.)

# %%
show(
    "gridding",
    {
        f"rates {', '.join(map(str, rates))}": visualization.support(
            stack(*rates), blank
        )
        for rates in ((1, 1, 1), (2, 2, 2), (3, 3, 3), (1, 2, 3))
    },
)
equal = visualization.support(stack(3, 3, 3), blank)
mixed = visualization.support(stack(1, 2, 3), blank)
assert np.count_nonzero(equal) == 7 * 7 and np.count_nonzero(mixed) == 13 * 13

# %% [markdown]
# ## A whole network
#
# VGG16 halves its map five times: 224×224 becomes 7×7. DeepLab's last two pools
# move by one position, not two (stride 1), and it gets 28×28. Its *output
# stride*, the pixels from one position to the next, is 8 and not 32. What was
# one position apart is now two apart, and behind the last pool four, so the
# kernels there get rates of 2 and 4. This is the *hole algorithm*, and it
# changes no number: every fourth position of the new map is one of the old.

# %%
vgg = keras.applications.VGG16(weights=None, include_top=False)
for variable in vgg.trainable_weights:
    if variable.name == "bias":  # Zero at first, which would hide mistakes.
        variable.assign(rng.normal(0, 0.1, variable.shape))
dense = surgery.set_output_stride(vgg, 8)
side = 64 if QUICK else 224
image = rng.uniform(-100, 100, (1, side, side, 3)).astype("float32")
old = vgg.predict(image, verbose=0)
new = dense.predict(image, verbose=0)
difference = np.abs(new[:, ::4, ::4] - old).max() / np.abs(old).max()
print(f"{old.shape[1:3]} and {new.shape[1:3]}, {difference:.0e} apart")
assert difference < 1e-5

# %% [markdown]
# How far does DeepLab see? `receptive_field` computes it from the layers. The
# one behind VGG16's pools is called LargeFOV, for its large field of view,
# since the authors went to rate 12.

# %%
fields = {}
for rate in (1, 3, 12, 24):
    head = AtrousConv(8, 3, dilation_rate=rate, name="fc6")(dense.output)
    deeplab = keras.Model(dense.input, head)
    fields[rate] = deeplab
    print(f"rate {rate:2}: {keras_seg.receptive_field(deeplab).size} pixels")

# %% [markdown]
# A step of the rate adds 2 · 8 pixels. At rate 12 a position sees farther than
# an image of 224×224 reaches.
#
# These are the pixels that *can* have an influence. The gradients say how much
# each one has. (They are drawn on a scale that shows small ones, too.)

# %%
shown = (3, 12) if QUICK else (1, 3, 12, 24)
side = 96 if QUICK else 448
images = rng.uniform(-100, 100, (1, side, side, 3)).astype("float32")
show(
    "gradients",
    {
        f"rate {rate}": visualization.support(fields[rate], images)
        for rate in shown
    },
)

# %% [markdown]
# In the short form the image is smaller than the fields. The full form, on
# 448×448 pixels, shows their borders. Most of the influence comes from the
# middle of nine spots, one for each number of the kernel, which lie on top of
# each other at small rates:
#
# ![One spot, or nine](../_static/tutorial_04_gradients.jpg)
#
# ## Several rates at once: ASPP
#
# Objects come in different sizes, so DeepLab v2 uses several rates side by
# side and adds up what they say: *atrous spatial pyramid pooling*. DeepLab v3
# has a 1×1 convolution and the mean of the whole map, which sees everything,
# in place of the largest rate, which saw mostly padding.

# %%
show(
    "aspp",
    {
        "v2, 2 4 8 12": visualization.support(
            ASPP(1, (2, 4, 8, 12), version="v2"), blank
        ),
        "v2, 6 12 18 24": visualization.support(
            ASPP(1, (6, 12, 18, 24), version="v2"), blank
        ),
        "v3, 2 4 8": visualization.support(
            ASPP(32, (2, 4, 8)),  # Its ReLUs block the gradients of a blank.
            rng.normal(size=(1, 28, 28, 8)),
        ),
    },
)

# %% [markdown]
# Each rate sees the middle and eight positions around it. Of 18 and 24 those
# lie off the map. v3 sees all 784, most of them faintly, by the mean.
#
# ## Does it help?
#
# A test in which size decides: disks, small ones (a radius of 6 to 12 pixels)
# and large ones (24 to 40), which differ in nothing else. All networks below
# have the same encoder of stride 8, and their heads, the layer behind it, have
# the same number of weights, except for the pyramid. (The short form trains
# two, for one epoch, which is not enough. What the full form finds is below.)

# %%
side = 64 if QUICK else 160
rows, columns = np.indices((side, side))


def draw():
    """An image with a small and a large disk, and its mask."""
    image = rng.normal(90, 20, (side, side, 3))
    mask = np.zeros((side, side), "uint8")
    for class_id, (low, high) in ((2, (24, 40)), (1, (6, 12)), (1, (6, 12))):
        row, column = rng.uniform(0, side, 2)
        disk = np.hypot(rows - row, columns - column) < rng.uniform(low, high)
        disk &= mask == 0
        image[disk] = rng.normal(160, 20, (disk.sum(), 3))
        mask[disk] = class_id
    return image.clip(0, 255).astype("uint8"), mask


def network(head):
    """The encoder and a head; logits of the size of the image."""
    image = x = keras.Input((side, side, 3))
    x = layers.Rescaling(1 / 127.5, -1)(x)
    for filters in (4, 4, 4) if QUICK else (16, 24, 32):
        x = layers.Conv2D(filters, 3, 2, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU()(x)
    x = layers.ReLU()(head(x))
    x = layers.Conv2D(3, 1)(x)
    return keras.Model(image, BilinearUpsampling(8)(x))


pairs = [draw() for _ in range(12 if QUICK else 120)]
held_out, train = pairs[: len(pairs) // 6], pairs[len(pairs) // 6 :]
classes = data.ClassTable(
    ("background", "small", "large"), ((0, 0, 0), (230, 180, 0), (0, 120, 200))
)
epochs = 1 if QUICK else 30
heads = {f"rate {rate}": AtrousConv(32, 3, rate) for rate in (1, 3, 6, 12, 24)}
heads["ASPP 1, 3, 6"] = ASPP(32, (1, 3, 6), dropout=0.0)
if QUICK:
    heads = {name: heads[name] for name in ("rate 3", "ASPP 1, 3, 6")}

results = {}
for name, head in heads.items():
    model = network(head)
    batches = data.Batches(train, 8, [augment.RandomFlip()], shuffle=True)
    # As in tutorial 3: faster averages in batch norm, and a usual optimizer.
    recipes.set_batch_norm_momentum(
        model, recipes.momentum_for(epochs * len(batches))
    )
    model.compile(
        **recipes.finetune(train, classes=3, epochs=epochs, learning_rate=3e-3)
    )
    model.fit(batches, epochs=epochs, verbose=0)
    # Without ASPP's mean, which sees all of the image.
    field = keras_seg.receptive_field(model, global_pooling=False).size
    ious = inference.evaluate(
        model, held_out, class_table=classes
    ).scores.per_class_iou
    results[name] = model
    print(
        f"{name:12} field {field:4}, IoU of small disks {ious[1]:.3f}, "
        f"of large ones {ious[2]:.3f}"
    )

# %%
image, mask = held_out[0]
pictures = {
    "image": image,
    "truth": visualization.overlay(image, mask, classes.colors),
}
for name, model in results.items():
    ids = inference.predict(model, image)
    pictures[name] = visualization.overlay(image, ids, classes.colors)
figure, axes = plt.subplots(
    1, len(pictures), figsize=(11, 2), layout="constrained"
)
for axis, (title, picture) in zip(axes, pictures.items(), strict=True):
    axis.imshow(picture)
    axis.set_title(title, fontsize="medium")
    axis.axis("off")
figure.savefig(OUT / "disks.png")

# %% [markdown]
# In the full form (two CPU cores, TensorFlow 2.21, seed 0, one run, 3 minutes,
# November 2026):
#
# | head | field, pixels | IoU of small disks | of large ones |
# |---|---:|---:|---:|
# | rate 1 | 39 | 0.836 | 0.964 |
# | rate 3 | 71 | 0.767 | 0.951 |
# | rate 6 | 119 | 0.543 | 0.905 |
# | rate 12 | 215 | 0.464 | 0.896 |
# | rate 24 | 407 | 0.419 | 0.885 |
# | ASPP 1, 3, 6 | 119 | **0.851** | **0.968** |
#
# ![Image, truth, and what each head finds](../_static/tutorial_04_disks.png)
#
# Small disks are yellow, large ones blue. Blue in a small disk is a mistake.
#
# A field of 39 pixels is enough here: around the middle of a small disk it
# always sees an edge, around that of a large one it sees none. More is worse,
# most of all for small disks, since the nine numbers of the kernel then lie far
# outside of them. The pyramid has small and large rates, and is best at both.
# DeepLab's rates of 12 and more are for photographs of 500 pixels, and for
# objects that fill them.
#
# ## Exercises
#
# 1. Which rate gives a kernel of 3×3 the span of 9×9? Of 15×15?
# 2. Find three rates with a field of at least 17 that leave no gaps.
# 3. At output stride 16, DeepLab v3 has the rates 6, 12 and 18. Which rates
#    see the same pixels at output stride 8? `ASPP.for_output_stride` knows it.

# %% tags=["hide-cell"]
# 1. 3 + 2 (r - 1) = 2 r + 1, so rates 4 and 7.
for rate in (4, 7):
    print(rate, keras_seg.receptive_field(stack(rate)).size)

# %% tags=["hide-cell"]
# 2. 1, 2, 5: each rate is at most the span of those before it.
seen = visualization.support(stack(1, 2, 5), blank)
print(np.count_nonzero(seen), keras_seg.receptive_field(stack(1, 2, 5)).size)
assert np.count_nonzero(seen) == 17 * 17

# %% tags=["hide-cell"]
# 3. Twice the rates: a step on the map is half as many pixels.
print(ASPP(256, (6, 12, 18)).for_output_stride(8).atrous_rates)
