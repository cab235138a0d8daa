"""What a model says of images of one size."""

import functools
import warnings
import weakref

import numpy as np

from keras_seg.from_logits import resolve_from_logits

__all__ = [
    "check_image",
    "compiles_each_size",
    "ids_of",
    "keeper_of",
    "predict_batch",
    "predict_scores",
    "probabilities_of",
    "takes_channels_first",
]

# Sizes of images that a network is compiled for at a time, on JAX.
MOST_SIZES = 32
_SIZES: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def predict_batch(model, images):
    """Finds the classes of images of one size.

    Args:
        model: `keras.Model`, images to scores of the same size.
        images: array `(batch, height, width, channels)`, RGB in 0...255.

    Returns:
        uint8 array `(batch, height, width)` of class ids, the first of
        classes with equal scores; uint16 for more than 256 classes.

    Raises:
        ValueError: if the model gives scores of another size.
    """
    # A model with code of its own may do what its graph does not say.
    if not type(model).__module__.startswith("keras."):
        return ids_of(predict_scores(model, images))
    from keras_seg.inference.ids_network import ids_network

    classes = model.outputs[0].shape[-1]
    ids = _predict(ids_network(model), images)
    _check_size(images, (*ids.shape, classes))
    return ids.astype(_smallest(classes), copy=False)


def takes_channels_first(model):
    """Whether a model takes images with their channels first.

    Args:
        model: `keras.Model`, or a `keras_seg.deployment.ExportedModel`, which
            says so itself and needs no Keras.
    """
    data_format = getattr(model, "data_format", None)
    if data_format is None:
        from keras_seg.surgery.graph import data_format_of

        data_format = data_format_of(model)
    return data_format == "channels_first"


def check_image(image):
    """Refuses what is no image of at least a pixel.

    Args:
        image: what has a `shape`.

    Raises:
        ValueError: if that is not `(height, width, channels)`.
    """
    if len(image.shape) != 3 or 0 in image.shape:
        raise ValueError(
            "An image must be an array (height, width, channels). "
            f"Received: shape {tuple(image.shape)}"
        )


def ids_of(scores):
    """The class of the highest score, in the smallest unsigned integers."""
    return scores.argmax(axis=-1).astype(_smallest(scores.shape[-1]))


def keeper_of(model, from_logits=None):
    """The function from the scores of a model to what is kept of them.

    Args:
        model: `keras.Model` or `keras_seg.deployment.ExportedModel`.
        from_logits: bool, or None to ask the model.

    Returns:
        `probabilities_of`, for the scores of this model.

    Raises:
        ValueError: if it is not known whether they are logits.
    """
    from_logits = resolve_from_logits(model, from_logits)
    return functools.partial(probabilities_of, from_logits=from_logits)


def probabilities_of(scores, from_logits=True):
    """The probabilities of the classes, in half precision.

    Args:
        scores: float array `(..., classes)`.
        from_logits: bool, False for probabilities, which stay as they are.

    Returns:
        float16 array of the same shape.

    Example:

    >>> probabilities_of(np.array([[2.0, 2.0]])).tolist()
    [[0.5, 0.5]]
    >>> probabilities_of(np.array([[0.25, 0.75]]), from_logits=False).tolist()
    [[0.25, 0.75]]
    """
    scores = np.asarray(scores, "float32")
    if from_logits:
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        scores /= scores.sum(axis=-1, keepdims=True)
    return scores.astype("float16")


def predict_scores(model, images):
    """The scores of a model, checked to be at the size of the images.

    Args:
        model: `keras.Model`, images to scores of the same size; of several
            outputs the first counts. One that takes channels first gets them
            so.
        images: array `(batch, height, width, channels)`.

    Returns:
        Array `(batch, height, width, classes)`.

    Raises:
        ValueError: if the model gives scores of another size.
    """
    scores = _predict(model, images)
    scores = np.asarray(scores[0] if isinstance(scores, list) else scores)
    _check_size(images, scores.shape)
    return scores


def _predict(model, images):
    if images.dtype.kind == "f" and 0 < images.max() <= 1:
        _warn_of_range(model)
    _forget_sizes(model, images)
    first = takes_channels_first(model)
    # Not `predict`, which builds a pipeline at every call, nor the model
    # itself, which would run uncompiled.
    return model.predict_on_batch(
        np.moveaxis(images, -1, 1) if first else images
    )


def _warn_of_range(model):
    """Floats of 0...1 are black to a network that takes 0...255."""
    layers = getattr(model, "layers", ())
    names = {type(layer).__name__ for layer in layers}
    # What an exported model or a user's own takes is not known.
    if names & {"Preprocess", "Rescaling"}:
        warnings.warn(
            "The image holds floats of 0...1, and this network takes RGB in "
            "0...255, to which they are black. Fix: multiply by 255.",
            stacklevel=4,
        )


def compiles_each_size(model):
    """Whether a model is compiled for each size of images: a Keras's on JAX."""
    if not hasattr(model, "make_predict_function"):
        return False  # An exported one, without Keras.
    import keras

    return keras.config.backend() == "jax"


def _forget_sizes(model, images):
    """JAX keeps what it compiled, 10 to 20 MB for each size: of the last few.

    Which are forgotten all at once, since JAX can't forget one.
    """
    if not compiles_each_size(model):
        return
    compiled = _SIZES.setdefault(model, set())
    size = (images.shape, images.dtype)
    if size not in compiled and len(compiled) == MOST_SIZES:
        model.make_predict_function(force=True)
        compiled.clear()
    compiled.add(size)


def _smallest(classes):
    return np.uint8 if classes <= 256 else np.uint16


def _check_size(images, shape):
    if len(shape) != 4 or shape[:3] != images.shape[:3]:
        raise ValueError(
            "`model` must give scores (batch, height, width, classes) at the "
            f"size of the image. Received: images of shape {images.shape}, "
            f"scores of shape {shape}"
        )
