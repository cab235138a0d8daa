"""Pairs shrunk to a longest side, and the side that a network needs."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_seg.arguments import check_positive
from keras_seg.arguments import fitted_size
from keras_seg.data.augment.scaling import resize_image
from keras_seg.data.augment.scaling import resize_mask
from keras_seg.data.classes import VOID

__all__ = ["Shrunk", "suggest_longest_side"]


class Shrunk(Sequence):
    """Pairs of another data set, the large ones shrunk.

    Images are shrunk as by `keras_seg.layers.ShrinkToFit`, but rounded: uint8
    values differ by 1.5 at most. Masks are shrunk by nearest neighbor.

    Args:
        data: `Folder`, or any sequence of `(image, mask)`.
        longest_side: int, pixels of the longer side at most.

    Example:

    >>> import numpy as np
    >>> pair = np.zeros((60, 80, 3), "uint8"), np.zeros((60, 80), "uint8")
    >>> image, mask = Shrunk([pair], 40)[0]
    >>> image.shape, mask.shape
    ((30, 40, 3), (30, 40))
    """

    def __init__(self, data: Any, longest_side: int):
        check_positive(longest_side=longest_side)
        self.data, self.longest_side = data, longest_side
        self.pairs = getattr(data, "pairs", None)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: Any) -> Any:
        image, mask = self.data[index]
        size = fitted_size(mask.shape, self.longest_side)
        if size == mask.shape:
            return image, mask
        return resize_image(image, size), resize_mask(mask, size)

    def size(self, index: int) -> tuple[int, int]:
        """Height and width of a pair."""
        size = getattr(self.data, "size", None)
        given = size(index) if size else self.data[index][1].shape
        return fitted_size([int(n) for n in given], self.longest_side)


# At the size that is suggested, objects are at most 1.5 crops of 256 pixels,
# at least 24 pixels long and 3 thick, and images at least 512 pixels long.
LARGEST, SHORTEST, THINNEST, SMALLEST_SIDE = 384, 24, 3, 512
# Files that are measured at most, and the side they are measured at.
MEASURED, MEASURED_SIDE = 40, 1024


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
    known = getattr(data, "size", None) or (lambda i: data[i][1].shape)
    side = int(np.median([max(known(i)) for i in range(len(data))]))
    if side < 2 * SMALLEST_SIDE:
        return None
    step = max(1, len(data) // MEASURED)
    found: dict[int, list[tuple[float, ...]]] = {}
    for index in range(0, len(data), step)[:MEASURED]:
        mask = np.asarray(data[index][1])
        longest = max(mask.shape)
        mask = resize_mask(mask, fitted_size(mask.shape, MEASURED_SIDE))
        unit = longest / max(mask.shape)
        rows, columns = _runs(mask), _runs(mask.T).T
        lengths, thickness = (
            np.maximum(rows, columns),
            np.minimum(rows, columns),
        )
        for i in set(np.unique(mask).tolist()) - {VOID}:
            inside = mask == i
            ends = (
                np.percentile(lengths[inside], 90),
                np.median(lengths[inside]),
                np.median(thickness[inside]),
            )
            found.setdefault(i, []).append(tuple(unit * x for x in ends))
    if not found:  # Nothing but void.
        return None
    sizes = np.array([np.median(ends, axis=0) for ends in found.values()])
    largest = float(sizes[:, 0].max())
    shortest, thinnest = map(float, sizes[:, 1:].min(axis=0))
    wanted = max(
        SMALLEST_SIDE,
        side * LARGEST / largest,
        side * SHORTEST / shortest,
        side * THINNEST / thinnest,
    )
    wanted = -(-int(wanted) // 32) * 32
    return wanted if wanted <= side / 2 else None


def _runs(mask: NDArray) -> NDArray:
    """At each pixel, how long the run of its class is along the row."""
    ends = np.ones(mask.shape, bool)
    ends[:, :-1] = mask[:, 1:] != mask[:, :-1]
    lengths = np.diff(np.flatnonzero(ends.ravel()), prepend=-1)
    return np.repeat(lengths, lengths).reshape(mask.shape)
