# %% [markdown]
# # 5 · The fully connected CRF
#
# A network with a stride of 8 finds an object, but its outline is soft: every
# score was interpolated from a few coarse ones. The photograph itself knows
# where the edge is. A *fully connected conditional random field* brings the
# two together. This tutorial shows what it does, when it helps and when it
# makes things worse, all of it measured.
#
# You need `pip install "keras-seg[tensorflow,viz]"` (or `jax`, or `torch`). It
# takes about a minute.

# %%
import os
import pathlib

import keras
import matplotlib.pyplot as plt
import numpy as np

import keras_seg
from keras_seg import metrics
from keras_seg import ops

# The short form is for the tests and for building the pages.
QUICK = os.environ.get("KERAS_SEG_QUICK") == "1"
OUT = pathlib.Path("tutorial_05")  # where the pictures go

OUT.mkdir(exist_ok=True)
rng = np.random.default_rng(0)
side = 96 if QUICK else 192
rows, columns = np.indices((side, side))


def show(name, **pictures):
    """Draws pictures side by side and saves them."""
    figure, axes = plt.subplots(
        1, len(pictures), figsize=(11, 2.9), layout="constrained"
    )
    for axis, (title, picture) in zip(axes, pictures.items(), strict=True):
        axis.imshow(picture, cmap="viridis", vmin=0)
        axis.set_title(title.replace("_", " "), fontsize="medium")
        axis.axis("off")
    figure.savefig(OUT / f"{name}.png")


# %% [markdown]
# ## What a coarse network gives
#
# We draw a photograph of which we know every pixel, a red cup on a brown table
# with some noise, and make the scores that a good but coarse network would
# give: right, at every 16th pixel, and enlarged by bilinear interpolation.


# %%
def noisy(colors, noise=8):
    """Colors of pixels, with a camera's noise."""
    return (colors + rng.normal(0, noise, colors.shape)).clip(0, 255)


def coarse_scores(mask, stride=16, sure=3.0):
    """Logits of two classes as a network of this stride gives them."""
    share = keras.ops.average_pool(
        mask[None, ..., None].astype("float32"), stride, stride
    )
    logits = sure * (2 * keras.ops.convert_to_numpy(share) - 1)
    fine = ops.resize(np.concatenate([-logits, logits], -1), mask.shape)
    return keras.ops.convert_to_numpy(fine)[0]


def cup(mug=(170, 50, 40), table=(120, 90, 60), noise=8):
    """An image of a cup with a handle, and its mask."""
    center = side * 0.5, side * 0.42
    body = np.hypot(rows - center[0], columns - center[1]) < side * 0.27
    ring = np.hypot(rows - center[0], columns - side * 0.7)
    mask = body | ((ring < side * 0.15) & (ring > side * 0.1))
    colors = np.where(mask[..., None], mug, table).astype("float32")
    return noisy(colors, noise), mask.astype("uint8")


def iou(mask, logits):
    """IoU of class 1."""
    matrix = metrics.count_pairs(mask, np.argmax(logits, -1), 2)
    return metrics.scores(matrix).per_class_iou[1]


def refine(image, logits, **options):
    """Probabilities after the CRF."""
    refined = keras_seg.dense_crf(image, logits, **options)
    return keras.ops.convert_to_numpy(refined)


image, mask = cup()
logits = coarse_scores(mask)
refined = refine(image, logits)
probability = 1 / (1 + np.exp(-2 * logits[..., 1]))
show(
    "cup",
    image=image.astype("uint8"),
    truth=mask,
    coarse_probability=probability,
    after_the_CRF=refined[..., 1],
)
print(f"IoU {iou(mask, logits):.3f}, after the CRF {iou(mask, refined):.3f}")
assert iou(mask, refined) > iou(mask, logits)

