"""The systems that look for membranes, each trained on a few slices.

Each function takes pairs of a slice, uint8 `(height, width, 1)`, and its mask,
1 where membrane is, and returns a `System`.
"""

import dataclasses
import time
from collections.abc import Callable

import keras
import numpy as np
from scipy import ndimage

from keras_seg import applications
from keras_seg import data
from keras_seg import inference
from keras_seg.data import augment
from keras_seg.layers import ReflectionPadding
from keras_seg.losses import border_weights
from keras_seg.metrics import count_pairs
from keras_seg.schedules import Poly
from keras_seg.training import recipes
from keras_seg.unsupervised import KMeansSegmenter

# What 3×3 convolutions at five levels take from each side of an image.
MARGIN = 92
LARGEST_TILE = 572
# A membrane that is missed joins two cells; one too many is thinned away.
MEMBRANE_WEIGHT = 4


@dataclasses.dataclass(frozen=True)
class System:
    """What was trained, and how to use it.

    Args:
        membrane: function from a slice to the probability of membrane, an
            array `(height, width)`.
        parameters: int, numbers that were learnt.
        seconds: float, of training.
    """

    membrane: Callable
    parameters: int
    seconds: float


def kmeans(train, clusters=3):
    """Gray values alone: the share of membrane among those of a cluster."""
    begin = time.monotonic()
    segmenter = KMeansSegmenter(clusters, seed=0)
    segmenter.fit([image for image, _ in train])
    counts = sum(
        count_pairs(segmenter.predict(image), mask, clusters)
        for image, mask in train
    )
    share = counts[:, 1] / counts.sum(axis=1)
    return System(
        lambda image: share[segmenter.predict(image)],
        segmenter.centers.size,
        time.monotonic() - begin,
    )


def sliding_window(train, minutes, batch_size=128):
    """N4 on windows of 95×95, as many around membranes as around others."""
    begin = time.monotonic()
    classifier = applications.N4()
    windows = data.Windows(train, 95, batch_size, per_class=5_000)
    steps = _steps(classifier, windows, minutes)
    windows = data.Windows(
        train, 95, batch_size, per_class=steps * batch_size // 2
    )
    _compile(classifier, len(windows))
    classifier.fit(windows, verbose=2)
    dense = applications.SlidingWindow(classifier)
    seen = train[:: max(1, len(train) // 2)][:2]
    calibration = inference.Calibration.fit(
        np.stack([_turned(dense, image) for image, _ in seen]),
        np.stack([mask for _, mask in seen]),
    )

    def membrane(image):
        # The paper's median filter has a radius of 2 pixels.
        return ndimage.median_filter(calibration(_turned(dense, image)), 5)

    return System(membrane, classifier.count_params(), time.monotonic() - begin)


def unet(train, minutes, filters):
    """The paper's: no padding, deformed tiles, heavy gaps between cells."""
    begin = time.monotonic()
    image = keras.Input((None, None, 1))
    network = applications.UNet(
        input_tensor=keras.layers.Rescaling(1 / 127.5, -1)(image),
        filters=filters,
        padding="valid",
    )
    tiles = data.Batches(
        [_mirrored(image, mask) for image, mask in train],
        1,
        [
            augment.RandomFlip(),
            augment.RandomQuarterTurns(),
            augment.ElasticDeformation(),
            augment.GrayJitter(),
            augment.RandomCrop(_tile(train)),
        ],
        pixel_weights=lambda mask: border_weights(mask, cell=0),
        margin=MARGIN,
        shuffle=True,
    )
    epochs = max(1, _steps(network, tiles, minutes) // len(tiles))
    _compile(network, epochs * len(tiles))
    network.fit(tiles, epochs=epochs, verbose=2)
    return System(
        lambda image: _turned(_whole(network, image.shape), image),
        network.count_params(),
        time.monotonic() - begin,
    )


def unet_on_weights(train, minutes, weights):
    """U-Net on MobileNetV2, which knows the edges of photographs."""
    begin = time.monotonic()
    gray = keras.Input((None, None, 1))
    network = applications.UNet(
        "mobilenet_v2",
        weights=weights,
        input_tensor=keras.layers.Concatenate()([gray] * 3),
    )
    crops = data.Batches(
        train,
        4,
        [
            augment.RandomFlip(),
            augment.RandomQuarterTurns(),
            augment.ElasticDeformation(),
            augment.GrayJitter(),
            augment.RandomCrop(256),
        ],
        pixel_weights=lambda mask: np.where(mask == 1, MEMBRANE_WEIGHT, 1),
        shuffle=True,
    )
    epochs = max(1, _steps(network, crops, minutes) // len(crops))
    steps = epochs * len(crops)
    recipes.set_batch_norm_momentum(network, recipes.momentum_for(steps))
    _compile(network, steps)
    network.fit(crops, epochs=epochs, verbose=2)
    return System(
        lambda image: _turned(network, image),
        network.count_params(),
        time.monotonic() - begin,
    )


def _steps(model, batches, minutes):
    """How many updates there is time for; the weights are drawn anew."""
    _compile(model, 1)
    weights = model.get_weights()
    model.train_on_batch(*batches[0])
    begin = time.monotonic()
    for index in (1, 2, 3):
        model.train_on_batch(*batches[index % len(batches)])
    model.set_weights(weights)
    return max(4, int(minutes * 60 * 3 / (time.monotonic() - begin)))


def _compile(model, steps):
    model.compile(
        keras.optimizers.AdamW(Poly(1e-3, steps), weight_decay=1e-4),
        keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, ignore_class=data.VOID
        ),
    )


def _turned(model, image):
    return inference.predict_turned(model, image)[..., 1]


def _mirrored(image, mask):
    rows_and_columns = [(MARGIN, MARGIN)] * 2
    return (
        np.pad(image, [*rows_and_columns, (0, 0)], "reflect"),
        np.pad(mask, rows_and_columns, "reflect"),
    )


def _tile(train):
    """The paper's tile, or the largest of 16k + 12 in the mirrored slices."""
    side = min(min(mask.shape) for _, mask in train) + 2 * MARGIN
    return min(LARGEST_TILE, side - (side - 12) % 16)


def _whole(network, shape):
    """The network on a mirrored slice, whose sides are 16k + 12 then."""
    more = [(12 - n - 2 * MARGIN) % 16 for n in shape[:2]]
    image = keras.Input(shape)
    x = ReflectionPadding([(MARGIN, MARGIN + n) for n in more])(image)
    x = keras.layers.Cropping2D([(0, n) for n in more])(network(x))
    return keras.Model(image, x)
