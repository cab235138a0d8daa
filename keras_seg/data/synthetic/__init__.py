"""Images with masks, drawn from a seed, without download."""

from keras_seg.data.synthetic.membranes import MEMBRANE_CLASSES
from keras_seg.data.synthetic.membranes import membranes
from keras_seg.data.synthetic.shapes import shape_classes
from keras_seg.data.synthetic.shapes import shapes
from keras_seg.data.synthetic.writing import write_folder

__all__ = [
    "MEMBRANE_CLASSES",
    "membranes",
    "shape_classes",
    "shapes",
    "write_folder",
]
