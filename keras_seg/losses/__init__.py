"""Losses of integer masks and logits, with void pixels left out.

Each is a `keras.losses.Loss` for `compile`; `class_weights` and
`border_weights` compute weights for them from masks.
"""

# First, so that what Keras's import registers is not half imported.
import keras  # noqa: F401

from keras_seg.losses.border_weights import border_weights
from keras_seg.losses.class_weights import class_weights
from keras_seg.losses.combined import Sum
from keras_seg.losses.combined import deep_supervision
from keras_seg.losses.cross_entropy import CrossEntropy
from keras_seg.losses.cross_entropy import Focal
from keras_seg.losses.hard_examples import OnlineHardExamples
from keras_seg.losses.lovasz import LovaszSoftmax
from keras_seg.losses.named import named
from keras_seg.losses.tversky import Dice
from keras_seg.losses.tversky import Tversky

__all__ = [
    "CrossEntropy",
    "Dice",
    "Focal",
    "LovaszSoftmax",
    "OnlineHardExamples",
    "Sum",
    "Tversky",
    "border_weights",
    "class_weights",
    "deep_supervision",
    "named",
]
