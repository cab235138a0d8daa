"""labelme: a JSON file of shapes beside each image."""

import base64
import binascii
import dataclasses
import io
import math
import pathlib

import numpy as np
from PIL import Image

from keras_seg.data.errors import DataError
from keras_seg.data.folder import Folder
from keras_seg.data.folder import map_threads
from keras_seg.data.images import read_size
from keras_seg.data.layout import existing
from keras_seg.data.layout import missing_split
from keras_seg.data.layout import sorted_splits
from keras_seg.data.opening import SUFFIXES
from keras_seg.data.pairs import Pair
from keras_seg.data.readers.labels import Labels
from keras_seg.data.readers.labels import match_labels
from keras_seg.data.readers.plain import find_table
from keras_seg.data.readers.polygons import disc
from keras_seg.data.readers.polygons import fill
from keras_seg.data.readers.polygons import paint
from keras_seg.data.readers.polygons import whole
from keras_seg.data.readers.records import check_size
from keras_seg.data.readers.records import outline
from keras_seg.data.readers.records import refuse_shape
from keras_seg.data.readers.records import value
from keras_seg.data.text import malformed
from keras_seg.data.text import read_json
from keras_seg.data.text import read_text

__all__ = ["LabelmeMasks", "from_labelme", "labelme_splits"]

_PEEK = 2**16


def from_labelme(
    path,
    split=None,
    *,
    classes=None,
    check=True,
    channels=3,
    background="background",
):
    """Read the files of labelme as masks of classes.

    `path` or `path/<split>` holds images and a JSON file of the same stem for
    each. Polygons, rectangles, circles and masks are filled, later ones over
    earlier ones; points, lines and line strips have no area and are refused.
    Group ids are ignored. A pixel is in a polygon if its centre is.
    Coordinates are those of the image as viewers and labelme show it, its
    EXIF orientation applied.

    Args:
        path: str or path.
        split: optional str, a folder in `path`.
        classes: optional `ClassTable`, whose names the labels are matched
            with, or number of classes, the background included. By default
            `classes.csv` in the folder or above, or else labelme's
            `labels.txt`, a label a line, or else all labels of the folder,
            sorted. Pixels in no shape are a class background, as are those
            labelled `_background_`; `__ignore__` is void.
        check: bool, decode and check every file now.
        channels: optional int, see `read_image`.
        background: optional str, the class of pixels in no shape; `None`
            makes them void.

    Returns:
        A `Folder`.

    Raises:
        DataError: a file or the folder is not as it must be.
    """
    root = existing(path)
    names = labelme_splits(root) or ()
    if split is None and names:
        raise missing_split(root, None, names)
    if split is not None and split not in names:
        raise missing_split(root, split, names)
    folder = root / split if split else root
    pairs = _pairs(folder)
    table = find_table(folder, classes)
    parts = [root / name for name in names] or [root]
    labels = match_labels(
        _labels(folder, parts, table), table, folder, background
    )
    data = Folder(pairs, labels.classes, LabelmeMasks(labels), channels)
    if check:
        data.check()
    return data


def labelme_splits(path):
    """The folders with labelme's files; `None` of another layout."""
    path = pathlib.Path(path)
    if _has_shapes(path):
        return ()
    names = {f.name for f in path.iterdir() if f.is_dir() and _has_shapes(f)}
    return sorted_splits(names) if names else None


@dataclasses.dataclass(frozen=True)
class LabelmeMasks:
    """Draws the shapes of a pair's JSON file, in their order.

    Args:
        labels: `Labels`.
    """

    labels: Labels

    def __call__(self, pair):
        content = read_json(pair.mask)
        size = read_size(pair.image)
        shapes = value(content, "shapes", list, pair.mask, "the file")
        declared = content.get("imageHeight"), content.get("imageWidth")
        check_size(declared, size, pair.image, pair.mask)
        regions = []
        for number, shape in enumerate(shapes, start=1):
            where = f"shape {number}"
            label = value(shape, "label", str, pair.mask, where)
            i = self.labels.id_of(label, pair.mask, f"for {where} ")
            where = f"{where}, {label},"
            regions.append((_region(shape, size, pair.mask, where), i))
        return paint(regions, size, self.labels.background, by_area=False)


