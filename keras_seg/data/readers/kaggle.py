"""Kaggle's tables of run lengths: a line for each class of an image."""

import functools
import re

from keras_seg.data.readers.bitmaps import pair_region
from keras_seg.data.readers.marked import Marked
from keras_seg.data.readers.marked import files_with
from keras_seg.data.readers.marked import one_file
from keras_seg.data.text import listing
from keras_seg.data.text import malformed
from keras_seg.data.text import read_rows

__all__ = ["find", "read"]

# The names of columns in several competitions, in lower case.
_PIXELS = ("encodedpixels", "rle_mask", "rle", "segmentation", "annotation")
_IMAGES = ("imageid", "image_id", "img", "image", "id")
_CLASSES = ("classid", "class_id", "class", "label", "cell_type")
_BOTH = ("imageid_classid", "image_label")  # joined by an underscore
_OBJECT = "object"
_SIGN = re.compile(
    rb"\A(\xef\xbb\xbf)?(?=[^\n]*\b(" + "|".join(_PIXELS).encode() + rb")\b)"
    rb"(?=[^\n]*\b(" + "|".join(_IMAGES + _BOTH).encode() + rb")\b)",
    re.IGNORECASE,
)


def find(path):
    """The table; `None` in another layout."""
    files = [
        file
        for file in files_with(path, (".csv",), _SIGN)
        if not file.stem.startswith("sample_submission")
    ]
    return {"": (one_file(files, path),)} if files else None


def read(place):
    """The `Marked` images of a table, and its classes."""
    (file,) = place
    rows = read_rows(file)
    header = list(rows[0]) if rows else []
    columns = [
        next((c for c in header if c.lower() in names), None)
        for names in (_IMAGES, _CLASSES, _BOTH, _PIXELS)
    ]
    image, kind, both, pixels = columns
    if pixels is None or (image is None and both is None):
        raise malformed(
            file,
            f"has the columns {listing(header)}",
            "one names the image, and one has run lengths, such as ImageId "
            "and EncodedPixels",
        )
    found: dict[str, list] = {}
    labels = set()
    for number, row in enumerate(rows, start=2):
        name, label = row.get(image or both) or "", _OBJECT
        if image is None:
            name, _, label = name.rpartition("_")
        elif kind is not None:
            label = row.get(kind) or ""
        text = row.get(pixels) or ""
        empty = text in ("", "-1")
        if not name or not (label or empty):
            raise malformed(
                file,
                f"has on line {number} no image or no class",
                "every line has both",
                "correct the file",
            )
        shapes = found.setdefault(name, [])
        if label:
            labels.add(label)
        if not empty:
            draw = functools.partial(pair_region, text)
            shapes.append((label, f"line {number}", draw))
    marked = [Marked((n,), file, shapes=s) for n, s in found.items()]
    ordered = sorted(labels, key=lambda x: (len(x) if x.isdecimal() else 99, x))
    return marked, dict.fromkeys(ordered)
