"""The warping error: what is wrong beyond the place of the borders."""

import numpy as np

from keras_seg.metrics.em.regions import label
from keras_seg.metrics.em.simple_points import NEIGHBOURS
from keras_seg.metrics.em.simple_points import PARTS
from keras_seg.metrics.em.simple_points import SIMPLE
from keras_seg.metrics.em.simple_points import neighbourhoods
from keras_seg.metrics.em.slices import check_maps
from keras_seg.metrics.em.slices import check_thresholds

__all__ = ["splits_and_mergers", "warp", "warping_error"]

KINDS = ("mismatches", "splits_and_mergers", "clusters")


def warping_error(truth, probability, thresholds=None, kind="mismatches"):
    """Computes the pixels that cannot be made right by moving borders.

    The truth is warped towards the thresholded map: its pixels are flipped
    one by one, as long as that neither splits, merges, makes nor removes a
    cell or a hole. Those whose probability is the farthest from the threshold
    come first. What still differs in the end is a mistake of topology, and
    its share of the pixels is the error: the mean over the slices, the
    smallest over the thresholds.

    No pixel that is right is flipped on the way, so that a membrane which is
    elsewhere by more than its own width stays a mistake. Reference:

    - [Boundary Learning by Optimization with Topological Constraints](
      https://doi.org/10.1109/CVPR.2010.5539950)

    What is counted:

    - `"mismatches"`: each pixel that still differs.
    - `"splits_and_mergers"`: of those, each pixel that would merge two cells
      or split one. This is the kind that the challenge listed, where U-Net
      had 0.000353. Whether a cell is split is looked up in the whole slice;
      Fiji's script looks 20 pixels around, where a ring that is opened
      farther off seems to be split.
    - `"clusters"`: the same, but pixels that touch are one mistake: a gap of
      15 pixels in a membrane counts 1, not 15.

    Args:
        truth: array `(h, w)` or `(n, h, w)`, not zero where cell interior is.
        probability: array of that shape, that of **cell interior**, in 0...1.
            Fix, for that of membrane: `1 - probability`.
        thresholds: floats in 0...1. Interior is what is above. Defaults to
            0, 0.1, ..., 0.9.
        kind: str, see above.

    Returns:
        float.

    Raises:
        ValueError: for other shapes, NaN, values outside 0...1, or another
            kind.
        ImportError: if SciPy is missing, but for `"mismatches"`.

    Example: a membrane a pixel aside is no mistake, a gap in it is one

    >>> import numpy as np
    >>> from keras_seg.metrics import em
    >>> truth, moved, broken = np.ones((3, 5, 10))
    >>> truth[:, 4] = moved[:, 5] = broken[2:, 4] = 0
    >>> em.warping_error(truth, moved), em.warping_error(truth, broken)
    (0.0, 0.04)
    """
    if kind not in KINDS:
        raise ValueError(
            f"`kind` must be one of {KINDS}. Received: kind={kind!r}"
        )
    truth, probability = check_maps(truth, probability)
    pixels = [
        sum(
            _count(kind, *warp(mask, chances, level))
            for mask, chances in zip(truth, probability, strict=True)
        )
        for level in check_thresholds(thresholds)
    ]
    return float(min(pixels) / truth.size)


def warp(truth, probability, threshold):
    """Warps the truth of one slice towards a thresholded map.

    Args:
        truth: bool array `(h, w)`, True in cells.
        probability: float64 array of that shape, of cell interior.
        threshold: float. Interior is what is above.

    Returns:
        Tuple of bool arrays `(h, w)`: the warped truth, and where it still
        differs from the map.
    """
    target = probability > threshold
    # Beyond the frame is membrane, so that no border needs a special case.
    codes = np.pad(neighbourhoods(truth), 1)
    width = codes.shape[1]
    # Equals stay in the order of columns.
    x, y = np.nonzero((truth != target).T)
    far = np.abs(probability[y, x] - threshold).astype(np.float32)
    order = np.argsort(-far, kind="stable")
    left = ((y[order] + 1) * width + x[order] + 1).tolist()
    left = _flip(bytearray(codes.tobytes()), left, width)
    differs = np.zeros(codes.shape, bool)
    differs.reshape(-1)[left] = True
    differs = differs[1:-1, 1:-1]
    return target ^ differs, differs


def _flip(codes, pixels, width):
    """Flips pixels while one is simple, and gives those that are not."""
    # A flip changes the bit of the opposite place in each neighbour's code.
    steps = [
        (y * width + x, 1 << (place + 4) % 8)
        for place, (y, x) in enumerate(NEIGHBOURS)
    ]
    while True:
        left = []
        for pixel in pixels:
            if SIMPLE[codes[pixel]]:
                for step, bit in steps:
                    codes[pixel + step] ^= bit
            else:
                left.append(pixel)
        if len(left) == len(pixels):
            return left
        pixels = left


def _count(kind, warped, differs):
    if kind == "mismatches":
        return differs.sum()
    splits, mergers = splits_and_mergers(warped, differs)
    if kind == "splits_and_mergers":
        return splits.sum() + mergers.sum()
    return label(splits).max() + label(mergers, by_corners=True).max()


def splits_and_mergers(warped, differs):
    """Finds which of the pixels that differ split a cell, or merge two.

    A pixel of the warped truth's membrane merges cells if two of them are
    among its 8 neighbours. One of a cell splits it if two cells are there, or
    would be without it.

    Args:
        warped: bool array `(h, w)`, True in cells.
        differs: bool array of that shape, from `warp`.

    Returns:
        Tuple of bool arrays `(h, w)`: splits and mergers.

    Raises:
        ImportError: if SciPy is missing.
    """
    padded = np.pad(warped, 1)
    cells = _count_around(label(padded), differs)
    # Without the pixel, the parts of the cell around it hang together where
    # the gaps between them are different holes: where two gaps are one, it
    # goes around a part.
    gaps = _count_around(label(~padded, by_corners=True), differs)
    cut = PARTS[neighbourhoods(warped)[differs]] > gaps
    splits, mergers = np.zeros((2, *warped.shape), bool)
    splits[differs] = warped[differs] & ((cells > 1) | cut)
    mergers[differs] = ~warped[differs] & (cells > 1)
    return splits, mergers


def _count_around(labels, differs):
    """The number of labels but 0 among the 8 neighbours of each pixel."""
    y, x = np.nonzero(differs)
    around = np.stack([labels[y + 1 + i, x + 1 + j] for i, j in NEIGHBOURS])
    around.sort(axis=0)
    new = np.diff(around, axis=0, prepend=0) > 0
    return new.sum(axis=0)
