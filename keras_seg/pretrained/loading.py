"""Loads the networks of the catalogue."""

import keras

from keras_seg.pretrained import catalogue
from keras_seg.pretrained import hub
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
    | `"deeplab_v3_plus_resnet50_pascalvoc"` | 63.0 | 157 MB |
    | `"segformer_b0_ade20k_512"` | 37.4 | 15 MB |
    | `"segformer_b1_ade20k_512"` | 42.2 | 55 MB |
    | `"segformer_b2_ade20k_512"` | 46.5 | 110 MB |
    | `"segformer_b3_ade20k_512"` | 49.4 | 189 MB |
    | `"segformer_b4_ade20k_512"` | 50.3 | 256 MB |
    | `"segformer_b5_ade20k_640"` | 51.0 | 339 MB |
    | `"segformer_b0_cityscapes_1024"` | 76.2 | 15 MB |
    | `"segformer_b2_cityscapes_1024"` | 81.0 | 109 MB |
    | `"segformer_b3_cityscapes_1024"` | 81.7 | 189 MB |
    | `"segformer_b4_cityscapes_1024"` | 82.3 | 256 MB |
    | `"segformer_b5_cityscapes_1024"` | 82.4 | 338 MB |

    Those of ADE20K have its 150 classes, those of Cityscapes 19, all others
    the 21 of PASCAL VOC; figures of different data can't be compared.
    `keras_seg.pretrained.CATALOGUE` says who trained them, on what, under which
    license, and where the figures are published. Those of torchvision need
    PyTorch to read the file, on every backend; the first one needs
    ai-edge-litert or TensorFlow.

    The DeepLab v3+ and the SegFormers are presets of keras-hub, which the
    extra `[hub]` installs and which downloads them into a cache of its own.
    They are built anew of plain layers. On images of the size that the preset
    is for, the logits are keras-hub's to rounding (1e-6 was measured). By
    design they differ in:

    - Size. A SegFormer of keras-hub takes square images of one size, to which
      its preprocessor crops others. Here every size is taken in its own
      proportions, padded to a multiple of 32 with the mean color. Images
      whose longer side is above twice the preset's are shrunk to that, as the
      memory of attention grows with the square of the area.
    - Dropout and batch norm are in inference mode in every prediction. In
      keras-hub 0.32 on some versions of Keras, a `Resizing` layer within the
      network puts what is behind it into training mode
      (https://github.com/keras-team/keras-hub/pull/2776).

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
    elif known.library == "keras-hub":
        model = hub.from_hub(known.url, name)
    else:
        model = tflite.mobile_deeplab(download(known), name)
    set_class_table(model, known.class_table)
    return model
