"""The classes of a data set: names, colors, and the ids that mean void."""

import csv
import dataclasses

import numpy as np

from keras_seg.data.class_files import read_rows
from keras_seg.data.errors import DataError
from keras_seg.data.text import listing

__all__ = ["MAX_CLASSES", "VOID", "ClassTable", "voc_colormap"]

VOID = 255
MAX_CLASSES = 255  # ids 0..254 in one byte, beside void


def voc_colormap(n):
    """The colors of PASCAL VOC: the bits of the id, dealt to R, G and B.

    Args:
        n: int, number of colors, at most 256.

    Returns:
        uint8 array `(n, 3)`.

    Example:

    >>> from keras_seg.data import voc_colormap
    >>> voc_colormap(4).tolist()
    [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0]]
    """
    if not 0 <= n <= 256:
        raise ValueError(f"`n` must be in 0..256. Received: n={n}")
    ids = np.arange(n)
    colors = np.zeros((n, 3), dtype="uint8")
    for bit in range(8):
        for channel in range(3):
            on = (ids >> (3 * bit + channel)) & 1
            colors[:, channel] |= (on << (7 - bit)).astype("uint8")
    return colors


@dataclasses.dataclass(frozen=True)
class ClassTable:
    """Names and colors of the classes 0..C-1, and the ids that mean void.

    255 always means void; `void_ids` says which other ids do as well. At most
    255 classes fit beside it.

    Args:
        names: tuple of str, one for each class.
        colors: tuple of (red, green, blue), 0..255, one for each class.
        void_ids: frozenset of int, ids in masks that mean void.
        void_colors: tuple of (id, (red, green, blue)), the colors that void
            ids have in masks coded as colors.
        colors_given: bool, whether the colors are the data set's own, so
            that masks may be coded in them; `False` where VOC's stand in.

    Example:

    >>> from keras_seg.data import ClassTable
    >>> table = ClassTable.default(3)
    >>> len(table), table.names[1], table.colors[1]
    (3, 'class 1', (128, 0, 0))
    """

    names: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]
    void_ids: frozenset[int] = frozenset({VOID})
    # What follows is how masks may be written, no part of what a class is.
    void_colors: tuple[tuple[int, tuple[int, int, int]], ...] = (
        dataclasses.field(default=(), compare=False)
    )
    colors_given: bool = dataclasses.field(default=True, compare=False)

    def __post_init__(self):
        if not 1 <= len(self.names) <= MAX_CLASSES:
            raise ValueError(
                f"A class table has 1..{MAX_CLASSES} classes; id {VOID} is "
                f"void. Received: {len(self.names)} classes"
            )
        if len(self.colors) != len(self.names):
            raise ValueError(
                "`colors` must have one color for each name. Received: "
                f"{len(self.colors)} colors, {len(self.names)} names"
            )
        overlap = sorted(i for i in self.void_ids if 0 <= i < len(self))
        if overlap or min(self.void_ids, default=0) < 0:
            raise ValueError(
                f"`void_ids` must lie outside the classes 0..{len(self) - 1} "
                f"and not be negative. Received: {sorted(self.void_ids)}"
            )

    def __len__(self):
        return len(self.names)

    @classmethod
    def default(cls, n):
        """`n` classes named "class 0", "class 1", … in VOC's colors."""
        if not 1 <= n <= MAX_CLASSES:
            raise ValueError(
                f"A class table has 1..{MAX_CLASSES} classes; id {VOID} is "
                f"void. Received: {n} classes"
            )
        return cls(
            names=tuple(f"class {i}" for i in range(n)),
            colors=tuple(_voc_color(i) for i in range(n)),
            colors_given=False,
        )

    @classmethod
    def read(cls, path):
        """Read `classes.csv` or `classes.yaml`.

        The columns of CSV are id, name and maybe r, g, b and role. YAML is
        one of `{names: [...]}`, `{0: name, 1: name, ...}`, or a list of
        `{id: , name: , color: [r, g, b], role: }`. The role "ignore" or
        "void" marks an id as void; every other row is a class. A class
        without a color gets VOC's.

        Args:
            path: str or path of the file.

        Returns:
            A `ClassTable`.

        Raises:
            DataError: a column is missing, a value is not an integer, an id
                comes twice, or the ids are not 0..C-1.
        """
        rows = read_rows(path)
        void_ids = frozenset(i for i, row in rows.items() if row[2])
        ids = sorted(set(rows) - void_ids)
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
                    + _mapping(ids, void_ids)
                ),
            )
        return cls(
            names=tuple(rows[i][0] for i in ids),
            colors=tuple(rows[i][1] or _voc_color(i) for i in ids),
            void_ids=void_ids,
            void_colors=tuple(
                (i, rows[i][1]) for i in sorted(void_ids) if rows[i][1]
            ),
            colors_given=all(rows[i][1] for i in ids),
        )

    def write(self, path):
        """Write the table as `classes.csv`, which `read` takes back."""
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["id", "name", "r", "g", "b", "role"])
            for i, (name, color) in enumerate(
                zip(self.names, self.colors, strict=True)
            ):
                writer.writerow([i, name, *color, "class"])
            void_colors: dict = dict(self.void_colors)
            for i in sorted(self.void_ids):
                color = void_colors.get(i, ("", "", ""))
                writer.writerow([i, "void", *color, "void"])


def _voc_color(i):
    color = voc_colormap(256)[i % 256]
    return (int(color[0]), int(color[1]), int(color[2]))


def _mapping(ids, void_ids):
    """How masks can be read that keep their ids, as Python has it."""
    if not 1 <= len(ids) <= MAX_CLASSES:
        return ""
    values = {i: VOID for i in void_ids} | {
        old: new for new, old in enumerate(ids)
    }
    pairs = [f"{i}: {values[i]}" for i in sorted(values)]
    pairs = [*pairs[:4], "..."] if len(pairs) > 4 else pairs
    return f", or read them with mask_values={{{', '.join(pairs)}}}"
