"""Mean field with exact filters in `O(N²)`, to compare the lattice with."""

import numpy as np

__all__ = ["exact_dense_crf", "exact_filter"]


def exact_filter(features, x, normalization=None, self_term=True):
    """`y_i = Σ_j exp(-|f_i - f_j|² / 2) x_j`, in float64.

    Args:
        features: array `(points, d)`, in deviations of the Gaussian.
        x: array `(points, channels)`.
        normalization: of `permutohedral_filter`.
        self_term: bool, whether a point counts for itself. It does on the
            lattice.
    """
    features = np.asarray(features, np.float64)
    squares = (features**2).sum(axis=1)
    distance = squares[:, None] + squares - 2 * features @ features.T
    kernel = np.exp(-0.5 * np.maximum(distance, 0))
    if not self_term:
        np.fill_diagonal(kernel, 0)
    n = kernel.sum(axis=1)
    if normalization == "after":
        kernel /= n[:, None]
    elif normalization == "before":
        kernel /= n
    elif normalization == "symmetric":
        kernel /= np.sqrt(n[:, None] * n)
    return kernel @ x


def exact_dense_crf(image, logits, settings, self_term=True):
    """`keras_seg.dense_crf` of one image, by NumPy in float64.

    Args:
        image: array `(height, width, channels)`.
        logits: array `(height, width, classes)`.
        settings: `keras_seg.crf.Settings`.
        self_term: of `exact_filter`.
    """
    height, width, channels = np.shape(image)
    y, x = np.mgrid[:height, :width]
    place = np.dstack([x, y, image]).reshape(height * width, -1)
    logits = np.asarray(logits, np.float64)
    points = scores = logits.reshape(height * width, -1)
    for _ in range(settings.iterations):
        q = _softmax(scores)
        scores = points
        for potential in settings.potentials:
            deviations = potential.deviations(channels)
            features = place[:, : len(deviations)] / deviations
            scores = scores + potential.weight * exact_filter(
                features, q, settings.normalization, self_term
            )
    return _softmax(scores).reshape(logits.shape)


def _softmax(scores):
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)
