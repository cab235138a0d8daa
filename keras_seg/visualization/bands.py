"""Scores along the boundaries of objects, as a curve."""

from collections.abc import Mapping

import numpy as np

from keras_seg.visualization.coloring import Picture
from keras_seg.visualization.plotting import new_figure
from keras_seg.visualization.plotting import rendered

__all__ = ["trimap_curve"]


def trimap_curve(bands: Mapping) -> Picture:
    """Draws the mean IoU in bands along the boundaries against their width.

    What DeepLab v1 shows of its CRF: where the curve falls towards narrow
    bands, objects are found and their outline is not.

    Args:
        bands: what `keras_seg.metrics.trimap` returns.

    Returns:
        uint8 array `(height, width, 3)`.

    Raises:
        ImportError: if matplotlib is not installed.
        ValueError: if there is no band.
    """
    if not bands:
        raise ValueError("`bands` must have one width. Received: none")
    figure = new_figure(5.2, 3.6)
    axes = figure.subplots()
    widths = sorted(bands)
    values = [bands[width].mean_iou for width in widths]
    axes.plot(widths, values, color="#0072B2", linewidth=1.8, marker="o")
    for width, value in zip(widths, values, strict=True):
        if np.isfinite(value):
            axes.annotate(
                f"{value:.3f}",
                (width, value),
                xytext=(0, 6),
                textcoords="offset points",
                ha="center",
                fontsize=8,
            )
    axes.set_xscale("log")
    axes.set_xticks(widths, [str(width) for width in widths])
    axes.minorticks_off()
    axes.set_ylim(0, 1)
    axes.set_xlabel("width of the band, pixels")
    axes.set_title("mean IoU along the boundaries", fontsize=11)
    axes.grid(color="0.9")
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return rendered(figure)
