"""Label Studio's JSON: tasks with the results of annotators.

https://labelstud.io/guide/export, https://labelstud.io/tags/brushlabels,
…/polygonlabels, …/rectanglelabels and …/ellipselabels. Lengths are percents
of the image; a rectangle turns clockwise around its first corner.
"""

import functools
import pathlib
import re
import urllib.parse

from keras_seg.data.readers.annotations import outline
from keras_seg.data.readers.annotations import refuse_shape
from keras_seg.data.readers.annotations import value
from keras_seg.data.readers.bitmaps import brush_region
from keras_seg.data.readers.marked import Marked
from keras_seg.data.readers.marked import box
from keras_seg.data.readers.marked import files_by_split
from keras_seg.data.readers.marked import numbers
from keras_seg.data.readers.polygons import fill
from keras_seg.data.readers.polygons import oval
from keras_seg.data.text import malformed
from keras_seg.data.text import read_json

__all__ = ["find", "read"]

_SIGN = re.compile(rb'"from_name"')
_UPLOAD = re.compile(r"[0-9a-f]{8}-(.+)")  # before the name of an upload
# Results that say nothing of pixels.
_OF_IMAGES = ("choices", "rating", "taxonomy", "textarea", "number", "datetime")


def find(path):
    """The file of each split."""
    return {
        name: (file,)
        for name, file in files_by_split(path, (".json",), _SIGN).items()
    }


def read(place):
    """The `Marked` images of a file, and its labels."""
    (file,) = place
    tasks = read_json(file)
    tasks = tasks if isinstance(tasks, list) else [tasks]
    marked = []
    labels = set()
    for number, task in enumerate(tasks, start=1):
        where = f"task {number}"
        data = value(task, "data", dict, file, where)
        texts = [text for text in data.values() if isinstance(text, str)]
        names = [name for text in texts for name in _names(text)]
        if not names:
            raise malformed(
                file, f"names no image for {where}", "data has its address"
            )
        done = [
            entry
            for entry in value(task, "annotations", list, file, where)
            if not (isinstance(entry, dict) and entry.get("was_cancelled"))
        ]
        if len(done) > 1:
            raise malformed(
                file,
                f"has {len(done)} annotations of {where}, {names[0]}",
                "an image has one",
                "delete the others in Label Studio, or export one annotator's",
            )
        shapes: list | None = None
        for entry in done:
            results = value(entry, "result", list, file, where)
            shapes = _shapes(results, file, where)
            labels |= {label for label, _, _ in shapes}
        marked.append(Marked(tuple(names), file, shapes=shapes))
    return marked, dict.fromkeys(sorted(labels))


def _names(text):
    """The names that an image may have by its address."""
    address = urllib.parse.urlsplit(text.strip())
    query = urllib.parse.parse_qs(address.query).get("d", [""])[0]
    name = query or urllib.parse.unquote(address.path)
    path = pathlib.PurePosixPath(name.replace("\\", "/"))
    if not path.suffix:
        return
    yield str(path).lstrip("/")
    if not query:  # Its folders are those of a server.
        yield path.name
    if upload := _UPLOAD.fullmatch(path.name):
        yield upload[1]


def _shapes(results, file, where):
    """The shapes of an annotation; results of one id are one shape."""
    by_id: dict = {}
    for number, result in enumerate(results, start=1):
        kind = value(result, "type", str, file, f"a result of {where}")
        if kind not in (*_OF_IMAGES, "relation"):
            by_id.setdefault(str(result.get("id", number)), []).append(result)
    shapes = []
    for i, parts in by_id.items():
        here = f"result {i} of {where}"
        found: dict = {}
        for part in parts:
            if part.get("image_rotation"):
                raise malformed(
                    file,
                    f"has {here} on a turned image",
                    "shapes of the image as it is are expected",
                    "turn the file of the image, and label it again",
                )
            found |= part | {
                "value": found.get("value", {})
                | value(part, "value", dict, file, here)
            }
        shape = found["value"]
        names = [
            name
            for key, listed in shape.items()
            if key.endswith("labels") and isinstance(listed, list)
            for name in listed
        ]
        if len(set(map(str, names))) != 1 or not isinstance(names[0], str):
            raise malformed(
                file,
                f"has {len(names)} labels for {here}",
                "a shape has one",
                "label it again",
            )
        draw = functools.partial(_region, found)
        shapes.append((names[0], here, draw))
    return shapes


def _region(found, size, file, where):
    shape = found["value"]
    for key, side in zip(("height", "width"), size, strict=True):
        if found.get(f"original_{key}") != side:
            raise malformed(
                file,
                f"says for {where} that the {key} of its image is "
                f"{found.get(f'original_{key}')}",
                f"it is {side}",
                "label this image, or put the one back that was labeled",
            )
    if "rle" in shape:
        return brush_region(shape["rle"], size, file, where)
    scale = size[1] / 100, size[0] / 100
    if "points" in shape and shape.get("closed", True):
        return fill([outline(shape["points"], file, where) * scale], size)
    turn = numbers({"rotation": 0} | shape, ["rotation"], file, where)[0]
    if "radiusX" in shape:
        x, y, *radii = numbers(
            shape, ["x", "y", "radiusX", "radiusY"], file, where
        )
        radii = [r * s for r, s in zip(radii, scale, strict=True)]
        return oval((x * scale[0], y * scale[1]), radii, size, turn)
    if "width" in shape and "height" in shape:
        x, y, width, height = numbers(
            shape, ["x", "y", "width", "height"], file, where
        )
        x, width, y, height = (
            *(x * scale[0], width * scale[0]),
            *(y * scale[1], height * scale[1]),
        )
        corners = box(x, y, x + width, y + height, turn, (x, y))
        return fill([corners], size)
    raise refuse_shape(
        file,
        f"a {found.get('type')}",
        where,
        "brush strokes, polygons, rectangles and ellipses are filled",
    )
