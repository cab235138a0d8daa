"""Exact operations on Keras models: a model in, a model out."""

from keras_seg.surgery.biases import drop_biases
from keras_seg.surgery.cascade import cascade
from keras_seg.surgery.classes import replace_classes
from keras_seg.surgery.crf import add_crf
from keras_seg.surgery.decimate import decimate
from keras_seg.surgery.folding import fold_batch_norm
from keras_seg.surgery.fully_convolutional import fully_convolutional
from keras_seg.surgery.inflate import inflate_input
from keras_seg.surgery.multi_grid import multi_grid
from keras_seg.surgery.output_stride import set_output_stride
from keras_seg.surgery.pyramid import pyramid
from keras_seg.surgery.receptive_field import ReceptiveField
from keras_seg.surgery.receptive_field import receptive_field
from keras_seg.surgery.transplant import transplant
from keras_seg.surgery.views import average_views

__all__ = [
    "ReceptiveField",
    "add_crf",
    "average_views",
    "cascade",
    "decimate",
    "drop_biases",
    "fold_batch_norm",
    "fully_convolutional",
    "inflate_input",
    "multi_grid",
    "pyramid",
    "receptive_field",
    "replace_classes",
    "set_output_stride",
    "transplant",
]
