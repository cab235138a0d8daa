"""The shapes of labelme to the ids of one image."""

import base64
import dataclasses
import io
import math

import numpy as np
from PIL import Image

from keras_seg.data.images import read_size
from keras_seg.data.readers.labels import Labels
from keras_seg.data.readers.polygons import disc
from keras_seg.data.readers.polygons import fill
from keras_seg.data.readers.polygons import paint
from keras_seg.data.readers.polygons import whole
from keras_seg.data.readers.records import check_size
from keras_seg.data.readers.records import outline
from keras_seg.data.readers.records import refuse_shape
from keras_seg.data.readers.records import value
from keras_seg.data.text import brief
from keras_seg.data.text import malformed
from keras_seg.data.text import read_json

__all__ = ["LabelmeMasks"]

_NO_AREA = ("point", "points", "line", "linestrip")
# X-AnyLabeling gives rectangles four corners, and calls turned ones rotation.
_FOUR = ("rectangle", "rotation", "oriented_rectangle")


@dataclasses.dataclass(frozen=True)
class LabelmeMasks:
    """Draws the shapes of a pair's JSON file, in their order.

    Args:
        labels: `Labels`.
    """

    labels: Labels

    def __call__(self, pair):
        content = read_json(pair.mask)
        size = read_size(pair.image)
        shapes = value(content, "shapes", list, pair.mask, "the file")
        declared = content.get("imageHeight"), content.get("imageWidth")
        check_size(declared, size, pair.image, pair.mask)
        regions = self._regions(shapes, size, pair.mask)
        background = self.labels.background
        return paint(regions, size, background, by_area=False)

    def _regions(self, shapes, size, file):
        for number, shape in enumerate(shapes, start=1):
            where = f"shape {number}"
            label = value(shape, "label", str, file, where)
            i = self.labels.id_of(label, file, f"for {where} ")
            yield _region(shape, size, file, f"{where}, {label},"), i


def _region(shape, size, file, where):
    kind = shape.get("shape_type") or "polygon"
    points = value(shape, "points", list, file, where)
    if kind in ("rectangle", "circle", "mask") and len(points) == 2:
        # A third point, so that two are checked as a polygon's.
        (x0, y0), (x1, y1), _ = outline([*points, points[0]], file, where)
        if kind == "circle":
            return disc((x0, y0), math.hypot(x1 - x0, y1 - y0), size)
        if kind == "mask":
            return _mask(shape, (round(y0), round(x0)), size, file, where)
        return fill([[(x0, y0), (x1, y0), (x1, y1), (x0, y1)]], size)
    four = kind in _FOUR and len(points) == 4
    if kind == "polygon" or four:
        xy = outline(points, file, where)
        if not four or _turns_one_way(xy):
            return fill([xy], size)
    if kind in _NO_AREA:
        raise refuse_shape(file, f"a {kind} of {len(points)} points", where)
    raise malformed(
        file,
        f"has for {where} a {brief(kind)} of {len(points)} points",
        "a shape is a polygon, a rectangle of two corners or of four in "
        "turn, a circle of its center and a point on it, or a mask",
        "draw the shape again as a polygon",
    )


def _turns_one_way(xy):
    """Whether four corners are in turn, so that no two sides cross."""
    sides = np.roll(xy, -1, axis=0) - xy
    (x0, y0), (x1, y1) = sides.T, np.roll(sides, -1, axis=0).T
    turns = x0 * y1 - y0 * x1
    return (turns >= 0).all() or (turns <= 0).all()


def _mask(shape, corner, size, file, where):
    """A PNG, in the JSON as text, whose first pixel lies at a corner."""
    text = value(shape, "mask", str, file, where)
    (top, left), (rows, columns) = corner, size
    try:
        content = io.BytesIO(base64.b64decode(text, validate=True))
        with Image.open(content, formats=("PNG",)) as image:
            fits = (
                0 <= top <= rows - image.height
                and 0 <= left <= columns - image.width
            )
            if fits:
                window = np.asarray(image.convert("L")) > 0
    # Decoders raise whatever they like.
    except Exception as error:
        raise malformed(
            file,
            f"has for {where} a mask that is no complete PNG",
            "labelme writes masks as PNG in base64",
            "draw the shape again",
        ) from error
    if not fits:
        raise malformed(
            file,
            f"has for {where} a mask that reaches out of the image",
            "a mask lies inside",
            "draw the shape again",
        )
    return whole(window, top, left)
