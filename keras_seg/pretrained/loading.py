"""Loads the networks of the catalogue."""

import keras

from keras_seg.pretrained import catalogue
from keras_seg.pretrained import tflite
from keras_seg.pretrained.download import download
from keras_seg.pretrained.torchvision.convert import from_torchvision
from keras_seg.runs.model_file import set_class_table

__all__ = ["load"]


def load(name: str) -> keras.Model:
    """Loads a network that segments already.

    The weights are downloaded into Keras's cache (`~/.keras/models`, or
    `KERAS_HOME`) the first time, and their SHA-256 is checked every time.

    | `name` | mean IoU | size |
    |---|---|---|
    | `"deeplabv3_mobilenet_v2_257"` | | 3 MB |
    | `"lraspp_mobilenet_v3_large"` | 57.9 | 13 MB |
    | `"deeplabv3_mobilenet_v3_large"` | 60.3 | 44 MB |
    | `"fcn_resnet50"` | 60.5 | 142 MB |
    | `"fcn_resnet101"` | 63.7 | 218 MB |
    | `"deeplabv3_resnet50"` | 66.4 | 168 MB |
    | `"deeplabv3_resnet101"` | 67.4 | 245 MB |

    All have the 21 classes of PASCAL VOC. `keras_seg.pretrained.CATALOGUE`
    says who trained them, on what, under which license, and where the figures
    are published. Those of torchvision need PyTorch to read the file, on every
    backend; the first one needs ai-edge-litert or TensorFlow.

    Args:
        name: str, the name of a network.

    Returns:
        A functional `keras.Model`: RGB images of 0 … 255, of any size, to
        float32 logits `(batch, height, width, classes)`. It knows its classes,
        see `keras_seg.runs.class_table_of`.

    Raises:
        ValueError: If there is no such network, or if what was downloaded is
            not the published file.
        ImportError: If a package that reads the file is not installed.
        OSError: If the file cannot be downloaded or written.

    Example:

    >>> import keras_seg
    >>> keras_seg.pretrained.load("deeplabv3")
    Traceback (most recent call last):
    ...
    ValueError: There is no pretrained network 'deeplabv3'. Did you mean ...
    >>> model = keras_seg.pretrained.load("fcn_resnet50")  # doctest: +SKIP
    """
    known = catalogue.find(name)
    if known.library == "torchvision":
        model = from_torchvision(name)
    else:
        model = tflite.mobile_deeplab(download(known), name)
    set_class_table(model, known.class_table)
    return model
