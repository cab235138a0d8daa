"""Reader of the annotation files of several tools, each with its own parser."""

import dataclasses
import os
import pathlib
from collections.abc import Callable
from typing import Any

from keras_seg.data.classes import ClassTable
from keras_seg.data.errors import DataError
from keras_seg.data.folder import Folder
from keras_seg.data.folder import find_table
from keras_seg.data.images import read_size
from keras_seg.data.layout import existing
from keras_seg.data.layout import missing_split
from keras_seg.data.layout import refuse_masks_beside
from keras_seg.data.layout import sorted_splits
from keras_seg.data.opening import SUFFIXES
from keras_seg.data.pairs import Pair
from keras_seg.data.pairs import pictures_below
from keras_seg.data.readers import cvat_images
from keras_seg.data.readers import kaggle
from keras_seg.data.readers import label_studio
from keras_seg.data.readers import supervisely
from keras_seg.data.readers import via
from keras_seg.data.readers.annotations import Labels
from keras_seg.data.readers.annotations import check_size
from keras_seg.data.readers.annotations import match_labels
from keras_seg.data.readers.annotations import unique_stems
from keras_seg.data.readers.marked import Marked
from keras_seg.data.text import listing

__all__ = ["ShapeMasks", "from_shapes", "shape_splits"]

# Each has `find(path)`, which returns a dictionary from the splits to places,
# or `None` if the folder is of another tool; and `read(place)`, which returns
# a list of `Marked` and a dictionary from labels to colors, in their order.
_TOOLS: tuple[Any, ...] = (
    cvat_images,
    supervisely,
    label_studio,
    via,
    kaggle,
)


