"""Reader of COCO's JSON: which files there are, and what they list."""

import functools
import os
import pathlib
import re

from keras_seg.data.classes import ClassTable
from keras_seg.data.errors import DataError
from keras_seg.data.folder import Folder
from keras_seg.data.folder import find_table
from keras_seg.data.layout import missing_split
from keras_seg.data.layout import refuse_masks_beside
from keras_seg.data.layout import sorted_splits
from keras_seg.data.layout import visible
from keras_seg.data.opening import SUFFIXES
from keras_seg.data.pairs import Pair
from keras_seg.data.readers.annotations import match_labels
from keras_seg.data.readers.annotations import unique_stems
from keras_seg.data.readers.annotations import value
from keras_seg.data.readers.coco_masks import CocoMasks
from keras_seg.data.text import malformed
from keras_seg.data.text import read_json
from keras_seg.data.text import text_holds

__all__ = ["coco_splits", "from_coco"]

_ROBOFLOW = "_annotations.coco.json"
_LISTS = (
    re.compile(rb'"images"\s*:\s*\['),
    re.compile(rb'"(annotations|categories)"\s*:\s*\['),
)
# COCO's files beside instances_*.json, which have no masks of these objects.
_COMPANIONS = (
    "captions_",
    "person_keypoints_",
    "image_info_",
    "stuff_",
    "panoptic_",
)


def from_coco(
    path: str | os.PathLike,
    split: str | None = None,
    *,
    images: str | os.PathLike | None = None,
    class_table: ClassTable | int | None = None,
    check: bool = True,
    channels: int | None = 3,
    background: str | None = "background",
    crowd_is_void: bool = True,
    multi_label: bool = False,
) -> Folder:
    """Read annotations in COCO's format as a `Folder`.

    Categories become classes in the order of their ids, after the class
    background. All splits of a folder share one table of classes, by name:
    first those of train, then those only in val, then the others. A class
    table need not name categories without annotations, such as the
    supercategories that some tools list. Annotations that cover fewer pixels
    lie over those that cover more.

    Run lengths, compressed or not, must add up to the image's pixels. A pixel
    is in a polygon if its center is; pycocotools rounds outlines to fifths of
    a pixel, so pixels on outlines may differ. Coordinates are those of the
    upright image; a `width` and `height` that differ from its are an error.

    Args:
        path: str or path of the JSON file, or of a folder that holds
            `annotations/*.json`, `<split>/_annotations.coco.json` or one
            JSON file.
        split: optional str, the name of a file in a folder, without
            `"instances_"`.
        images: optional str or path of the folder of images. By default it
            is looked for beside the JSON file and in folders named `images`
            or like the split.
        class_table: optional `ClassTable` with the names of the categories, or
            number of classes, including the background. By default
            `classes.csv` in the folder or above, or else the categories.
        check, channels: see `from_folder`.
        background: optional str, the class of pixels without an annotation;
            `None` makes them void.
        crowd_is_void: bool, whether pixels of `iscrowd` are void; where
            classes may overlap, for their class.
        multi_label: bool, whether classes may overlap: each class is drawn by
            itself, and the background is no class.

    Raises:
        DataError: If a file cannot be used.
    """
    path = pathlib.Path(path)
    alone = path.is_file()
    files = {"": path} if alone else _files(path) if path.is_dir() else {}
    file = path if alone else _file_of(path, split, files)
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
    root = file.parent.parent if alone else path
    folder = _images_of(file, root, split, names, images)
    categories = _categories(content, file)
    table = find_table(file.parent, class_table)
    every: dict[str, None] = {}
    for other in sorted_splits(files):
        changed = files[other].stat().st_mtime_ns
        own = files[other] == file
        listed = categories if own else _categories_of(files[other], changed)
        every |= dict.fromkeys(listed.values())
    # A table need not have names that are not used: `CocoMasks` looks them up.
    listed = [] if isinstance(table, ClassTable) else list(every)
    labels = match_labels(listed, table, file, background, multi_label)
    shapes = _by_image(content, entries, file)
    pairs = [
        Pair(stem, folder / name, file)
        for stem, name in zip(unique_stems(names, file), names, strict=True)
    ]
    records = {
        pair.image: (entry, shapes[entry["id"]])
        for pair, entry in zip(pairs, entries, strict=True)
    }
    masks = CocoMasks(records, categories, labels, crowd_is_void)
    data = Folder(
        pairs, labels.class_table, masks, channels, multi_label=multi_label
    )
    return data.check() if check else data


def coco_splits(path):
    """The splits of a folder in COCO's layout; `None` in another layout."""
    files = _files(pathlib.Path(path))
    if files:
        refuse_masks_beside(pathlib.Path(path), next(iter(files.values())))
    return None if files is None else sorted_splits(set(files) - {""})


def _files(path):
    """The JSON file of each split; "" is the name of the only one."""
    files: dict[str, pathlib.Path] = {
        folder.name: folder / _ROBOFLOW
        for folder in visible(path)
        if (folder / _ROBOFLOW).exists()
    }
    folder, found = path / "annotations", []
    if not visible(folder, *SUFFIXES):  # else they are masks
        found = _coco_files(folder)
    beside = _coco_files(path)
    if not files and not found and len(beside) < 2:
        return {"": beside[0]} if beside else None
    for file in found + beside:
        split = file.stem.removeprefix("instances_")
        if split in files:
            raise DataError(
                "KS-D002",
                file,
                f"and {files[split]} are both of the split {split}",
                "a split has one JSON file",
                fix="remove or rename one of the two",
            )
        files[split] = file
    return files


def _coco_files(folder):
    """The JSON files of instances, without captions and the like."""
    files = [
        file
        for file in visible(folder, ".json")
        if file.stem.startswith("instances_") or text_holds(file, *_LISTS)
    ]
    own = [file for file in files if not file.stem.startswith(_COMPANIONS)]
    return own or files


def _file_of(path, split, files):
    if not files:
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


def _images_of(file, root, split, names, images):
    """The first folder in which some of the images are.

    A later folder that has more may be another split's, with equal names.
    """
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
    if near == root:  # What is above it is another data set.
        below = ("", "images", split, f"images/{split}", f"{split}/images")
        places = [near / place for place in below]
    for place in places:
        if place.is_dir() and any((place / n).is_file() for n in names):
            return place
    looked = ", ".join(dict.fromkeys(map(str, places)))
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
    seen: set[str] = set()
    for entry in value(content, "categories", list, file, "the file"):
        i = value(entry, "id", int, file, "a category")
        name = value(entry, "name", str, file, f"category {i}")
        if i in names or name in seen:
            raise malformed(
                file,
                f"has the category {i}, {name}, again",
                "every id and every name comes once",
                "rename or remove one of the two",
            )
        names[i] = name
        seen.add(name)
    return dict(sorted(names.items()))


@functools.lru_cache(maxsize=64)
def _categories_of(file, modified):
    """The categories of another split's file, read once while unmodified."""
    return _categories(read_json(file), file)


def _by_image(content, entries, file):
    """The annotations of each image, by the image's id."""
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
            )
        if "segments_info" in entry:
            raise malformed(
                file,
                "has panoptic annotations, segments of a picture",
                "annotations of instances are expected",
                "take the file of instances, or convert it with "
                "panopticapi's panoptic2detection_coco_format.py",
            )
        shapes[i].append(entry)
    return shapes
