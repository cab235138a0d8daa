"""Networks that segment already: a catalogue, and converters to Keras.

    model = keras_seg.pretrained.load("deeplabv3_mobilenet_v3_large")
    ids = keras_seg.predict(model, image)

`CATALOGUE` needs no Keras; weights are downloaded when a network is loaded.
"""

from typing import TYPE_CHECKING

from keras_seg.lazy import getter
from keras_seg.pretrained.catalogue import CATALOGUE
from keras_seg.pretrained.catalogue import PretrainedModel

if TYPE_CHECKING:
    from keras_seg.pretrained.loading import load
    from keras_seg.pretrained.torchvision.convert import from_torchvision

__all__ = ["CATALOGUE", "PretrainedModel", "from_torchvision", "load"]

__getattr__ = getter(
    __name__,
    {"from_torchvision": "torchvision.convert", "load": "loading"},
)
