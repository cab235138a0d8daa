"""Cell membranes in the manner of electron microscopy."""

import numpy as np

from keras_seg.data.classes import ClassTable
from keras_seg.data.synthetic.fields import bands
from keras_seg.data.synthetic.fields import draw_all
from keras_seg.data.synthetic.fields import smooth

__all__ = ["MEMBRANE_CLASSES", "membranes"]

MEMBRANE_CLASSES = ClassTable(
    names=("cell", "membrane"), colors=((0, 0, 0), (230, 159, 0))
)

_SPACING = 38.0  # pixels between the centers of cells
_REACH = 130  # pixels; every pixel has its two nearest centers within it
_HALF_WIDTH = 2.6  # pixels from the middle of a membrane to its edge


def membranes(n, size=256, seed=0):
    """Draw sections of tissue with the membranes between its cells.

    Cells are those of a warped Voronoi diagram. Their membranes are dark, but
    so are mitochondria, vesicles and the cytoplasm of some cells, brightness
    and contrast drift across the image, and there is noise: no gray value
    tells a membrane. Image `i` depends on `seed` and `i` alone.

    Args:
        n: int, number of images.
        size: int, side in pixels, at least 32.
        seed: int, 0 or more.

    Returns:
        Tuple of images, uint8 `(n, size, size, 3)`, gray in three channels,
        and masks, uint8 `(n, size, size)`: 0 cell, 1 membrane.

    Example:

    >>> from keras_seg.data import synthetic
    >>> images, masks = synthetic.membranes(2, size=64)
    >>> images.shape, masks.shape, sorted(set(masks.flat.copy().tolist()))
    ((2, 64, 64, 3), (2, 64, 64), [0, 1])
    """
    return draw_all(n, size, seed, _draw)


def _draw(size, rng):
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

    # A membrane is darkest in its middle, and fades where it is cut aslant.
    depth = 0.7 + 0.2 * smooth(rng, size, 16) - 0.12 * grain
    depth += 0.55 * np.exp(-((distance / 1.5) ** 2))
    dark = np.clip((width - distance) / 1.8 + 0.5, 0, 1)
    tissue += dark * (-0.6 * tissue - depth)

    contrast = 62 * np.exp(0.15 * smooth(rng, size, 90) + rng.normal(0, 0.12))
    drift = rng.normal(146, 9) + 14 * smooth(rng, size, 110)
    gray = drift + contrast * tissue + 11 * bands(rng, size, 0.6, 2.5)
    return gray.clip(0, 255).astype("uint8")[..., None], mask


def _cells(size, rng):
    """Nearest center, distance to the border of its cell, and centers."""
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
    # The gap grows at a rate that the warp and the angle of the two centers
    # decide; divided by it, it is a distance in pixels.
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
        clear = np.clip((inside[window] - 2) / 2, 0, 1)
        clear = clear * (cell[window] == i)
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
    """The square of the image around a point; it may be empty."""
    low = np.clip(np.floor(center - reach), 0, size).astype(int)
    high = np.clip(np.ceil(center + reach) + 1, 0, size).astype(int)
    return np.s_[low[0] : high[0], low[1] : high[1]]


def _offsets(window, center):
    rows, columns = window
    y = np.arange(rows.start, rows.stop)[:, None] - center[0]
    return y, np.arange(columns.start, columns.stop) - center[1]
