# %% [markdown]
# # 10 · Features of a frozen network, and a linear head
#
# How much of a segmentation is already in a classifier, before anything is
# trained for it? To find out, nothing of the classifier is changed. A single
# linear layer on its features has to tell the classes apart; what is not in
# the features, it can't find. Such a *linear probe* is also a useful network:
# it trains fast, needs few masks and hardly overfits.
#
# Five results are compared on the same held-out images: a linear layer on
# colors, one on features of a convolutional network, one on those of a
# transformer, and k-means, which sees no mask at all, on colors and features.
#
# You need `pip install "keras-seg[tensorflow,classical,viz,hub]"` (or `jax`, or
# `torch`). Images are drawn by the package; `DATA=folder` takes yours, as in
# [tutorial 6](06_transfer_learning).

# %%
import os
import pathlib

import keras
import keras_hub
import matplotlib.pyplot as plt
import numpy as np
import sklearn.cluster

from keras_seg import applications
from keras_seg import data
from keras_seg import inference
from keras_seg import surgery
from keras_seg import visualization
from keras_seg.data import augment
from keras_seg.data import synthetic
from keras_seg.metrics import count_pairs
from keras_seg.metrics import scores
from keras_seg.training import recipes
from keras_seg.unsupervised import KMeansSegmenter
from keras_seg.unsupervised import match_clusters

# The short form is for the tests and for building the pages.
QUICK = os.environ.get("KERAS_SEG_QUICK") == "1"
OUT = pathlib.Path("tutorial_10")  # where data and pictures go
DATA = os.environ.get("DATA")
CROP = 64 if QUICK else 224
EPOCHS = 2 if QUICK else 10
# "imagenet" is downloaded by Keras, once; or the path of a file, or "none".
WEIGHTS = os.environ.get("WEIGHTS", "none" if QUICK else "imagenet")

OUT.mkdir(exist_ok=True)
keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)

# %% [markdown]
# ## The data
#
# In drawn images all colors and textures occur in all classes. Only the outline
# says what is a disk, a square or a triangle.

# %%
if DATA is None:
    DATA = OUT / "data"
    table = synthetic.shape_classes(4)
    images, masks = synthetic.shapes(8 if QUICK else 60, size=CROP, classes=4)
    synthetic.write_folder(DATA, images, masks, table)
pairs = data.from_folder(DATA, "train" if data.splits(DATA) else None)
every_sixth = range(0, len(pairs), 6)
held_out = pairs.subset(every_sixth)
train = pairs.subset(sorted(set(range(len(pairs))) - set(every_sixth)))
classes, colors = len(pairs.class_table), pairs.class_table.colors
print(f"{len(train)} images to train on, {len(held_out)} held out")

batches = data.Batches(
    train, 4, [augment.RandomCrop(CROP), augment.RandomFlip()], shuffle=True
)
found = {}


def measure(name, ids_of):
    """Prints the mean IoU of a function from an image to class ids."""
    found[name] = ids_of
    counts = sum(
        count_pairs(mask, ids_of(image), classes) for image, mask in held_out
    )
    print(f"{name}: mean IoU {scores(counts).mean_iou:.3f}")


# %% [markdown]
# ## A linear layer on colors
#
# A convolution of 1×1 multiplies the numbers of one position with a matrix, and
# adds a bias: it is a linear classifier for each pixel. On colors it has three
# weights and a bias for each class. This is the line to beat.


# %%
def fit(model):
    """Trains what is trainable."""
    model.compile(
        **recipes.finetune(
            train, classes=classes, epochs=EPOCHS, learning_rate=1e-2
        )
    )
    model.fit(batches, epochs=EPOCHS, verbose=0)
    count = sum(np.prod(weight.shape) for weight in model.trainable_weights)
    print(f"{count:,} of {model.count_params():,} weights were trained")


linear = keras.Sequential(
    [
        keras.Input((None, None, 3)),
        keras.layers.Rescaling(1 / 127.5, -1),
        keras.layers.Conv2D(classes, 1),
    ]
)
fit(linear)
measure("linear, colors", lambda image: inference.predict(linear, image))

