"""Networks with weights that show a mistake."""

import contextlib

import keras
import numpy as np

from keras_seg.inference.keras_models import ids_network
from keras_seg.layers.metadata import Metadata

__all__ = [
    "application",
    "asked",
    "echo",
    "known_echo",
    "outputs",
    "randomize",
    "relative_difference",
    "without_values",
]


def echo():
    """A model whose class is the largest of red, green and blue."""
    image = keras.Input((None, None, 3))
    return keras.Model(image, keras.layers.Activation("linear")(image))


def known_echo(class_table):
    """The same, with logits and classes that a file of it knows."""
    image = keras.Input((None, None, 3))
    known = Metadata({"class_table": class_table.to_dict()})(image)
    scores = keras.layers.Conv2D(3, 1, use_bias=False)
    model = keras.Model(image, scores(known))
    scores.set_weights([np.eye(3)[None, None]])
    return model


def randomize(model, seed=0):
    """Gives a model random weights, and random batch-norm statistics.

    The weights are the same on every backend. Kernels are scaled so that
    values neither vanish nor explode on the way.
    """
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        shape, name = tuple(variable.shape), variable.path.split("/")[-1]
        if name in ("moving_variance", "gamma", "variance"):
            value = rng.uniform(0.5, 1.5, shape)
        elif "kernel" in name:
            # A depthwise kernel (height, width, channels, multiplier) sums
            # over its window only.
            depthwise = name == "depthwise_kernel" or (
                name == "kernel" and shape[-1:] == (1,)
            )
            fan_in = np.prod(shape[:2] if depthwise else shape[:-1])
            value = rng.normal(size=shape) / np.sqrt(max(1, fan_in))
        elif np.issubdtype(np.dtype(variable.dtype), np.floating):
            value = rng.normal(0, 0.2, shape)
        else:
            continue
        variable.assign(value.astype("float32"))
    return model


def application(name, **options):
    """A network of `keras.applications` with such weights."""
    builder = getattr(keras.applications, name)
    return randomize(builder(weights=None, **options))


def asked(model):
    """A list that every batch is put into that the ids of are found."""
    network, batches = ids_network(model), []
    inner = network.predict_on_batch
    network.predict_on_batch = lambda x: [batches.append(x), inner(x)][1]
    return batches


def outputs(model, x):
    """What a model predicts, as an array."""
    if keras.backend.backend() == "jax":
        # Compiled at once: operation by operation takes ten times as long.
        return model.predict_on_batch(x)
    return keras.ops.convert_to_numpy(model(x, training=False))


def without_values():
    """Variables have a shape and, on PyTorch, no values: nothing is drawn."""
    if keras.backend.backend() == "torch":
        return keras.device("meta")
    return contextlib.nullcontext()


def relative_difference(actual, expected):
    """Largest difference, as a share of the largest expected value."""
    assert actual.shape == expected.shape, (actual.shape, expected.shape)
    assert np.std(expected) > 1e-3 * np.abs(expected).max() > 0
    return np.abs(actual - expected).max() / np.abs(expected).max()
