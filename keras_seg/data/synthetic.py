"""Synthetic images with masks, drawn from a seed."""

import colorsys
import dataclasses
import functools
import os
import pathlib
from collections.abc import Sequence

import numpy as np
from PIL import Image

from keras_seg.arguments import check_integer
from keras_seg.data.classes import VOID
from keras_seg.data.classes import ClassTable
from keras_seg.data.classes import voc_colormap
from keras_seg.data.synthetic_cells import CELL_CLASSES
from keras_seg.data.synthetic_cells import cells
from keras_seg.data.textures import bands
from keras_seg.data.textures import smooth

__all__ = [
    "CELL_CLASSES",
    "MEMBRANE_CLASSES",
    "cells",
    "membranes",
    "shape_classes",
    "shapes",
    "write_folder",
]


def write_folder(
    path: str | os.PathLike,
    images: np.ndarray | Sequence[np.ndarray],
    masks: np.ndarray | Sequence[np.ndarray],
    class_table: ClassTable,
    split: str = "train",
) -> None:
    """Write images, masks and a class table to a folder for `from_folder`.

    The images are `path/<split>/images/0000.png`, `0001.png`, …; the masks,
    PNG files with the palette of the classes, have the same names in
    `path/<split>/labels`, of several labels in a folder there for each class;
    the table is `path/classes.csv`.

    Args:
        path: str or path, created if it does not exist.
        images: sequence of uint8 arrays `(height, width, 3)`.
        masks: sequence of integer arrays `(height, width)`, ids of the
            classes and 255; or `(height, width, classes)`, several labels.
        class_table: `ClassTable`.
        split: str.

    Example:

    >>> import tempfile
    >>> from keras_seg import data
    >>> path = tempfile.mkdtemp()
    >>> data.synthetic.write_folder(
    ...     path, *data.synthetic.shapes(4, size=32),
    ...     data.synthetic.shape_classes(5), split="val")
    >>> data.splits(path), len(data.from_folder(path, "val"))
    (('val',), 4)
    """
    if len(images) != len(masks):
        raise ValueError(
            "There must be one mask for each image. Received: "
            f"{len(images)} images, {len(masks)} masks"
        )
    from keras_seg.visualization import save_label_masks

    path = pathlib.Path(path)
    folders = [path / split / name for name in ("images", "labels")]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    palette = voc_colormap(256)
    palette[: len(class_table)] = class_table.colors
    palette[VOID] = (224, 224, 192)
    digits = max(4, len(str(len(images) - 1)))
    for i, (image, mask) in enumerate(zip(images, masks, strict=True)):
        name = f"{i:0{digits}d}.png"
        Image.fromarray(np.asarray(image)).save(folders[0] / name)
        if np.ndim(mask) == 3:
            save_label_masks(folders[1], name[:-4], mask, class_table)
            continue
        indices = Image.fromarray(np.asarray(mask).astype("uint8"))
        indices.putpalette(palette.tobytes())
        indices.save(folders[1] / name)
    class_table.write(path / "classes.csv")


MEMBRANE_CLASSES = ClassTable(
    names=("cell", "membrane"), colors=((0, 0, 0), (230, 159, 0))
)

_SPACING = 38.0  # pixels between the centers of cells
_REACH = 130  # pixels; every pixel has its two nearest centers within it
_HALF_WIDTH = 2.6  # pixels from the middle of a membrane to its edge


