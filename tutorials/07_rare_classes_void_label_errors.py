# %% [markdown]
# # 7 · Rare classes, void and label errors
#
# Textbook images have classes of equal size and masks without mistakes. Yours
# have a scratch of twenty pixels on a surface of a million, borders on which no
# two people agree, and masks that somebody saved under the wrong name. This
# tutorial takes two classes, one of them rare, and shows what to measure, what
# class weights do, what void is for, and how to find wrong masks.
#
# You need `pip install "keras-seg[tensorflow,viz,classical]"` (or `jax`, or
# `torch`). It takes two minutes.

# %%
import os
import pathlib

import keras
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from keras_seg import applications
from keras_seg import data
from keras_seg import inference
from keras_seg import losses
from keras_seg import metrics
from keras_seg import visualization
from keras_seg.data import augment
from keras_seg.data import synthetic

# The short form is for the tests and for building the pages.
QUICK = os.environ.get("KERAS_SEG_QUICK") == "1"
OUT = pathlib.Path("tutorial_07")  # where data and pictures go

OUT.mkdir(exist_ok=True)
keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
side = 64
rows, columns = np.indices((side, side))
classes = data.ClassTable(("surface", "spot"), ((0, 0, 0), (230, 80, 0)))

# %% [markdown]
# ## A rare class
#
# A gray surface with a few spots. Some are bright, some are hardly brighter
# than the noise: a network has to decide what it calls a spot.


# %%
def draw():
    """A noisy surface with one to three spots, and its mask."""
    mask = np.zeros((side, side), "uint8")
    image = rng.normal(110, 20, (side, side))
    for _ in range(rng.integers(1, 4)):
        row, column = rng.uniform(6, side - 6, 2)
        spot = np.hypot(rows - row, columns - column) < rng.uniform(2, 4.5)
        image[spot] += rng.uniform(10, 60)
        mask[spot] = 1
    image = image.clip(0, 255).astype("uint8")
    return np.repeat(image[..., None], 3, axis=-1), mask


