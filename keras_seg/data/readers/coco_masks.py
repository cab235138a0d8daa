"""Masks from COCO's annotations: polygons and run lengths."""

import dataclasses
import pathlib

import numpy as np

from keras_seg.data.classes import VOID
from keras_seg.data.images import read_size
from keras_seg.data.readers.annotations import NO_OUTLINE
from keras_seg.data.readers.annotations import Labels
from keras_seg.data.readers.annotations import check_size
from keras_seg.data.readers.annotations import outline
from keras_seg.data.readers.annotations import refuse_shape
from keras_seg.data.readers.annotations import value
from keras_seg.data.readers.polygons import Region
from keras_seg.data.readers.polygons import fill
from keras_seg.data.readers.polygons import runs
from keras_seg.data.text import brief
from keras_seg.data.text import malformed

__all__ = ["CocoMasks", "region_of"]


@dataclasses.dataclass(frozen=True)
class CocoMasks:
    """Draws the annotations of a pair's image, large ones first.

    Args:
        records: dictionary from the path of each image to (its entry in the
            file, the list of its annotations).
        names: dictionary from category ids to names.
        labels: `Labels` of the categories that have annotations.
        crowd_is_void: bool, whether pixels of `iscrowd` are void.
    """

    records: dict[pathlib.Path, tuple[dict, list]]
    names: dict[int, str]
    labels: Labels
    crowd_is_void: bool = True

    def __call__(self, pair):
        crowds, size = self._regions(pair, crowds=True)
        objects, _ = self._regions(pair, crowds=False)
        # An object is labeled more precisely than the crowd around it.
        under = self.labels.draw(crowds, size, value=VOID, complete=False)
        return self.labels.draw(objects, size, under=under)

    def overlap(self, pair):
        """The pixels of an image that have more than one class."""
        return self.labels.overlap(*self._regions(pair, crowds=False))

    def is_bare(self, pair):
        """Whether an image has no annotation."""
        return not self.records[pair.image][1]

    def _regions(self, pair, crowds):
        """The regions of objects or crowds with their ids, and the size."""
        entry, annotations = self.records[pair.image]
        size = read_size(pair.image)
        declared = entry.get("height"), entry.get("width")
        check_size(declared, size, pair.image, pair.mask)
        return self._drawn(annotations, size, pair.mask, crowds), size

    def _drawn(self, annotations, size, file, crowds):
        for annotation in annotations:
            where = f"annotation {annotation.get('id')}"
            marked = annotation.get("iscrowd") or 0
            if marked not in (0, 1):
                raise malformed(
                    file,
                    f"has for iscrowd of {where} {brief(marked)}",
                    "0 or 1 is expected",
                )
            crowd = self.crowd_is_void and marked == 1
            if crowd == crowds:
                region = region_of(annotation, size, file, where)
                # One id a pixel: a crowd is void, whatever its class.
                unknown = crowd and not self.labels.multi_label
                i = VOID if unknown else self._id(annotation, file, where)
                yield region, i

    def _id(self, annotation, file, where):
        category = value(annotation, "category_id", int, file, where)
        if category in self.names:
            name = self.names[category]
            return self.labels.id_of(name, file, f"for {where} ")
        raise malformed(
            file,
            f"has for {where} the category {category}, which it does not list",
            "category_id is the id of a category",
        )


def region_of(annotation, size, file, where):
    """The `Region` of one annotation.

    Its `segmentation` is a list of polygons `[x, y, x, y, ...]`, whose union
    is taken, or run lengths with their `size`.
    """
    shape = value(annotation, "segmentation", (list, dict), file, where)
    if isinstance(shape, dict):
        return _run_lengths(shape, size, file, where)
    if not shape:
        raise refuse_shape(file, "a box without an outline", where, NO_OUTLINE)
    outlines = []
    for polygon in shape:
        if not isinstance(polygon, list) or len(polygon) % 2:
            raise malformed(
                file,
                f"has for {where} a polygon that is not x, y, x, y, ...",
                "a polygon is a list of an even number of numbers",
            )
        points = list(zip(polygon[::2], polygon[1::2], strict=True))
        outlines.append(outline(points, file, where))
    xy = np.concatenate(outlines)
    if 0 <= xy.min() and xy.max() <= 1 and (xy % 1).any():
        raise malformed(
            file,
            f"has for {where} coordinates of {xy.min():.3g} to {xy.max():.3g}",
            "they are in pixels",
            "multiply them by the width and the height of the image",
            "They look like parts of the image.",
        )
    return fill(outlines, size)


def _run_lengths(shape, size, file, where) -> Region:
    declared = value(shape, "size", list, file, where)
    if declared != list(size):
        raise malformed(
            file,
            f"has for {where} run lengths of the size {declared}",
            f"the image is {size[0]} high and {size[1]} wide",
        )
    counts = value(shape, "counts", (list, str), file, where)
    pixels = size[0] * size[1]
    if isinstance(counts, str):
        lengths = _unpacked(counts, pixels)
    elif all(type(c) is int and 0 <= c <= pixels for c in counts):
        lengths = np.array(counts, "int64")
    else:
        lengths = None
    if (
        lengths is None
        or (lengths < 0).any()
        or sum(lengths.tolist()) != pixels
    ):
        raise malformed(
            file,
            f"has for {where} run lengths that do not fill the image",
            "their sum is height times width",
        )
    return runs(lengths, size)


def _unpacked(text, pixels):
    """Compressed run lengths as integers, or `None` if they are malformed.

    Each character holds 5 bits of a signed number, low bits first, and one
    bit that says whether more follow. From the fourth number on, it is the
    difference from the run before the last.
    """
    try:
        bits = np.frombuffer(text.encode("latin-1"), "uint8").astype("int64")
    except UnicodeEncodeError:
        return None
    bits -= 48
    last = np.flatnonzero(bits & 32 == 0)
    whole = len(last) and last[-1] == len(bits) - 1
    if not whole or bits.min() < 0 or bits.max() > 63:
        return None
    first = np.append(0, last[:-1] + 1)
    if (last - first).max() > 8:
        return None  # 45 bits hold any run
    place = np.arange(len(bits)) - np.repeat(first, last - first + 1)
    numbers = np.add.reduceat((bits & 31) << 5 * place, first)
    numbers -= np.where(bits[last] & 16, 1 << 5 * (last - first + 1), 0)
    if np.abs(numbers).max() > pixels:
        return None
    numbers[1::2] = np.cumsum(numbers[1::2])
    numbers[2::2] = np.cumsum(numbers[2::2])
    return numbers
