"""`ClassTable`: names, colors and void ids, read from CSV and YAML."""

import csv
import dataclasses
import itertools
import os
import pathlib
from typing import Any
from typing import Self

import numpy as np
from numpy.typing import NDArray

from keras_seg.data.class_files import rows_of_csv
from keras_seg.data.class_files import rows_of_yaml
from keras_seg.data.errors import DataError
from keras_seg.data.text import json_integer
from keras_seg.data.text import json_text
from keras_seg.data.text import listing

__all__ = [
    "ClassTable",
    "MAX_CLASSES",
    "VOID",
    "voc_colormap",
]

VOID = 255
MAX_CLASSES = 255  # ids 0..254 in one byte, beside void


def voc_colormap(n: int) -> NDArray[np.uint8]:
    """The first `n` colors of PASCAL VOC, a uint8 array `(n, 3)`.

    Bits 0, 3 and 6 of an id are the highest bits of red, bits 1, 4 and 7
    those of green, bits 2 and 5 those of blue.

    Args:
        n: int, at most 256.

    Example:

    >>> from keras_seg.data import voc_colormap
    >>> voc_colormap(4).tolist()
    [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0]]
    """
    if not 0 <= n <= 256:
        raise ValueError(f"`n` must be in 0..256. Received: n={n}")
    bits = np.arange(n)[:, None, None] >> np.arange(24).reshape(8, 3) & 1
    return np.packbits(bits.astype("uint8"), axis=1)[:, 0]


