"""`MaskFiles`: ids of masks from values, palettes or colors."""

import dataclasses

import numpy as np

from keras_seg.data.classes import VOID
from keras_seg.data.edges import find_edges
from keras_seg.data.errors import DataError
from keras_seg.data.images import read_size
from keras_seg.data.mask_colors import ColorCode
from keras_seg.data.mask_colors import compare_colors
from keras_seg.data.mask_colors import palette_colors
from keras_seg.data.masks import has_colors
from keras_seg.data.masks import read_colors
from keras_seg.data.masks import read_mask
from keras_seg.data.masks import read_palette

__all__ = [
    "MaskFiles",
    "check_mask_values",
    "is_mapped",
    "map_values",
    "parse_mask_values",
    "share_palettes",
    "sizes_differ",
]

_LARGEST = 65535  # of 16-bit masks


@dataclasses.dataclass(frozen=True)
class MaskFiles:
    """Reads the mask file of a pair, as ids or through colors.

    A palette whose colors in the class table have other ids is read by color:
    some tools write a palette for each file, in the order in which they met
    the colors. Any other palette is read as indices, which must have the same
    colors in every file.

    Args:
        values: optional dictionary from values in one-channel masks to ids;
            `None` takes the values for ids.
        colors: optional `ColorCode`, for masks with colors.
        by_color: bool, read palettes and gray through their colors as well.
    """

    values: dict[int, int] | None = None
    colors: ColorCode | None = None
    by_color: bool = False
    # The file and the page of each mask that was read by color.
    _decoded: set = dataclasses.field(
        default_factory=set, init=False, compare=False, repr=False
    )
    # See `compare_colors`.
    _seen: dict = dataclasses.field(
        default_factory=dict, init=False, compare=False, repr=False
    )

    def __post_init__(self):
        check_mask_values(self.values)

    def maps(self, pair):
        """See `is_mapped`."""
        return self.values is not None or (
            (pair.mask, pair.page) in self._decoded
        )

    def __call__(self, pair):
        try:
            return self._read(pair)
        except DataError as error:
            # A mask that was resized has other values because of that.
            sizes = _size_of(pair.image, pair), _size_of(pair.mask, pair)
            if None in sizes or sizes[0] == sizes[1]:
                raise
            raise sizes_differ(pair, *sizes, error.guess) from None

    def _read(self, pair):
        if self.colors and (self.by_color or has_colors(pair.mask)):
            self._decoded.add((pair.mask, pair.page))
            pixels = read_colors(pair.mask, pair.page)
            return self.colors.decode(pixels, pair.mask)
        ids = read_mask(pair.mask, pair.page)
        if self.values is not None:
            return map_values(ids, self.values, pair.mask)
        palette = read_palette(pair.mask, pair.page)
        return ids if palette is None else self._of(palette, ids, pair)

    def _of(self, palette, ids, pair):
        colors = palette_colors(palette, ids)
        if self.colors:
            named: dict[tuple, tuple] = dict.fromkeys(self.colors.colors, ())
            table = list(zip(self.colors.ids, self.colors.colors, strict=True))
            for i, color in table:
                named[color] += (i,)
            own = dict(enumerate(map(tuple, palette.tolist())))
            # In the order of the table, 255 is void, whatever its color is.
            if all(own.get(i) == color for i, color in table if i != VOID):
                colors.pop(VOID, None)
            if any(i not in named.get(c, (i,)) for i, c in colors.items()):
                self._decoded.add((pair.mask, pair.page))
                return self.colors.decode_palette(palette, ids, pair.mask)
        compare_colors(self._seen, colors, pair.mask)
        return ids


def check_mask_values(values):
    """Refuse what is no dictionary from values in masks to ids."""
    if values is None:
        return
    if not isinstance(values, dict) or not all(
        isinstance(v, int | np.integer) and 0 <= v <= _LARGEST
        for pair in values.items()
        for v in pair
    ):
        raise ValueError(
            "`mask_values` must be a dictionary from values in the masks "
            f"to ids, integers of 0..{_LARGEST}. "
            f"Received: mask_values={values}"
        )