pairs = [draw() for _ in range(16 if QUICK else 200)]
held_out, train = pairs[: len(pairs) // 4], pairs[len(pairs) // 4 :]
figure, axes = plt.subplots(2, 4, figsize=(9, 4.6), layout="constrained")
for column, (image, mask) in zip(axes.T, train, strict=False):
    column[0].imshow(image)
    column[1].imshow(visualization.overlay(image, mask, classes.colors))
for axis in axes.flat:
    axis.axis("off")
figure.savefig(OUT / "data.png")

statistics = data.class_statistics(train, classes)
print("shares of the pixels:", (100 * statistics.shares).round(2), "%")

# %% [markdown]
# Now take a "network" that says *surface* everywhere:

# %%
matrix = np.zeros((2, 2), "int64")
for _, mask in held_out:
    matrix += metrics.count_pairs(mask, np.zeros_like(mask), 2)
nothing = metrics.scores(matrix)
print(f"pixel accuracy {nothing.pixel_accuracy:.3f}")
print("IoU of each class", nothing.per_class_iou.round(3))

# %% [markdown]
# Nearly all pixels are right, and it is useless. So with a rare class do not
# look at pixel accuracy, but at three numbers of that class, all of them in
# the confusion matrix (rows are the truth, columns what was predicted):
#
# * **recall**, how much of the spots was found: TP / (TP + FN);
# * **precision**, how much of what was marked is a spot: TP / (TP + FP);
# * **IoU**, which wants both: TP / (TP + FN + FP).


# %%
def measure(matrix):
    """Recall, precision and IoU of class 1."""
    (_, false_alarms), (misses, hits) = matrix
    return (
        hits / (hits + misses),
        hits / max(hits + false_alarms, 1),
        hits / (hits + misses + false_alarms),
    )


# %% [markdown]
# ## Weights and losses
#
# Cross-entropy is a mean over pixels, and nearly every pixel is surface. There
# are two remedies: weigh the pixels of the rare class higher, or take a loss
# that is made of areas, not of pixels.
#
# `class_weights` computes weights from the counts of pixels. `"balanced"` gives
# both classes the same sum. `"median_frequency"` is SegNet's; with two classes
# that are in every image the ratio is the same.

# %%
for rule in ("balanced", "median_frequency"):
    weights = losses.class_weights(statistics, rule)
    ratio = weights[1] / weights[0]
    print(f"{rule}: {np.round(weights, 2).tolist()}, ratio {ratio:.0f}")

# %% [markdown]
# The same network with the same initial weights is trained with six losses.
# A weight of 5 lies between nothing and balanced. Dice compares the area of a
# class in truth and prediction; `"both"` is the sum of Dice and cross-entropy;
# focal loss counts pixels less that are right already.

# %%
balanced = losses.class_weights(statistics, "balanced")
candidates = {
    "cross-entropy": losses.CrossEntropy(),
    "weight 5": losses.CrossEntropy(class_weights={1: 5}),
    "balanced": losses.CrossEntropy(class_weights=balanced),
    "Dice": losses.Dice(),
    "both": losses.Sum([losses.CrossEntropy(), losses.Dice()]),
    "focal": losses.Focal(),
}
if QUICK:  # Two suffice to see that it runs.
    candidates = {x: candidates[x] for x in ("cross-entropy", "balanced")}
epochs = 1 if QUICK else 20


def fit(loss, pairs):
    """A small U-Net, trained with a loss."""
    keras.utils.set_random_seed(1)
    model = applications.UNet(
        classes=2, filters=4 if QUICK else 8, depth=2, dropout=0.0
    )
    batches = data.Batches(pairs, 10, [augment.RandomFlip()], shuffle=True)
    model.compile(keras.optimizers.Adam(3e-3), loss)
    model.fit(batches, epochs=epochs, verbose=0)
    return model


models, evaluations = {}, {}
print(f"{'':14}{'recall':>9}{'precision':>11}{'IoU':>8}")
for name, loss in candidates.items():
    models[name] = fit(loss, train)
    evaluations[name] = inference.evaluate(
        models[name], held_out, class_table=classes
    )
    numbers = measure(evaluations[name].matrix)
    print("{:14}{:9.3f}{:11.3f}{:8.3f}".format(name, *numbers))

# %% [markdown]
# In the full form (TensorFlow 2.21, two CPU cores, one seed, November 2026):
#
# | loss | recall | precision | IoU |
# |---|---:|---:|---:|
# | cross-entropy | 0.822 | 0.806 | 0.687 |
# | weight 5 | 0.850 | 0.718 | 0.637 |
# | balanced (56) | 0.934 | 0.287 | 0.281 |
# | Dice | 0 | 0 | 0 |
# | both | 0.824 | 0.842 | 0.714 |
# | focal | 0.807 | 0.846 | 0.704 |
#
# Weights do what they promise: recall rises. They are paid for with precision.
# With the balanced weights more than two thirds of what is marked is no spot.
#
# Dice alone found nothing at all: this network came to rest at *surface
# everywhere*, and did not leave it in 20 epochs. With cross-entropy beside it,
# it does not happen, and the sum had the best IoU here. With one seed, do not
# make much of the difference between 0.704 and 0.714.
#
# If a miss costs more than a false alarm, recall may be worth the price. That
# is a decision about your task, and no loss can make it for you.
#
# ## A weight is a threshold
#
# A mask takes the class of the larger score. With two classes that is a
# threshold of 0.5 on the probability. Move it, and one network gives a whole
# curve of recalls and precisions:


# %%
def probabilities(model, pairs):
    """Probability of spot, and truth, of all pixels."""
    images, masks = (np.stack(x) for x in zip(*pairs, strict=True))
    scores = keras.ops.softmax(model.predict(images, verbose=0))
    return keras.ops.convert_to_numpy(scores)[..., 1], masks == 1


def at(threshold, probability, truth):
    """Recall and precision at a threshold."""
    found = probability > threshold
    hits = (found & truth).sum()
    return hits / truth.sum(), hits / max(found.sum(), 1)


figure, axis = plt.subplots(figsize=(5.4, 4), layout="constrained")
for name in ("cross-entropy", "balanced"):
    probability, truth = probabilities(models[name], held_out)
    thresholds = np.unique(
        np.quantile(probability, np.linspace(0.9, 0.999, 60))
    )
    curve = np.array([at(x, probability, truth) for x in thresholds])
    (line,) = axis.plot(*curve.T, label=name)
    axis.plot(*at(0.5, probability, truth), "o", color=line.get_color())
axis.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1))
axis.legend(title="dots: threshold 0.5")
axis.grid(alpha=0.3)
figure.savefig(OUT / "thresholds.png")