# %% [markdown]
# ## Features
#
# `LinearHead` is what we want: the last map of a classifier, which is frozen,
# batch normalization without weights, a convolution of 1×1 called `score_fr`,
# and bilinear enlarging. A map at stride 32 is coarse, so the strides behind 8
# are replaced by holes, which leaves the weights as they are ([tutorial
# 3](03_from_classifier_to_fcn)).


# %%
def network(weights, outputs):
    """A frozen classifier at stride 8, and a layer of 1×1 on its map."""
    if QUICK and weights == "none":
        backbone = keras.Sequential([keras.Input((None, None, 3))])
        for filters in (8, 16, 16, 32):
            backbone.add(keras.layers.Conv2D(filters, 3, 2, padding="same"))
            backbone.add(keras.layers.BatchNormalization())
            backbone.add(keras.layers.ReLU())
        weights = None
    else:
        backbone = "mobilenet_v2"
        weights = None if weights == "none" else weights
    head = applications.LinearHead(backbone, weights, classes=outputs)
    return surgery.set_output_stride(head, 8)


model = network(WEIGHTS, classes)
score = model.get_layer("score_fr")
features = keras.Model(model.input, score.input)
image, truth = held_out[0]
print("an image", image.shape, "has features", score.input.shape)

# %% [markdown]
# What do features look like? They have hundreds of channels. Principal
# component analysis finds the three directions in which they vary most; these
# become red, green and blue. Positions with similar colors below have similar
# features.


# %%
def features_of(picture):
    """Features of an image, `(height, width, channels)`."""
    return features.predict(picture[None].astype("float32"), verbose=0)[0]


def sample_features():
    """Features of some positions of each image, `(positions, channels)`."""
    found = []
    for picture, _ in train:
        rows = features_of(picture)
        rows = rows.reshape(-1, rows.shape[-1])
        found.append(rng.permutation(rows)[:500])
    return np.concatenate(found)


sample = sample_features()
mean = sample.mean(axis=0)
_, directions = np.linalg.eigh(np.cov(sample - mean, rowvar=False))
three = directions[:, -3:]
low, high = np.percentile((sample - mean) @ three, (2, 98), axis=0)


def as_colors(picture):
    """The three main components of the features of an image."""
    values = ((features_of(picture) - mean) @ three - low) / (high - low)
    return np.clip(values, 0, 1)


figure, axes = plt.subplots(2, 3, figsize=(9, 6), layout="constrained")
for column, (picture, _) in zip(axes.T, train, strict=False):
    column[0].imshow(picture)
    column[1].imshow(as_colors(picture))
    for axis in column:
        axis.axis("off")
figure.savefig(OUT / "features.png")

# %% [markdown]
# ## A linear layer on features
#
# Everything is as it was for colors: the same layer, the same images, the same
# number of epochs. What is gained comes from the features.

# %%
fit(model)
measure("linear, features", lambda image: inference.predict(model, image))

# %% [markdown]
# ## k-means on colors, and on features
#
# k-means sees no mask. Its clusters are given names afterwards: each gets the
# class of most of its pixels in the training masks.

# %%
K = 4 if QUICK else 12


def name_clusters(ids_of):
    """The class of each cluster."""
    most = max(K, classes)
    counts = sum(
        count_pairs(mask, ids_of(picture), most) for picture, mask in train
    )
    return match_clusters(counts.T[:K, :classes], "majority")


by_color = KMeansSegmenter(K, seed=0).fit([picture for picture, _ in train])
names = name_clusters(by_color.predict)
measure("k-means, colors", lambda image: names[by_color.predict(image)])

# %% [markdown]
# On features, k-means is a linear layer too. The nearest center μ of a vector x
# is the one with the least
#
#     ‖x − μ‖² = ‖x‖² − 2 μ·x + ‖μ‖²
#
# and ‖x‖² is the same for all centers. So the nearest center is the one with
# the largest 2 μ·x − ‖μ‖²: a matrix and a bias. The centers become the weights
# of the layer of 1×1, and the network that scored classes scores clusters. The
# features are those that this layer sees, normalized by what the training has
# seen.

# %%
centers = (
    sklearn.cluster.KMeans(K, n_init=1, random_state=0)
    .fit(sample_features())
    .cluster_centers_
)
clusters = surgery.replace_classes(model, K)
clusters.get_layer("score_fr").set_weights(
    [2 * centers.T[None, None], -(centers**2).sum(axis=1)]
)
feature_names = name_clusters(lambda x: inference.predict(clusters, x))
measure(
    "k-means, features",
    lambda image: feature_names[inference.predict(clusters, image)],
)

