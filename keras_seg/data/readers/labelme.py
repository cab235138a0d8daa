"""labelme: a JSON file of shapes beside each image."""

import os
import pathlib
import re

from keras_seg.data.errors import DataError
from keras_seg.data.folder import Folder
from keras_seg.data.folder import map_threads
from keras_seg.data.layout import existing
from keras_seg.data.layout import missing_split
from keras_seg.data.layout import role_of
from keras_seg.data.layout import sorted_splits
from keras_seg.data.layout import visible
from keras_seg.data.opening import SUFFIXES
from keras_seg.data.pairs import Pair
from keras_seg.data.readers.labelme_masks import LabelmeMasks
from keras_seg.data.readers.labels import match_labels
from keras_seg.data.readers.plain import find_table
from keras_seg.data.readers.records import value
from keras_seg.data.text import read_json
from keras_seg.data.text import read_text
from keras_seg.data.text import text_holds

__all__ = ["from_labelme", "labelme_splits"]

_SHAPES = re.compile(rb'"shapes"\s*:')


def from_labelme(
    path,
    split=None,
    *,
    classes=None,
    check=True,
    channels=3,
    background="background",
    skip_unlabeled=False,
):
    """Read the files of labelme as masks of classes.

    `path` or `path/<split>` holds images and a JSON file of the same stem for
    each. Polygons, rectangles, circles and masks are filled, later ones over
    earlier ones; points, lines and line strips have no area and are refused.
    Group ids are ignored. A pixel is in a polygon if its center is.
    Coordinates are those of the image as viewers and labelme show it, its
    EXIF orientation applied.

    Args:
        path: str or path.
        split: optional str, a folder in `path`; "train" are also the files
            of `path` beside folders of validation and test images.
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
        skip_unlabeled: bool, leave out images without a JSON file.

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
    parts = [root / n if (root / n).is_dir() else root for n in names or [""]]
    folder = parts[names.index(split)] if split else root
    skipped: list | None = [] if skip_unlabeled else None
    pairs = _pairs(folder, skipped)
    table = find_table(folder, classes)
    names = _labels((folder, root), parts, table)
    labels = match_labels(names, table, folder, background)
    masks = LabelmeMasks(labels)
    data = Folder(pairs, labels.classes, masks, channels, skipped or ())
    if check:
        data.check()
    return data


def labelme_splits(path):
    """The folders with labelme's files; `None` of another layout."""
    path = pathlib.Path(path)
    names = {f.name for f in visible(path) if f.is_dir() and _has_shapes(f)}
    if not _has_shapes(path):
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


def _pairs(folder, skipped):
    files = {f.stem: f for f in visible(folder, ".json")}
    pairs: dict[str, Pair] = {}
    images: dict[str, pathlib.Path] = {}
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
        elif skipped is not None:
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
    return list(pairs.values())


def _labels(places, parts, table):
    """labelme's list of labels, or all that occur in any split."""
    for place in places:
        if os.path.lexists(place / "labels.txt"):
            lines = read_text(place / "labels.txt").splitlines()
            return list(dict.fromkeys(x.strip() for x in lines if x.strip()))
    if table is not None and not isinstance(table, int):
        return []  # checked as each file is read
    files = [f for part in parts for f in visible(part, ".json")]
    found: set[str] = set().union(*map_threads(_labels_of, files))
    return sorted(found)


def _labels_of(file):
    shapes = value(read_json(file), "shapes", list, file, "the file")
    return {
        value(shape, "label", str, file, f"shape {number}")
        for number, shape in enumerate(shapes, start=1)
    }
