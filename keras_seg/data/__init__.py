"""Pairs of images and masks: read, checked, augmented, batched, or drawn.

Only `Batches` and `Windows` need Keras, and they are imported when they are
first used: files can be read and checked where no backend is installed.
"""

from typing import TYPE_CHECKING

from keras_seg.data import augment
from keras_seg.data import synthetic
from keras_seg.data.checks import Report
from keras_seg.data.checks import check
from keras_seg.data.classes import MAX_CLASSES
from keras_seg.data.classes import VOID
from keras_seg.data.classes import ClassTable
from keras_seg.data.classes import voc_colormap
from keras_seg.data.errors import DataError
from keras_seg.data.folder import Folder
from keras_seg.data.held_out import hold_out
from keras_seg.data.ids import ClassStatistics
from keras_seg.data.ids import class_statistics
from keras_seg.data.image_folders import find_images
from keras_seg.data.images import read_image
from keras_seg.data.masks import read_mask
from keras_seg.data.outline_files import write_outlines
from keras_seg.data.outlines import Outline
from keras_seg.data.outlines import Outlined
from keras_seg.data.outlines import outlines
from keras_seg.data.pairs import Pair
from keras_seg.data.readers import from_coco
from keras_seg.data.readers import from_cvat
from keras_seg.data.readers import from_folder
from keras_seg.data.readers import from_labelme
from keras_seg.data.readers import from_named_masks
from keras_seg.data.readers import from_shapes
from keras_seg.data.readers import from_stack
from keras_seg.data.readers import from_voc
from keras_seg.data.readers import from_yolo
from keras_seg.data.readers import splits
from keras_seg.data.shrunk import Shrunk
from keras_seg.data.sizes import suggest_longest_side
from keras_seg.lazy import getter

if TYPE_CHECKING:
    from keras_seg.data.batches import Batches
    from keras_seg.data.converting import convert
    from keras_seg.data.windows import Windows

__all__ = [
    "MAX_CLASSES",
    "VOID",
    "Batches",
    "ClassStatistics",
    "ClassTable",
    "DataError",
    "Folder",
    "Outline",
    "Outlined",
    "Pair",
    "Report",
    "Shrunk",
    "Windows",
    "augment",
    "check",
    "class_statistics",
    "convert",
    "find_images",
    "from_coco",
    "from_cvat",
    "from_folder",
    "from_labelme",
    "from_named_masks",
    "from_shapes",
    "from_stack",
    "from_voc",
    "from_yolo",
    "hold_out",
    "outlines",
    "read_image",
    "read_mask",
    "splits",
    "suggest_longest_side",
    "synthetic",
    "voc_colormap",
    "write_outlines",
]

__getattr__ = getter(
    __name__,
    {"Batches": "batches", "Windows": "windows", "convert": "converting"},
)
