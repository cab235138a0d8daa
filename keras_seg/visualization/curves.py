"""Loss and mean IoU, epoch by epoch."""

import math
from collections.abc import Mapping
from collections.abc import Sequence

from keras_seg.visualization.coloring import Picture
from keras_seg.visualization.plotting import new_figure
from keras_seg.visualization.plotting import rendered

__all__ = ["curves"]

TRAINING, VALIDATION = "#0072B2", "#D55E00"  # blue and vermilion of Okabe-Ito


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
    figure = new_figure(5.2 * len(known), 3.6)
    epochs = [int(row["epoch"]) for row in rows]
    for axes, name in zip(
        figure.subplots(1, len(known), squeeze=False)[0], known, strict=True
    ):
        _plot(axes, rows, epochs, name, best)
    return rendered(figure)


def _plot(axes, rows, epochs, name, best):
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
            axes.plot(
                best,
                values[epochs.index(best)],
                marker="o",
                markersize=9,
                markerfacecolor="none",
                markeredgecolor=color,
                markeredgewidth=1.6,
                linestyle="none",
                label=f"best model, epoch {best}: "
                f"{values[epochs.index(best)]:.3g}",
            )
    title = name.replace("_", " ").replace("iou", "IoU")
    axes.set_title(title, fontsize=11)
    axes.set_xlabel("epoch")
    axes.xaxis.get_major_locator().set_params(integer=True)
    if name.endswith("iou"):
        axes.set_ylim(0, 1)
    elif name == "loss":
        axes.set_ylim(bottom=0)
    axes.grid(color="0.9")
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.legend(fontsize=9, frameon=False)


def _number(value):
    number = float(value) if value != "" else math.nan
    return number if math.isfinite(number) else math.nan
