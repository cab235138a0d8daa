"""How large images and objects are, and the size that a network needs."""

import dataclasses
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_seg.arguments import fitted_size
from keras_seg.data.augment.scaling import resize_mask
from keras_seg.data.classes import VOID

__all__ = [
    "MaskSizes",
    "Sizes",
    "measure_mask",
    "sampled",
    "suggest_longest_side",
    "summarize",
]

# At the size that is suggested, objects are at most 1.5 crops of 256 pixels,
# at least 24 pixels long and 3 thick, and images at least 512 pixels long.
LARGEST, SHORTEST, THINNEST, SMALLEST_SIDE = 384, 24, 3, 512
# Files that are measured at most, and the side they are measured at.
MEASURED, MEASURED_SIDE = 40, 1024


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How large the images and objects of a split are, in pixels.

    Args:
        split: str, the name of the split.
        images: tuple of the 10th and 90th percentile of the longer sides of
            the images.
        objects: dictionary from ids of classes to the same of their objects,
            by the longer sides. Objects are connected parts (by the sides of
            pixels) of the masks that were measured, at 1,024 pixels each. A
            percentile is one of the pixels of the class: a tenth of them lies
            in objects of the first size or less, so that specks do not count.
        masks: int, number of masks that were measured.
        longest_side: optional int, what `suggest_longest_side` returns.
        reason: str, why that.
    """

    split: str
    images: tuple[int, int]
    objects: dict[int, tuple[int, int]]
    masks: int
    longest_side: int | None
    reason: str


@dataclasses.dataclass(frozen=True)
class MaskSizes:
    """Sizes of the objects in a mask, in its pixels.

    Args:
        extents: dictionary from ids to the 90th percentile and the median of
            the lengths, and the median thickness; see `suggest_longest_side`.
        objects: dictionary from ids to arrays `(2, n)`, the longer sides and
            the areas of connected parts.
    """

    extents: dict[int, tuple[float, float, float]]
    objects: dict[int, NDArray[np.float64]]


def sampled(count: int) -> range:
    """The indices that are measured, of so many pairs."""
    return range(0, count, max(1, count // MEASURED))[:MEASURED]


def suggest_longest_side(data: Any) -> int | None:
    """The longest side to which images should be shrunk for training.

    A crop of 256 pixels of a photograph of 3,600 shows a texture and no object.
    How large objects are is measured at each pixel by the runs of its class
    along its row and its column: the longer run is the length there, the
    shorter the thickness. Of each class the 90th percentile of the lengths
    should come to 384 pixels at most, half of its pixels to a length of 24 and
    a thickness of 3 at least, each the median over the images.

    Args:
        data: `Folder`, or any sequence of `(image, mask)`; of more than 40
            pairs, 40 at equal distances count.

    Returns:
        int, a multiple of 32; or None where images stay as they are, since
        half of their size would be too small.

    Example: a square of a quarter of a large image

    >>> import numpy as np
    >>> mask = np.zeros((3000, 3000), "uint8")
    >>> mask[750:2250, 750:2250] = 1
    >>> suggest_longest_side([(mask[..., None], mask)])
    512
    """
    known = getattr(data, "size", None) or (lambda i: data[i][1].shape[:2])
    sides = [max(known(i)) for i in range(len(data))]
    if np.median(sides) < 2 * SMALLEST_SIDE:  # No mask need be read.
        return None
    extents = [measure_mask(data[i][1]).extents for i in sampled(len(data))]
    return _suggest(sides, extents, {VOID})[0]


def measure_mask(mask: NDArray) -> MaskSizes:
    """The sizes of the objects in an integer mask `(height, width)`.

    Of several labels, `(height, width, classes)`, each plane is measured.
    """
    if mask.ndim == 3:
        return _measure_planes(mask)
    small, unit = _reduced(mask)
    return MaskSizes(_extents(small, unit), _objects(small, unit))


def _measure_planes(mask: NDArray) -> MaskSizes:
    found = MaskSizes({}, {})
    for k in range(mask.shape[2]):
        if (mask[..., k] == 1).any():
            plane = measure_mask(mask[..., k])
            found.extents[k] = plane.extents[1]
            found.objects[k] = plane.objects[1]
    return found


def summarize(
    split: str,
    sides: Sequence[int],
    masks: Sequence[MaskSizes],
    void: Iterable[int],
) -> Sizes | None:
    """The `Sizes` of a split; `None` if nothing was measured.

    Args:
        split: str.
        sides: ints, the longer sides of all images.
        masks: `MaskSizes` of the masks that were measured.
        void: the ids that are no class.
    """
    if not sides or not masks:
        return None
    ids = sorted(set().union(*(mask.objects for mask in masks)) - set(void))
    objects = {
        i: _percentiles(
            *np.concatenate([m.objects[i] for m in masks if i in m.objects], 1)
        )
        for i in ids
    }
    side, reason = _suggest(sides, [mask.extents for mask in masks], void)
    images = _percentiles(sides, np.ones(len(sides)))
    return Sizes(split, images, objects, len(masks), side, reason)


def _suggest(
    sides: Sequence[int],
    extents: Iterable[Mapping[int, tuple[float, float, float]]],
    void: Iterable[int],
) -> tuple[int | None, str]:
    """The longest side, `None` for images as they are, and why."""
    side = int(np.median(sides))
    if side < 2 * SMALLEST_SIDE:
        return None, f"half of their size is less than {SMALLEST_SIDE} pixels"
    found: dict[int, list[tuple[float, float, float]]] = {}
    for mask in extents:
        for i in mask.keys() - set(void):
            found.setdefault(i, []).append(mask[i])
    if not found:
        return None, "the masks hold nothing but void"
    medians = np.array([np.median(ends, axis=0) for ends in found.values()])
    largest = float(medians[:, 0].max())
    shortest, thinnest = map(float, medians[:, 1:].min(axis=0))
    limits = {
        f"images should be {SMALLEST_SIDE} pixels long": SMALLEST_SIDE,
        f"objects are at most {LARGEST} pixels long then": (
            side * LARGEST / largest
        ),
        f"objects should stay {SHORTEST} pixels long": (
            side * SHORTEST / shortest
        ),
        f"objects should stay {THINNEST} pixels thick": (
            side * THINNEST / thinnest
        ),
    }
    reason, wanted = max(limits.items(), key=lambda item: item[1])
    wanted = -(-int(wanted) // 32) * 32
    if wanted > side / 2:
        return None, f"{reason}, as at half of the size they would not be"
    return wanted, f"crops of 256 then show more of the objects; {reason}"


def _reduced(mask):
    """The mask at 1,024 pixels at most, and how many of its pixels are one."""
    mask = np.asarray(mask)
    longest = max(mask.shape)
    mask = resize_mask(mask, fitted_size(mask.shape, MEASURED_SIDE))
    return mask, longest / max(mask.shape)


def _extents(mask, unit):
    rows, columns = _runs(mask), _runs(mask.T).T
    lengths, thickness = np.maximum(rows, columns), np.minimum(rows, columns)
    found = {}
    for i in set(np.unique(mask).tolist()) - {VOID}:
        inside = mask == i
        ends = (
            np.percentile(lengths[inside], 90),
            np.median(lengths[inside]),
            np.median(thickness[inside]),
        )
        found[i] = tuple(float(unit * x) for x in ends)
    return found


def _objects(mask, unit):
    """By id, the longer sides and the areas of connected parts.

    The parts are those of a graph of runs: runs of a class along neighboring
    rows are joined where they have a column in common.
    """
    width = mask.shape[1]
    ends = _ends(mask)
    lengths = np.diff(ends, prepend=-1)
    run = np.repeat(np.arange(len(ends)), lengths).reshape(mask.shape)
    same = mask[1:] == mask[:-1]
    upper, lower = run[:-1][same], run[1:][same]
    roots = np.arange(len(ends))
    while True:
        above, below = roots[upper], roots[lower]
        apart = above != below
        if not apart.any():
            break
        upper, lower = upper[apart], lower[apart]
        above, below = above[apart], below[apart]
        np.minimum.at(roots, np.maximum(above, below), np.minimum(above, below))
        while (roots[roots] != roots).any():
            roots = roots[roots]
    _, part = np.unique(roots, return_inverse=True)
    row, last = ends // width, ends % width
    sides = []
    for low, high in ((row, row), (last - lengths + 1, last)):
        least = np.full(part.max() + 1, mask.size)
        most = np.zeros_like(least)
        np.minimum.at(least, part, low)
        np.maximum.at(most, part, high)
        sides.append(most - least + 1)
    areas = np.bincount(part, lengths)
    found = np.stack([unit * np.maximum(*sides), unit**2 * areas])
    kinds = np.empty(len(areas), mask.dtype)
    kinds[part] = mask.ravel()[ends]
    return {int(i): found[:, kinds == i] for i in np.unique(kinds)}


def _runs(mask: NDArray) -> NDArray:
    """At each pixel, how long the run of its class is along the row."""
    lengths = np.diff(_ends(mask), prepend=-1)
    return np.repeat(lengths, lengths).reshape(mask.shape)


def _ends(mask):
    """The flat indices of the last pixels of runs along the rows."""
    ends = np.ones(mask.shape, bool)
    ends[:, :-1] = mask[:, 1:] != mask[:, :-1]
    return np.flatnonzero(ends.ravel())


def _percentiles(values, weights):
    """The rounded 10th and 90th percentile of values that count by weights."""
    order = np.argsort(values, kind="stable")
    shares = np.cumsum(np.asarray(weights)[order])
    places = np.searchsorted(shares, shares[-1] * np.array([0.1, 0.9]))
    low, high = np.rint(np.asarray(values)[order][places]).astype(int).tolist()
    return low, high
