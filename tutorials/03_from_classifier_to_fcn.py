# %% [markdown]
# # 3 · From a classifier to FCN
#
# A classifier says what is in an image. Segmentation asks the same question
# at every pixel. This tutorial turns the one into the other without changing a
# single weight, checks that all its numbers stay the same, and then builds the
# three networks of the [FCN paper](https://arxiv.org/abs/1411.4038) (*fully
# convolutional network*) on top: FCN-32s, FCN-16s and FCN-8s.
#
# You need `pip install "keras-seg[tensorflow,viz]"` (or `jax`, or `torch`). The
# full form makes VGG16, a classifier of 2014, with random weights, 138 million
# of them (2 GB of memory). It downloads what MobileNetV2, a small classifier,
# learned from ImageNet, a million photographs of 1000 classes (14 MB).
# TensorFlow's warnings of *retracing* are harmless: it compiles `predict` anew
# for each network and size.

# %%
import os
import pathlib

import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import layers

from keras_seg import applications
from keras_seg import data
from keras_seg import inference
from keras_seg import ops
from keras_seg import surgery
from keras_seg import visualization
from keras_seg.data import augment
from keras_seg.data import synthetic
from keras_seg.training import recipes

# The short form is for the tests and for building the pages.
QUICK = os.environ.get("KERAS_SEG_QUICK") == "1"
# "imagenet" is downloaded by Keras, once; or the path of a file, or "none".
WEIGHTS = os.environ.get("WEIGHTS", "none" if QUICK else "imagenet")
PHOTO = os.environ.get("PHOTO")  # a photograph of your own
OUT = pathlib.Path("tutorial_03")  # where the pictures go

OUT.mkdir(exist_ok=True)
keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)

# %% [markdown]
# ## One dense layer
#
# Take a *map*, the output of a layer, of 3×3 positions with two channels: 18
# numbers. A dense layer flattens it, multiplies each of them by a weight of its
# own and adds up. A convolution with a kernel of 3×3 does the same: 3 · 3 · 2 =
# 18 weights, one place where the kernel fits. So the weights of the dense
# layer, reshaped, *are* the kernel. Here both have five outputs:

# %%
dense = layers.Dense(5)
convolution = layers.Conv2D(5, 3)
small = rng.normal(size=(1, 3, 3, 2)).astype("float32")
from_dense = keras.ops.convert_to_numpy(dense(small.reshape(1, 18)))

convolution.build(small.shape)
kernel, bias = dense.get_weights()
convolution.set_weights([kernel.reshape(3, 3, 2, 5), bias])
from_convolution = keras.ops.convert_to_numpy(convolution(small))

print(from_dense[0].round(4))
print(from_convolution[0, 0, 0].round(4))
assert np.allclose(from_dense, from_convolution, atol=1e-5)

# %% [markdown]
# They are equal. But the dense layer is stuck with its 18 numbers. The
# convolution takes a larger map and gives its answer at every place where the
# kernel fits:

# %%
larger = rng.normal(size=(1, 5, 6, 2)).astype("float32")
everywhere = keras.ops.convert_to_numpy(convolution(larger))
print("a map of 5×6 gives", everywhere.shape[1:3], "answers")
window = larger[:, 2:5, 3:6]  # the last place
at_the_end = keras.ops.convert_to_numpy(dense(window.reshape(1, 18)))
assert np.allclose(everywhere[0, 2, 3], at_the_end[0], atol=1e-5)

# %% [markdown]
# ## The layers of VGG16
#
# VGG16 halves an image of 224×224 five times. Its last map is 7×7, with 512
# channels, and neighbors on it lie 2⁵ = 32 pixels apart in the image: the
# network has a *stride* of 32. The first dense layer has 4096 units, each with
# one weight for every number of that map and a bias:

# %%
each = 7 * 7 * 512 + 1
print(f"{each:,} weights a unit, {4096 * each:,} in all")
assert each == 25_089 and 4096 * each == 102_764_544

