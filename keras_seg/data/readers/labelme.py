"""Reader of labelme's format: a JSON file of shapes beside each image."""

import base64
import dataclasses
import math
import os
import pathlib
import re

import numpy as np

from keras_seg.data.classes import ClassTable
from keras_seg.data.errors import DataError
from keras_seg.data.folder import Folder
from keras_seg.data.folder import find_table
from keras_seg.data.folder import map_threads
from keras_seg.data.images import read_size
from keras_seg.data.layout import existing
from keras_seg.data.layout import missing_split
from keras_seg.data.layout import refuse_masks_beside
from keras_seg.data.layout import role_of
from keras_seg.data.layout import sorted_splits
from keras_seg.data.layout import visible
from keras_seg.data.opening import SUFFIXES
from keras_seg.data.pairs import Pair
from keras_seg.data.readers.annotations import Labels
from keras_seg.data.readers.annotations import check_size
from keras_seg.data.readers.annotations import match_labels
from keras_seg.data.readers.annotations import outline
from keras_seg.data.readers.annotations import refuse_shape
from keras_seg.data.readers.annotations import value
from keras_seg.data.readers.bitmaps import png_region
from keras_seg.data.readers.polygons import fill
from keras_seg.data.readers.polygons import oval
from keras_seg.data.text import brief
from keras_seg.data.text import malformed
from keras_seg.data.text import read_json
from keras_seg.data.text import read_text
from keras_seg.data.text import text_holds

__all__ = ["LabelmeMasks", "from_labelme", "labelme_splits"]

_NO_AREA = ("point", "points", "line", "linestrip")
# X-AnyLabeling gives rectangles four corners, and calls turned ones rotation.
_FOUR = ("rectangle", "rotation", "oriented_rectangle")
_SHAPES = re.compile(rb'"shapes"\s*:')


def from_labelme(
    path: str | os.PathLike,
    split: str | None = None,
    *,
    class_table: ClassTable | int | None = None,
    check: bool = True,
    channels: int | None = 3,
    background: str | None = "background",
    skip_unlabeled: bool = False,
    multi_label: bool = False,
) -> Folder:
    """Read the files of labelme as a `Folder`.

    `path` or `path/<split>` holds images and a JSON file of the same stem for
    each. Polygons, rectangles, circles and masks are filled, later ones over
    earlier ones; points, lines and line strips have no area and are refused.
    Group ids are ignored. A pixel is in a polygon if its center is.
    Coordinates are those of the upright image.

    Args:
        path: str or path.
        split: optional str, a folder in `path`. If there are only folders of
            validation and test images, "train" is `path` itself.
        class_table: optional `ClassTable` with the names of the labels, or
            number of classes, including the background. By default
            `classes.csv` in the folder or above, or else labelme's
            `labels.txt`, with a label on each line, or else all labels of the
            folder, sorted. The label `_background_` means the background,
            `__ignore__` void.
        check, channels, skip_unlabeled: see `from_folder`.
        background: optional str, the class of pixels in no shape; `None`
            makes them void.
        multi_label: bool, whether classes may overlap: each class is drawn by
            itself, and the background is no class.

    Raises:
        DataError: If a file or the folder cannot be used.
    """
    root = existing(path)
    names = labelme_splits(root) or ()
    if split is None and names:
        raise missing_split(root, None, names)
    if split is not None and split not in names:
        raise missing_split(root, split, names)
    parts = [root / n if (root / n).is_dir() else root for n in names or [""]]
    folder = parts[names.index(split)] if split else root
    pairs, skipped = _pairs(folder, skip_unlabeled)
    table = find_table(folder, class_table)
    names = _labels((folder, root), parts, table)
    labels = match_labels(names, table, folder, background, multi_label)
    masks = LabelmeMasks(labels)
    data = Folder(
        pairs,
        labels.class_table,
        masks,
        channels,
        skipped,
        multi_label=multi_label,
    )
    return data.check() if check else data


def labelme_splits(path):
    """The folders with labelme's files; `None` in another layout."""
    path = pathlib.Path(path)
    names = {f.name for f in visible(path) if f.is_dir() and _has_shapes(f)}
    loose = _has_shapes(path)
    if names or loose:
        refuse_masks_beside(path, path if loose else path / min(names))
    if not loose:
        return sorted_splits(names) if names else None
    if not names:
        return ()
    if not {role_of(name) for name in names} <= {"val", "test"}:
        raise DataError(
            "KS-D002",
            path,
            f"holds images with JSON files, and so does {sorted(names)[0]} in "
            "it",
            "one of the two would be left out",
            fix="move the files into a folder train, or take the other away",
        )
    return sorted_splits({"train", *names})


def _has_shapes(folder):
    """Whether the first JSON file of an image has shapes."""
    stems = {image.stem for image in visible(folder, *SUFFIXES)}
    for file in visible(folder, ".json"):
        if file.stem in stems:
            return text_holds(file, _SHAPES)
    return False


