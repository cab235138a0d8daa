"""What a network around another one needs of it."""

import keras
from keras import layers
from keras import ops

from keras_seg.surgery.graph import data_format_of

__all__ = ["first_output", "image_of", "log_of"]

# A float32 whose logarithm is finite.
SMALLEST = 1e-37


def image_of(model):
    """A new input for a model, and the image with its channels last.

    Args:
        model: `keras.Model` of images.

    Returns:
        Tuple of tensors, one and the same where the model takes channels last.
    """
    image = keras.Input(batch_shape=model.inputs[0].shape, name="image")
    if data_format_of(model) != "channels_first":
        return image, image
    last = layers.Permute((2, 3, 1), dtype="float32", name="image_like_scores")
    return image, last(image)


def first_output(outputs):
    """The scores of a model that may have auxiliary ones behind them."""
    scores = outputs[0] if isinstance(outputs, list | tuple) else outputs
    return scores if scores.dtype == "float32" else ops.cast(scores, "float32")


def log_of(probabilities):
    """Logits of probabilities, finite where one is 0."""
    return ops.log(ops.maximum(probabilities, SMALLEST))
