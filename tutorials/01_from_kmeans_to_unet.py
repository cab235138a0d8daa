"""From k-means to U-Net: which pixels of a section of tissue are membrane?

    python tutorials/01_from_kmeans_to_unet.py
    python tutorials/01_from_kmeans_to_unet.py --data ISBI2012
    python tutorials/01_from_kmeans_to_unet.py --photo STREET

Under an electron microscope the membranes between cells are dark lines. To
trace them by hand takes months; this is about three ways to let a computer do
it, in the order in which they were found, and about why each came after the
one before.

**k-means** (`by_color`) puts pixels of like color into one cluster. It needs
no examples, but for the names of its clusters, and it has no idea of context:
membranes are dark, and so are mitochondria, vesicles and some cells. However
many clusters it may have, dark is all it can say. With `--photo` it does a
photograph as well. In a street of CamVid (frame 0016E5_07959 of the validation
drive, 4 clusters) the road, the cars on it, the shop fronts beside it and the
people are one or two clusters, trees and white walls another: what is the
same thing does not have one color, and what has one color is not the same
thing.

**A sliding window** (`by_windows`) does what we do: it looks at what is around
a pixel. A classifier is shown the window around each of many pixels, as many
membranes as others, and learns to name the one in the middle. Then it slides:
one window for every pixel of an image, 262,144 of them for 512×512. It works,
and as it stands it can not scale: neighboring windows share nearly all of
their pixels, and nearly all of the work is done again and again.

**The same as a convolution.** A convolution does not care how large its image
is, so a network of convolutions and pools is itself a sliding window. Two
things are in the way. Fully connected layers want one size: they become
convolutions, with the same weights. Pools with a stride skip places: they keep
every place instead, and what follows looks at places that much further apart.
`applications.SlidingWindow` does both. The numbers it gives are those of the
loop over windows, to the rounding of floats; the tutorial measures how much
sooner they are there.

**U-Net** (`by_unet`) goes one step further. It need not see every place at the
full size: it halves its maps on the way down, to see more of the surroundings
at less cost, doubles them again on the way up, and is handed the fine maps of
the way down for where exactly a line runs. It is trained on all pixels of an
image at once.

Without `--data`, sections are drawn by the package. The scores are the share
of pixels that are right, the IoU of membrane, and V_Rand, by which such
results are ranked: whether the lines close cells off from each other.

On 20 sections of the ISBI challenge of 2012, and one that was held out, k-means
has 0.79 of the pixels right, the sliding window 0.88 and U-Net 0.90; the IoU of
membrane is 0.34, 0.57 and 0.60. The sliding window takes the folds inside
mitochondria for membranes, U-Net does not. Its lines are thin, though, and have
gaps, through which cells run together: V_Rand is 0.68, 0.65 and 0.47, the other
way round. `applications/em_membranes` trains U-Net for longer, with the paper's
weights on the gaps between cells, to a V_Rand of 0.90. The dense network took
0.6 s for what takes 35 s window by window; all of it 19 minutes on two cores
(TensorFlow 2.21, seed 0, one run, other work at the same time).
"""

import argparse
import pathlib
import time

import keras
import numpy as np

from keras_seg import applications
from keras_seg import data
from keras_seg import inference
from keras_seg import visualization
from keras_seg.data import augment
from keras_seg.data import synthetic
from keras_seg.metrics import count_pairs
from keras_seg.metrics import em
from keras_seg.metrics import scores
from keras_seg.training import recipes
from keras_seg.unsupervised import KMeansSegmenter

CLASSES = synthetic.MEMBRANE_CLASSES


def by_color(train, image, clusters=3):
    """k-means of all sections; a cluster is what most of its pixels are."""
    segmenter = KMeansSegmenter(clusters, seed=0)
    segmenter.fit([section for section, _ in train])
    counts = sum(
        count_pairs(segmenter.predict(section), mask, clusters)
        for section, mask in train
    )
    return (counts[:, 1] / counts.sum(axis=1))[segmenter.predict(image)]


def colors_of(photo, clusters=4):
    """A photograph beside its clusters, each in its mean color."""
    segmenter = KMeansSegmenter(clusters, seed=0).fit([photo])
    found = segmenter.centers[segmenter.predict(photo)]
    return visualization.panel(
        [photo, found.round().astype("uint8")],
        ["photograph", f"{clusters} clusters"],
    )


def by_windows(train, image, epochs):
    """A classifier of 31×31 pixels, and what it says at every pixel."""
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
    windows = data.Windows(train, 31, per_class=5_000)
    classifier.fit(windows, epochs=epochs, verbose=2)
    dense = applications.SlidingWindow(classifier)
    compare_with_the_loop(classifier, dense, image)
    return probability(dense, image)


