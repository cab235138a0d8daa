"""Regions from what tools pack pixels in: PNG files and run lengths.

And back, for brush strokes.
"""

import io

import numpy as np
from PIL import Image

from keras_seg.data.readers.polygons import Region
from keras_seg.data.readers.polygons import runs
from keras_seg.data.readers.polygons import whole
from keras_seg.data.text import brief
from keras_seg.data.text import malformed
from keras_seg.data.text import parse_id

__all__ = [
    "brush_region",
    "pack_brush",
    "pair_region",
    "png_region",
    "row_region",
]


def png_region(content, corner, size, file, where):
    """The `Region` of a PNG file whose first pixel lies at (top, left).

    Its pixels are those that are not transparent if it has an alpha channel
    or a transparent color, and else those that are not black.
    """
    (top, left), (rows, columns) = corner, size
    try:
        with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
            fits = (
                0 <= top <= rows - image.height
                and 0 <= left <= columns - image.width
            )
            if fits:
                clear = image.has_transparency_data
                band = image.convert("RGBA").getchannel("A") if clear else None
                window = np.asarray(band or image.convert("L")) > 0
    # Decoders raise whatever they like.
    except Exception as error:
        raise malformed(
            file,
            f"has for {where} a mask that is no complete PNG",
            "masks are PNG files in base64",
            "draw the shape again",
        ) from error
    if not fits:
        raise _outside(file, where)
    return whole(window, top, left)


def row_region(counts, corner, window, size, file, where):
    """The `Region` of run lengths along the rows of a window, zeros first.

    CVAT's, see `_cvat_region`.

    Args:
        counts: list of int, which add up to the pixels of the window.
        corner: tuple (top, left) of the window.
        window: tuple (height, width).
        size: tuple (height, width) of the image.
        file, where: named in errors.
    """
    (top, left), (height, width), (rows, columns) = corner, window, size
    if not (
        0 <= top <= top + height <= rows
        and 0 <= left <= left + width <= columns
    ):
        raise _outside(file, where)
    if (
        min(counts, default=-1) < 0
        or sum(counts) != height * width
        or not width
    ):
        raise malformed(
            file,
            f"has for {where} run lengths that do not fill its window",
            "their sum is height times width",
        )
    turned = runs(np.array(counts), (width, height))
    return Region(top + turned.left, left + turned.top, turned.inside.T)


def pair_region(text, size, file, where):
    """The `Region` of Kaggle's run lengths: "start length start length …".

    Pixels are numbered from 1 on, from top to bottom, then left to right, as
    the pages of evaluation of Kaggle's competitions say, such as
    https://www.kaggle.com/competitions/airbus-ship-detection/overview.
    """
    numbers = [parse_id(cell) for cell in text.split()]
    pixels = size[0] * size[1]
    right = len(numbers) % 2 == 0 and None not in numbers
    edges = np.zeros(0, "int64")
    if right:
        pairs = np.array(numbers, "int64").reshape(-1, 2)
        pairs = pairs[pairs[:, 0].argsort(kind="stable")] - [1, 0]
        edges = np.stack([pairs[:, 0], pairs.sum(axis=1)], 1).ravel()
        edges = np.concatenate([[0], edges, [pixels]])
    if not right or (np.diff(edges) < 0).any():
        raise malformed(
            file,
            f"has for {where} the run lengths {brief(text)}",
            "they are pairs of a start, from 1 on, and a length, do not "
            f"overlap, and lie in the {pixels} pixels of the image",
        )
    return runs(np.diff(edges), size)


def brush_region(packed, size, file, where):
    """The `Region` of Label Studio's brush strokes.

    Bits as https://github.com/thi-ng/umbrella's rle-pack writes them: 32 with
    the number of values, 5 with the bits of a value and 4 times 4 with those
    of lengths, each less one; then runs: a bit, 1 for one value that is
    repeated, two for the kind of length, the length less one, the values.
    They are RGBA; like `label_studio_sdk.converter.brush`, only alpha is
    taken.
    """
    values = size[0] * size[1] * 4
    try:
        if not isinstance(packed, list):
            raise TypeError
        bits = np.unpackbits(np.frombuffer(bytes(packed), "uint8"))
        text = bits.tobytes().translate(_DIGITS).decode()
        return whole(
            _unpacked(text, bits, values).reshape(*size, 4)[..., 3] > 0
        )
    except (ValueError, TypeError, IndexError, OverflowError) as error:
        raise malformed(
            file,
            f"has for {where} brush strokes that cannot be unpacked",
            f"they are bytes of the {values} values of an image",
        ) from error


def pack_brush(mask):
    """A bool array as Label Studio's brush strokes, see `brush_region`.

    Example:

    >>> packed = pack_brush(np.eye(3, dtype=bool))
    >>> brush_region(packed, (3, 3), "a.json", "the task 1").area()
    3
    """
    values = mask.ravel()
    ends = np.append(np.flatnonzero(values[1:] != values[:-1]) + 1, mask.size)
    parts = [f"{4 * mask.size:032b}{7:05b}"]
    parts += [f"{bits - 1:04b}" for bits in _LENGTHS]
    for end, length in zip(ends, 4 * np.diff(ends, prepend=0), strict=True):
        value = 255 if values[end - 1] else 0
        for start in range(0, int(length), 1 << _LENGTHS[-1]):
            rest = int(min(length - start, 1 << _LENGTHS[-1])) - 1
            kind, bits = next(
                x for x in enumerate(_LENGTHS) if rest < 1 << x[1]
            )
            parts.append(f"1{kind:02b}{rest:0{bits}b}{value:08b}")
    text = np.frombuffer("".join(parts).encode(), "uint8")
    return np.packbits(text - ord("0")).tolist()


_LENGTHS = 4, 8, 12, 16  # bits of the lengths that are written
_DIGITS = bytes([48, 49]) + bytes(254)


def _unpacked(text, bits, values):
    """The values that a text of 0 and 1 stands for; a `ValueError` if none."""
    at = 0

    def take(length):
        nonlocal at
        at += length
        if at > len(text):
            raise ValueError("cut off")
        return int(text[at - length : at], 2)

    if take(32) != values or take(5) != 7:
        raise ValueError("another size")
    lengths = [take(4) + 1 for _ in range(4)]
    found = np.zeros(values, "uint8")
    start = 0
    while start < values:
        repeated = take(1)
        end = start + 1 + take(lengths[take(2)])
        if repeated:
            found[start:end] = take(8)
        else:
            take(8 * (min(end, values) - start))
            own = bits[at - 8 * (min(end, values) - start) : at]
            found[start:end] = np.packbits(own)
        start = end
    if start != values:
        raise ValueError("too long")
    return found


def _outside(file, where):
    return malformed(
        file,
        f"has for {where} a mask that reaches out of the image",
        "a mask lies inside",
        "draw the shape again",
    )
