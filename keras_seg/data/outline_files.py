"""Files of outlines for the tools that images are annotated in."""

import json
import os
import xml.etree.ElementTree as ET
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from keras_seg.atomic import replacing
from keras_seg.data.classes import VOID
from keras_seg.data.classes import ClassTable
from keras_seg.data.outline_maps import class_name
from keras_seg.data.outline_maps import geojson
from keras_seg.data.outline_maps import gpkg
from keras_seg.data.outlines import Outline
from keras_seg.data.outlines import Outlined
from keras_seg.data.outlines import area_of
from keras_seg.data.outlines import one_ring
from keras_seg.data.outlines import outlines
from keras_seg.data.readers.annotations import is_background
from keras_seg.data.remote import place

__all__ = [
    "FORMATS",
    "VOID_OF",
    "background_ids",
    "outlined",
    "write_outlines",
    "yolo_names",
]

# From this id on outlines are void for the class id - VOID_OF, of several
# labels; only COCO can say so.
VOID_OF = 256


def write_outlines(
    path: str | os.PathLike,
    kind: str,
    images: Sequence[Outlined],
    class_table: ClassTable,
) -> None:
    """Writes outlines in a format that other programs read.

    | `kind` | what is written |
    |---|---|
    | `"geojson"` | a feature for each outline, in longitude and latitude ([RFC 7946](https://www.rfc-editor.org/rfc/rfc7946)), or in pixels if the image has no place |
    | `"gpkg"` | a GeoPackage with the table `outlines`, in the coordinates of the image's map, or in pixels |
    | `"coco"` | an annotation for each outline; void is `iscrowd` |
    | `"cvat"` | "CVAT for images 1.1", a polygon for each outline |
    | `"labelme"` | a polygon for each outline; void is `__ignore__` |
    | `"yolo"` | a line for each outline, without void; class 0 is the first class that is not the background |

    The last four have no holes: a line that is drawn back and forth joins a
    hole to the outer ring, so that filling it gives the same pixels. Lines
    that are carried to longitude and latitude get a point every 64 pixels.

    Args:
        path: path of the file.
        kind: str, see above.
        images: `Outlined` of all images, of one image unless `kind` is
            `"coco"` or `"cvat"`.
        class_table: `keras_seg.data.ClassTable` of the ids.

    Raises:
        ValueError: If `kind` is none of these, or `images` are several.
        DataError: If an image has a transform and no coordinate system, for
            GeoJSON.

    Example:

    >>> import pathlib
    >>> import tempfile
    >>> import numpy as np
    >>> from keras_seg import data
    >>> mask = np.eye(2, dtype="uint8")
    >>> found = data.Outlined("a.png", mask.shape, data.outlines(mask))
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "a.txt"
    >>> table = data.ClassTable.default(2)
    >>> data.write_outlines(path, "yolo", [found], table)
    >>> path.read_text().splitlines()[0]
    '1 0 0.5 0.5 0.5 0.5 0 0 0'
    """  # noqa: E501
    if kind not in FORMATS:
        raise ValueError(
            f"`kind` must be one of {', '.join(FORMATS)}. Received: {kind!r}"
        )
    if len(images) != 1 and kind not in ("coco", "cvat"):
        raise ValueError(
            f"A file of {kind} is of one image. Received: {len(images)} images"
        )
    content = FORMATS[kind](images, class_table)
    if isinstance(content, str):
        content = content.encode("utf-8", "backslashreplace")
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def outlined(
    name: str,
    ids: NDArray,
    class_table: ClassTable,
    tolerance: float = 0.5,
    place: Any = None,
) -> Outlined:
    """The outlines of what a network found, but of background and void.

    Args:
        name: str, see `Outlined`.
        ids: array `(height, width)`, or `(height, width, labels)` of 0 and 1.
        class_table: `keras_seg.data.ClassTable`.
        tolerance: float, see `keras_seg.data.outlines`.
        place: see `Outlined`.
    """
    found = []
    if ids.ndim == 3:
        for k in range(ids.shape[-1]):
            rings = outlines(ids[..., k], tolerance, [0, VOID])
            found += [Outline(k, one.rings) for one in rings]
    else:
        void = [VOID] * (len(class_table) <= VOID)
        without = [*background_ids(class_table), *void]
        found = outlines(ids, tolerance, without)
    return Outlined(name, ids.shape[:2], found, place)


