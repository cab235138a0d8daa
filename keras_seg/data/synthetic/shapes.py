"""Several classes of textured shapes that share their colors."""

import colorsys
import dataclasses
import functools

import numpy as np

from keras_seg.data.classes import VOID
from keras_seg.data.classes import ClassTable
from keras_seg.data.synthetic.fields import bands
from keras_seg.data.synthetic.fields import draw_all
from keras_seg.data.synthetic.fields import smooth

__all__ = ["shape_classes", "shapes"]


def shapes(n, size=256, seed=0, classes=5):
    """Draw shapes on a background, with a border of void around each.

    Every color and every texture comes with every shape and with the
    background: only the outline tells the class. Later shapes cover earlier
    ones. Image `i` depends on `seed`, `classes` and `i` alone.

    Args:
        n: int, number of images.
        size: int, side in pixels, at least 32.
        seed: int, 0 or more.
        classes: int, 2..7, the background counted; see `shape_classes`.

    Returns:
        Tuple of images, uint8 `(n, size, size, 3)`, and masks, uint8
        `(n, size, size)`: 0 background, 1..classes-1 shapes, 255 void.

    Example:

    >>> from keras_seg.data import synthetic
    >>> images, masks = synthetic.shapes(2, size=64, classes=3)
    >>> images.shape, masks.shape, synthetic.shape_classes(3).names
    ((2, 64, 64, 3), (2, 64, 64), ('background', 'disc', 'square'))
    """
    shape_classes(classes)
    return draw_all(n, size, seed, functools.partial(_draw, classes))


def shape_classes(n=5):
    """The class table of `shapes(classes=n)`.

    Args:
        n: int, 2..7: background, disc, square, triangle, cross, ring,
            crescent.

    Returns:
        A `ClassTable`.
    """
    if not 2 <= n <= len(_NAMES):
        raise ValueError(
            f"`classes` must be in 2..{len(_NAMES)}. Received: classes={n}"
        )
    return dataclasses.replace(ClassTable.default(n), names=_NAMES[:n])


def _draw(classes, size, rng):
    texture = np.stack([bands(rng, size, 1.0, 5.0), smooth(rng, size, 9)])
    image = _paint(rng, texture, np.s_[:size, :size])
    mask = np.zeros((size, size), "uint8")
    count = rng.integers(4, 8)
    kinds = (rng.integers(count) + np.arange(count)) % (classes - 1)
    for kind in rng.permutation(kinds):
        radius = size * rng.uniform(0.09, 0.19)
        center = rng.uniform(0.05 * size, 0.95 * size, 2)
        angle = rng.uniform(0, 2 * np.pi)
        low = np.clip(center - 1.3 * radius - 3, 0, size).astype(int)
        high = np.clip(center + 1.3 * radius + 3, 0, size).astype(int)
        window = np.s_[low[0] : high[0], low[1] : high[1]]
        y = np.arange(low[0], high[0])[:, None] - center[0]
        x = np.arange(low[1], high[1]) - center[1]
        u = (np.cos(angle) * x + np.sin(angle) * y) / radius
        v = (np.cos(angle) * y - np.sin(angle) * x) / radius
        outside = radius * _OUTLINES[kind](u, v)
        cover = np.clip(0.5 - outside, 0, 1)[..., None]
        paint = _paint(rng, texture, window)
        image[window] = image[window] * (1 - cover) + paint * cover
        part = mask[window]
        part[outside < 0] = kind + 1
        part[np.abs(outside) < 1] = VOID
    light = np.exp(0.12 * smooth(rng, size, size / 2))[..., None]
    noise = 7 * rng.standard_normal((size, size, 3), dtype="float32")
    return (image * light + noise).clip(0, 255).astype("uint8"), mask


def _paint(rng, texture, window):
    """A color and a texture, drawn without regard to the class."""
    hue, saturation = rng.uniform(0, 1), rng.uniform(0.2, 0.7)
    color = colorsys.hsv_to_rgb(hue, saturation, rng.uniform(0.4, 0.85))
    angle, period = rng.uniform(0, np.pi), rng.uniform(5, 12)
    kind = rng.integers(4)
    rows, columns = window
    y = np.arange(rows.start or 0, rows.stop)[:, None]
    x = np.arange(columns.start or 0, columns.stop)
    if kind < 2:
        shade = texture[kind][window]
    else:
        along = np.cos(angle) * x + np.sin(angle) * y
        shade = np.sin(along * 2 * np.pi / period)
        if kind == 3:
            across = np.cos(angle) * y - np.sin(angle) * x
            shade = shade * np.sin(across * 2 * np.pi / period)
    shade = 1 + rng.uniform(0.08, 0.25) * shade.astype("float32")
    return shade[..., None] * (255 * np.array(color, "float32"))


# Each takes coordinates in which the shape has radius 1, and gives about the
# distance to its outline, negative inside.


def _disc(u, v):
    return np.hypot(u, v) - 1


def _square(u, v):
    return np.maximum(np.abs(u), np.abs(v)) - 0.88


def _triangle(u, v):
    side = np.sqrt(3) / 2
    return np.maximum(
        -v, np.maximum(0.5 * v + side * u, 0.5 * v - side * u)
    ) - (0.62)


def _cross(u, v):
    u, v = np.abs(u), np.abs(v)
    return np.minimum(
        np.maximum(u - 1.05, v - 0.34), np.maximum(v - 1.05, u - 0.34)
    )


def _ring(u, v):
    return np.abs(np.hypot(u, v) - 0.78) - 0.24


def _crescent(u, v):
    return np.maximum(np.hypot(u, v) - 1, 0.85 - np.hypot(u - 0.6, v))


_NAMES = (
    "background",
    "disc",
    "square",
    "triangle",
    "cross",
    "ring",
    "crescent",
)
_OUTLINES = (_disc, _square, _triangle, _cross, _ring, _crescent)
