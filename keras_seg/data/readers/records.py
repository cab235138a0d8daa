"""Values of annotation files, checked before they are used."""

import pathlib

import numpy as np

from keras_seg.data.errors import DataError
from keras_seg.data.text import brief
from keras_seg.data.text import malformed

__all__ = [
    "NO_OUTLINE",
    "check_size",
    "outline",
    "refuse_shape",
    "unique_stems",
    "value",
]

NO_OUTLINE = "a box does not tell which of its pixels are the object's"
_FAR = 1e6  # pixels; farther out nothing was meant


def value(record, key, kind, file, where):
    """An entry of a JSON object, of the type or types that it must have.

    `where` says in errors which object it is, such as "image 3". A bool is no
    int.
    """
    found = record.get(key) if isinstance(record, dict) else None
    if not isinstance(found, kind) or (
        isinstance(found, bool) and kind is not bool
    ):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        raise malformed(
            file,
            f"has for {key} of {where} {brief(found)}",
            f"{' or '.join(k.__name__ for k in kinds)} is expected",
            "export it again",
        )
    return found


def outline(points, file, where):
    """The points of a polygon, at least three, as float64 `(points, 2)`."""
    try:
        xy = np.array(points, "float64")
    except (TypeError, ValueError, OverflowError):
        xy = np.empty(0)
    plain = xy.ndim == 2 and xy.shape[1] == 2
    if not plain or not (np.abs(xy) < _FAR).all():
        raise malformed(
            file,
            f"has for {where} the points {brief(points)}",
            "a point is two numbers, x and y in pixels",
            "export it again",
        )
    if len(xy) < 3:
        raise refuse_shape(file, f"a polygon of {len(xy)} points", where)
    return xy


def refuse_shape(file, found, where, allowed="a shape must have an area"):
    """The `DataError` of a shape whose pixels are not known."""
    return DataError(
        "KS-D018",
        file,
        f"has for {where} {found}",
        allowed,
        fix="draw it as a polygon, or remove it",
    )


def check_size(declared, size, image, file):
    """Refuse annotations that were made at another size.

    `declared` is the (height, width) that the file says, `None` where it does
    not; `size` that of the image as viewers show it.
    """
    if all(d is None or d == s for d, s in zip(declared, size, strict=True)):
        return
    turned = tuple(declared) == size[::-1]
    raise DataError(
        "KS-D006",
        file,
        f"says that {image.name} is {declared[1]}x{declared[0]}; it is "
        f"{size[1]}x{size[0]}",
        "shapes are in pixels of the image as viewers show it",
        guess=(
            "The image is turned by its EXIF orientation, which the tool "
            "did not see."
            if turned
            else None
        ),
        fix="annotate this image, or put the one back that was annotated",
    )


def unique_stems(names, file):
    """A stem for each file name, folders joined by underscores."""
    stems: dict[str, str] = {}
    for name in names:
        path = pathlib.PurePosixPath(name).with_suffix("")
        parts = [p for p in path.parts if p not in ("/", "..")]
        stem = "_".join(parts)
        if stem in stems:
            raise DataError(
                "KS-D012",
                file,
                f"names {stems[stem]} and {name}",
                "every image has a stem of its own",
                fix="rename or remove one of the two",
            )
        stems[stem] = name
    return list(stems)