def _pairs(folder, skip_unlabeled):
    files = {f.stem: f for f in visible(folder, ".json")}
    pairs: dict[str, Pair] = {}
    images: dict[str, pathlib.Path] = {}
    skipped = []
    for image in visible(folder, *SUFFIXES):
        stem = image.stem
        if stem in images:
            raise DataError(
                "KS-D012",
                image,
                f"has the stem of {images[stem].name}",
                "an image and its JSON file are paired by stem",
                fix="rename or remove one of the two",
            )
        images[stem] = image
        if stem in files:
            pairs[stem] = Pair(stem, image, files[stem])
        elif skip_unlabeled:
            skipped.append(image)
        else:
            raise DataError(
                "KS-D004",
                image,
                f"has no {stem}.json",
                "every image needs the JSON file that labelme saves",
                fix="save it in labelme, without shapes too, remove it, or "
                "leave such images out with --skip-unlabeled",
            )
    for stem in files:
        if stem not in pairs:
            raise DataError(
                "KS-D005",
                files[stem],
                f"has no image of the stem {stem} beside it",
                "every JSON file needs its image",
                fix="put the image there, or remove the file",
            )
    return list(pairs.values()), skipped


def _labels(places, parts, table):
    """The labels of `labels.txt`, or all that occur in any split."""
    for place in places:
        if os.path.lexists(place / "labels.txt"):
            lines = read_text(place / "labels.txt").splitlines()
            return list(dict.fromkeys(x.strip() for x in lines if x.strip()))
    if table is not None and not isinstance(table, int):
        return []  # Each file's labels are looked up as it is read.
    files = [f for part in parts for f in visible(part, ".json")]
    found: set[str] = set().union(*map_threads(_labels_of, files))
    return sorted(found)


def _labels_of(file):
    shapes = value(read_json(file), "shapes", list, file, "the file")
    return {
        value(shape, "label", str, file, f"shape {number}")
        for number, shape in enumerate(shapes, start=1)
    }


@dataclasses.dataclass(frozen=True)
class LabelmeMasks:
    """Draws the shapes of a pair's JSON file, in their order."""

    labels: Labels

    def __call__(self, pair):
        regions, size = self._regions(pair)
        return self.labels.draw(regions, size, by_area=False)

    def overlap(self, pair):
        """The pixels of an image that have more than one class."""
        return self.labels.overlap(*self._regions(pair))

    def _regions(self, pair):
        """The regions of shapes with their ids, and the size."""
        content = read_json(pair.mask)
        size = read_size(pair.image)
        shapes = value(content, "shapes", list, pair.mask, "the file")
        declared = content.get("imageHeight"), content.get("imageWidth")
        check_size(declared, size, pair.image, pair.mask)
        return self._drawn(shapes, size, pair.mask), size

    def _drawn(self, shapes, size, file):
        for number, shape in enumerate(shapes, start=1):
            where = f"shape {number}"
            label = value(shape, "label", str, file, where)
            i = self.labels.id_of(label, file, f"for {where} ")
            yield _region(shape, size, file, f"{where}, {label},"), i


def _region(shape, size, file, where):
    kind = shape.get("shape_type") or "polygon"
    points = value(shape, "points", list, file, where)
    if kind in ("rectangle", "circle", "mask") and len(points) == 2:
        # With a third point, `outline` checks the two as a polygon's.
        (x0, y0), (x1, y1), _ = outline([*points, points[0]], file, where)
        if kind == "circle":
            radius = math.hypot(x1 - x0, y1 - y0)
            return oval((x0, y0), (radius, radius), size)
        if kind == "mask":
            return _mask(shape, (round(y0), round(x0)), size, file, where)
        return fill([[(x0, y0), (x1, y0), (x1, y1), (x0, y1)]], size)
    four = kind in _FOUR and len(points) == 4
    if kind == "polygon" or four:
        xy = outline(points, file, where)
        if not four or _turns_one_way(xy):
            return fill([xy], size)
    if kind in _NO_AREA:
        raise refuse_shape(file, f"a {kind} of {len(points)} points", where)
    raise malformed(
        file,
        f"has for {where} a {brief(kind)} of {len(points)} points",
        "a shape is a polygon, a rectangle of two corners or of four in "
        "turn, a circle of its center and a point on it, or a mask",
        "draw the shape again as a polygon",
    )


def _turns_one_way(xy):
    """Whether four corners follow each other so that no sides cross."""
    sides = np.roll(xy, -1, axis=0) - xy
    (x0, y0), (x1, y1) = sides.T, np.roll(sides, -1, axis=0).T
    turns = x0 * y1 - y0 * x1
    return (turns >= 0).all() or (turns <= 0).all()


def _mask(shape, corner, size, file, where):
    """The `Region` of a base64 PNG whose first pixel lies at `corner`."""
    text = value(shape, "mask", str, file, where)
    try:
        content = base64.b64decode(text, validate=True)
    except ValueError:
        content = b""  # no complete PNG
    return png_region(content, corner, size, file, where)
