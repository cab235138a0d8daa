"""From a binary map to labelled regions."""

import numpy as np

from keras_seg.metrics.em.slices import as_stack

__all__ = ["label", "regions", "thin"]


def regions(interior):
    """Labels the cells of a map: pixels that share a side.

    Args:
        interior: bool or integer array `(h, w)`, or a stack `(n, h, w)`,
            where cell interior is not zero. Each slice is labelled for
            itself, from 1 on.

    Returns:
        int32 array of that shape, 0 where membrane is.

    Raises:
        ValueError: for another shape, or a map that is not binary.
        ImportError: if SciPy is missing.

    Example: a membrane of two pixels that touch by a corner separates

    >>> import numpy as np
    >>> from keras_seg.metrics import em
    >>> em.regions(np.array([[1, 0], [0, 1]])).tolist()
    [[1, 0], [0, 2]]
    """
    stack = _binary("interior", interior)
    labels = np.stack([label(interior) for interior in stack])
    return labels.reshape(np.shape(interior))


def thin(proposal):
    """Labels cells whose borders are thinned to one pixel.

    The cells grow over the membrane between them, by a watershed of the
    inverted map, until what is left are the lines where two of them meet. So
    a score says nothing of the width of the membranes. The cells of the map
    stay as they are, and no two become one. Membrane that ends within a cell
    disappears.

    The lines are those of scikit-image's watershed: where three floods meet,
    a pixel may belong to the line that has only one cell beside it, 1 of 500
    on real slices. A map without any cell is one region, as for a watershed.

    Args:
        proposal: bool or integer array `(h, w)`, or a stack `(n, h, w)`,
            where cell interior is not zero: `probability > threshold`.

    Returns:
        int32 array of that shape, 0 on the lines. Each slice is labelled for
        itself, from 1 on.

    Raises:
        ValueError: for another shape, or a map that is not binary.
        ImportError: if SciPy or scikit-image is missing.

    Example: a membrane of three pixels

    >>> import numpy as np
    >>> from keras_seg.metrics import em
    >>> em.thin(np.array([[1, 1, 0, 0, 0, 1]])).tolist()
    [[1, 1, 1, 0, 2, 2]]
    """
    stack = _binary("proposal", proposal)
    labels = np.stack([_flood(cells) for cells in regions(stack)])
    return labels.reshape(np.shape(proposal))


def label(mask, by_corners=False):
    """Labels the connected parts of one slice.

    Args:
        mask: bool array `(h, w)`.
        by_corners: bool, whether pixels that share a corner are connected.

    Returns:
        int32 array `(h, w)`, 0 outside of the mask, the parts from 1 on.
    """
    neighbours = np.ones((3, 3)) if by_corners else None
    return _ndimage().label(mask, neighbours)[0].astype(np.int32, copy=False)


def _flood(cells):
    if not cells.any():
        return np.ones_like(cells)
    return _watershed()(cells == 0, cells, connectivity=1, watershed_line=True)


def _binary(name, array):
    stack = as_stack(name, array)
    if stack.dtype.kind not in "biu":
        raise ValueError(
            f"`{name}` must be a binary map, bool or integer. Fix: "
            f"{name} > 0.5. Received: dtype {stack.dtype}"
        )
    return stack != 0


def _ndimage():
    try:
        from scipy import ndimage
    except ImportError as error:
        raise ImportError(
            "Metrics of electron microscopy need SciPy. Fix: "
            "pip install 'keras-seg[classical]'"
        ) from error
    return ndimage


def _watershed():
    try:
        from skimage.segmentation import watershed
    except ImportError as error:
        raise ImportError(
            "Thinning borders needs scikit-image. Fix: "
            "pip install 'keras-seg[classical]'"
        ) from error
    return watershed
