"""`ColorCode`: ids of masks from their colors; palettes are compared."""

import dataclasses

import numpy as np

from keras_seg import words
from keras_seg.data.classes import VOID
from keras_seg.data.classes import ClassTable
from keras_seg.data.errors import DataError
from keras_seg.data.ids import ids_of_mask

__all__ = ["ColorCode", "color_code", "compare_colors", "palette_colors"]


@dataclasses.dataclass(frozen=True)
class ColorCode:
    """A mapping from colors to ids, decoded exactly.

    A color is one number of 24 bits, which is searched in a sorted list.

    Args:
        ids: tuple of int.
        names: tuple of str, the name of each id, for errors.
        colors: tuple of (red, green, blue), 0..255, the color of each id.

    Example:

    >>> import numpy as np
    >>> from keras_seg.data.mask_colors import ColorCode
    >>> code = ColorCode((0, 1), ("sky", "sea"), ((9, 9, 9), (0, 0, 200)))
    >>> code.decode(np.array([[[0, 0, 200], [9, 9, 9]]], "uint8"), "a.png")
    array([[1, 0]])
    """

    ids: tuple[int, ...]
    names: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]

    @classmethod
    def of(cls, classes):
        """The colors of a `ClassTable`, including those of void ids."""
        void = classes.ignore_colors
        return cls(
            (*range(len(classes)), *(i for i, _ in void)),
            (*classes.names, *("void" for _ in void)),
            (*classes.colors, *(color for _, color in void)),
        )

    def decode(self, pixels, file):
        """The ids `(height, width)` of colors, uint8 `(height, width, 3)`.

        A color of no class, or of two classes, is a `DataError`.
        """
        known = _packed(np.array(self.colors, "uint8"))
        order = np.argsort(known, kind="stable")
        known = known[order]
        packed = _packed(pixels)
        flat = packed.ravel()
        # Neighbors are mostly equal, so only starts of runs are looked up.
        starts = np.flatnonzero(np.diff(flat, prepend=flat[:1] ^ 1))
        found = flat[starts]
        places = np.searchsorted(known, found).clip(max=len(known) - 1)
        if not (known[places] == found).all():
            raise self._unknown(packed, known, file)
        twice = known[:-1][known[1:] == known[:-1]]
        if np.isin(found, twice).any():
            raise self._ambiguous(twice, file)
        ids = np.array(self.ids)[order][places]
        lengths = np.diff(starts, append=flat.size)
        return np.repeat(ids, lengths).reshape(packed.shape)

    def decode_palette(self, palette, ids, file):
        """The ids of the colors that indices have, 255 void without one.

        One color of two indices is a `DataError`, as is an index without one.
        """
        _refuse_twins(palette_colors(palette, ids), file)
        void = (ids == VOID) & (len(palette) <= VOID)
        beyond = ids[~void].max()
        if beyond >= len(palette):
            raise DataError(
                "KS-D014",
                file,
                f"has the index {beyond} and a palette of {len(palette)} "
                "colors",
                f"an index has a color, but for {VOID}, which is void",
                fix="export the mask again",
            )
        pixels = palette[np.where(void, ids[~void][0], ids)]
        return np.where(void, VOID, self.decode(pixels, file))

    def _unknown(self, packed, known, file):
        colors, counts = np.unique(packed, return_counts=True)
        strange = ~np.isin(colors, known)
        colors, counts = colors[strange], counts[strange]
        first = counts.argmax()
        color = _unpacked(colors[first])
        distances = np.square(np.subtract(self.colors, color)).sum(axis=-1)
        nearest = int(distances.argmin())
        pixels = words.count(counts[first], "pixel")
        others = len(colors) - 1
        more = f" (and {others} more such colors)" if others else ""
        guess = (
            f"The nearest is {self.colors[nearest]} of {self.names[nearest]}."
        )
        if others >= len(self.colors):
            guess += " The mask seems resized or saved with loss."
        elif color[0] == color[1] == color[2] <= len(self.colors):
            guess += " A gray mask of ids may have been saved as color."
        return DataError(
            "KS-D014",
            file,
            f"has {pixels} of the color {color}{more}",
            "every color is that of a class or of void",
            guess=guess,
            fix=(
                "give the color a line in the class table (role 'void' to "
                "ignore it), or export the masks again"
            ),
        )

    def _ambiguous(self, twice, file):
        color = _unpacked(twice[0])
        names = [
            name
            for name, own in zip(self.names, self.colors, strict=True)
            if tuple(own) == color
        ]
        return DataError(
            "KS-D014",
            file,
            f"has the color {color} of {' and '.join(names)}",
            "every class has a color of its own",
            fix="correct the colors in the class table",
        )


def _packed(colors):
    red, green, blue = np.moveaxis(colors.astype("int32"), -1, 0)
    return red << 16 | green << 8 | blue


def _unpacked(color):
    return (int(color) >> 16, int(color) >> 8 & 255, int(color) & 255)


def color_code(class_table):
    """The `ColorCode` of a class table with colors of its own, or `None`."""
    if isinstance(class_table, ClassTable) and class_table.colors_given:
        return ColorCode.of(class_table)
    return None


def palette_colors(palette, ids):
    """A dictionary from the indices of a mask to their colors.

    An index beyond the palette has none.
    """
    found = [i for i in ids_of_mask(ids) if i < len(palette)]
    return {i: tuple(palette[i].tolist()) for i in found}


def compare_colors(seen, colors, file, plane=None):
    """Refuse an index that had another color in an earlier file.

    Args:
        seen: dictionary that is filled, from the plane and each index to its
            color and the first such file.
        colors: dictionary from the indices in the file to their colors.
        file: path.
        plane: optional int, of a mask of several labels.
    """
    for i, color in colors.items():
        before, first = seen.setdefault((plane, i), (color, file))
        if before != color:
            allowed = ", or the class table names the colors"
            fix = (
                "give every class its color in the columns r, g and b of "
                "classes.csv"
            )
            if plane is not None:
                allowed = " of a class"
                fix = "write all masks with one palette"
            raise DataError(
                "KS-D014",
                file,
                f"has the color {color} for the index {i}, and "
                f"{first.name} {before}",
                f"an index stands for one color in all masks{allowed}",
                guess="Each file has a palette of its own.",
                fix=f"{fix}; if the indices are right all the same, name "
                "them in mask_values, such as 0:0,1:1",
            )


def _refuse_twins(colors, file):
    """Refuse a palette with one color for two of its indices."""
    first: dict = {}
    for i, color in colors.items():
        if first.setdefault(color, i) != i:
            raise DataError(
                "KS-D014",
                file,
                f"has the color {color} for the indices {first[color]} and {i}",
                "a palette that is read by color has one for each index",
                guess="The palette may never have been set.",
                fix="if the indices are right, name them in mask_values, such "
                "as 0:0,1:1; else write the colors of the class table",
            )
