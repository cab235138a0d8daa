"""Exact operations on Keras models: a model in, a model out."""

from keras_seg.surgery.batch_norm import drop_biases
from keras_seg.surgery.batch_norm import fold_batch_norm
from keras_seg.surgery.classes import replace_classes
from keras_seg.surgery.crf import add_crf
from keras_seg.surgery.dropout import sample_dropout
from keras_seg.surgery.fully_convolutional import fully_convolutional
from keras_seg.surgery.last_stage import cascade
from keras_seg.surgery.last_stage import multi_grid
from keras_seg.surgery.output_stride import set_output_stride
from keras_seg.surgery.pyramid import pyramid
from keras_seg.surgery.receptive_field import ReceptiveField
from keras_seg.surgery.receptive_field import receptive_field
from keras_seg.surgery.tta import average_views
from keras_seg.surgery.tta import shrink_input
from keras_seg.surgery.weights import decimate
from keras_seg.surgery.weights import inflate_input
from keras_seg.surgery.weights import transplant

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
    "sample_dropout",
    "set_output_stride",
    "shrink_input",
    "transplant",
]
