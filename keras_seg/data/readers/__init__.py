"""Readers: a layout of files each, to one sequence of images and masks."""

from keras_seg.data.folder import from_stack
from keras_seg.data.readers.coco import from_coco
from keras_seg.data.readers.labelme import from_labelme
from keras_seg.data.readers.named_masks import from_named_masks
from keras_seg.data.readers.recognize import from_folder
from keras_seg.data.readers.recognize import splits
from keras_seg.data.readers.shapes import from_shapes
from keras_seg.data.readers.voc import from_cvat
from keras_seg.data.readers.voc import from_voc
from keras_seg.data.readers.yolo import from_yolo

__all__ = [
    "from_coco",
    "from_cvat",
    "from_folder",
    "from_labelme",
    "from_named_masks",
    "from_shapes",
    "from_stack",
    "from_voc",
    "from_yolo",
    "splits",
]
