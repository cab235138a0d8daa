"""Masks that code classes as colors, decoded exactly."""

import dataclasses

import numpy as np

from keras_seg.data.errors import DataError

__all__ = ["ColorCode"]


@dataclasses.dataclass(frozen=True)
class ColorCode:
    """Which color stands for which id.

    A color is one number of 24 bits, so a mask is decoded by a search in
    a sorted list: exactly, never by the nearest color.

    Args:
        ids: tuple of int.
        names: tuple of str, the name of each id, for errors.
        colors: tuple of (red, green, blue), 0..255, the color of each id.

    Example:

    >>> import numpy as np
    >>> from keras_seg.data.colors import ColorCode
    >>> code = ColorCode((0, 1), ("sky", "sea"), ((9, 9, 9), (0, 0, 200)))
    >>> code.decode(np.array([[[0, 0, 200], [9, 9, 9]]], "uint8"), "a.png")
    array([[1, 0]])
    """

    ids: tuple[int, ...]
    names: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]

    @classmethod
    def of(cls, classes):
        """The colors of a `ClassTable`, those of its void ids included."""
        void = classes.void_colors
        return cls(
            (*range(len(classes)), *(i for i, _ in void)),
            (*classes.names, *("void" for _ in void)),
            (*classes.colors, *(color for _, color in void)),
        )

    def decode(self, pixels, file):
        """Turn colors into ids.

        Args:
            pixels: uint8 array `(height, width, 3)`.
            file: str or path, named in errors.

        Returns:
            Integer array `(height, width)`.

        Raises:
            DataError: a color stands for nothing, or for two classes.
        """
        known = _packed(np.array(self.colors, "uint8"))
        order = np.argsort(known, kind="stable")
        known = known[order]
        packed = _packed(pixels)
        flat = packed.ravel()
        # Neighbors are mostly alike: only where a run begins is looked up.
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

    def _unknown(self, packed, known, file):
        colors, counts = np.unique(packed, return_counts=True)
        strange = ~np.isin(colors, known)
        colors, counts = colors[strange], counts[strange]
        first = counts.argmax()
        color = _unpacked(colors[first])
        distances = np.square(np.subtract(self.colors, color)).sum(axis=-1)
        nearest = int(distances.argmin())
        pixels = "1 pixel" if counts[first] == 1 else f"{counts[first]} pixels"
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
