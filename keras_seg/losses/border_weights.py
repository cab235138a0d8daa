"""U-Net's weights of pixels, large in the gaps between cells."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from numpy.typing import NDArray

from keras_seg.lazy import optional
from keras_seg.losses.class_weights import standardize_class_weights

__all__ = ["border_weights"]

# A term below this is lost beside any other in float32.
NEGLIGIBLE = 1e-8


def border_weights(
    mask: ArrayLike,
    w0: float = 10.0,
    sigma: float = 5.0,
    class_weights: Sequence[float] | dict[int, float] | None = None,
    cell: int = 1,
    ignore_class: int | None = 255,
) -> NDArray[np.float32]:
    """Weighs the pixels of a mask as U-Net does, so that cells are separated.

    ```
    w(x) = w_c(x) + w0 · exp(-(d1(x) + d2(x))² / (2·sigma²))
    ```

    `d1` and `d2` are the distances of a pixel outside the cells to the
    nearest and the second nearest cell, 1 for a pixel beside one. A cell is a
    connected part of the class `cell`: pixels that share a side. Within the
    cells, and where there are fewer than two, the second term is 0. Reference:

    - [U-Net](https://arxiv.org/abs/1505.04597)

    Give it to `keras_seg.data.Batches(pixel_weights=border_weights)`, or give
    `fit` what it returns as `sample_weight`.

    Args:
        mask: integer array `(height, width)` or `(height, width, 1)`.
        w0: float of at least 0. Defaults to 10, the paper's.
        sigma: float above 0, in pixels. Defaults to 5, the paper's.
        class_weights: `w_c`, which balances the classes: weights by id, see
            `keras_seg.losses.class_weights`. Defaults to None, all 1.
        cell: int, the class of the cells. Defaults to 1.
        ignore_class: int, void pixels, whose weight is 0, or None. Defaults
            to 255.

    Returns:
        A float32 array `(height, width)`.

    Raises:
        ValueError: If an argument is out of range. The message names it.
        ImportError: If SciPy is missing.

    Example: two cells, one pixel apart

    >>> import numpy as np
    >>> weights = border_weights(np.array([[1, 0, 1]]))
    >>> [round(float(w), 3) for w in weights[0]]  # 1 + 10·exp(-2²/50)
    [1.0, 10.231, 1.0]
    """
    mask = np.asarray(mask)
    if mask.ndim == 3 and mask.shape[-1] == 1:
        mask = mask[..., 0]
    if mask.ndim != 2 or not np.issubdtype(mask.dtype, np.integer):
        raise ValueError(
            "`mask` must be an integer array (height, width). "
            f"Received: shape {mask.shape}, dtype {mask.dtype}"
        )
    if not (w0 >= 0 and sigma > 0):
        raise ValueError(
            "`w0` must be at least 0 and `sigma` above 0. "
            f"Received: {w0=}, {sigma=}"
        )
    first, second = _distances(mask == cell, _reach(w0, sigma))
    gaps = w0 * np.exp(-((first + second) ** 2) / (2 * sigma**2))
    gaps[mask == cell] = 0
    weights = _of_classes(mask, class_weights) + gaps
    if ignore_class is not None:
        weights[mask == ignore_class] = 0
    return weights.astype("float32")


def _reach(w0: float, sigma: float) -> int:
    """Returns the distance beyond which the second term is negligible."""
    excess = max(w0 / NEGLIGIBLE, 1.0)
    return int(np.ceil(sigma * np.sqrt(2 * np.log(excess)))) + 1


def _distances(cells: NDArray[np.bool_], reach: int) -> tuple[NDArray, NDArray]:
    """Returns the distances to the nearest and to the second nearest cell.

    They are infinite beyond `reach`: each cell is measured in its surroundings
    only, so that the cost grows with the area of the cells, not with their
    number times the size of the image.
    """
    ndimage = optional("scipy.ndimage", "classical", "`border_weights`")
    labels, _ = ndimage.label(cells)
    first = np.full(cells.shape, np.inf)
    second = np.full(cells.shape, np.inf)
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        around = tuple(
            slice(max(side.start - reach, 0), side.stop + reach) for side in box
        )
        distance = ndimage.distance_transform_edt(labels[around] != number)
        nearer = np.minimum(first[around], distance)
        farther = np.maximum(first[around], distance)
        second[around] = np.minimum(second[around], farther)
        first[around] = nearer
    return first, second


def _of_classes(mask: NDArray, class_weights: Any) -> NDArray:
    weights = standardize_class_weights(class_weights)
    result = np.ones(mask.shape)
    if weights is None:
        return result
    pairs = weights.items() if isinstance(weights, dict) else enumerate(weights)
    for index, weight in pairs:
        result[mask == index] = weight
    return result