def _region(shape, size, file, where):
    kind = shape.get("shape_type") or "polygon"
    points = value(shape, "points", list, file, where)
    if kind in ("rectangle", "circle", "mask") and len(points) == 2:
        # A third point, so that two are checked as a polygon's.
        (x0, y0), (x1, y1), _ = outline([*points, points[0]], file, where)
        if kind == "circle":
            return disc((x0, y0), math.hypot(x1 - x0, y1 - y0), size)
        if kind == "mask":
            return _mask(shape, (round(y0), round(x0)), size, file, where)
        return fill([[(x0, y0), (x1, y0), (x1, y1), (x0, y1)]], size)
    if kind in ("polygon", "oriented_rectangle"):
        return fill([outline(points, file, where)], size)
    raise refuse_shape(file, f"a {kind} of {len(points)} points", where)


def _mask(shape, corner, size, file, where):
    """A PNG, in the JSON as text, whose first pixel lies at a corner."""
    text = value(shape, "mask", str, file, where)
    inside = np.zeros(size, bool)
    (top, left), (rows, columns) = corner, size
    try:
        content = io.BytesIO(base64.b64decode(text, validate=True))
        with Image.open(content, formats=("PNG",)) as image:
            fits = (
                0 <= top <= rows - image.height
                and 0 <= left <= columns - image.width
            )
            if fits:
                window = np.asarray(image.convert("L")) > 0
    except (binascii.Error, OSError, SyntaxError, ValueError) as error:
        raise malformed(
            file,
            f"has for {where} a mask that is no PNG",
            "labelme writes masks as PNG in base64",
            "draw the shape again",
        ) from error
    if not fits:
        raise malformed(
            file,
            f"has for {where} a mask that reaches out of the image",
            "a mask lies inside",
            "draw the shape again",
        )
    height, width = window.shape
    inside[top : top + height, left : left + width] = window
    return whole(inside)


def _has_shapes(folder):
    """Whether a JSON file has the first image's stem, and shapes."""
    for file in sorted(folder.glob("*.json")):
        if any(file.with_suffix(s).is_file() for s in SUFFIXES):
            with open(file, encoding="utf-8", errors="replace") as text:
                return '"shapes"' in text.read(_PEEK)
    return False


def _pairs(folder):
    pairs = []
    files = {f.stem: f for f in sorted(folder.glob("*.json"))}
    images = [
        f
        for f in sorted(folder.iterdir())
        if f.suffix.lower() in SUFFIXES and not f.name.startswith(".")
    ]
    for image in images:
        if image.stem not in files:
            raise DataError(
                "KS-D004",
                image,
                f"has no {image.stem}.json",
                "every image needs the JSON file that labelme saves",
                fix="save it in labelme, without shapes too, or remove it",
            )
        pairs.append(Pair(image.stem, image, files[image.stem]))
    twice = {p.stem for p in pairs if images.count(p.image) != 1}
    if twice or len({p.stem for p in pairs}) != len(pairs):
        raise DataError(
            "KS-D012",
            folder,
            "has two images of one stem",
            "an image and its JSON file are paired by stem",
            fix="rename or remove one of the two",
        )
    for stem in sorted(set(files) - {pair.stem for pair in pairs}):
        raise DataError(
            "KS-D005",
            files[stem],
            f"has no image of the stem {stem} beside it",
            "every JSON file needs its image",
            fix="put the image there, or remove the file",
        )
    return pairs


def _labels(folder, parts, table):
    """labelme's list of labels, or all that occur in any split."""
    for place in (folder, folder.parent):
        if (place / "labels.txt").is_file():
            lines = read_text(place / "labels.txt").splitlines()
            return list(dict.fromkeys(x.strip() for x in lines if x.strip()))
    if table is not None and not isinstance(table, int):
        return []  # checked as each file is read
    files = [f for part in parts for f in sorted(part.glob("*.json"))]
    found: set[str] = set().union(*map_threads(_labels_of, files))
    return sorted(found)


def _labels_of(file):
    shapes = value(read_json(file), "shapes", list, file, "the file")
    return {
        value(shape, "label", str, file, f"shape {number}")
        for number, shape in enumerate(shapes, start=1)
    }
