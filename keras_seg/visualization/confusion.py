"""Which class was taken for which, as a picture."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from keras_seg.visualization.coloring import Picture
from keras_seg.visualization.fonts import plotted
from keras_seg.visualization.plotting import font_properties
from keras_seg.visualization.plotting import new_figure
from keras_seg.visualization.plotting import rendered

__all__ = ["confusion"]


def confusion(matrix: ArrayLike, names: Sequence[str]) -> Picture:
    """Draws a confusion matrix, every row in percent of its truth.

    On the diagonal is the recall of each class. Behind the name of a row is
    the share of its class in the truth; the row of a class that is not there
    stays empty.

    Args:
        matrix: integer array `(classes, classes)`, rows are the truth.
        names: strings, one for each class.

    Returns:
        uint8 array `(height, width, 3)`.

    Raises:
        ImportError: if matplotlib is not installed.
        ValueError: if the matrix is not square, or has other names.
    """
    texts_of = [plotted(name) for name in names]
    names = [text for text, _ in texts_of]
    counts = np.asarray(matrix)
    count = len(names)
    if counts.shape != (count, count) or (counts < 0).any():
        raise ValueError(
            "`matrix` must hold counts, a row and a column for each name. "
            f"Received: shape {counts.shape}, {count} names"
        )
    truth = counts.sum(axis=1)
    shares = truth / max(1, truth.sum())
    percent = np.full(counts.shape, np.nan)
    there = truth > 0
    percent[there] = 100 * counts[there] / truth[there, None]
    rows = [
        f"{name}  {_share(share)}"
        for name, share in zip(names, shares, strict=True)
    ]
    size = 7 if count > 14 else 9
    cell = min(0.7, max(0.36, 5.0 / count))
    letter = size / 110  # inches
    left, below = (letter * max(map(len, texts)) for texts in (rows, names))
    figure = new_figure(
        1.6 + left + cell * count, max(2.8, 0.8 + below + cell * count)
    )
    axes = figure.subplots()
    image = axes.imshow(percent, cmap="Blues", vmin=0, vmax=100)
    ticks = range(count)
    axes.set_xticks(ticks, names, rotation=90, fontsize=size)
    axes.set_yticks(ticks, rows, fontsize=size)
    for axis in (axes.xaxis, axes.yaxis):
        for label, (_, path) in zip(
            axis.get_ticklabels(), texts_of, strict=True
        ):
            label.set_parse_math(False)
            if path is not None:
                label.set_font_properties(font_properties(path, size))
    axes.set_xticks(np.arange(count + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(count + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="0.85", linewidth=0.6)
    axes.tick_params(which="both", length=0)
    axes.set_facecolor("0.96")
    axes.set_xlabel("prediction")
    axes.set_ylabel("truth and its share")
    for i, j in np.argwhere(counts > 0) if count <= 40 else ():
        axes.text(
            j,
            i,
            _cell(percent[i, j]),
            ha="center",
            va="center",
            fontsize=size,
            color="white" if percent[i, j] > 55 else "0.15",
        )
    bar = figure.colorbar(image, ax=axes, fraction=0.04, pad=0.03)
    bar.set_label("% of the truth's pixels", fontsize=size)
    bar.ax.tick_params(labelsize=size)
    bar.outline.set_visible(False)
    return rendered(figure)


def _cell(percent):
    if percent < 0.5:
        return "·"
    return "99+" if 99.5 <= percent < 100 else f"{percent:.0f}"


def _share(share):
    if share == 0:
        return "none"
    return "<0.1 %" if share < 0.001 else f"{100 * share:.1f} %"