# %% [markdown]
# ## A transformer
#
# A *Vision Transformer* cuts the image into patches, makes a vector, a *token*,
# of each, and lets every token look at all others. DINOv2 was trained to do so
# without any labels, and its features are known for what a linear layer can
# tell from them. keras-hub has it; `LinearHead` puts the tokens back to the
# places of their patches. A patch has 14 pixels, so the map has stride 14; with
# `output_stride=8` it is made of four shifted images, at four times the cost.
#
# keras-hub's presets leave the normalization of colors to an image converter.
# Here it is a layer in front, so that it is part of the network.

# %%
if WEIGHTS == "none":
    tokens = keras_hub.models.DINOV2Backbone(
        patch_size=14,
        num_layers=2,
        num_heads=2,
        hidden_dim=16,
        intermediate_dim=32,
        image_shape=(112, 112, 3),
        position_embedding_shape=(112, 112),
    )
else:
    tokens = keras_hub.models.DINOV2Backbone.from_preset("dinov2_small")

image_input = keras.Input((None, None, 3))
colors_of_imagenet = keras.layers.Normalization(
    mean=[123.675, 116.28, 103.53], variance=[3409.976, 3262.694, 3291.891]
)
transformer = applications.LinearHead(
    tokens, input_tensor=colors_of_imagenet(image_input), classes=classes
)
fit(transformer)
measure("linear, DINOv2", lambda image: inference.predict(transformer, image))

# %% [markdown]
# ## Side by side

# %%
count = min(3, len(held_out))
figure, axes = plt.subplots(
    count, 7, figsize=(17, 2.8 * count), layout="constrained", squeeze=False
)
for row, (image, mask) in zip(axes, held_out, strict=False):
    pictures = {
        "image": image,
        "truth": visualization.overlay(image, mask, colors),
    }
    for name, ids_of in found.items():
        pictures[name] = visualization.overlay(image, ids_of(image), colors)
    for axis, (title, picture) in zip(row, pictures.items(), strict=True):
        axis.imshow(picture)
        axis.set_title(title)
        axis.axis("off")
figure.savefig(OUT / "overlays.png")

# %% [markdown]
# When is this enough? A linear head is quick to train and hard to spoil, and a
# good first result on new data. If it is far below what you need, the
# features lack something: train the whole network ([tutorial
# 6](06_transfer_learning)). If it is close, more layers will gain little, and
# more or better masks may gain more.
#
# ## Exercises
#
# 1. Is it the weights that help, or would any network do? Use random weights.
# 2. How many masks does a linear head need? Train it on a quarter of the
#    images.
# 3. Borders are rough: a map at stride 8 can't be sharp. How much does the
#    stride cost? Compare 32, 16 and 8, with the weights that were trained.
#
# The answers are in the folded cells.

# %% tags=["hide-cell"]
# 1. The same layer on the features of a random network. It sees further than a
# color does, and knows nothing.
random = network("none", classes)
fit(random)
measure("random weights", lambda image: inference.predict(random, image))

# %% tags=["hide-cell"]
# 2. The layer has few weights, so few masks may do. It sees each of them four
# times as often here, which makes the number of steps the same.
few = network(WEIGHTS, classes)
quarter = train.subset(range(0, len(train), 4))
few.compile(
    **recipes.finetune(
        quarter, classes=classes, epochs=4 * EPOCHS, learning_rate=1e-2
    )
)
few.fit(
    data.Batches(
        quarter,
        4,
        [augment.RandomCrop(CROP), augment.RandomFlip()],
        shuffle=True,
    ),
    epochs=4 * EPOCHS,
    verbose=0,
)
measure("a quarter", lambda image: inference.predict(few, image))

# %% tags=["hide-cell"]
# 3. `set_output_stride` goes both ways. Nothing is trained again: the layer of
# 1×1 sees the same features, at fewer positions.
for stride in (16,) if QUICK else (32, 16):
    coarse = surgery.set_output_stride(model, stride)
    measure(f"stride {stride}", lambda x, m=coarse: inference.predict(m, x))
measure("stride 8", lambda image: inference.predict(model, image))