# %% [markdown]
# ![Two curves, dots far apart](../_static/tutorial_07_thresholds.png)
#
# In the full form the two curves nearly fall on each other. The networks know
# the same; the weight has moved the dot along the curve, to high recall and low
# precision. So train without weights first, and move the threshold to where
# your task wants it. Weights are for a class that is never learned otherwise.
# (The scores of a weighted network are no probabilities any more, see
# [thresholds](../howto/thresholds).)
#
# ## Void
#
# Where does a spot end? Two people disagree by a pixel, and neither is wrong.
# Pixels that nobody should be judged by get the id 255, *void*. All losses and
# scores of the package leave it out. That can be seen: change the scores under
# void as wildly as you like, and the loss stays the same.

# %%
image, mask = held_out[0]
with_void = mask.copy()
with_void[:8] = data.VOID
logits = rng.normal(size=(1, side, side, 2)).astype("float32")
changed = logits.copy()
changed[:, :8] = rng.normal(0, 1000, (1, 8, side, 2))
loss = losses.CrossEntropy()
before, after = (float(loss(with_void[None], x)) for x in (logits, changed))
print(f"loss {before:.4f}, with other scores under void {after:.4f}")
assert abs(before - after) < 1e-5
by_hand = float(loss(mask[None, 8:], logits[:, 8:]))
print(f"the same by hand, without these rows: {by_hand:.4f}")
assert abs(before - by_hand) < 1e-4

# %% [markdown]
# The score leaves it out, too. Here the pixels on both sides of every outline
# become void, and nothing else is changed:


# %%
def with_void_border(mask, width):
    """A mask whose pixels within `width` of an outline are void."""
    distance = metrics.band_distance(mask, "label_change")
    return np.where(distance <= width, data.VOID, mask).astype("uint8")


model = models["cross-entropy"]
for width in (0, 1, 2):
    voided = [(x, with_void_border(y, width)) for x, y in held_out]
    found = inference.evaluate(model, voided, class_table=classes)
    left = found.matrix[1].sum() / sum((y == 1).sum() for _, y in held_out)
    print(
        f"void of {width} pixels: {left:.3f} of the spots' pixels count, "
        f"IoU of spots {measure(found.matrix)[2]:.3f}"
    )

figure, axes = plt.subplots(1, 3, figsize=(9, 3.3), layout="constrained")
for width, axis in enumerate(axes):
    voided = with_void_border(mask, width)
    axis.imshow(visualization.colorize(voided, classes.colors))
    axis.set_title(f"void of {width} pixels")
    axis.axis("off")
figure.savefig(OUT / "void.png")

# %% [markdown]
# | width of void | share of the spots that counts | IoU of spots |
# |---:|---:|---:|
# | 0 | 1 | 0.687 |
# | 1 | 0.367 | 0.833 |
# | 2 | 0.059 | 0.641 |
#
# That is the full form, with the same network each time. One pixel of void
# makes the score better by 0.146, and nothing has improved. With two pixels
# most spots are void altogether, and the score says little about spots any
# more. So compare scores only between equal masks, and keep void narrow where
# objects are small.
#
# ## Wrong files
#
# Now the mistakes. Some can be seen without any network: `data.check` reads
# every file. We write a folder and damage it: a mask gets an id that no class
# has, another is saved in half the size, and one training image is copied into
# the validation split, where it would be measured although it was trained on.

# %%
folder = OUT / "data"
for split, part in (("train", train[:8]), ("val", held_out[:4])):
    synthetic.write_folder(folder, *zip(*part, strict=True), classes, split)
wrong_id = train[1][1].copy()
wrong_id[30:34, 30:34] = 7
labels = folder / "train" / "labels"
Image.fromarray(wrong_id).save(labels / "0001.png")
Image.fromarray(train[2][1][::2, ::2]).save(labels / "0002.png")
for kind in ("images", "labels"):
    copied = (folder / "train" / kind / "0004.png").read_bytes()
    (folder / "val" / kind / "0003.png").write_bytes(copied)

report = data.check(folder)
print(report.to_text())

# %% [markdown]
# ## Wrong masks
#
# A mask of the right size with the right ids may still be that of another
# image. No check of files can know that, but a network that was *not* trained
# on the mask can: where it disagrees most with a mask, have a look at the mask.
#
# We take new images and plant errors in five masks: one has its classes
# swapped, two were exchanged with each other, one is empty although there are
# spots, and one was moved by six pixels.

