"""Supervisely's format: a JSON file of objects for each image.

https://docs.supervisely.com/data-organization/00_ann_format_navi. Points are
pixels, from 0 on: its SDK fills a rectangle with its last row and column, and
a polygon with its outline. A bitmap is a PNG in zlib in base64.
"""

import base64
import functools
import re
import zlib

import numpy as np
from PIL import Image
from PIL import ImageDraw

from keras_seg.data.layout import visible
from keras_seg.data.opening import SUFFIXES
from keras_seg.data.readers.annotations import outline
from keras_seg.data.readers.annotations import refuse_shape
from keras_seg.data.readers.annotations import value
from keras_seg.data.readers.bitmaps import png_region
from keras_seg.data.readers.marked import Marked
from keras_seg.data.readers.marked import box
from keras_seg.data.readers.marked import hex_color
from keras_seg.data.readers.marked import numbers
from keras_seg.data.readers.polygons import fill
from keras_seg.data.readers.polygons import whole
from keras_seg.data.text import malformed
from keras_seg.data.text import read_json
from keras_seg.data.text import text_holds

__all__ = ["find", "read"]

_SIGN = re.compile(rb'"objects"\s*:')
_NO_AREA = ("point", "line", "graph", "cuboid", "cuboid_2d")


def find(path):
    """The folders of data sets by name; `None` in another layout."""
    parts = {"": path} | {p.name: p for p in visible(path) if p.is_dir()}
    return {
        name: (part, path / "meta.json")
        for name, part in parts.items()
        if (part / "img").is_dir()
        and any(text_holds(file, _SIGN) for file in _files(part)[:1])
    }


def read(place):
    """The `Marked` images of a data set, and the classes with their colors."""
    folder, meta = place
    labels = {}
    if meta.exists():
        for entry in value(read_json(meta), "classes", list, meta, "the file"):
            name = value(entry, "title", str, meta, "a class")
            labels[name] = hex_color(entry.get("color"))
    marked = []
    files = {file.name.removesuffix(".json"): file for file in _files(folder)}
    for image in visible(folder / "img", *SUFFIXES):
        if image.name not in files:
            unseen = folder / "ann" / f"{image.name}.json"
            marked.append(Marked((f"img/{image.name}",), unseen))
    found: dict = {}
    for name, file in files.items():
        content = read_json(file)
        objects = value(content, "objects", list, file, "the file")
        sides = value(content, "size", dict, file, "the file")
        size = sides.get("height"), sides.get("width")
        shapes: list = []
        for number, entry in enumerate(objects, start=1):
            where = f"object {number}"
            label = value(entry, "classTitle", str, file, where)
            found[label] = None
            shapes.append((label, where, functools.partial(_region, entry)))
        marked.append(Marked((f"img/{name}",), file, size, shapes))
    return marked, labels | {
        name: None for name in sorted(found) if name not in labels
    }


def _files(folder):
    return visible(folder / "ann", ".json")


def _region(entry, size, file, where):
    kind = value(entry, "geometryType", str, file, where)
    if kind == "bitmap":
        bitmap = value(entry, "bitmap", dict, file, where)
        text = value(bitmap, "data", str, file, where)
        origin = value(bitmap, "origin", list, file, where)
        corner = dict(zip("xy", origin, strict=False))
        left, top = map(int, numbers(corner, "xy", file, where))
        limit = 2**16 + 8 * size[0] * size[1]
        try:
            packed = base64.b64decode(text, validate=True)
            content = zlib.decompressobj().decompress(packed, limit)
        except (ValueError, zlib.error):
            content = b""  # no complete PNG
        return png_region(content, (top, left), size, file, where)
    if kind in _NO_AREA:
        raise refuse_shape(file, f"a {kind}", where)
    if kind not in ("polygon", "rectangle"):
        raise malformed(
            file,
            f"has for {where} a {kind}",
            "a shape is a polygon, a rectangle or a bitmap",
        )
    points = value(entry, "points", dict, file, where)
    exterior = value(points, "exterior", list, file, where)
    if kind == "rectangle" and len(exterior) == 2:
        (x0, y0), (x1, y1), _ = outline([*exterior, exterior[0]], file, where)
        (x0, x1), (y0, y1) = sorted((x0, x1)), sorted((y0, y1))
        return fill([box(x0, y0, x1 + 1, y1 + 1)], size)
    holes = value(points, "interior", list, file, where)
    rings = [
        np.rint(outline(ring, file, where)).astype("int64")
        for ring in (exterior, *holes)
    ]
    low = np.clip(rings[0].min(axis=0), 0, size[::-1])
    high = np.clip(rings[0].max(axis=0) + 1, low, size[::-1])
    shape = tuple((high - low).tolist()[::-1])
    inside, *holes = (_with_outline(ring - low, shape) for ring in rings)
    for hole in holes:
        inside &= ~hole
    return whole(inside, int(low[1]), int(low[0]))


def _with_outline(ring, size):
    """The pixels in a ring of pixels, and those on it.

    In 40x50 pixels cv2.fillPoly, which the SDK calls, has two others in the
    mean over random polygons, as it rounds lines in another way.
    """
    drawn = Image.new("1", size[::-1])
    corners = list(map(tuple, [*ring.tolist(), ring[0].tolist()]))
    ImageDraw.Draw(drawn).line(corners, fill=1)
    found = np.array(drawn)
    region = fill([ring + 0.5], size)
    found[region.window()] |= region.inside
    return found
