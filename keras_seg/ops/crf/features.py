"""What the kernels of the CRF compare of two pixels, in their deviations."""

import functools

import numpy as np

from keras_seg.ops.crf.lattice import Lattice
from keras_seg.ops.crf.weighting import WeightedLattice

__all__ = ["color_features", "position_features", "weighted_lattices"]


def position_features(height, width, sxy):
    """Positions in deviations: float32 `(height · width, 2)`, x first."""
    sx, sy = np.broadcast_to(np.asarray(sxy, np.float32), 2)
    features = np.empty((height, width, 2), np.float32)
    features[..., 0] = np.arange(width, dtype=np.float32) / sx
    features[..., 1] = (np.arange(height, dtype=np.float32) / sy)[:, None]
    return features.reshape(-1, 2)


def color_features(images, sxy, srgb):
    """Positions and colours in deviations.

    Args:
        images: array `(batch, height, width, channels)`.
        sxy, srgb: of `keras_seg.ops.crf.Bilateral`.

    Returns:
        float32 array `(batch, height · width, 2 + channels)`.

    Raises:
        ValueError: if there are not as many deviations as channels.
    """
    batch, height, width, channels = images.shape
    deviations = np.asarray(srgb, np.float32)
    if deviations.ndim and len(deviations) != channels:
        raise ValueError(
            "`srgb` must be a number or one for each channel. "
            f"Received: srgb={srgb} for an image of {channels} channels"
        )
    features = np.empty((batch, height * width, 2 + channels), np.float32)
    features[..., :2] = position_features(height, width, sxy)
    colors = images.reshape(batch, -1, channels)
    np.divide(colors, deviations, out=features[..., 2:], dtype=np.float32)
    return features


def weighted_lattices(images, settings, weighted=True):
    """The lattices of the kernels around the pixels of some images.

    Args:
        images: array `(batch, height, width, channels)`.
        settings: `keras_seg.ops.crf.Settings`.
        weighted: bool, whether the kernels' weights are multiplied in.

    Returns:
        List of `WeightedLattice`: the Gaussian's, which is kept for further
        images of that size, and the bilateral's, if there are both.
    """
    result = []
    kernel, normalization = settings.gaussian, settings.normalization
    if kernel is not None:
        sxy = np.broadcast_to(np.asarray(kernel.sxy, np.float32), 2)
        weight = kernel.weight if weighted else 1.0
        result.append(
            _position_lattice(
                *images.shape[:3], *map(float, sxy), normalization, weight
            )
        )
    kernel = settings.bilateral
    if kernel is not None:
        features = color_features(images, kernel.sxy, kernel.srgb)
        weight = kernel.weight if weighted else 1.0
        result.append(
            WeightedLattice.normalized(
                Lattice.build(features), normalization, weight
            )
        )
    return result


@functools.lru_cache(maxsize=8)
def _position_lattice(batch, height, width, sx, sy, normalization, weight):
    features = position_features(height, width, (sx, sy))
    features = np.broadcast_to(features, (batch, *features.shape))
    return WeightedLattice.normalized(
        Lattice.build(features), normalization, weight
    )
