# %% [markdown]
# # 1 · From k-means to U-Net
#
# Under an electron microscope, the membranes between cells are dark lines.
# Tracing them by hand takes months. This tutorial lets a computer do it in
# three ways, in the order in which they were invented: grouping by color,
# a classifier that slides over the image, and U-Net. Each one exists because
# of what was wrong with the one before.
#
# You need `pip install "keras-seg[tensorflow,classical,viz]"` (or `jax`, or
# `torch`). The sections are drawn by the package, so nothing is downloaded.
# To use the sections of the ISBI challenge of 2012, give their folder:
# `DATA=ISBI2012 python tutorials/01_from_kmeans_to_unet.py`.

# %%
import os
import pathlib
import time

import keras
import matplotlib.pyplot as plt
import numpy as np
import skimage.data

import keras_seg
from keras_seg import applications
from keras_seg import data
from keras_seg import inference
from keras_seg import visualization
from keras_seg.data import augment
from keras_seg.data import synthetic
from keras_seg.losses import border_weights
from keras_seg.metrics import count_pairs
from keras_seg.metrics import em
from keras_seg.metrics import scores
from keras_seg.training import recipes
from keras_seg.unsupervised import KMeansSegmenter

# The short form is for the tests and for building the pages.
QUICK = os.environ.get("KERAS_SEG_QUICK") == "1"
DATA = os.environ.get("DATA")  # a folder with images/ and labels/
OUT = pathlib.Path("tutorial_01")  # where the pictures go

OUT.mkdir(exist_ok=True)
keras.utils.set_random_seed(0)


def show(name, **pictures):
    """Draws pictures side by side and saves them."""
    figure, axes = plt.subplots(
        1, len(pictures), figsize=(3 * len(pictures), 3.3), layout="constrained"
    )
    for axis, (title, picture) in zip(axes, pictures.items(), strict=True):
        axis.imshow(picture, cmap="gray")
        axis.set_title(title.replace("_", " "))
        axis.axis("off")
    figure.savefig(OUT / f"{name}.png")


# %% [markdown]
# ## The data
#
# A pair is a gray section and a mask: 1 where a pixel is membrane, 0 where it
# is the inside of a cell. Some sections are held out. Nothing below is trained
# on them. One alone would say little: V_Rand depends on the few gaps it has.

# %%
CLASSES = synthetic.MEMBRANE_CLASSES
if DATA is None:
    count, size = (4, 64) if QUICK else (24, 256)
    drawn = synthetic.membranes(count, size=size)
    pairs = [(x[..., :1], mask) for x, mask in zip(*drawn, strict=True)]
    held_out = 2 if QUICK else 4
    train, held_out = pairs[:-held_out], pairs[-held_out:]
else:
    # In the data of the challenge, membrane is black: 0.
    options = {"class_table": CLASSES, "mask_values": {0: 1, 255: 0}}
    train = list(data.from_folder(DATA, "train", channels=1, **options))
    held_out = list(data.from_folder(DATA, "val", channels=1, **options))

section, mask = held_out[0]
truth = np.stack([mask for _, mask in held_out])
gray = np.repeat(section, 3, axis=-1)
show(
    "data",
    section=gray,
    membrane=visualization.overlay(gray, mask, CLASSES.colors),
)
print(
    f"{len(train)} sections to train on, {len(held_out)} held out, of which "
    f"{truth.mean():.0%} is membrane"
)

# %% [markdown]
# ## How good is a result?
#
# Three numbers, all between 0 and 1, more is better:
#
# * the share of pixels that are right. It is easily high: whoever calls nothing
#   membrane has most of the pixels right;
# * the IoU of membrane: the pixels that are membrane in the truth *and* in the
#   result, divided by those that are membrane in the truth *or* in the result;
# * V_Rand, by which the challenge ranked its entries. It asks whether the
#   lines close the cells off from each other. A gap of one pixel joins two
#   cells, which V_Rand punishes and the other two hardly see.


# %%
found = {}


def report(name, membrane):
    """Prints the scores of a function from a section to probabilities."""
    probability = np.stack([membrane(section) for section, _ in held_out])
    found[name] = probability[0]
    result = scores(count_pairs(truth, (probability > 0.5).astype("uint8"), 2))
    v_rand = em.leader_board(1 - truth, np.clip(1 - probability, 0, 1)).v_rand
    print(
        f"{name}: {result.pixel_accuracy:.3f} of the pixels right, IoU of "
        f"membrane {result.per_class_iou[1]:.3f}, V_Rand {v_rand:.3f}"
    )


