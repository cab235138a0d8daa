"""Matplotlib, if it is installed, without windows and global state."""

import importlib.util

import numpy as np

__all__ = ["INSTALL", "can_plot", "font_properties", "new_figure", "rendered"]

INSTALL = (
    "curves and confusion matrices are drawn by matplotlib, which is not "
    'installed. Fix: pip install "keras-seg[viz]".'
)


def can_plot():
    """Whether `curves` and `confusion` can draw: matplotlib is installed.

    Returns:
        bool.
    """
    return importlib.util.find_spec("matplotlib") is not None


def new_figure(width, height):
    """A figure of so many inches that belongs to no window."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(INSTALL[0].upper() + INSTALL[1:]) from error
    figure = Figure(figsize=(width, height), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def font_properties(path, size):
    """Matplotlib's description of a font file, at so many points."""
    from matplotlib.font_manager import FontProperties

    return FontProperties(fname=path, size=size)


def rendered(figure):
    """The figure as a uint8 array `(height, width, 3)`."""
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3].copy()
