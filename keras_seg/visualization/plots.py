"""Curves and confusion matrices, drawn by matplotlib if it is installed."""

import math
import pathlib
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from keras_seg.lazy import is_installed
from keras_seg.lazy import optional
from keras_seg.visualization.coloring import Picture
from keras_seg.visualization.fonts import plotted

__all__ = [
    "can_plot",
    "class_shares",
    "confusion",
    "curves",
    "reliability",
    "trimap_curve",
]

TRAINING, VALIDATION = "#0072B2", "#D55E00"  # blue and vermilion of Okabe-Ito
LONGEST = 1000  # points of a curve of a video


def can_plot() -> bool:
    """Whether `curves` and the like can draw: matplotlib is installed."""
    return is_installed("matplotlib")


def curves(
    rows: Sequence[Mapping],
    names: Sequence[str] = ("loss", "mean_iou"),
    best: int | None = None,
) -> Picture:
    """Draws a history: for each name one plot, training and validation.

    Args:
        rows: dictionaries, one for each epoch: `"epoch"`, and the values of
            `name` and `"val_" + name`. What is missing, not finite or an
            empty string leaves a gap.
        names: the names to draw; those that no row has are left out.
        best: optional int, the epoch to mark.

    Returns:
        uint8 array `(height, width, 3)`.

    Raises:
        ImportError: if matplotlib is not installed.
        ValueError: if there is no row, or nothing to draw.
    """
    known = [n for n in names if any(n in row for row in rows)]
    if not known:
        raise ValueError(
            "`rows` must have one of `names`. Received: "
            f"{len(rows)} rows, names={tuple(names)}"
        )
    figure = _figure(5.2 * len(known), 3.6)
    epochs = [int(row["epoch"]) for row in rows]
    for axes, name in zip(
        figure.subplots(1, len(known), squeeze=False)[0], known, strict=True
    ):
        _plot(axes, rows, epochs, name, best)
    return _rendered(figure)


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
    figure = _figure(5.2, 3.6)
    axes = figure.subplots()
    widths = sorted(bands)
    values = [bands[width].mean_iou for width in widths]
    axes.plot(widths, values, color=TRAINING, linewidth=1.8, marker="o")
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
    _style(axes)
    return _rendered(figure)


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
    figure = _figure(
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
            _in_font(label, path, size)
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
    return _rendered(figure)


def reliability(rows: Sequence[Mapping]) -> Picture:
    """Draws how often a network is right, against how sure it is.

    Bars on the diagonal are those of calibrated probabilities. Below them the
    share of the pixels in each bin.

    Args:
        rows: what `keras_seg.inference.Reliability.rows` returns.

    Returns:
        uint8 array `(height, width, 3)`.

    Raises:
        ImportError: if matplotlib is not installed.
    """
    figure = _figure(4.2, 4.8)
    upper, lower = figure.subplots(
        2, sharex=True, gridspec_kw={"height_ratios": [3, 1]}
    )
    left = [row["from"] for row in rows]
    width = rows[0]["to"] - rows[0]["from"]
    right = np.array([row["accuracy"] for row in rows])
    sure = np.array([row["confidence"] for row in rows])
    pixels = np.array([row["pixels"] for row in rows])
    bar = {"width": width, "align": "edge", "edgecolor": "white"}
    upper.bar(left, right, color=TRAINING, label="accuracy", **bar)
    upper.plot(sure, sure, "o", color=VALIDATION, ms=4, label="confidence")
    upper.plot([0, 1], [0, 1], color="0.5", linewidth=1, linestyle="--")
    upper.set(xlim=(0, 1), ylim=(0, 1), ylabel="accuracy")
    upper.set_title("reliability of the probabilities", fontsize=11)
    upper.legend(fontsize=9, frameon=False, loc="upper left")
    lower.bar(left, pixels / max(pixels.sum(), 1), color="0.6", **bar)
    lower.set(xlabel="largest probability", ylabel="share of pixels")
    _style(upper)
    _style(lower)
    return _rendered(figure)


def class_shares(
    seconds: ArrayLike,
    shares: ArrayLike,
    names: Sequence[str],
    colors: ArrayLike,
) -> Picture:
    """Draws the share of each class in the frames of a video over time.

    Classes that are in no frame are left out of the legend. Of more frames
    than `LONGEST`, equally many in a row are averaged.

    Args:
        seconds: floats `(frames,)`, the time of each frame.
        shares: floats `(frames, classes)`, each row adds up to 1.
        names: strings, one for each class.
        colors: array `(classes, 3)`, RGB in 0...255.

    Returns:
        uint8 array `(height, width, 3)`.

    Raises:
        ImportError: if matplotlib is not installed.
        ValueError: if there is no frame.
    """
    seconds, shares = np.asarray(seconds), np.asarray(shares)
    if not len(seconds):
        raise ValueError("`shares` must be of one frame or more. Received: 0")
    if len(seconds) == 1:  # An area has a width.
        seconds, shares = seconds + [0, 1], shares.repeat(2, axis=0)
    step = -(-len(seconds) // LONGEST)
    starts = np.arange(0, len(seconds), step)
    counts = np.diff(starts, append=len(seconds))
    shown = np.flatnonzero(shares.any(axis=0))
    parts = np.add.reduceat(shares[:, shown], starts) / counts[:, None]
    figure = _figure(8, 3.6)
    axes = figure.subplots()
    colors = np.asarray(colors)[shown] / 255
    times = np.add.reduceat(seconds, starts) / counts
    areas = axes.stackplot(
        times, parts.T, colors=colors, edgecolor="white", linewidth=0.3
    )
    axes.set(xlim=(times[0], times[-1]), ylim=(0, 1))
    axes.set(xlabel="time, seconds", ylabel="share of the pixels")
    axes.set_title("classes over time", fontsize=11)
    # From top to bottom, as the areas lie.
    texts = [plotted(names[i]) for i in shown.tolist()][::-1]
    key = figure.legend(
        areas[::-1],
        [text for text, _ in texts],
        loc="outside right upper",
        fontsize=9,
        frameon=False,
    )
    for label, (_, path) in zip(key.get_texts(), texts, strict=True):
        _in_font(label, path, 9)
    _style(axes)
    return _rendered(figure)


def _plot(
    axes: Any,
    rows: Sequence[Mapping],
    epochs: list[int],
    name: str,
    best: int | None,
) -> None:
    lines = (
        ("training", name, TRAINING),
        ("validation", f"val_{name}", VALIDATION),
    )
    for label, key, color in lines:
        values = [_number(row.get(key, "")) for row in rows]
        known = [value for value in values if not math.isnan(value)]
        if not known:
            continue
        axes.plot(
            epochs,
            values,
            color=color,
            linewidth=1.8,
            marker="o" if len(epochs) <= 30 else None,
            markersize=3.5,
            label=f"{label}: {known[-1]:.3g}",
        )
        if best in epochs and key.startswith("val_"):
            value = values[epochs.index(best)]
            axes.plot(
                best,
                value,
                marker="o",
                markersize=9,
                markerfacecolor="none",
                markeredgecolor=color,
                markeredgewidth=1.6,
                linestyle="none",
                label=f"best model, epoch {best}: {value:.3g}",
            )
    title = name.replace("_", " ").replace("iou", "IoU")
    axes.set_title(title, fontsize=11)
    axes.set_xlabel("epoch")
    axes.xaxis.get_major_locator().set_params(integer=True)
    if name.endswith("iou"):
        axes.set_ylim(0, 1)
    elif name == "loss":
        axes.set_ylim(bottom=0)
    _style(axes)
    axes.legend(fontsize=9, frameon=False)


def _number(value: Any) -> float:
    number = float(value) if value != "" else math.nan
    return number if math.isfinite(number) else math.nan


def _cell(percent: float) -> str:
    if percent < 0.5:
        return "·"
    return "99+" if 99.5 <= percent < 100 else f"{percent:.0f}"


def _share(share: float) -> str:
    if share == 0:
        return "none"
    return "<0.1 %" if share < 0.001 else f"{100 * share:.1f} %"


def _in_font(label: Any, path: str | None, size: float) -> None:
    """Sets the font of a text, see `plotted`."""
    label.set_parse_math(False)
    if path is not None:
        label.set_font_properties(pathlib.Path(path))
        label.set_fontsize(size)


def _style(axes: Any) -> None:
    axes.grid(color="0.9")
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _figure(width: float, height: float) -> Any:
    """A figure of so many inches that belongs to no window."""
    agg = optional("matplotlib.backends.backend_agg", "viz", "A plot")
    figures = optional("matplotlib.figure", "viz", "A plot")
    figure = figures.Figure((width, height), dpi=120, layout="constrained")
    agg.FigureCanvasAgg(figure)
    return figure


def _rendered(figure: Any) -> Picture:
    """The figure as a uint8 array `(height, width, 3)`."""
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3].copy()
