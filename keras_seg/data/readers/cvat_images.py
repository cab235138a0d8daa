"""CVAT's format for images 1.1: an XML file of shapes.

https://docs.cvat.ai/docs/dataset_management/formats/format-cvat/ and
https://docs.cvat.ai/docs/dataset_management/formats/xml_format/. The run
lengths of a mask go along the rows of its window, zeros first; rotations are
clockwise around the center.
"""

import functools
import re
from xml.etree import ElementTree

from keras_seg.data.readers.annotations import outline
from keras_seg.data.readers.annotations import refuse_shape
from keras_seg.data.readers.bitmaps import row_region
from keras_seg.data.readers.marked import Marked
from keras_seg.data.readers.marked import box
from keras_seg.data.readers.marked import files_by_split
from keras_seg.data.readers.marked import hex_color
from keras_seg.data.readers.marked import numbers
from keras_seg.data.readers.polygons import fill
from keras_seg.data.readers.polygons import oval
from keras_seg.data.text import brief
from keras_seg.data.text import malformed
from keras_seg.data.text import parse_id
from keras_seg.data.text import read_text

__all__ = ["find", "read"]

_SIGN = re.compile(rb"<annotations>")
_IMAGE = re.compile(rb"<(image|track)\s")
_NO_AREA = ("polyline", "points", "cuboid", "skeleton")


def find(path):
    """The file and a subset of it, by split."""
    found = files_by_split(path, (".xml",), _SIGN, _IMAGE)
    if list(found) == [""]:
        images = list(_parsed(found[""]).iter("image"))
        subsets = {image.get("subset", "") for image in images} or {""}
        return {subset: (found[""], subset) for subset in subsets}
    return {name: (file, None) for name, file in found.items()}


def read(place):
    """The `Marked` images of a subset, or of all, and the labels' colors."""
    file, subset = place
    root = _parsed(file)
    if root.find("track") is not None:
        raise malformed(
            file,
            "has tracks of objects in a video",
            "shapes of images are expected",
            'export it as "CVAT for images 1.1"',
        )
    marked = []
    labels = {
        label.findtext("name", ""): hex_color(label.findtext("color", ""))
        for label in root.iterfind(".//labels/label")
    }
    for image in root.iter("image"):
        if subset not in (None, image.get("subset", "")):
            continue
        shapes = []
        for number, shape in enumerate(image, start=1):
            if shape.tag == "tag":
                continue
            label = shape.get("label")
            where = f"the {shape.tag} {number} of {image.get('name')}"
            if label is None:
                raise malformed(
                    file, f"has no label for {where}", "it needs one"
                )
            labels.setdefault(label, None)
            order = shape.get("z_order", "0")
            if not re.fullmatch(r"-?\d{1,9}", order):
                raise malformed(
                    file,
                    f"has for z_order of {where} {brief(order)}",
                    "an integer is expected",
                )
            draw = functools.partial(_region, shape.tag, dict(shape.attrib))
            shapes.append((int(order), (label, where, draw)))
        shapes.sort(key=lambda item: item[0])
        size = [parse_id(image.get(key, "")) for key in ("height", "width")]
        names = (image.get("name", ""),)
        marked.append(Marked(names, file, tuple(size), [s for _, s in shapes]))
    return marked, labels


def _parsed(file):
    text = read_text(file)
    # Entities can make a small file fill the memory; CVAT writes none.
    wrong = "has a DOCTYPE" if "<!DOCTYPE" in text else None
    try:
        return ElementTree.fromstring(text) if wrong is None else None
    except ElementTree.ParseError as error:
        wrong = f"is not XML ({error})"
    finally:
        if wrong:
            raise malformed(file, wrong, "a complete XML file is expected")


def _region(kind, found, size, file, where):
    if kind == "polygon":
        points = [xy.split(",") for xy in found.get("points", "").split(";")]
        return fill([outline(points, file, where)], size)
    turn = numbers({"rotation": 0} | found, ["rotation"], file, where)[0]
    if kind == "box":
        x0, y0, x1, y1 = numbers(
            found, ["xtl", "ytl", "xbr", "ybr"], file, where
        )
        pivot = (x0 + x1) / 2, (y0 + y1) / 2
        return fill([box(x0, y0, x1, y1, turn, pivot)], size)
    if kind == "ellipse":
        x, y, *radii = numbers(found, ["cx", "cy", "rx", "ry"], file, where)
        return oval((x, y), radii, size, turn)
    if kind == "mask":
        keys = ["top", "left", "height", "width"]
        window = [int(x) for x in numbers(found, keys, file, where)]
        cells = found.get("rle", "").split(",")
        counts = [parse_id(cell.strip()) for cell in cells]
        counts = [-1 if count is None else count for count in counts]
        return row_region(counts, window[:2], window[2:], size, file, where)
    if kind in _NO_AREA:
        raise refuse_shape(file, f"a {kind}", where)
    raise malformed(
        file,
        f"has {where}",
        "a shape is a polygon, a box, an ellipse or a mask",
    )