# %%
count = 12 if QUICK else 60
suspects = [draw() for _ in range(count)]
masks = [mask for _, mask in suspects]
planted = {
    1: 1 - masks[1],
    3: masks[4],
    4: masks[3],
    7: np.zeros_like(masks[7]),
    10: np.roll(masks[10], 6, axis=1),
}
suspects = [
    (image, planted.get(index, mask))
    for index, (image, mask) in enumerate(suspects)
]
evaluation = inference.evaluate(model, suspects, class_table=classes)
worst = evaluation.worst(10)
for place, index in enumerate(worst, start=1):
    iou = evaluation.per_image[index]
    note = "planted" if index in planted else ""
    print(f"{place:2}. image {index:2}, mean IoU {iou:.3f} {note}")
found = sum(index in planted for index in worst)
print(f"{found} of the {len(planted)} planted errors are in the worst ten")

# %%
picture = evaluation.show_worst(6)
picture.save(OUT / "worst.png")
picture  # noqa: B018

# %% [markdown]
# ![Six images, masks, predictions, errors](../_static/tutorial_07_worst.png)
#
# In the full form, all five are among the worst six of 60 images, and a glance
# says what is wrong with each. The sixth, image 32, has a spot that cannot be
# told from the noise: the mask is right, and the network is excused.
#
# The confusion matrix is where mistakes show that are the same in many masks.
# One mask with swapped classes is enough to double the share of spots, and the
# network calls them surface:

# %%
honest = [pair for i, pair in enumerate(suspects) if i not in planted]
without = inference.evaluate(model, honest, class_table=classes)
figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
titles = "all masks", "without the planted"
for axis, title, x in zip(axes, titles, (evaluation, without), strict=True):
    axis.imshow(visualization.confusion(x.matrix, classes.names))
    axis.set_title(title)
    axis.axis("off")
figure.savefig(OUT / "confusion.png")
for title, x in zip(titles, (evaluation, without), strict=True):
    recall, _, iou = measure(x.matrix)
    print(f"{title}: recall {recall:.3f}, IoU of spots {iou:.3f}")

# %% [markdown]
# In the full form the recall is 0.377 with the five masks and 0.829 without
# them. A score that is too low is not always the network's fault. Repair masks
# before you change the network, and those of the test set first.
#
# On your own folder: train on one half, evaluate the other, look at the worst;
# then the other way round. More on [losses](../howto/losses), on
# [thresholds](../howto/thresholds) and on [looking at data](../howto/look).
#
# ## Exercises
#
# 1. Take the network trained with cross-entropy and lower its threshold until
#    its recall is that of the balanced network. Which has the better precision?
# 2. With three classes, one of which is in every tenth image, `"balanced"` and
#    `"median_frequency"` differ. Compute both for 90, 9 and 1 % of the pixels,
#    where the last class covers 10 % of the images that have it.
# 3. Not every disagreement is a mask's error. How faint are the spots that the
#    network misses? Compare the brightness of found and missed ones.

# %% tags=["hide-cell"]
# 1. The one trained without weights, by a little. In the full form both have a
# recall of 0.934; the precisions are 0.287 and 0.329.
recall = measure(evaluations["balanced"].matrix)[0]
precision = measure(evaluations["balanced"].matrix)[1]
probability, truth = probabilities(model, held_out)
threshold = np.quantile(probability[truth], 1 - recall)
print(f"balanced: recall {recall:.3f}, precision {precision:.3f}")
print(
    "cross-entropy at {:.3f}: recall {:.3f}, precision {:.3f}".format(
        threshold, *at(threshold, probability, truth)
    )
)

# %% tags=["hide-cell"]
# 2. For the median, what counts is how often a class is where it is at all, so
# that a class in few images weighs less than with "balanced".
from types import SimpleNamespace  # noqa: E402

example = SimpleNamespace(
    pixels=[9000, 900, 100], pixels_of_images=[10_000, 10_000, 1000]
)
for rule in ("balanced", "median_frequency"):
    print(rule, np.round(losses.class_weights(example, rule), 2).tolist())

# %% tags=["hide-cell"]
# 3. In the full form the surface has a mean of 109.5, found pixels 148.7, and
# missed ones 124.1. That is less than the noise (20) above the surface.
gray = np.stack([image[..., 0] for image, _ in held_out])
probability, spots = probabilities(model, held_out)
predicted = probability > 0.5
print("surface:", gray[~spots].mean().round(1))
print("found:", gray[spots & predicted].mean().round(1))
print("missed:", gray[spots & ~predicted].mean().round(1))
