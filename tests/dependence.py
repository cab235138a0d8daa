"""What an output depends on, found out by trying."""

import keras
import numpy as np

from tests.networks import outputs

__all__ = ["make_positive", "rows_seen", "seen"]


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