def _size_of(file, pair):
    """The size from the header of a file, None if it has none."""
    try:
        return read_size(file, pair.page)
    except DataError:
        return None


def sizes_differ(pair, image, mask, guess=None):
    """The `DataError` of an image and a mask of two sizes (height, width)."""
    if image == mask[::-1]:
        guess = (
            "One of them is turned: a camera's EXIF orientation may be "
            "in the image only."
        )
    return DataError(
        "KS-D006",
        pair.mask,
        f"is {mask[1]}x{mask[0]} and its image "
        f"{pair.image.name} {image[1]}x{image[0]}",
        "an image and its mask have one size",
        guess=guess,
        fix="make the mask again from this image, or resize it by nearest",
    )


def is_mapped(masks, pair):
    """Whether the ids that were read of a pair are not its file's values."""
    maps = getattr(masks, "maps", None)  # Shapes have none.
    return maps is None or maps(pair)


def share_palettes(folders):
    """Require one color for each index of palettes in all folders.

    Folders that read masks in the same way get one reader of files.
    """
    known: list = []
    for folder in folders:
        masks = getattr(folder, "masks", None)
        if hasattr(masks, "maps"):
            if masks in known:
                folder.masks = known[known.index(masks)]
            else:
                known.append(masks)


def parse_mask_values(text):
    """Read "0:0,255:1" as `{0: 0, 255: 1}`.

    Example:

    >>> from keras_seg.data.mask_files import parse_mask_values
    >>> parse_mask_values("0:0, 255:1")
    {0: 0, 255: 1}

    With `+`, or nothing, ids stand for several classes, or none:

    >>> parse_mask_values("0:,1:0,2:0+1,255:255")
    {0: (), 1: 0, 2: (0, 1), 255: 255}
    """
    values: dict = {}
    for part in text.split(","):
        value, colon, index = (x.strip() for x in part.partition(":"))
        several = index.split("+") if index else []
        if not (
            colon
            and value.isdecimal()
            and all(x.strip().isdecimal() for x in several)
        ):
            raise ValueError(
                "Mask values are written value:id with commas between, such "
                f"as 0:0,255:1. Received: {text!r}"
            )
        ids = tuple(map(int, several))
        values[int(value)] = ids[0] if len(ids) == 1 else ids
    return values


def map_values(ids, values, file):
    """The ids that values of a file stand for; others are a `DataError`."""
    table = np.full(_LARGEST + 1, -1, "int32")
    table[list(values)] = list(values.values())
    mapped = table.take(ids, mode="clip")
    unmapped = (mapped < 0) | (ids < 0) | (ids > _LARGEST)
    if unmapped.any():
        strange = np.unique(ids[unmapped]).tolist()
        listed = ", ".join(map(str, strange[:6]))
        dots = ", ..." if len(strange) > 6 else ""
        known = ", ".join(map(str, sorted(values)))
        guess, fix = None, "give every value an id there, 255 to ignore it"
        if _is_smoothed(ids, values, strange):
            listed = f"{listed}{dots} in {100 * unmapped.mean():.1f} %"
            dots = " of its pixels"
            guess = (
                "Values between those named lie along its edges: it was "
                "resized by interpolation, or smoothed."
            )
            fix = (
                "make the mask again from its source, and resize it by "
                "Image.open(mask).resize(size, Image.Resampling.NEAREST)"
            )
        raise DataError(
            "KS-D003",
            file,
            f"has the values {listed}{dots}",
            f"mask_values names {known}",
            guess=guess,
            fix=fix,
        )
    return mapped


def _is_smoothed(ids, values, strange):
    """Whether values that have no id come along edges, between others."""
    inside = min(values) < strange[0] and strange[-1] < max(values)
    planes = [ids] if ids.ndim == 2 else np.moveaxis(ids, -1, 0)
    return inside and any(
        find_edges(plane.astype("int32")).smooth for plane in planes
    )
