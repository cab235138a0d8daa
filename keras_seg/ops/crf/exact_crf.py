"""Mean field with exact filters, to hold the fast ones against."""

import numpy as np

from keras_seg.ops.crf.brute_force import exact
from keras_seg.ops.crf.building import pixel_features

__all__ = ["exact_dense_crf"]


def exact_dense_crf(image, logits, settings, self_term=True):
    """`keras_seg.dense_crf` of one image in `O(N²)`, in float64, by NumPy.

    `dense_crf` filters on a lattice, which is another function: single pixels
    differ by up to 0.99, and up to 4 % get another class; its docstring has
    the figures. Gradients, losses and a search belong to the one that is
    used.

    Args:
        image: array `(height, width, channels)` of at most 16384 pixels.
        logits: array `(height, width, classes)`.
        settings: `keras_seg.ops.crf.Settings`.
        self_term: bool, whether a pixel sends a message to itself. It does
            on the lattice. Defaults to True.

    Returns:
        float64 array of the shape of `logits`, probabilities.

    Raises:
        ValueError: if there are more pixels.

    Example:

    >>> import numpy as np
    >>> from keras_seg.ops.crf import Settings, exact_dense_crf
    >>> q = exact_dense_crf(np.zeros((1, 2, 3)), [[[1, 0], [0, 0]]], Settings())
    >>> q.round(3).tolist()
    [[[1.0, 0.0], [0.999, 0.001]]]
    """
    image = np.asarray(image)[None]
    logits = np.asarray(logits, np.float64)
    points = scores = logits.reshape(-1, logits.shape[-1])
    kernels = []
    for potential in settings.potentials:
        deviations = potential.deviations(image.shape[-1])
        features = pixel_features(image, deviations)[0]
        kernels.append((features, potential.weight))
    for _ in range(settings.iterations):
        q = _softmax(scores)
        scores = points + sum(
            weight * exact(features, q, settings.normalization, self_term)
            for features, weight in kernels
        )
    return _softmax(scores).reshape(logits.shape)


def _softmax(scores):
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)
