"""Which images to annotate next: those a network is least sure of."""

import math
from typing import Any
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from keras_seg.inference.predict import predict
from keras_seg.inference.scores import Model
from keras_seg.score_form import is_multi_label

__all__ = ["Ranked", "rank"]


class Ranked(NamedTuple):
    """An image and how unsure a network is of it.

    Args:
        source: see `keras_seg.inference.Prediction`.
        entropy: float in 0...1, see `rank`.
        probabilities: float64 array `(classes,)`, the mean over the pixels.
    """

    source: Any
    entropy: float
    probabilities: NDArray[np.float64]


def rank(model: Model, images: Any, tiles: Any = None, **options: Any) -> list:
    """Orders images by the entropy of their predictions, the largest first.

    `H = -sum_c p_c log p_c / log(classes)`, of the probabilities of a pixel,
    averaged over the pixels: 0 where the network is sure of all, 1 where all
    classes are equally probable. Of labels the mean of the binary entropies.
    To annotate what has the largest entropy is uncertainty sampling
    ([Settles](https://burrsettles.com/pub/settles.activelearning.pdf),
    section 3.1). Probabilities are float16, which is good for three digits.

    A network can be sure and wrong: annotate some images drawn by chance, too.

    Args:
        model: see `keras_seg.inference.predict`.
        images: a stream of images, see there.
        tiles: `keras_seg.inference.Tiles`, see there.
        **options: further arguments of `predict`, such as `on_error`.

    Returns:
        List of `Ranked`; of equal entropies the first image first.

    Raises:
        ValueError: As `predict`.

    Example:

    >>> import numpy as np
    >>> from keras_seg.applications import UNet
    >>> from keras_seg.inference import rank
    >>> model = UNet(classes=3, filters=4, depth=2)
    >>> images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3))
    >>> found = rank(model, images.astype("uint8"))
    >>> found[0].entropy >= found[1].entropy
    True
    """
    several = is_multi_label(model)
    found = []
    for one in predict(model, images, tiles, probabilities=True, **options):
        assert one.probabilities is not None
        p = one.probabilities.reshape(-1, one.probabilities.shape[-1])
        p = p.astype("float32")
        entropy = _mean(_entropy(p) + _entropy(1 - p)) / math.log(2)
        if not several:
            entropy = _mean(_entropy(p).sum(axis=-1)) / math.log(p.shape[-1])
        means = p.mean(axis=0, dtype="float64")
        found.append(Ranked(one.source, entropy, means))
    return sorted(found, key=lambda one: -one.entropy)


def _entropy(p: NDArray) -> NDArray:
    return -p * np.log(np.maximum(p, np.finfo("float32").tiny))


def _mean(values: NDArray) -> float:
    return float(values.mean(dtype="float64"))