def compare_with_the_loop(classifier, dense, image, count=2_000):
    """How far the dense network is from windows one by one, and how fast."""
    around = np.pad(image, ((15, 15), (15, 15), (0, 0)), "reflect")
    every = np.lib.stride_tricks.sliding_window_view(around, (31, 31), (0, 1))
    rng = np.random.default_rng(0)
    rows, columns = (rng.integers(0, side, count) for side in image.shape[:2])
    patches = np.moveaxis(every[rows, columns], 1, -1)
    seconds, logits = [], []
    for model, inputs in ((classifier, patches), (dense, image[None])):
        model.predict(inputs, batch_size=256, verbose=0)  # Compiles.
        begin = time.perf_counter()
        logits.append(model.predict(inputs, batch_size=256, verbose=0))
        seconds.append(time.perf_counter() - begin)
    at_once = logits[1][0, rows, columns]
    difference = np.abs(logits[0] - at_once).max() / np.abs(at_once).max()
    loop = seconds[0] / count * image[..., 0].size
    print(
        f"All pixels one by one: {loop:.1f} s. At once: {seconds[1]:.2f} s, "
        f"{loop / seconds[1]:.0f} times as fast; the logits differ by "
        f"{difference:.0e} of the largest."
    )


def by_unet(train, image, epochs, filters):
    """U-Net on crops that are mirrored, turned and bent."""
    rgb = [(np.repeat(x, 3, axis=-1), mask) for x, mask in train]
    model = applications.UNet(classes=2, filters=filters)
    model.compile(**recipes.finetune(rgb, classes=2, epochs=epochs))
    side = min(192, *(min(mask.shape) for _, mask in train))
    crops = data.Batches(
        rgb,
        8,
        [
            augment.RandomFlip(),
            augment.RandomQuarterTurns(),
            augment.ElasticDeformation(),
            augment.RandomCrop(side),
        ],
        shuffle=True,
    )
    model.fit(crops, epochs=epochs, verbose=2)
    return probability(model, np.repeat(image, 3, axis=-1))


def probability(model, image):
    """That of membrane, over the eight flips and quarter turns."""
    return inference.predict_turned(model, image)[..., 1]


def read(path, count, size):
    """Gray sections and their masks: those to train on, one held out."""
    if path is None:
        drawn = synthetic.membranes(count + 1, size=size)
        pairs = [(x[..., :1], mask) for x, mask in zip(*drawn, strict=True)]
        return pairs[:-1], pairs[-1]
    # In the data of the challenge, membrane is black.
    options = {"class_table": CLASSES, "mask_values": {0: 1, 255: 0}}
    train, held_out = (
        data.from_folder(path, split, channels=1, **options)
        for split in ("train", "val")
    )
    return [train[index] for index in range(len(train))], held_out[0]


def report(name, found, mask):
    """Prints the scores of a map."""
    matrix = count_pairs(mask, (found > 0.5).astype("uint8"), 2)
    result = scores(matrix)
    print(
        f"{name}: {result.pixel_accuracy:.3f} of the pixels right, IoU of "
        f"membrane {result.per_class_iou[1]:.3f}, V_Rand "
        f"{em.leader_board(1 - mask, np.clip(1 - found, 0, 1)).v_rand:.3f}"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=pathlib.Path)
    parser.add_argument("--photo", type=pathlib.Path, help="for k-means")
    parser.add_argument("--sections", type=int, default=20, help="drawn")
    parser.add_argument("--size", type=int, default=256, help="of those drawn")
    parser.add_argument(
        "--epochs", type=int, nargs=2, metavar="N",
        help="of the sliding window and of U-Net "
        "(default: 10 40, with --data 20 300)",
    )  # fmt: skip
    parser.add_argument("--filters", type=int, default=16, help="of U-Net")
    parser.add_argument("--out", type=pathlib.Path, default="kmeans_to_unet")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.photo is not None:
        picture = colors_of(data.read_image(options.photo))
        visualization.save_image(options.out / "photograph.png", picture)
    train, (image, mask) = read(options.data, options.sections, options.size)
    keras.utils.set_random_seed(0)
    drawn = options.data is None
    first, second = options.epochs or ((10, 40) if drawn else (20, 300))
    maps = {
        "k-means": by_color(train, image),
        "sliding window": by_windows(train, image, first),
        "U-Net": by_unet(train, image, second, options.filters),
    }
    gray = np.repeat(image, 3, axis=-1)
    pictures = [gray, visualization.overlay(gray, mask, CLASSES.colors)]
    for name, found in maps.items():
        report(name, found, mask)
        ids = (found > 0.5).astype("uint8")
        pictures.append(visualization.overlay(gray, ids, CLASSES.colors))
    panel = visualization.panel(pictures, ["section", "truth", *maps])
    visualization.save_image(options.out / "membranes.png", panel)


if __name__ == "__main__":
    main()
