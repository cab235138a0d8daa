"""Formats of annotation tools that are not read, told by their true name."""

import os
import pathlib
import re

from keras_seg.data.errors import DataError
from keras_seg.data.layout import MASK_FOLDERS
from keras_seg.data.layout import visible
from keras_seg.data.opening import SUFFIXES
from keras_seg.data.text import text_holds

__all__ = ["refuse_foreign"]

_FILES = 40  # looked into at most, a few in each folder
_EXPORT = "export it as COCO, as YOLO segmentation, or as masks"
# The format, the suffixes of its files, what they hold, and the fix.
_TOOLS = (
    (
        "CVAT's format for images",
        (".xml",),
        rb"<image\s[^>]*\bname=",
        'export it as "Segmentation mask 1.1" or "COCO 1.0"',
    ),
    ("boxes of PASCAL VOC's format", (".xml",), rb"<bndbox>", _EXPORT),
    (
        "VGG Image Annotator's format",
        (".json", ".csv"),
        rb'_via_img_metadata|"?shape_attributes|region_shape_attributes',
        "export it there as COCO",
    ),
    (
        "Labelbox's format",
        (".json", ".ndjson"),
        rb'"data_row"|"Labeled Data"',
        _EXPORT,
    ),
    ("Supervisely's format", (".json",), rb'"classTitle"', _EXPORT),
    ("V7 Darwin's format", (".json",), rb'"schema_ref"|darwin', _EXPORT),
    (
        "Label Studio's own format",
        (".json",),
        rb'"from_name"',
        'export it as "COCO with images", "YOLO with images" or PNG masks',
    ),
    ("Datumaro's format", (".json",), rb'"dm_format_version"', _EXPORT),
    (
        "Cityscapes' polygons",
        (".json",),
        rb'"imgWidth"',
        "take the masks *_labelIds.png or *_labelTrainIds.png",
    ),
)


def refuse_foreign(path):
    """Refuse a folder without masks that another tool's files lie in.

    Args:
        path: path of a folder that no reader recognizes.

    Raises:
        DataError: there is such a file; it names the format.
    """
    if any(_has_pictures(path / name) for name in MASK_FOLDERS):
        return
    left = _FILES
    for place, folders, _ in os.walk(path):
        folders.sort()
        files = visible(pathlib.Path(place), ".json", ".ndjson", ".xml", ".csv")
        for file in files[:4]:
            for name, suffixes, content, fix in _TOOLS:
                suits = file.suffix.lower() in suffixes
                if suits and text_holds(file, re.compile(content)):
                    raise DataError(
                        "KS-D001",
                        file,
                        f"is in {name}, which is not read",
                        "masks, COCO, YOLO, labelme, VOC and CVAT's masks are",
                        fix=fix,
                    )
            left -= 1
        if left <= 0:
            return


def _has_pictures(folder):
    return any(visible(part, *SUFFIXES) for part in (folder, *visible(folder)))
