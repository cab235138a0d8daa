"""What an output depends on, found out by trying."""

import keras
import numpy as np

from keras_seg.surgery.intervals import Field
from keras_seg.surgery.intervals import Intervals
from keras_seg.surgery.receptive_field_rules import output_fields
from tests.networks import outputs

__all__ = ["check_rows", "make_positive", "rows_seen", "seen", "sides_of"]


def make_positive(model, seed=0):
    """Gives a model weights that let nothing cancel, and no biases.

    Zeros then stay zeros, and what sees anything positive is positive.
    """
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        name = variable.path.split("/")[-1]
        shape = tuple(variable.shape)
        if "kernel" in name:
            value = rng.uniform(0.5, 1.5, shape) / np.prod(shape[:-1])
        elif name in ("gamma", "moving_variance"):
            value = np.ones(shape)
        else:
            value = np.zeros(shape)
        variable.assign(value.astype("float32"))
    return model


def rows_seen(model, height, width):
    """Which rows of the image each row of the output depends on.

    Args:
        model: a model with one input and one output that `make_positive`
            was applied to.
        height, width: ints, of the image.

    Returns:
        Array of bool, `(rows of the output, height)`.
    """
    channels = model.inputs[0].shape[-1]
    images = np.zeros((height, height, width, channels), "float32")
    images[np.arange(height), np.arange(height)] = 1
    y = keras.ops.convert_to_numpy(outputs(model, images))
    return (y > 0).any(axis=(2, 3)).T


def seen(mask):
    """First and last of what is true, as a pair of ints."""
    (places,) = np.nonzero(mask)
    return int(places[0]), int(places[-1])


def sides_of(model, height, width):
    """The `Intervals` of an output, for an image of that size."""
    image = Field((Intervals(height), Intervals(width)), "channels_last")
    return output_fields(model, [image]).sides


def check_rows(model, height, width):
    """Compares every row whose field is within the image with `rows_seen`.

    Returns:
        The most rows of the image that one of them depends on.
    """
    rows, _ = sides_of(model, height, width)
    matrix = rows_seen(model, height, width)
    assert rows.size == len(matrix)
    sizes = []
    for position, mask in enumerate(matrix):
        first, last = rows.at(position)
        if 0 <= first <= last < height:
            assert seen(mask) == (first, last)
            sizes.append(last - first + 1)
        elif first > last:
            assert not mask.any()
    assert sizes
    return max(sizes)
