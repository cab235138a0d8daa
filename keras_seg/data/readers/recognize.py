"""`from_folder`: recognizes the layout of a folder and reads it."""

import os
import pathlib
import re
from collections.abc import Sequence
from typing import Any

from keras_seg.data.bands import check_bands
from keras_seg.data.classes import ClassTable
from keras_seg.data.errors import DataError
from keras_seg.data.folder import Folder
from keras_seg.data.folder import from_pairs
from keras_seg.data.images import check_bit_depth
from keras_seg.data.label_files import from_label_files
from keras_seg.data.layout import MASK_FOLDERS
from keras_seg.data.layout import existing
from keras_seg.data.layout import folder_splits
from keras_seg.data.layout import visible
from keras_seg.data.opening import SUFFIXES
from keras_seg.data.readers.coco import coco_splits
from keras_seg.data.readers.coco import from_coco
from keras_seg.data.readers.labelme import from_labelme
from keras_seg.data.readers.labelme import labelme_splits
from keras_seg.data.readers.named_masks import from_named_masks
from keras_seg.data.readers.named_masks import named_splits
from keras_seg.data.readers.shapes import from_shapes
from keras_seg.data.readers.shapes import shape_splits
from keras_seg.data.readers.voc import cvat_splits
from keras_seg.data.readers.voc import from_cvat
from keras_seg.data.readers.voc import from_voc
from keras_seg.data.readers.voc import voc_splits
from keras_seg.data.readers.yolo import from_yolo
from keras_seg.data.readers.yolo import yolo_splits
from keras_seg.data.text import text_holds

__all__ = [
    "BY_FILE",
    "from_folder",
    "recognize",
    "refuse_foreign",
    "splits",
    "with_options",
]

# CVAT's layout is VOC's with one more file, so it comes first.
_LAYOUTS = (
    (cvat_splits, from_cvat),
    (voc_splits, from_voc),
    (named_splits, from_named_masks),
    (labelme_splits, from_labelme),
    (coco_splits, from_coco),
    (yolo_splits, from_yolo),
    (shape_splits, from_shapes),
)
_OF_SHAPES = (from_coco, from_yolo, from_labelme, from_shapes)
# They read a file of masks for each image, and go on after `problems`.
BY_FILE = (from_pairs, from_label_files, from_named_masks, from_voc, from_cvat)


def from_folder(
    path: str | os.PathLike,
    split: str | None = None,
    *,
    class_table: ClassTable | int | None = None,
    check: bool = True,
    mask_values: dict[int, int] | None = None,
    channels: int | None = 3,
    bit_depth: int | None = None,
    skip_unlabeled: bool = False,
    multi_label: bool = False,
    missing_classes: str | None = None,
    bands: Sequence[int | str] | None = None,
) -> Folder:
    """Read a folder of images and masks in any known layout as a `Folder`.

    The plain layouts, with `labels`, `masks` or `annotations` for the masks:

    - `path/images/*`, `path/labels/*`
    - `path/<split>/images/*`, `path/<split>/labels/*`
    - `path/images/<split>/*`, `path/labels/<split>/*`
    - `path/<split>.txt`, with a stem on each line, beside any of them

    Images in `path/images` beside folders of validation or test images are
    the split "train". Images that would be in no split are refused by name.

    An image and its mask have the same stem. Masks have one channel of class
    ids 0..C-1, at most 255 of them, and 255 for void; or colors, if the class
    table has a color for each class. Images and masks are each turned by
    their own EXIF orientation.

    Other layouts are recognized and read by a function of their own, which
    has further options: `from_cvat` (`labelmap.txt`), `from_voc`
    (`ImageSets/Segmentation`), `from_coco` (`annotations/*.json`),
    `from_yolo` (`data.yaml`), `from_labelme` (a JSON file beside each image),
    `from_named_masks` (Cityscapes, ADE20K, SegNet's CamVid, mmsegmentation,
    nnU-Net, Roboflow's masks), `from_shapes` (CVAT for images, VIA,
    Supervisely, Label Studio, Kaggle's tables).

    Args:
        path: str or path.
        split: optional str, for example "train". `None` takes all of
            `path/images`, or the only split of another layout.
        class_table: optional `ClassTable` or number of classes. By default
            `classes.csv` or `classes.yaml` in `path` or the folder above it,
            or else what the layout says, or else the ids that the masks have.
        check: bool, whether to decode and check every file now, as
            `Folder.check()` does. Otherwise each mask is checked when it is
            read. Masks are still decoded if only they can tell the classes.
        mask_values: optional dictionary from values in one-channel masks to
            class ids, such as `{0: 0, 255: 1}` for black and white, or
            `{0: 255, 1: 0, 2: 1}` for classes from 1 on and 0 for void. Any
            other value is an error. By default the values are ids. With
            `multi_label`, from values to 0, 1 and 255; or from ids to tuples
            of the classes that they stand for, nnU-Net's regions, such as
            `{0: (), 1: (0,), 2: (0, 1), 255: 255}`.
        channels: optional int, see `read_image`.
        bit_depth: optional int, see `read_image`.
        skip_unlabeled: bool, whether to leave out images that have no mask or
            no file of annotations; `Folder.skipped` names them. In COCO's and
            YOLO's formats an image without annotations has no object.
        multi_label: bool, whether classes may overlap: masks are then
            `(height, width, classes)`, and no class is the background. In
            the plain layouts the mask of an image is one stack (a TIFF with
            a page or a band for each class, an array `(height, width,
            classes)` in NPY or NPZ) or one file for each class: in a folder
            of its name (`labels/road/0001.png`), or with its name behind the
            image's (`labels/0001_road.png`). Shapes of COCO, YOLO and labelme
            are drawn class by class.
        missing_classes: optional str, what it means if a class has a file for
            other images: "absent" or "void". By default it is an error.
        bands: optional sequence, see `read_image`.

    Raises:
        DataError: If a file or the folder cannot be used.

    Example:

    >>> import tempfile
    >>> from keras_seg.data import from_folder
    >>> from keras_seg.data import synthetic
    >>> path = tempfile.mkdtemp()
    >>> images, masks = synthetic.membranes(3, size=64)
    >>> synthetic.write_folder(
    ...     path, images, masks, synthetic.MEMBRANE_CLASSES)
    >>> folder = from_folder(path, "train")
    >>> image, mask = folder[0]
    >>> len(folder), image.shape, mask.shape, folder.class_table.names
    (3, (64, 64, 3), (64, 64), ('cell', 'membrane'))
    """
    _, reader = recognize(path)
    reader, options = with_options(
        reader,
        path,
        mask_values=mask_values,
        skip_unlabeled=skip_unlabeled,
        multi_label=multi_label,
        missing_classes=missing_classes,
    )
    options |= {"class_table": class_table, "channels": channels}
    check_bit_depth(bit_depth)
    check_bands(bands)
    folder = reader(path, split, **options | {"check": False})
    folder.bit_depth = bit_depth
    folder.bands = None if bands is None else tuple(bands)
    return folder.check() if check else folder


