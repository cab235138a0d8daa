"""Which images to annotate next: those a network is least sure of."""

from typing import Any
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from keras_seg.inference.confidence import confidence_maps
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

    See `confidence_maps`; averaged over the pixels that have data: 0 where the
    network is sure of all, 1 where all classes are equally probable.
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
        p = one.probabilities
        if one.valid is not None and one.valid.any():
            p = p[one.valid][None]
        entropy = confidence_maps(p, several)[1].mean(dtype="float64")
        means = p.mean(axis=(0, 1), dtype="float64")
        found.append(Ranked(one.source, float(entropy), means))
    return sorted(found, key=lambda one: -one.entropy)