# %% [markdown]
# ## By color: k-means
#
# k-means puts pixels of similar color into one cluster. It needs no examples.
# We need some to name its clusters: the probability of a cluster is the
# share of its pixels that are membrane in the training masks.

# %%
segmenter = KMeansSegmenter(3, seed=0).fit([image for image, _ in train])
counts = sum(
    count_pairs(segmenter.predict(image), mask, 3) for image, mask in train
)
share = counts[:, 1] / counts.sum(axis=1)
report("k-means", lambda section: share[segmenter.predict(section)])

# %% [markdown]
# Membranes are dark, and so are mitochondria and vesicles. However many
# clusters there are, darkness is all that k-means can tell. A photograph shows
# the same thing: the parts of one cup have several colors, and one color
# belongs to several things.

# %%
photo = skimage.data.coffee()[:: 4 if QUICK else 1, :: 4 if QUICK else 1]
by_color = KMeansSegmenter(4, seed=0).fit([photo])
clusters = by_color.centers[by_color.predict(photo)].round().astype("uint8")
show("photograph", photograph=photo, four_clusters=clusters)

# %% [markdown]
# ## By context: a sliding window
#
# We recognize a membrane by what is around it. So let a classifier do that: it
# sees the window of 31×31 pixels around a pixel and learns the class of the
# pixel in the middle. It is trained on as many windows around membranes as
# around other pixels.

# %%
classifier = keras.Sequential(
    [
        keras.Input((31, 31, 1)),
        keras.layers.Rescaling(1 / 127.5, -1),
        keras.layers.Conv2D(16, 4, activation="relu"),
        keras.layers.MaxPooling2D(),
        keras.layers.Conv2D(32, 3, activation="relu"),
        keras.layers.MaxPooling2D(),
        keras.layers.Conv2D(48, 3, activation="relu"),
        keras.layers.MaxPooling2D(),
        keras.layers.Flatten(),
        keras.layers.Dense(100, activation="relu"),
        keras.layers.Dense(2),
    ]
)
classifier.compile(
    "adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
)
windows = data.Windows(train, 31, per_class=500 if QUICK else 5_000)
epochs = 1 if QUICK else 10 if DATA is None else 20
classifier.fit(windows, epochs=epochs, verbose=0)
print(f"trained on {epochs * sum(len(y) for _, y in windows):,} windows")

# %% [markdown]
# Then it slides: one window for every pixel, 2¹⁸ = 262,144 windows for a
# section of 512×512. Neighboring windows share nearly all of their pixels, so
# nearly all of the work is done again and again.
#
# It does not have to be. A convolution works on an image of any size, so a
# network of convolutions *is* a sliding window already. Two things are in the
# way. Dense layers want one size: they become convolutions with the same
# weights ([tutorial 3](03_from_classifier_to_fcn)). Pools skip every second
# place: they keep every place instead, and the layers behind them leave holes
# of that width ([tutorial 4](04_holes_and_receptive_fields)). `SlidingWindow`
# does both. Its numbers, logits (scores that softmax makes probabilities of),
# are those of the loop over windows.

# %%
dense = applications.SlidingWindow(classifier)

around = np.pad(section, ((15, 15), (15, 15), (0, 0)), "reflect")
every = np.lib.stride_tricks.sliding_window_view(around, (31, 31), (0, 1))
rng = np.random.default_rng(0)
count = 200 if QUICK else 2_000
rows, columns = (rng.integers(0, side, count) for side in mask.shape)
patches = np.moveaxis(every[rows, columns], 1, -1)

seconds, logits = [], []
for model, inputs in ((classifier, patches), (dense, section[None])):
    model.predict(inputs, batch_size=256, verbose=0)  # compiles
    begin = time.perf_counter()
    logits.append(model.predict(inputs, batch_size=256, verbose=0))
    seconds.append(time.perf_counter() - begin)
at_once = logits[1][0, rows, columns]
difference = np.abs(logits[0] - at_once).max() / np.abs(at_once).max()
assert difference < 1e-5

loop = seconds[0] / count * mask.size
print(
    f"All pixels one by one: {loop:.1f} s. At once: {seconds[1]:.2f} s, "
    f"{loop / seconds[1]:.0f} times as fast; the logits differ by "
    f"{difference:.0e} of the largest."
)
report(
    "sliding window",
    lambda section: inference.predict_turned(dense, section)[..., 1],
)

