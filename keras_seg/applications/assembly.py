"""What every system begins and ends with."""

import keras
from keras import layers

from keras_seg.layers import CropLike
from keras_seg.layers import PadToMultiple
from keras_seg.layers import Preprocess
from keras_seg.layers import ResizeLike

__all__ = ["finish", "image_input", "prepare"]


def image_input(input_tensor, input_shape, data_format):
    """Returns the tensor of the image, a new input unless there is one."""
    if input_tensor is not None:
        return input_tensor
    if input_shape is None:
        input_shape = (None, None, 3)
        if data_format == "channels_first":
            input_shape = (3, None, None)
    return keras.Input(input_shape, name="image")


def prepare(image, mode, multiple, data_format):
    """Preprocesses the image and pads it to a multiple of a stride.

    Args:
        image: tensor of RGB images of 0 … 255, of any size.
        mode: of `keras_seg.layers.Preprocess`, or None.
        multiple: int, the largest stride of the network.
        data_format: `"channels_last"` or `"channels_first"`.
    """
    x = image
    if mode is not None:
        x = Preprocess(mode, data_format=data_format, name="preprocess")(x)
    return PadToMultiple(multiple, data_format=data_format, name="pad")(x)


def finish(
    scores, image, classifier_activation, data_format, name, padded=None
):
    """Brings scores to the image and makes the model.

    The scores are enlarged to the padded image and cropped to the image, in
    float32 whatever the dtype policy is.

    Args:
        scores: tensor of class scores.
        image: tensor of the images.
        classifier_activation: name of an activation, or None for logits.
        data_format: `"channels_last"` or `"channels_first"`.
        name: str, name of the model.
        padded: tensor, what `prepare` returned, for scores at a stride; None
            where they have its size already.

    Returns:
        A `keras.Model` with logits `(batch, height, width, classes)`.
    """
    x = layers.Activation("linear", dtype="float32", name="score")(scores)
    options = {"data_format": data_format, "dtype": "float32"}
    if padded is not None:
        x = ResizeLike(name="upscore", **options)(x, padded)
    x = CropLike(name="crop", **options)(x, image)
    if data_format == "channels_first":
        x = layers.Permute((2, 3, 1), dtype="float32", name="logits")(x)
    if classifier_activation is not None:
        x = layers.Activation(
            classifier_activation, dtype="float32", name="predictions"
        )(x)
    inputs = keras.utils.get_source_inputs(image)
    return keras.Model(inputs[0] if len(inputs) == 1 else inputs, x, name=name)