# %% [markdown]
# ## How it works
#
# Every pixel has an opinion, the scores of the network. Then, ten times over,
# every pixel listens to *all* others and changes its mind a little. Whom it
# listens to is said by two kernels:
#
# * the *bilateral* one: pixels that are near **and** have a similar color,
#   with the weights exp(−distance² / 2·sxy² − difference of color² / 2·srgb²).
#   It reaches far (49 pixels in DeepLab v1) and moves the border to where the
#   color changes;
# * the *gaussian* one: pixels that are very near (3 pixels), of whatever color.
#   It removes single pixels.
#
# Neighbors of a different class cost something, so pixels of one color end up
# in one class. Summing over all pairs of pixels, 10⁹ pairs here, takes a
# trick: the permutohedral lattice.

# %%
without = {
    "both": {},
    "no_bilateral": {"bilateral": None},
    "no_gaussian": {"gaussian": None},
}
parts = {
    name: refine(image, logits, **options)[..., 1]
    for name, options in without.items()
}
steps = {
    f"after_{count}": refine(image, logits, iterations=count)[..., 1]
    for count in (1, 3)
}
show("parts", **steps, **parts)
for name, found in {**steps, **parts}.items():
    print(f"{name:14} {iou(mask, np.stack([1 - found, found], -1)):.3f}")

# %% [markdown]
# The bilateral kernel does the work. The gaussian one wears away what is thin,
# such as the handle of a small cup.
#
# ## When it makes things worse
#
# The CRF believes two things: that the scores are mostly right, and that an
# edge of the object is an edge of color. Where one of them is wrong, it helps
# less, or does harm.
#
# * *No edge of color*: the cup is brown, too.
# * *Edges that mean nothing*: the table has stripes, nearly of the cup's color.
# * *Thin things*: the bars of a fence, four pixels wide, are few among many
#   pixels of another class that are near.
# * *A network that is wrong*: in one place of eight it says the opposite, or in
#   two of five.