# %% [markdown]
# `predict_turned` is the mean over the eight flips and quarter turns of the
# section: a section has no up or down.
#
# ## Large and exact: U-Net
#
# The dense network keeps every map at the full size, which costs time and
# memory, and it sees no further than 31 pixels. U-Net halves its maps on the
# way down, so that it sees far at little cost. On the way up it doubles them
# again, and at each size it is handed the map of the way down, which still
# knows where exactly a line runs. It is trained on all pixels at once.
#
# Two things help it close its lines. Sections are turned, mirrored, made
# darker and lighter, and bent like rubber, which gives new examples for free.
# And `border_weights` gives the pixels in narrow gaps between cells more weight
# in the loss, up to eleven times that of others: these are the pixels that
# V_Rand depends on.

# %%
rgb = [(np.repeat(image, 3, axis=-1), mask) for image, mask in train]
model = applications.UNet(classes=2, filters=2 if QUICK else 16)
crops = data.Batches(
    rgb,
    batch_size=4,
    transforms=[
        augment.RandomFlip(),
        augment.RandomQuarterTurns(),
        augment.ElasticDeformation(),
        augment.GrayJitter(),
        augment.RandomCrop(min(192, *mask.shape)),
    ],
    pixel_weights=lambda mask: border_weights(mask, cell=0),
    shuffle=True,
)
epochs = 1 if QUICK else 40 if DATA is None else 120
# An optimizer, a loss and metrics that suit masks.
model.compile(**recipes.finetune(rgb, classes=2, epochs=epochs, batch_size=4))
model.fit(crops, epochs=epochs, verbose=0)
report(
    "U-Net",
    lambda section: inference.predict_turned(
        model, np.repeat(section, 3, axis=-1)
    )[..., 1],
)

# %% [markdown]
# ## Side by side

# %%
masks = {
    name: visualization.overlay(
        gray, (probability > 0.5).astype("uint8"), CLASSES.colors
    )
    for name, probability in {"truth": mask, **found}.items()
}
show("membranes", section=gray, **masks)

# %% [markdown]
# The scores and pictures above are the short form's, if this is the page. One
# epoch is not enough for a network, and k-means does better.
#
# On the sections of the ISBI challenge (20 to train on, the next 4 held out;
# `DATA=ISBI2012`, two CPU cores, TensorFlow 2.21, seed 0, one run, 17 minutes
# beside other work, 11 of processor time, November 2026):
#
# | | pixels right | IoU of membrane | V_Rand |
# |---|---:|---:|---:|
# | k-means | 0.772 | 0.352 | 0.459 |
# | sliding window | 0.891 | 0.604 | 0.765 |
# | U-Net | **0.906** | **0.659** | **0.849** |
#
# The dense network takes 1.4 s for what takes 53 s window by window.
# [Longer training](../zoo/em_membranes), with the paper's U-Net, which does not
# pad, reaches a V_Rand of 0.903.
#
# ## Exercises
#
# 1. Does k-means become better with more clusters? Try 2, 8 and 16.
# 2. Take the true masks and make a gap of four pixels in their lines. What do
#    the three scores say of it? And if all lines are two pixels wider instead?
# 3. How far does each network see? `keras_seg.receptive_field` knows it.
#
# The answers are in the folded cells.

# %% tags=["hide-cell"]
# 1. Hardly: finer steps of gray are still only gray.
for clusters in (2, 8, 16):
    segmenter = KMeansSegmenter(clusters, seed=0)
    segmenter.fit([image for image, _ in train])
    counts = sum(
        count_pairs(segmenter.predict(image), mask, clusters)
        for image, mask in train
    )
    share = counts[:, 1] / np.maximum(1, counts.sum(axis=1))
    report(
        f"{clusters} clusters",
        lambda section: share[segmenter.predict(section)],  # noqa: B023
    )

# %% tags=["hide-cell"]
# 2. Pixels and IoU hardly notice the gap, V_Rand does. Wider lines are the
# other way round: V_Rand thins lines before it compares.
gap = truth.astype("float32")
gap[:, mask.shape[0] // 2 :][:, :4] = 0
wide = np.max(
    [np.roll(truth, (i, j), (1, 2)) for i in (-1, 0, 1) for j in (-1, 0, 1)],
    axis=0,
).astype("float32")
for name, maps in (("gap", iter(gap)), ("wide", iter(wide))):
    report(name, lambda _: next(maps))  # noqa: B023

# %% tags=["hide-cell"]
# 3. The classifier sees all it is given (`inf`), a window of 31×31. A position
# of U-Net sees 204×204.
for name, network in (("classifier", classifier), ("U-Net", model)):
    print(name, keras_seg.receptive_field(network))
