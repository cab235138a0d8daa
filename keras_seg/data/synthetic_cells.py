"""Synthetic cells, nuclei and rods, which lie over each other."""

import numpy as np

from keras_seg.arguments import check_integer
from keras_seg.data.classes import VOID
from keras_seg.data.classes import ClassTable
from keras_seg.data.textures import bands
from keras_seg.data.textures import smooth

__all__ = ["CELL_CLASSES", "cells"]

CELL_CLASSES = ClassTable(
    ("cell", "nucleus", "rod"), ((200, 60, 140), (60, 80, 220), (0, 150, 60))
)


def cells(
    n: int, size: int = 256, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Draw stained cells, each with a nucleus, and rods across them.

    Everything lets the light through: what lies below is seen. So a pixel has
    up to three classes, see `CELL_CLASSES`: a nucleus is part of its cell,
    and a rod lies on both. The rim of each object, one pixel on both sides,
    is void for its class alone. Image `i` depends only on `seed` and `i`.

    Args:
        n: int, number of images.
        size: int, side in pixels, at least 32.
        seed: int, 0 or more.

    Returns:
        Tuple of images, uint8 `(n, size, size, 3)`, and masks of several
        labels, uint8 `(n, size, size, 3)`: 1 where the class is, 0 where it
        is not, 255 for void.

    Example:

    >>> from keras_seg.data import synthetic
    >>> images, masks = synthetic.cells(2, size=64)
    >>> images.shape, masks.shape, synthetic.CELL_CLASSES.names
    ((2, 64, 64, 3), (2, 64, 64, 3), ('cell', 'nucleus', 'rod'))
    """
    check_integer(1, n=n)
    check_integer(32, size=size)
    check_integer(0, seed=seed)
    pairs = [_draw(size, np.random.default_rng([seed, i])) for i in range(n)]
    images, masks = zip(*pairs, strict=True)
    return np.stack(images), np.stack(masks)


def _draw(size, rng):
    outside = np.full((size, size, 3), np.inf)  # distances to each class
    for _ in range(rng.integers(3, 6)):
        center = rng.uniform(0.1 * size, 0.9 * size, 2)
        axes = size * rng.uniform(0.14, 0.24, 2)
        angle = rng.uniform(0, np.pi)
        away = rng.uniform(-0.25, 0.25, 2) * axes.min()
        for k, (middle, radii) in enumerate(
            ((center, axes), (center + away, 0.42 * axes))
        ):
            u, v = _turned(size, middle, angle)
            distance = (np.hypot(u / radii[0], v / radii[1]) - 1) * radii.min()
            outside[..., k] = np.minimum(outside[..., k], distance)
    for _ in range(rng.integers(2, 5)):
        center, angle = rng.uniform(0, size, 2), rng.uniform(0, np.pi)
        u, v = _turned(size, center, angle)
        length, width = size * rng.uniform(0.1, 0.25), size * 0.02 + 1
        beyond = (np.abs(u) - length).clip(0)
        distance = np.hypot(beyond, v) - width
        outside[..., 2] = np.minimum(outside[..., 2], distance)
    light = np.full((size, size, 3), (236.0, 232.0, 238.0), "float32")
    stain = np.array([(0.83, 0.6, 0.78), (0.6, 0.55, 0.85), (0.6, 0.85, 0.62)])
    grain = 0.04 * bands(rng, size, 1.0, 4.0)[..., None]
    for k in range(3):
        cover = np.clip(0.5 - outside[..., k, None], 0, 1)
        light *= 1 - cover * (1 - stain[k] + grain)
    light *= np.exp(0.05 * smooth(rng, size, size / 2))[..., None]
    light += 5 * rng.standard_normal(light.shape, dtype="float32")
    mask = (outside < 0).astype("uint8")
    mask[np.abs(outside) < 1] = VOID
    return light.clip(0, 255).astype("uint8"), mask


def _turned(size, center, angle):
    """Coordinates around a center, along and across a direction."""
    y = np.arange(size)[:, None] - center[0]
    x = np.arange(size) - center[1]
    sine, cosine = np.sin(angle), np.cos(angle)
    return cosine * x + sine * y, cosine * y - sine * x