def background_ids(class_table: ClassTable) -> list[int]:
    """The ids of classes that are called background."""
    return [i for i, n in enumerate(class_table.names) if is_background(n)]


def _coco(images: Sequence[Outlined], class_table: ClassTable) -> str:
    annotations: list[dict] = []
    for number, image in enumerate(images, start=1):
        for i, rings in image.outlines:
            low, high = rings[0].min(axis=0), rings[0].max(axis=0)
            void = i >= len(class_table)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": max(0, i - VOID_OF) if void else i,
                    "segmentation": [one_ring(rings).ravel().tolist()],
                    "area": abs(sum(map(area_of, rings))),
                    "bbox": [*low.tolist(), *(high - low).tolist()],
                    "iscrowd": int(void),
                }
            )
    content = {
        "images": [
            {"id": k, "file_name": n, "height": h, "width": w}
            for k, (n, (h, w), *_) in enumerate(images, start=1)
        ],
        "categories": [
            {"id": i, "name": name, "supercategory": ""}
            for i, name in enumerate(class_table.names)
        ],
        "annotations": annotations,
    }
    return json.dumps(content)


def _cvat(images: Sequence[Outlined], class_table: ClassTable) -> str:
    root = ET.Element("annotations")
    ET.SubElement(root, "version").text = "1.1"
    task = ET.SubElement(ET.SubElement(root, "meta"), "task")
    labels = ET.SubElement(task, "labels")
    for name, color in zip(class_table.names, class_table.colors, strict=True):
        label = ET.SubElement(labels, "label")
        ET.SubElement(label, "name").text = name
        ET.SubElement(label, "color").text = "#{:02x}{:02x}{:02x}".format(
            *color
        )
    for number, (name, (height, width), found, _) in enumerate(images):
        sizes = {"width": str(width), "height": str(height)}
        image = ET.SubElement(
            root, "image", {"id": str(number), "name": name, **sizes}
        )
        for i, rings in found:
            points = ";".join(f"{x:g},{y:g}" for x, y in one_ring(rings))
            ET.SubElement(
                image,
                "polygon",
                {
                    "label": class_name(i, class_table),
                    "source": "auto",
                    "occluded": "0",
                    "points": points,
                    "z_order": "0",
                },
            )
    ET.indent(root)
    return ET.tostring(root, "unicode", xml_declaration=True) + "\n"


def _labelme(images: Sequence[Outlined], class_table: ClassTable) -> str:
    (image,) = images
    content: dict[str, Any] = {
        "version": "5.0.0",
        "flags": {},
        "shapes": [
            {
                "label": class_name(i, class_table),
                "points": one_ring(rings).tolist(),
                "group_id": None,
                "shape_type": "polygon",
                "flags": {},
            }
            for i, rings in image.outlines
        ],
        "imagePath": place(image.name).as_posix(),
        "imageData": None,
        "imageHeight": image.size[0],
        "imageWidth": image.size[1],
    }
    return json.dumps(content, indent=1)


def yolo_names(class_table: ClassTable) -> list[str]:
    """The names of YOLO's classes: all but those called background."""
    return [name for name in class_table.names if not is_background(name)]


def _yolo(images: Sequence[Outlined], class_table: ClassTable) -> str:
    (image,) = images
    names = yolo_names(class_table)
    lines = []
    for i, rings in image.outlines:
        if class_name(i, class_table) in names:
            points = one_ring(rings) / image.size[::-1]
            cells = [f"{cell:.8g}" for cell in points.ravel()]
            number = names.index(class_table.names[i])
            lines.append(" ".join([str(number), *cells]) + "\n")
    return "".join(lines)


FORMATS: dict[str, Callable[[Sequence[Outlined], ClassTable], Any]] = {
    "geojson": geojson,
    "coco": _coco,
    "labelme": _labelme,
    "yolo": _yolo,
    "cvat": _cvat,
    "gpkg": gpkg,
}