# %% [markdown]
# `surgery.fully_convolutional` does this to a whole network: the first dense
# layer becomes a convolution of 7×7, the others, which see one position,
# convolutions of 1×1. It finds them in any classifier of Keras. (The short form
# has a VGG with an eighth of the channels for an image of 64×64, whose last map
# is 2×2. In the table, `None` is a side of any length.)


# %%
def vgg(image_size, divisor, classes):
    """VGG16, or a slim one."""
    if divisor == 1:
        return keras.applications.VGG16(weights=None, classes=classes)
    image = x = keras.Input((image_size, image_size, 3))
    for block, (channels, count) in enumerate(
        [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)], start=1
    ):
        for number in range(1, count + 1):
            x = layers.Conv2D(
                channels // divisor,
                3,
                padding="same",
                activation="relu",
                kernel_initializer="he_normal",
                name=f"block{block}_conv{number}",
            )(x)
        x = layers.MaxPooling2D(name=f"block{block}_pool")(x)
    x = layers.Flatten(name="flatten")(x)
    for name in ("fc1", "fc2"):
        x = layers.Dense(4096 // divisor, activation="relu", name=name)(x)
    x = layers.Dense(classes, activation="softmax", name="predictions")(x)
    return keras.Model(image, x, name="vgg")


size = 64 if QUICK else 224
classifier = vgg(size, divisor=8 if QUICK else 1, classes=1000)
# Biases begin at zero, which would hide mistakes with them.
for variable in classifier.trainable_weights:
    if variable.name == "bias":
        variable.assign(rng.normal(0, 0.1, variable.shape))
# The default are logits, the scores before softmax.
network = surgery.fully_convolutional(
    classifier, classifier_activation="softmax"
)

print(f"{'':12}{'classifier':>24}{'network':>24}{'parameters':>14}")
for name in ("block5_pool", "fc1", "fc2", "predictions"):
    before, after = classifier.get_layer(name), network.get_layer(name)
    count = before.count_params()
    assert count == after.count_params()
    shapes = str(before.output.shape[1:]), str(after.output.shape[1:])
    print(f"{name:12}{shapes[0]:>24}{shapes[1]:>24}{count:14,}")
assert classifier.count_params() == network.count_params()

# %% [markdown]
# The number of parameters is the same. So are the answers, up to rounding, on
# an image of the classifier's own size:

# %%
image = rng.uniform(-100, 100, (1, size, size, 3)).astype("float32")
expected = classifier.predict(image, verbose=0)
found = network.predict(image, verbose=0)
difference = np.abs(found[0, 0, 0] - expected[0]).max() / expected.max()
print(f"{expected.shape} and {found.shape}, {difference:.0e} apart")
assert difference < 1e-5

# %% [markdown]
# On an image that is two strides of 32 pixels higher and three wider, the same
# *head* (the layers behind the last pool) gives 3×4 answers at once. The
# convolutions before it were computed once, not twelve times.

# %%
image = rng.uniform(-100, 100, (1, size + 64, size + 96, 3)).astype("float32")
print(network.predict(image, verbose=0).shape)
del classifier, network

# %% [markdown]
# ## What it sees in a photograph
#
# Now with weights that know something: MobileNetV2 with its ImageNet weights,
# on a photograph two to three times as large as those it was trained with. With
# `padding="same"` there is an answer at every position of its last map, those
# at the border too. The map of the class that wins shows *where* in the image
# the classifier finds it. Nobody ever gave it a mask.

# %%
sees = keras.applications.MobileNetV2(
    input_shape=(96, 96, 3) if QUICK else (224, 224, 3),
    weights=None if WEIGHTS == "none" else WEIGHTS,
    alpha=0.35 if QUICK else 1.0,
)
everywhere = surgery.fully_convolutional(sees, padding="same")
if PHOTO is not None:
    photo = data.read_image(PHOTO)
elif QUICK:
    photo = synthetic.shapes(1, size=96)[0][0]
else:
    import skimage.data

    photo = skimage.data.chelsea()
prepared = keras.applications.mobilenet_v2.preprocess_input(
    augment.resize_image(photo, (96, 128) if QUICK else (480, 720)).astype(
        "float32"
    )
)
logits = everywhere.predict(prepared[None], verbose=0)
scores = keras.ops.convert_to_numpy(keras.ops.softmax(logits))[0]
winner = scores.mean(axis=(0, 1)).argmax()
print(f"{scores.shape[0]}×{scores.shape[1]} answers, class {winner} wins")

heat = ops.resize(scores[None, ..., winner : winner + 1], photo.shape[:2])
figure, axes = plt.subplots(1, 2, figsize=(9, 3.3), layout="constrained")
axes[0].imshow(photo)
axes[1].imshow(photo)
axes[1].imshow(
    keras.ops.convert_to_numpy(heat)[0, ..., 0], cmap="inferno", alpha=0.6
)
for axis in axes:
    axis.axis("off")
figure.savefig(OUT / "heat.png")

# %% [markdown]
# The short form has random weights, which find nothing: all is equally dark.
# With ImageNet's, class 285 (Egyptian cat) wins on scikit-image's cat, and
# bright is where it is seen:
#
# ![A cat, its face in bright colors](../_static/tutorial_03_heat.jpg)
#
# ## FCN-32s, FCN-16s, FCN-8s
#
# The answers lie 32 pixels apart. FCN-32s (s for stride) scores the classes
# there and enlarges the scores 32 times: it finds things, but not their
# outlines. The maps in the middle of the network are finer. FCN-16s adds scores
# from the map that was halved four times, of stride 16, and has to enlarge
# only 16 times; FCN-8s adds those of stride 8.
#
# To see the difference, we need objects with outlines of which we know every
# pixel: disks on noise. The *encoder*, a classifier without its head, is a
# small one, so that it trains in minutes; the paper's would be `"vgg16"`.

# %%
side = 64 if QUICK else 96
rows, columns = np.indices((side, side))


def draw():
    """A noisy image with three disks, and its mask."""
    image = rng.normal(90, 30, (side, side, 3))
    mask = np.zeros((side, side), "uint8")
    for _ in range(3):
        row, column = rng.uniform(0, side, 2)
        disk = np.hypot(rows - row, columns - column) < rng.uniform(5, 22)
        image[disk] += 70
        mask[disk] = 1
    return image.clip(0, 255).astype("uint8"), mask


def encoder():
    """Five blocks, each halves the map."""
    image = x = keras.Input((None, None, 3))
    x = layers.Rescaling(1 / 127.5, -1)(x)
    for filters in (4, 4, 4, 4, 4) if QUICK else (16, 24, 32, 48, 64):
        for _ in range(1 if QUICK else 2):
            x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
            x = layers.BatchNormalization()(x)
            x = layers.ReLU()(x)
        x = layers.MaxPooling2D()(x)
    return keras.Model(image, x)


pairs = [draw() for _ in range(12 if QUICK else 120)]
held_out, train = pairs[: len(pairs) // 6], pairs[len(pairs) // 6 :]
classes = data.ClassTable(("background", "disk"), ((0, 0, 0), (230, 80, 0)))


def fit(model, epochs):
    """Trains a network and gives the IoU of disks that were held out."""
    batches = data.Batches(train, 8, [augment.RandomFlip()], shuffle=True)
    # Moving averages of batch norm that keep up in a short training.
    recipes.set_batch_norm_momentum(
        model, recipes.momentum_for(epochs * len(batches))
    )
    # A usual optimizer, loss and metrics for masks.
    model.compile(**recipes.finetune(train, classes=2, epochs=epochs))
    model.fit(batches, epochs=epochs, verbose=0)
    evaluation = inference.evaluate(model, held_out, class_table=classes)
    return evaluation.scores.per_class_iou[1]


# %% [markdown]
# As in the paper, the coarse network is trained first. Each finer one takes the
# weights of the layers that both have (`transplant`), so it starts where the
# coarser one stopped. The score is the IoU of
# [tutorial 1](01_from_kmeans_to_unet). After the one epoch of the short form it
# is about 0, and the pictures show no disk.

# %%
epochs = 1 if QUICK else 20
models = {}
previous = None
for name in ("FCN32s", "FCN16s", "FCN8s"):
    build = getattr(applications, name)
    model = build(encoder(), weights=None, classes=2)
    if previous is not None:
        surgery.transplant(previous, model)
    print(f"{name}: IoU of disks {fit(model, epochs):.3f}")
    models[name] = previous = model

# %%
image, mask = held_out[0]
pictures = {
    "image": image,
    "truth": visualization.overlay(image, mask, classes.colors),
}
for name, model in models.items():
    ids = inference.predict(model, image)
    pictures[name] = visualization.overlay(image, ids, classes.colors)
figure, axes = plt.subplots(1, 5, figsize=(11, 2.6), layout="constrained")
for axis, (title, picture) in zip(axes, pictures.items(), strict=True):
    axis.imshow(picture)
    axis.set_title(title)
    axis.axis("off")
figure.savefig(OUT / "fcn.png")

# %% [markdown]
# In the full form (two CPU cores, TensorFlow 2.21, seed 0, one run, 3 minutes
# of the 5 that the tutorial takes, November 2026), the IoU of disks was:
#
# | FCN-32s | FCN-16s | FCN-8s |
# |---:|---:|---:|
# | 0.184 | 0.800 | 0.892 |
#
# ![Image, truth, FCN-32s, FCN-16s and FCN-8s](../_static/tutorial_03_fcn.png)
#
# Orange is what is called disk. FCN-32s and FCN-16s mark blocks that overlap
# the disks and no more. FCN-8s follows their outlines.
#
# ## Exercises
#
# 1. On an image of 256×256, VGG16's last map is 8×8. How many answers does the
#    convolution of 7×7 give, and how far apart are they in the image?
# 2. FCN-8s was trained for three times as many epochs as FCN-32s, if its
#    predecessors are counted. Is that why it is better? Train an FCN-32s for
#    three times as long.
# 3. How good could FCN-32s be at best? Shrink the true masks by 32
#    (`keras.ops.average_pool`), enlarge them again (`ops.resize`), call disk
#    what is above one half, and measure its IoU. What about 16 and 8?

# %% tags=["hide-cell"]
# 1. 8 - 7 + 1 = 2 in each direction, four in all, and the stride is 32 pixels.
print(8 - 7 + 1)

# %% tags=["hide-cell"]
# 2. In the full form it is better than before (0.306), but not as good as
# FCN-8s: what is missing are the fine maps, not the time.
longer = applications.FCN32s(encoder(), weights=None, classes=2)
print(f"FCN32s, three times as long: {fit(longer, 3 * epochs):.3f}")

# %% tags=["hide-cell"]
# 3. The share of disk in each cell of 32×32, enlarged by bilinear
# interpolation, and 1 where it is more than one half. In the full form 0.356,
# 0.701 and 0.909. FCN-16s is better than that: its scores need not be shares,
# and a larger one moves the interpolated outline outward.
truth = np.stack([mask for _, mask in held_out])[..., None].astype("float32")
for stride in (32, 16, 8):
    pooled = keras.ops.average_pool(truth, stride, stride)
    again = keras.ops.convert_to_numpy(ops.resize(pooled, (side, side))) > 0.5
    both, either = again & (truth > 0), again | (truth > 0)
    print(f"stride {stride}: {both.sum() / either.sum():.3f}")