def membranes(
    n: int, size: int = 256, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Draw sections of tissue in the manner of electron microscopy.

    The cells form a warped Voronoi diagram. Their membranes are dark, but so
    are mitochondria, vesicles and the cytoplasm of some cells; brightness and
    contrast drift across the image, and there is noise. No gray value
    identifies a membrane. Image `i` depends only on `seed` and `i`.

    Args:
        n: int, number of images.
        size: int, side in pixels, at least 32.
        seed: int, 0 or more.

    Returns:
        Tuple of images, uint8 `(n, size, size, 3)` with three equal channels,
        and masks, uint8 `(n, size, size)`: 0 cell, 1 membrane.

    Example:

    >>> from keras_seg.data import synthetic
    >>> images, masks = synthetic.membranes(2, size=64)
    >>> images.shape, masks.shape, sorted(set(masks.flat.copy().tolist()))
    ((2, 64, 64, 3), (2, 64, 64), [0, 1])
    """
    return _draw_all(n, size, seed, _draw_membranes)


def _draw_membranes(size, rng):
    cell, distance, centers = _cells(size, rng)
    width = _HALF_WIDTH * np.exp(0.16 * smooth(rng, size, 24))
    mask = distance < width
    inside = distance - width

    tone = rng.normal(0.0, 0.2, len(centers)).clip(-0.5, 0.35)
    rough = 0.24 * rng.uniform(0.6, 1.4, len(centers))
    grain = bands(rng, size, 1.8, 9.0)
    tissue = (tone[cell] + rough[cell] * grain).astype("float32")
    _add_mitochondria(tissue, inside, cell, centers, rng)
    _add_vesicles(tissue, inside, rng)

    # A membrane is darkest in its middle and fades where it is cut obliquely.
    depth = 0.7 + 0.2 * smooth(rng, size, 16) - 0.12 * grain
    depth += 0.55 * np.exp(-((distance / 1.5) ** 2))
    dark = np.clip((width - distance) / 1.8 + 0.5, 0, 1)
    tissue += dark * (-0.6 * tissue - depth)

    contrast = 62 * np.exp(0.15 * smooth(rng, size, 90) + rng.normal(0, 0.12))
    drift = rng.normal(146, 9) + 14 * smooth(rng, size, 110)
    gray = drift + contrast * tissue + 11 * bands(rng, size, 0.6, 2.5)
    return gray.clip(0, 255).astype("uint8")[..., None], mask


def _cells(size, rng):
    """Index of the nearest center, distance to its cell's border, centers."""
    count = int(np.ceil(size / _SPACING)) + 3
    grid = np.indices((count, count)).reshape(2, -1).T - 1.0
    centers = _SPACING * (grid + rng.uniform(-0.45, 0.45, grid.shape))
    centers = centers[rng.random(len(centers)) > 0.22].astype("float32")
    angle = rng.uniform(0, np.pi)
    stretch = rng.uniform(1.0, 1.5)
    turn = np.array(
        [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    )
    metric = (turn * [stretch, 1 / stretch] @ turn.T).astype("float32")

    y, x = np.mgrid[:size, :size].astype("float32")
    y = y + 5.5 * smooth(rng, size, 40) + 1.2 * smooth(rng, size, 10)
    x = x + 5.5 * smooth(rng, size, 40) + 1.2 * smooth(rng, size, 10)
    u = metric[0, 0] * y + metric[0, 1] * x
    v = metric[1, 0] * y + metric[1, 1] * x
    radii = 18 * rng.random(len(centers)) ** 1.5
    cell = np.zeros((size, size), "int32")
    first = np.full((size, size), 1e4, "float32")
    second = first + 1e4
    for i, center in enumerate(centers):
        window = _window(size, center, _REACH)
        a, b = metric @ center
        du, dv = u[window] - a, v[window] - b
        reach = np.sqrt(du * du + dv * dv) - np.float32(radii[i])
        best, next_best = first[window], second[window]
        cell[window][reach < best] = i
        np.minimum(next_best, np.maximum(best, reach), out=next_best)
        np.minimum(best, reach, out=best)
    gap = second - first
    # The slope of the gap depends on the warp and on the angle between the
    # two centers; the quotient is a distance in pixels.
    slope = np.hypot(*np.gradient(gap))
    return cell, gap / slope.clip(0.6, None), centers


def _add_mitochondria(tissue, inside, cell, centers, rng):
    """Dark ovals with a darker rim and stripes, inside some cells."""
    size = len(tissue)
    for i, center in enumerate(centers):
        if rng.random() > 0.5:
            continue
        long, short = rng.uniform(8, 15), rng.uniform(5, 8)
        angle, phase, wave = rng.uniform(0, np.pi, 3)
        center = center + rng.normal(0, 4, 2)
        depth = rng.uniform(0.5, 0.9)
        window = _window(size, center, 18)
        dy, dx = _offsets(window, center)
        u = np.cos(angle) * dx + np.sin(angle) * dy
        v = np.cos(angle) * dy - np.sin(angle) * dx
        radius = np.sqrt((u / long) ** 2 + (v / short) ** 2)
        edge = (1 - radius) * short
        stripes = np.sin((u + 2 * np.sin(v / 3 + wave)) * 1.5 + phase)
        body = depth * (0.75 + 0.35 * stripes)
        rim = 1.25 * np.exp(-((edge / 1.3) ** 2))
        oval = np.clip(edge + 0.5, 0, 1)
        clear = np.clip((inside[window] - 2) / 2, 0, 1) * (cell[window] == i)
        part = tissue[window]
        part += clear * (oval * (-0.15 - body - part * 0.6) - rim * (1 - oval))


def _add_vesicles(tissue, inside, rng):
    """Small dark rings and dots, in clusters."""
    size = len(tissue)
    for _ in range(max(1, round(size * size / 3600))):
        cluster = rng.uniform(0, size, 2)
        dots = rng.random() < 0.4
        for _ in range(rng.integers(2, 9)):
            radius = rng.uniform(1.6, 2.6) if dots else rng.uniform(2, 4)
            depth = rng.uniform(0.7, 1.3)
            center = cluster + rng.normal(0, 8, 2)
            window = _window(size, center, 8)
            dy, dx = _offsets(window, center)
            distance = np.hypot(dy, dx)
            if dots:
                shade = np.clip(radius - distance + 0.5, 0, 1)
            else:
                shade = np.exp(-(((distance - radius) / 0.9) ** 2))
            tissue[window] -= (
                depth * shade * np.clip((inside[window] - 1) / 2, 0, 1)
            )


def _window(size, center, reach):
    """Slices of the square around a point, cut to the image; maybe empty."""
    low = np.clip(np.floor(center - reach), 0, size).astype(int)
    high = np.clip(np.ceil(center + reach) + 1, 0, size).astype(int)
    return np.s_[low[0] : high[0], low[1] : high[1]]


def _offsets(window, center):
    rows, columns = window
    y = np.arange(rows.start, rows.stop)[:, None] - center[0]
    return y, np.arange(columns.start, columns.stop) - center[1]


def shapes(
    n: int, size: int = 256, seed: int = 0, classes: int = 5
) -> tuple[np.ndarray, np.ndarray]:
    """Draw textured shapes on a background, with void around each.

    Shapes and background share all colors and textures, so only the outline
    identifies the class. Later shapes cover earlier ones. Image `i` depends
    only on `seed`, `classes` and `i`.

    Args:
        n: int, number of images.
        size: int, side in pixels, at least 32.
        seed: int, 0 or more.
        classes: int, 2..7, including the background; see `shape_classes`.

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
    return _draw_all(n, size, seed, functools.partial(_draw_shapes, classes))


def shape_classes(n: int = 5) -> ClassTable:
    """The `ClassTable` of `shapes(classes=n)`.

    Args:
        n: int, 2..7: background, disc, square, triangle, cross, ring,
            crescent.
    """
    names = ("background", *_OUTLINES)
    if not 2 <= n <= len(names):
        raise ValueError(
            f"`classes` must be in 2..{len(names)}. Received: classes={n}"
        )
    return dataclasses.replace(ClassTable.default(n), names=names[:n])


def _draw_shapes(classes, size, rng):
    texture = np.stack([bands(rng, size, 1.0, 5.0), smooth(rng, size, 9)])
    image = _paint(rng, texture, np.s_[:size, :size])
    mask = np.zeros((size, size), "uint8")
    count = rng.integers(4, 8)
    kinds = (rng.integers(count) + np.arange(count)) % (classes - 1)
    outlines = list(_OUTLINES.values())
    for kind in rng.permutation(kinds):
        radius = size * rng.uniform(0.09, 0.19)
        center = rng.uniform(0.05 * size, 0.95 * size, 2)
        angle = rng.uniform(0, 2 * np.pi)
        window = _window(size, center, 1.3 * radius + 3)
        y, x = _offsets(window, center)
        u = (np.cos(angle) * x + np.sin(angle) * y) / radius
        v = (np.cos(angle) * y - np.sin(angle) * x) / radius
        outside = radius * outlines[kind](u, v)
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
    """Draw a color and a texture."""
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


# Approximate signed distances to outlines of radius 1, negative inside.


def _triangle(u, v):
    side = np.sqrt(3) / 2
    slopes = np.maximum(0.5 * v + side * u, 0.5 * v - side * u)
    return np.maximum(-v, slopes) - 0.62


def _cross(u, v):
    u, v = np.abs(u), np.abs(v)
    bars = np.maximum(u - 1.05, v - 0.34), np.maximum(v - 1.05, u - 0.34)
    return np.minimum(*bars)


_OUTLINES = {
    "disc": lambda u, v: np.hypot(u, v) - 1,
    "square": lambda u, v: np.maximum(np.abs(u), np.abs(v)) - 0.88,
    "triangle": _triangle,
    "cross": _cross,
    "ring": lambda u, v: np.abs(np.hypot(u, v) - 0.78) - 0.24,
    "crescent": lambda u, v: np.maximum(
        np.hypot(u, v) - 1, 0.85 - np.hypot(u - 0.6, v)
    ),
}


def _draw_all(n, size, seed, draw):
    """`n` images and masks; `draw(size, rng)` returns one pair."""
    check_integer(1, n=n)
    check_integer(32, size=size)
    check_integer(0, seed=seed)
    images = np.empty((n, size, size, 3), "uint8")
    masks = np.empty((n, size, size), "uint8")
    for i in range(n):
        images[i], masks[i] = draw(size, np.random.default_rng([seed, i]))
    return images, masks
