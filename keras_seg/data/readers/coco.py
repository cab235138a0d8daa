"""COCO's JSON: polygons and run lengths of instances."""

import pathlib
import re

from keras_seg.data.errors import DataError
from keras_seg.data.folder import Folder
from keras_seg.data.layout import missing_split
from keras_seg.data.layout import sorted_splits
from keras_seg.data.opening import SUFFIXES
from keras_seg.data.pairs import Pair
from keras_seg.data.readers.coco_masks import CocoMasks
from keras_seg.data.readers.labels import match_labels
from keras_seg.data.readers.plain import find_table
from keras_seg.data.readers.records import unique_stems
from keras_seg.data.readers.records import value
from keras_seg.data.text import malformed
from keras_seg.data.text import read_json

__all__ = ["coco_splits", "from_coco"]

_ROBOFLOW = "_annotations.coco.json"
_PEEK = 2**16


def from_coco(
    path,
    split=None,
    *,
    images=None,
    classes=None,
    check=True,
    channels=3,
    background="background",
    crowd_is_void=True,
):
    """Read annotations in COCO's format as masks of classes.

    Categories become classes in the order of their ids, after a class
    background, which all pixels without an annotation are. Where annotations
    overlap, the smaller one lies over the larger, by the pixels they cover.

    Polygons and uncompressed run lengths need nothing more; compressed run
    lengths need `keras-seg[coco]` (pycocotools). A pixel is in a polygon if
    its centre is; pycocotools rounds outlines to fifths of a pixel, so pixels
    on the outline may differ from its. Coordinates are those of the image as
    viewers show it, its EXIF orientation applied; a `width` and `height` that
    say otherwise are an error.

    Args:
        path: str or path of the JSON file, or of a folder that holds
            `annotations/*.json`, `<split>/_annotations.coco.json` or one
            JSON file.
        split: optional str, of a folder: the file's name, without
            "instances_".
        images: optional str or path of the folder of images. By default it
            is looked for beside the JSON file and in folders named images or
            as the split.
        classes: optional `ClassTable`, whose names the categories are matched
            with, or number of classes, the background included. By default
            `classes.csv` in the folder or above, or else the categories.
        check: bool, decode and check every file now.
        channels: optional int, see `read_image`.
        background: optional str, the class of pixels without an annotation;
            `None` makes them void.
        crowd_is_void: bool, whether `iscrowd` marks pixels as void.

    Returns:
        A `Folder`.

    Raises:
        DataError: a file is not as it must be.
    """
    path = pathlib.Path(path)
    file = path if path.is_file() else _file_of(path, split)
    content = read_json(file)
    entries = value(content, "images", list, file, "the file")
    if not entries:
        raise DataError(
            "KS-D010",
            file,
            "names no image",
            "at least one is needed",
            fix="export it again",
        )
    names = [value(e, "file_name", str, file, "an image") for e in entries]
    names = [name.replace("\\", "/") for name in names]
    folder = _images_of(file, split, names, images)
    categories = _categories(content, file)
    table = find_table(file.parent, classes)
    labels = match_labels(list(categories.values()), table, file, background)
    shapes = _by_image(content, entries, file)
    pairs = [
        Pair(stem, folder / name, file)
        for stem, name in zip(unique_stems(names, file), names, strict=True)
    ]
    masks = CocoMasks(
        records={
            pair.image: (entry, shapes[entry["id"]])
            for pair, entry in zip(pairs, entries, strict=True)
        },
        ids={i: labels.id_of(n, file, "") for i, n in categories.items()},
        background=labels.background,
        crowd_is_void=crowd_is_void,
    )
    data = Folder(pairs, labels.classes, masks, channels)
    if check:
        data.check()
    return data


def coco_splits(path):
    """The splits of a folder in COCO's layout; `None` of another layout."""
    files = _files(pathlib.Path(path))
    return None if files is None else sorted_splits(set(files) - {""})


def _files(path):
    """The JSON file of each split, the name "" for the only one."""
    parts = sorted(path.glob(f"*/{_ROBOFLOW}"))
    if parts:
        return {file.parent.name: file for file in parts}
    folder = path / "annotations"
    files = sorted(folder.glob("*.json"))
    if any(f.suffix.lower() in SUFFIXES for f in folder.glob("*")):
        files = []  # masks, with notes beside them
    instances = [f for f in files if f.stem.startswith("instances_")]
    if files:
        found = instances or files
        return {f.stem.removeprefix("instances_"): f for f in found}
    files = [
        f
        for f in sorted(path.glob("*.json"))
        if f.is_file() and _looks_like_coco(f)
    ]
    if len(files) < 2:
        return {"": files[0]} if files else None
    return {f.stem: f for f in files}


def _looks_like_coco(file):
    with open(file, encoding="utf-8", errors="replace") as text:
        head = text.read(_PEEK)
    return bool(re.search(r'"(images|annotations|categories)"\s*:', head))


def _file_of(path, split):
    files = _files(path)
    if files is None:
        raise DataError(
            "KS-D001",
            path,
            "has no COCO annotations" if path.exists() else "does not exist",
            "a JSON file is looked for in the folder, in annotations, and in "
            f"the folders of splits as {_ROBOFLOW}",
            fix="name the JSON file itself",
        )
    if split is None and len(files) == 1:
        return next(iter(files.values()))
    if split not in files:
        raise missing_split(path, split, sorted_splits(set(files) - {""}))
    return files[split]


def _images_of(file, split, names, images):
    """The first folder in which all images are, or else the first is."""
    if images is not None:
        return pathlib.Path(images)
    near, above = file.parent, file.parent.parent
    split = split or file.stem.removeprefix("instances_")
    places = [
        near,
        near / "images",
        above / "images" / split,
        above / split,
        above / split / "images",
        above / "images",
        above,
    ]
    for place in places:
        if (place / names[0]).is_file():
            return place
    looked = ", ".join(dict.fromkeys(map(str, places[:-1])))
    raise DataError(
        "KS-D005",
        file,
        f"names the image {names[0]}, which was not found",
        f"images are looked for in {looked}",
        fix="name the folder of images with images= of from_coco",
    )


def _categories(content, file):
    """Names of categories by id, in the order of the ids."""
    names: dict[int, str] = {}
    for entry in value(content, "categories", list, file, "the file"):
        i = value(entry, "id", int, file, "a category")
        name = value(entry, "name", str, file, f"category {i}")
        if i in names or name in names.values():
            raise malformed(
                file,
                f"has the category {i}, {name}, again",
                "every id and every name comes once",
                "rename or remove one of the two",
            )
        names[i] = name
    return dict(sorted(names.items()))


def _by_image(content, entries, file):
    """The annotations of each image by its id."""
    shapes: dict[int, list] = {}
    for entry in entries:
        i = value(entry, "id", (int, str), file, "an image")
        if i in shapes:
            raise malformed(
                file,
                f"has the image {i} again",
                "every id comes once",
                "remove one of the two",
            )
        shapes[i] = []
    for entry in value(content, "annotations", list, file, "the file"):
        i = value(entry, "image_id", (int, str), file, "an annotation")
        if i not in shapes:
            raise malformed(
                file,
                f"has an annotation of image {i}, which it does not list",
                "image_id is the id of an image",
                "export it again",
            )
        shapes[i].append(entry)
    return shapes