# %%
def stripes():
    """A table in two colors, one of them close to that of the cup."""
    image, mask = cup()
    board = (columns // (side // 6)) % 2 == 1
    table = board & (mask == 0)
    image[table] = noisy(np.full((table.sum(), 3), (165.0, 60, 45)))
    return image, mask


def fence():
    """Bars, four pixels wide."""
    mask = ((columns % 24) < 4) | ((rows % 24) < 4)
    colors = np.where(mask[..., None], (130, 125, 105), (90, 110, 80))
    return noisy(colors.astype("float32"), 20), mask.astype("uint8")


def misled(mask, share):
    """The coarse scores of a network that is wrong in a share of places."""
    cells = rng.random((side // 16, side // 16)) < share
    wrong = np.kron(cells, np.ones((16, 16), "uint8"))
    return coarse_scores(np.where(wrong, 1 - mask, mask))


trouble = {
    "cup": (image, mask, logits),
    "brown cup": (*cup(mug=(128, 95, 62)), logits),
    "stripes": (*stripes(), logits),
    "fence": (*fence(), coarse_scores(fence()[1], stride=4)),
    "1/8 wrong": (image, mask, misled(mask, 1 / 8)),
    "2/5 wrong": (image, mask, misled(mask, 2 / 5)),
}
figure, axes = plt.subplots(
    3, len(trouble), figsize=(11, 6.8), layout="constrained"
)
for (name, (picture, truth, scores)), column in zip(
    trouble.items(), axes.T, strict=True
):
    after = refine(picture, scores)
    print(f"{name:14} {iou(truth, scores):.3f} → {iou(truth, after):.3f}")
    column[0].imshow(picture.astype("uint8"))
    column[0].set_title(name)
    column[1].imshow(scores.argmax(-1))
    column[1].set_title(f"before: {iou(truth, scores):.3f}", fontsize="medium")
    column[2].imshow(after.argmax(-1))
    column[2].set_title(f"after: {iou(truth, after):.3f}", fontsize="medium")
    for axis in column:
        axis.axis("off")
figure.savefig(OUT / "trouble.png")

# %% [markdown]
# In the full form (TensorFlow 2.21, November 2026), the IoU before and after:
#
# | cup | brown cup | stripes | fence | 1/8 wrong | 2/5 wrong |
# |---:|---:|---:|---:|---:|---:|
# | 0.892 | 0.892 | 0.892 | 0.980 | 0.675 | 0.282 |
# | 1.000 | 0.877 | 0.923 | 0.934 | 0.892 | 0.461 |
#
# The brown cup loses its outline, and the fence its thin bars. Mistakes in a
# few places are outvoted by the pixels of the same color around them. Where
# there are too many, they are not.
#
# ## So measure it
#
# The CRF has five numbers, and the papers searched for them on images that were
# held out. `crf_search` does that, and says the mean IoU without the CRF, too.
# Search on some images, and report the result on others.

# %%
tables = [(120, 90, 60), (140, 110, 90), (90, 80, 70), (150, 120, 70)]
cups = [cup(table=table, noise=20) for table in tables]
triples = [(picture, coarse_scores(truth), truth) for picture, truth in cups]
search = keras_seg.crf_search(
    triples[:2],
    weight=[2, 4],
    sxy=[20, 50],
    srgb=[5, 20] if QUICK else [3, 5, 10, 20],
    verbose=0,
)
print(f"searched: {search.baseline:.3f} → {search.mean_iou:.3f}")
print(search.settings.bilateral)

before, after = (
    np.mean([iou(truth, f(*rest)) for *rest, truth in triples[2:]])
    for f in (
        lambda picture, scores: scores,
        lambda picture, scores: refine(
            picture, scores, bilateral=search.settings.bilateral
        ),
    )
)
print(f"on others, IoU of the cup: {before:.3f} → {after:.3f}")

# %% [markdown]
# ## Near the border
#
# A mean IoU over all pixels hardly shows what a CRF does: few pixels lie near a
# border. DeepLab counted only pixels in a band (*trimap*) along it. The
# narrower the band, the more it shows.

# %%
image, mask = cup()
bands = {}
for name, scores in (("before", logits), ("after", refine(image, logits))):
    bands[name] = metrics.trimap(
        [(mask, scores.argmax(-1))], 2, (1, 2, 4, 8, 16), "label_change"
    )
for width in (1, 2, 4, 8, 16):
    means = [bands[name][width].mean_iou for name in ("before", "after")]
    print(f"band of {width:2} pixels: {means[0]:.3f} → {means[1]:.3f}")

# %% [markdown]
# ## Exercises
#
# 1. How does the result depend on `srgb`, the tolerance for colors? Try 1, 5,
#    30 and 200 with the noise of 8 that the image has.
# 2. Make the network less sure of its scores (`sure=0.5`). Does the CRF help
#    more or less?
# 3. DeepLab v3 has no CRF any more. Give the CRF scores of stride 4 instead of
#    16. What is left to gain?

# %% tags=["hide-cell"]
# 1. Far below the noise no pixel has neighbors of its color; far above the
# difference between cup and table all pixels have the same color.
for srgb in (1, 5, 30, 200):
    found = refine(image, logits, bilateral={"srgb": srgb})
    print(f"srgb {srgb:3}: {iou(mask, found):.3f}")

# %% tags=["hide-cell"]
# 2. More: an unsure network gives way to the colors. Here they are right.
for sure in (0.5, 1.0, 3.0, 10.0):
    scores = coarse_scores(mask, sure=sure)
    print(f"{sure:4}: {iou(mask, refine(image, scores)):.3f}")

# %% tags=["hide-cell"]
# 3. Little: sharper scores leave less to do.
for stride in (32, 16, 8, 4):
    scores = coarse_scores(mask, stride)
    after = refine(image, scores)
    print(
        f"stride {stride:2}: {iou(mask, scores):.3f} → {iou(mask, after):.3f}"
    )