@dataclasses.dataclass(frozen=True)
class ClassTable:
    """Names and colors of the classes 0..C-1, and the ids that mean void.

    Args:
        names: tuple of str, one for each class; at most 255.
        colors: tuple of (red, green, blue), 0..255, one for each class.
        ignore_classes: frozenset of int, ids in masks that mean void besides
            255, which always does.
        ignore_colors: tuple of (id, (red, green, blue)), the colors of void ids
            in masks that code classes as colors.
        colors_given: bool, whether masks may code classes in these colors;
            `False` if they are VOC's, for want of others.

    Example:

    >>> from keras_seg.data import ClassTable
    >>> table = ClassTable.default(3)
    >>> len(table), table.names[1], table.colors[1]
    (3, 'class 1', (128, 0, 0))
    """

    names: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]
    ignore_classes: frozenset[int] = frozenset({VOID})
    # Not compared: they say how masks may be written, not what a class is.
    ignore_colors: tuple[tuple[int, tuple[int, int, int]], ...] = (
        dataclasses.field(default=(), compare=False)
    )
    colors_given: bool = dataclasses.field(default=True, compare=False)

    def __post_init__(self):
        _check_count(len(self.names))
        if len(self.colors) != len(self.names):
            raise ValueError(
                "`colors` must have one color for each name. Received: "
                f"{len(self.colors)} colors, {len(self.names)} names"
            )
        overlap = sorted(i for i in self.ignore_classes if 0 <= i < len(self))
        if overlap or min(self.ignore_classes, default=0) < 0:
            raise ValueError(
                "`ignore_classes` must lie outside the classes "
                f"0..{len(self) - 1} and not be negative. "
                f"Received: {sorted(self.ignore_classes)}"
            )

    def __len__(self) -> int:
        return len(self.names)

    @classmethod
    def default(cls, n: int) -> Self:
        """`n` classes named "class 0", "class 1", … in VOC's colors."""
        _check_count(n)
        return cls(
            names=tuple(f"class {i}" for i in range(n)),
            colors=tuple(_voc_color(i) for i in range(n)),
            colors_given=False,
        )

    @classmethod
    def read(cls, path: str | os.PathLike) -> Self:
        """Read `classes.csv` or `classes.yaml`.

        A CSV file has the columns id and name, and optionally r, g, b and
        role. A YAML file is `{names: [...]}`, `{0: name, 1: name, ...}`, or a
        list of `{id: , name: , color: [r, g, b], role: }`. The role "ignore"
        or "void" marks an id as void; every other row is a class. A class
        without a color gets VOC's.

        Args:
            path: str or path of the file.

        Raises:
            DataError: If a column is missing, a value is not an integer, an
                id comes twice, or the ids are not 0..C-1.
        """
        path = pathlib.Path(path)
        is_yaml = path.suffix.lower() in (".yaml", ".yml")
        rows = rows_of_yaml(path) if is_yaml else rows_of_csv(path)
        ignore_classes = frozenset(i for i, row in rows.items() if row[2])
        ids = sorted(set(rows) - ignore_classes)
        if ids != list(range(len(ids))) or not 1 <= len(ids) <= MAX_CLASSES:
            raise DataError(
                "KS-D011",
                path,
                f"has the class ids {listing(ids)}",
                f"ids must be 0..C-1 without a gap, C at most {MAX_CLASSES}",
                guess=(
                    "These look like the values of black-and-white masks."
                    if ids == [0, VOID]
                    else None
                ),
                fix=(
                    "number the classes from 0, give void ids the role "
                    "'void', and renumber the masks too"
                    + _mapping(ids, ignore_classes)
                ),
            )
        return cls(
            names=tuple(rows[i][0] for i in ids),
            colors=tuple(rows[i][1] or _voc_color(i) for i in ids),
            ignore_classes=ignore_classes,
            ignore_colors=tuple(
                (i, rows[i][1]) for i in sorted(ignore_classes) if rows[i][1]
            ),
            colors_given=all(rows[i][1] for i in ids),
        )

    def write(self, path: str | os.PathLike) -> None:
        """Write the table as `classes.csv`, which `read` takes back."""
        rows: list = [("id", "name", "r", "g", "b", "role")]
        for i, name in enumerate(self.names):
            rows.append((i, name, *self.colors[i], "class"))
        ignore_colors: dict = dict(self.ignore_colors)
        for i in sorted(self.ignore_classes):
            color = ignore_colors.get(i, ("", "", ""))
            rows.append((i, "void", *color, "void"))
        with open(path, "w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)

    def to_dict(self) -> dict[str, Any]:
        """What JSON can hold of it: names, colors and ids that mean void."""
        rows = zip(self.names, self.colors, strict=True)
        return {
            "classes": [
                {"id": i, "name": name, "color": list(color)}
                for i, (name, color) in enumerate(rows)
            ],
            "void_ids": sorted(self.ignore_classes),
        }

    @classmethod
    def from_dict(cls, known: dict[str, Any]) -> Self:
        """The table that `to_dict` wrote.

        Raises:
            KeyError, TypeError, ValueError: if it is not what `to_dict` writes.
        """
        return cls(
            names=tuple(json_text(row["name"]) for row in known["classes"]),
            colors=tuple(
                _red_green_blue(row["color"]) for row in known["classes"]
            ),
            ignore_classes=frozenset(
                json_integer(i, 1 << 31) for i in known["void_ids"]
            ),
        )


def _check_count(count):
    if not 1 <= count <= MAX_CLASSES:
        raise ValueError(
            f"A class table has 1..{MAX_CLASSES} classes; id {VOID} is "
            f"void. Received: {count} classes"
        )


def _voc_color(i):
    red, green, blue = voc_colormap(256)[i % 256].tolist()
    return red, green, blue


def _mapping(ids, ignore_classes):
    """The `mask_values` that read masks which keep their ids."""
    if not 1 <= len(ids) <= MAX_CLASSES:
        return ""
    values = dict.fromkeys(ignore_classes, VOID) | dict(
        zip(ids, itertools.count())
    )
    pairs = [f"{i}: {values[i]}" for i in sorted(values)]
    pairs = [*pairs[:4], "..."] if len(pairs) > 4 else pairs
    return f", or read them with mask_values={{{', '.join(pairs)}}}"


def _red_green_blue(values):
    red, green, blue = (json_integer(value, 255) for value in values)
    return red, green, blue
