"""Annotations of COCO to the ids of one image."""

import dataclasses
import pathlib

import numpy as np

from keras_seg.data.classes import VOID
from keras_seg.data.errors import DataError
from keras_seg.data.images import read_size
from keras_seg.data.readers.polygons import Region
from keras_seg.data.readers.polygons import fill
from keras_seg.data.readers.polygons import paint
from keras_seg.data.readers.polygons import runs
from keras_seg.data.readers.polygons import whole
from keras_seg.data.readers.records import check_size
from keras_seg.data.readers.records import outline
from keras_seg.data.readers.records import refuse_shape
from keras_seg.data.readers.records import value
from keras_seg.data.text import malformed

__all__ = ["CocoMasks", "region_of"]


@dataclasses.dataclass(frozen=True)
class CocoMasks:
    """Draws the annotations of a pair's image, large ones first.

    Args:
        records: dictionary from the path of each image to (its entry in the
            file, the list of its annotations).
        ids: dictionary from category ids to class ids.
        background: int, the id of pixels without an annotation.
        crowd_is_void: bool, whether `iscrowd` marks pixels as void.
    """

    records: dict[pathlib.Path, tuple[dict, list]]
    ids: dict[int, int]
    background: int
    crowd_is_void: bool = True

    def __call__(self, pair):
        entry, annotations = self.records[pair.image]
        size = read_size(pair.image)
        declared = entry.get("height"), entry.get("width")
        check_size(declared, size, pair.image, pair.mask)
        crowds, objects = [], []
        for annotation in annotations:
            where = f"annotation {annotation.get('id')}"
            region = region_of(annotation, size, pair.mask, where)
            if self.crowd_is_void and annotation.get("iscrowd") == 1:
                crowds.append((region, VOID))
            else:
                i = self._id(annotation, pair.mask, where)
                objects.append((region, i))
        # Each object is marked more surely than the crowd that it is in.
        ids = paint(crowds, size, self.background)
        for region, i in sorted(objects, key=lambda o: -o[0].area()):
            region.write(ids, i)
        return ids

    def _id(self, annotation, file, where):
        category = value(annotation, "category_id", int, file, where)
        if category in self.ids:
            return self.ids[category]
        raise malformed(
            file,
            f"has for {where} the category {category}, which it does not list",
            "category_id is the id of a category",
            "export it again",
        )


def region_of(annotation, size, file, where):
    """The pixels of one annotation.

    Args:
        annotation: dictionary with a `segmentation`: a list of polygons
            `[x, y, x, y, ...]`, whose union is taken, or run lengths with
            their `size`.
        size: tuple (height, width) of the image.
        file: str or path, named in errors.
        where: str, which annotation it is.

    Returns:
        A `Region`.

    Raises:
        DataError: the segmentation is missing or malformed, or pycocotools is
            needed and not installed.
    """
    shape = value(annotation, "segmentation", (list, dict), file, where)
    if isinstance(shape, dict):
        return _run_lengths(shape, size, file, where)
    if not shape:
        raise refuse_shape(file, "a box without an outline", where)
    outlines = []
    for polygon in shape:
        if not isinstance(polygon, list) or len(polygon) % 2:
            raise malformed(
                file,
                f"has for {where} a polygon that is not x, y, x, y, ...",
                "a polygon is a list of an even number of numbers",
                "export it again",
            )
        points = list(zip(polygon[::2], polygon[1::2], strict=True))
        outlines.append(outline(points, file, where))
    return fill(outlines, size)


def _run_lengths(shape, size, file, where) -> Region:
    declared = value(shape, "size", list, file, where)
    if declared != list(size):
        raise malformed(
            file,
            f"has for {where} run lengths of the size {declared}",
            f"the image is {size[0]} high and {size[1]} wide",
            "export it again",
        )
    counts = value(shape, "counts", (list, str), file, where)
    if isinstance(counts, str):
        return whole(_decompressed(counts, size, file, where))
    plain = all(type(c) is int and 0 <= c <= size[0] * size[1] for c in counts)
    if not plain or sum(counts) != size[0] * size[1]:
        raise _bad_runs(file, where)
    return runs(np.array(counts, "int64"), size)


def _decompressed(counts, size, file, where):
    try:
        from pycocotools import mask
    except ImportError as error:
        raise DataError(
            "KS-D016",
            file,
            f"has for {where} compressed run lengths",
            "the package pycocotools reads them, and is not installed",
            fix='pip install "keras-seg[coco]"',
        ) from error
    if not counts:
        raise _bad_runs(file, where)
    try:
        # Its decoder checks that the runs fill the size, and no more.
        inside = mask.decode({"size": list(size), "counts": counts.encode()})
    except ValueError as error:
        raise _bad_runs(file, where) from error
    return inside.astype(bool)


def _bad_runs(file, where):
    return malformed(
        file,
        f"has for {where} run lengths that do not fill the image",
        "their sum is height times width",
        "export it again",
    )