def from_shapes(
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
    """Read the annotations of one of several tools as a `Folder`.

    | tool | files | what is filled |
    |---|---|---|
    | [CVAT for images 1.1](https://docs.cvat.ai/docs/dataset_management/formats/format-cvat/) | `annotations.xml` | polygons, boxes, ellipses, masks, by `z_order`; subsets are the splits |
    | [Supervisely](https://docs.supervisely.com/data-organization/00_ann_format_navi) | `meta.json`, `DATASET/img/x.jpg`, `DATASET/ann/x.jpg.json` | polygons with holes, bitmaps, rectangles; data sets are the splits |
    | [Label Studio](https://labelstud.io/guide/export) JSON | a JSON file beside the images | brush strokes, polygons, rectangles, ellipses |
    | [VGG Image Annotator 2](https://www.robots.ox.ac.uk/~vgg/software/via/) | a JSON or CSV file, or one in each split | polygons, rectangles, circles, ellipses |
    | [Kaggle's tables](https://www.kaggle.com/competitions/airbus-ship-detection/overview) of run lengths | a CSV file with `EncodedPixels` or `rle` | pixels, numbered down the columns from 1 on |

    Images are found by their names in the folder and all folders in it, but
    those of other splits; one that is named with a folder is in a folder of
    this name. Later shapes cover
    earlier ones. Points, lines and cuboids have no area and are refused; tags
    of images say nothing of pixels. A pixel is in a polygon if its center is;
    in Supervisely's, whose points are pixels, also if its outline touches it.
    VIA's class is its only attribute of regions, or that called class, label,
    name, type, category or object. Shapes without any attribute, and Kaggle's
    without a class, are of the class object. A table of Kaggle that numbers
    pixels along the rows, as a few do, looks the same and would be read
    wrongly: look at `Folder.show()`.

    Args:
        path: str or path.
        split: optional str; required if there are several.
        class_table: optional `ClassTable` with the names of the labels, or
            number of classes, including the background. By default
            `classes.csv` in the folder or above, or else the labels: in the
            order and colors of the tool, or sorted.
        check, channels: see `from_folder`.
        background: optional str, the class of pixels in no shape; `None`
            makes them void.
        skip_unlabeled: bool, whether to leave out images that nobody has
            annotated yet.
        multi_label: bool, whether classes may overlap: each class is drawn by
            itself, and the background is no class.

    Raises:
        DataError: If a file or the folder cannot be used.
    """  # noqa: E501
    root = existing(path)
    tool, places = _recognized(root) or (None, {})
    if split is None and len(places) == 1:
        split = next(iter(places))
    if tool is None or split not in places:
        names = sorted_splits(set(places) - {""})
        raise missing_split(path, split, names, ": no such annotations")
    marked, found = tool.read(places[split])
    table = find_table(root, class_table)
    known: dict = {}
    # A table need not have names that are not used: `id_of` looks them up.
    if not isinstance(table, ClassTable):
        for other in sorted_splits(places):
            own = other == split
            known |= found if own else tool.read(places[other])[1]
    file = places[split][0]
    labels = match_labels(list(known), table, file, background, multi_label)
    if any(known.values()):
        own = labels.class_table
        colors = [
            known.get(name) or color
            for name, color in zip(own.names, own.colors, strict=True)
        ]
        labels = dataclasses.replace(
            labels, class_table=dataclasses.replace(own, colors=tuple(colors))
        )
    find = _Finder(root, split, places, marked)
    pairs, skipped, records = _paired(marked, root, find, skip_unlabeled)
    data = Folder(
        pairs,
        labels.class_table,
        ShapeMasks(records, labels),
        channels,
        skipped,
        multi_label=multi_label,
    )
    return data.check() if check else data


def shape_splits(path):
    """The splits of a tool's folder; `None` in another layout."""
    found = _recognized(pathlib.Path(path))
    if found:
        refuse_masks_beside(pathlib.Path(path), [*found[1].values()][0][0])
    return None if found is None else sorted_splits(set(found[1]) - {""})


@dataclasses.dataclass(frozen=True)
class ShapeMasks:
    """Draws the shapes of a pair's image, in their order."""

    records: dict[pathlib.Path, Marked]
    labels: Labels

    def __call__(self, pair):
        regions, size = self._regions(pair)
        return self.labels.draw(regions, size, by_area=False)

    def overlap(self, pair):
        """The pixels of an image that have more than one class."""
        return self.labels.overlap(*self._regions(pair))

    def is_bare(self, pair):
        """Whether an image has no shape."""
        return not self.records[pair.image].shapes

    def _regions(self, pair):
        marked = self.records[pair.image]
        size = read_size(pair.image)
        check_size(marked.size, size, pair.image, marked.file)
        return self._drawn(marked, size), size

    def _drawn(self, marked, size):
        for label, where, draw in marked.shapes:
            i = self.labels.id_of(label, marked.file, f"for {where} ")
            yield draw(size=size, file=marked.file, where=where), i


def _recognized(path) -> tuple[Any, dict[str | None, Any]] | None:
    for tool in _TOOLS:
        places = tool.find(path)
        if places and "" in places and len(places) > 1:
            raise DataError(
                "KS-D002",
                path,
                "has annotations of no split beside those of "
                f"{listing(sorted_splits(set(places) - {''}))}",
                "these would be left out: all are in splits, or none is",
                fix="move them and their images into a split, or take them "
                "away",
            )
        if places:
            return tool, places
    return None


def _paired(marked, path, find, skip_unlabeled):
    """The pairs, the images left out, and the `Marked` of each image."""
    named = [(find(entry), entry) for entry in marked]
    skipped = []
    records: dict[pathlib.Path, Marked] = {}
    for image, entry in named:
        if image in records:
            raise DataError(
                "KS-D012",
                entry.file,
                f"has annotations of {image} again",
                "an image comes once",
                fix="remove one of the two, or merge them in the tool",
            )
        if entry.shapes is not None:
            records[image] = entry
        elif skip_unlabeled:
            skipped.append(image)
        else:
            raise DataError(
                "KS-D004",
                image,
                f"is not annotated in {entry.file}",
                "every image needs an annotation, without shapes too",
                fix="annotate it, remove it, or leave such images out with "
                "--skip-unlabeled",
            )
    if not records:
        raise DataError(
            "KS-D010",
            path,
            "has no annotated image",
            "at least one is needed",
            fix="export the annotations again",
        )
    stems = unique_stems([image.name for image in records], path)
    pairs = [
        Pair(stem, image, entry.file)
        for stem, (image, entry) in zip(stems, records.items(), strict=True)
    ]
    return pairs, skipped, records


class _Finder:
    """Finds the image that an annotation names, anywhere in a folder.

    But not in another split, nor in another folder than it names. If no image
    is in a folder that is named, `images` and the split's folder will do: the
    names may be those of a server.
    """

    def __init__(self, path, split, splits, marked):
        self.path, self.split, self.splits = path, split, splits
        self.files: dict[str, list[pathlib.Path]] = {}
        folders = set()
        for file in pictures_below(path):
            folders.add(file.parent.name)
            for name in {file.name, file.stem}:
                self.files.setdefault(name, []).append(file)
        named = {n for m in marked for x in m.names for n in _parts(x)[-2:-1]}
        self.flat = named.isdisjoint(folders)

    def __call__(self, entry):
        near: list[pathlib.Path] = []
        for name in entry.names:
            parts = _parts(name)
            found = self.files.get(parts[-1] if parts else "", [])
            if pathlib.PurePosixPath(name).suffix.lower() in SUFFIXES:
                found = [file for file in found if file.name == parts[-1]]
            near += found
            found = [file for file in found if self._may_be(file, parts)]
            # The longer part of the path, and the split, tell apart what
            # has the same name.
            tests: tuple[Callable, ...] = (
                lambda f, p=parts: f.parts[-len(p) :] == p,
                lambda f: self.split in f.relative_to(self.path).parts[:-1],
                lambda f: f.is_relative_to(entry.file.parent),
            )
            for test in tests:
                found = [file for file in found if test(file)] or found
            if len(found) == 1:
                return found[0]
            if found:
                raise DataError(
                    "KS-D012",
                    entry.file,
                    f"names {name}, which may be {found[0]} or {found[1]}",
                    "the name of an image, with its folders, is its own",
                    fix="rename or remove one of the two",
                )
        raise DataError(
            "KS-D005",
            entry.file,
            f"names the image {entry.names[0]}, which was not found",
            f"images are looked for in {self.path} and all folders in it",
            guess=f"There is {near[0]}, in another folder." if near else None,
            fix="add it, or correct the name",
        )

    def _may_be(self, file, parts):
        """Whether a file of the right name is in the right split and folder."""
        folders = file.relative_to(self.path).parts[:-1]
        of = next((x for x in folders if x in self.splits), self.split)
        if of != self.split and of not in parts[:-1]:
            return False
        if len(parts) < 2 or file.parent.name == parts[-2]:
            return True
        return self.flat and {"images", "img", self.split}.issuperset(folders)


def _parts(name):
    """The folders and the name of a file, without a root."""
    path = pathlib.PurePosixPath(name.replace("\\", "/"))
    return tuple(part for part in path.parts if part not in ("/", ".."))
