"""VGG Image Annotator's format, version 1 and 2: regions in JSON or CSV.

https://www.robots.ox.ac.uk/~vgg/software/via/ and via-2.x.y/CodeDoc.md of
https://gitlab.com/vgg/via. The angle of an ellipse is in radians.
"""

import functools
import json
import math
import re

from keras_seg.data.errors import DataError
from keras_seg.data.readers.annotations import outline
from keras_seg.data.readers.annotations import refuse_shape
from keras_seg.data.readers.annotations import value
from keras_seg.data.readers.marked import Marked
from keras_seg.data.readers.marked import box
from keras_seg.data.readers.marked import files_by_split
from keras_seg.data.readers.marked import numbers
from keras_seg.data.readers.polygons import fill
from keras_seg.data.readers.polygons import oval
from keras_seg.data.text import brief
from keras_seg.data.text import listing
from keras_seg.data.text import malformed
from keras_seg.data.text import read_json
from keras_seg.data.text import read_rows

__all__ = ["find", "read"]

_SIGN = re.compile(rb"_via_img_metadata|shape_attributes")
# What an attribute with the class of a region may be called.
_CLASS = ("class", "label", "name", "type", "category", "object")
_OBJECT = "object"


def find(path):
    """The file of each split, JSON rather than CSV."""
    found = files_by_split(path, (".json",), _SIGN)
    found = found or files_by_split(path, (".csv",), _SIGN)
    return {name: (file,) for name, file in found.items()}


def read(place):
    """The `Marked` images of a file, and its labels."""
    (file,) = place
    table = file.suffix.lower() == ".csv"
    entries = _rows(file) if table else _entries(file)
    keys: dict = {}
    for regions in entries.values():
        for _, attributes in regions:
            keys |= dict.fromkeys(key for key in attributes if attributes[key])
    key = next(iter(keys), None)
    if len(keys) > 1:
        named = [key for key in keys if key.lower() in _CLASS]
        if len(named) != 1:
            raise malformed(
                file,
                f"has for regions the attributes {listing(keys)}",
                "one of them is the class",
                "call it class",
            )
        key = named[0]
    marked = []
    labels = set()
    for name, regions in entries.items():
        shapes: list = []
        for number, (shape, attributes) in enumerate(regions, start=1):
            where = f"region {number} of {name}"
            label = _OBJECT if key is None else attributes.get(key)
            if isinstance(label, dict):  # of check boxes
                label = [x for x, chosen in label.items() if chosen]
                label = label[0] if len(label) == 1 else None
            if not isinstance(label, str) or not label:
                raise malformed(
                    file,
                    f"has for {key} of {where} {brief(attributes.get(key))}",
                    "every region has a class",
                    "choose it in the tool",
                )
            labels.add(label)
            shapes.append((label, where, functools.partial(_region, shape)))
        marked.append(Marked((name,), file, shapes=shapes))
    return marked, dict.fromkeys(sorted(labels))


def _entries(file):
    """The regions of each image: pairs of their shape and attributes."""
    content = read_json(file)
    if isinstance(content, dict) and "_via_img_metadata" in content:
        content = content["_via_img_metadata"]
    if not isinstance(content, dict):
        raise malformed(file, f"holds {brief(content)}", "images are expected")
    found: dict = {}
    sizes: dict = {}
    for entry in content.values():
        name = value(entry, "filename", str, file, "an image")
        _refuse_twins(sizes, name, entry.get("size"), file)
        regions = value(entry, "regions", (list, dict), file, name)
        if isinstance(regions, dict):  # of version 1
            regions = list(regions.values())
        found.setdefault(name, []).extend(
            (
                value(region, "shape_attributes", dict, file, name),
                value(region, "region_attributes", dict, file, name),
            )
            for region in regions
        )
    return found


def _refuse_twins(sizes, name, size, file):
    """Refuse two images of one name, which have files of different sizes."""
    if sizes.setdefault(name, size) != size:
        raise DataError(
            "KS-D012",
            file,
            f"has the image {name} of {brief(sizes[name])} bytes, and another "
            f"of {brief(size)}",
            "the name of an image is its own",
            fix="rename one of the two, and annotate it by that name",
        )


def _rows(file):
    found: dict = {}
    sizes: dict = {}
    rows = read_rows(file)
    for number, row in enumerate(rows, start=2):
        name = row.get("filename", row.get("#filename"))
        try:
            shape = json.loads(row["region_shape_attributes"])
            attributes = json.loads(row["region_attributes"] or "{}")
        except (KeyError, TypeError, ValueError, RecursionError):
            shape = attributes = None
        if not (
            name and isinstance(shape, dict) and isinstance(attributes, dict)
        ):
            raise malformed(
                file,
                f"has on line {number} {brief(row)}",
                "filename, region_shape_attributes and region_attributes are "
                "expected",
            )
        _refuse_twins(sizes, name, row.get("file_size"), file)
        regions = found.setdefault(name, [])
        if shape:  # An image without a region has {}.
            regions.append((shape, attributes))
    return found


def _region(shape, size, file, where):
    kind = value(shape, "name", str, file, where)
    if kind == "polygon":
        keys = "all_points_x", "all_points_y"
        x, y = (value(shape, key, list, file, where) for key in keys)
        points = list(zip(x, y, strict=False)) if len(x) == len(y) else x
        return fill([outline(points, file, where)], size)
    if kind == "rect":
        x, y, width, height = numbers(
            shape, ["x", "y", "width", "height"], file, where
        )
        return fill([box(x, y, x + width, y + height)], size)
    if kind == "circle":
        x, y, r = numbers(shape, ["cx", "cy", "r"], file, where)
        return oval((x, y), (r, r), size)
    if kind == "ellipse":
        x, y, *radii, theta = numbers(
            {"theta": 0} | shape, ["cx", "cy", "rx", "ry", "theta"], file, where
        )
        return oval((x, y), radii, size, math.degrees(theta))
    raise refuse_shape(file, f"a {kind}", where)