def with_options(
    reader,
    path,
    *,
    mask_values=None,
    skip_unlabeled=False,
    multi_label=False,
    missing_classes=None,
):
    """The function that reads a layout in this way, and what it takes.

    Args:
        reader: what `recognize` found.
        path: for the messages.
        mask_values, skip_unlabeled, multi_label, missing_classes: see
            `from_folder`.

    Returns:
        Tuple (reader, dictionary of its arguments).

    Raises:
        ValueError: If an argument has no meaning in this layout.
    """
    options: dict[str, Any] = {}
    name = reader.__name__
    if missing_classes is not None and not multi_label:
        raise ValueError(
            "`missing_classes` is for one file a class: it needs multi_label. "
            f"Received: missing_classes={missing_classes!r}"
        )
    if multi_label and reader is from_pairs:
        reader = from_label_files
        options["missing_classes"] = missing_classes
    elif missing_classes is not None:
        raise ValueError(
            "`missing_classes` is for one file a class; "
            f"{path} is read by {name}. "
            f"Received: missing_classes={missing_classes!r}"
        )
    elif multi_label and reader in _OF_SHAPES:
        options["multi_label"] = True
    elif multi_label:
        raise ValueError(
            f"`multi_label` is for classes that overlap; {path} is read by "
            f"{name}, whose masks have one class a pixel. "
            "Received: multi_label=True"
        )
    if reader in BY_FILE and reader is not from_cvat:
        options["mask_values"] = mask_values
    elif mask_values is not None:
        raise ValueError(
            "`mask_values` is for masks that hold ids; "
            f"{path} is read by {name}. Received: mask_values={mask_values}"
        )
    if reader not in (from_coco, from_yolo):
        options["skip_unlabeled"] = skip_unlabeled
    elif skip_unlabeled:
        raise ValueError(
            "`skip_unlabeled` is for images that need a file of their own; "
            f"{path} is read by {name}, where an image without "
            "annotations has no object. "
            f"Received: skip_unlabeled={skip_unlabeled}"
        )
    return reader, options


def splits(path: str | os.PathLike) -> tuple[str, ...]:
    """The names of the splits of a data set that `from_folder` reads.

    A tuple in which "train", "val" and "test" come first.
    """
    return recognize(path)[0]


def recognize(path):
    """The splits of a folder, and the function that reads it.

    A format of another tool is a `DataError`.
    """
    path = existing(path)
    for find, reader in _LAYOUTS:
        found = find(path)
        if found is not None:
            return found, reader
    names = folder_splits(path)
    if not names:
        refuse_foreign(path)
    return names, from_pairs


_FILES = 40  # the most that are searched, a few in each folder
_EXPORT = "export it as COCO, as YOLO segmentation, or as masks"
# The format, the suffixes of its files, what they contain, and the fix.
_TOOLS = (
    ("boxes of PASCAL VOC's format", (".xml",), rb"<bndbox>", _EXPORT),
    (
        "Labelbox's format",
        (".json", ".ndjson"),
        rb'"data_row"|"Labeled Data"',
        _EXPORT,
    ),
    ("V7 Darwin's format", (".json",), rb'"schema_ref"|darwin', _EXPORT),
    ("Datumaro's format", (".json",), rb'"dm_format_version"', _EXPORT),
    (
        "Cityscapes' polygons",
        (".json",),
        rb'"imgWidth"',
        "put the masks *_labelIds.png or *_labelTrainIds.png into gtFine, "
        "beside leftImg8bit",
    ),
)


def refuse_foreign(path):
    """Refuse a folder that has no masks, but files of another tool."""
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
                        "masks, COCO, YOLO, labelme, VOC, CVAT, VIA, "
                        "Supervisely and Label Studio are",
                        fix=fix,
                    )
            left -= 1
        if left <= 0:
            return


def _has_pictures(folder):
    return any(visible(part, *SUFFIXES) for part in (folder, *visible(folder)))
