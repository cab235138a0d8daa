"""`Marked`, an image with its shapes, and how its parts are parsed."""

import dataclasses
import math
import pathlib
from collections.abc import Callable

from keras_seg.data.errors import DataError
from keras_seg.data.layout import CLASS_FILES
from keras_seg.data.layout import visible
from keras_seg.data.text import brief
from keras_seg.data.text import malformed
from keras_seg.data.text import text_holds

__all__ = [
    "Marked",
    "box",
    "files_by_split",
    "files_with",
    "hex_color",
    "numbers",
    "one_file",
]

_FAR = 1e6  # pixels; farther out nothing was meant


@dataclasses.dataclass(frozen=True)
class Marked:
    """The shapes of an image, as a tool wrote them.

    Args:
        names: tuple of str, the names that the image may have, with folders.
        file: path of the annotations.
        size: tuple (height, width) that they say, `None` for what they don't.
        shapes: optional list of tuples (label, where in the file, function of
            `size`, `file` and `where` to a `Region`). `None` if nobody has
            annotated the image.
    """

    names: tuple[str, ...]
    file: pathlib.Path
    size: tuple[int | None, int | None] = (None, None)
    shapes: list[tuple[str, str, Callable]] | None = None


def numbers(record, keys, file, where):
    """Entries of a dictionary as floats, also if they are text."""
    try:
        found = [float(record[key]) for key in keys]
    except (KeyError, TypeError, ValueError, OverflowError):
        found = [math.inf]
    if not all(abs(number) < _FAR for number in found):
        raise malformed(
            file,
            f"has for {where} {brief({k: record.get(k) for k in keys})}",
            f"{', '.join(keys)} are numbers of pixels, percents or degrees",
        )
    return found


def box(left, top, right, bottom, turn=0.0, pivot=(0, 0)):
    """The corners of a box, turned clockwise by degrees around a point."""
    cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    a, b = pivot
    return [
        (
            a + (x - a) * cos - (y - b) * sin,
            b + (x - a) * sin + (y - b) * cos,
        )
        if turn
        else (x, y)
        for x, y in ((left, top), (right, top), (right, bottom), (left, bottom))
    ]


def hex_color(text):
    """(red, green, blue) of "#0a64ff"; `None` of anything else."""
    try:
        red, green, blue = bytes.fromhex(text.removeprefix("#"))
    except (AttributeError, ValueError):
        return None
    return red, green, blue


def files_by_split(path, suffixes, *patterns):
    """The file that matches, by the folder in `path`, "" for `path` itself."""
    found = {}
    for part in (path, *filter(pathlib.Path.is_dir, visible(path))):
        files = files_with(part, suffixes, *patterns)
        if files:
            found["" if part == path else part.name] = one_file(files, part)
    return found


def files_with(folder, suffixes, *patterns):
    """The files of a folder that match, without the class table."""
    return [
        file
        for file in visible(folder, *suffixes)
        if file.name not in CLASS_FILES and text_holds(file, *patterns)
    ]


def one_file(files, folder):
    """The only file; a `DataError` if there are more."""
    if len(files) == 1:
        return files[0]
    raise DataError(
        "KS-D002",
        folder,
        f"has {files[0].name} and {files[1].name}, which both have annotations",
        "a folder has one such file, and folders of splits one each",
        fix="merge them, or move each with its images into a folder",
    )
