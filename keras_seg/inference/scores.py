"""Scores and class ids of images of one size."""

import warnings

import numpy as np

__all__ = [
    "check_image",
    "compiles_each_size",
    "ids_of",
    "image_shape",
    "predict_batch",
    "predict_scores",
    "probabilities_of",
    "warn_of_weights",
]


def predict_batch(model, images):
    """Predicts the class ids of images of one size.

    Args:
        model: `keras.Model`, images to scores of the same size.
        images: array `(batch, height, width, channels)`, RGB in 0...255.

    Returns:
        uint8 array `(batch, height, width)` of class ids, the first of
        classes with equal scores; uint16 for more than 256 classes.

    Raises:
        ValueError: If the model returns scores of another size.
    """
    # A subclass may compute what its graph does not show.
    if not type(model).__module__.startswith("keras."):
        return ids_of(predict_scores(model, images))
    from keras_seg.inference.keras_models import ids_network

    classes = model.outputs[0].shape[-1]
    ids = _predict(ids_network(model), images)
    _check_size(images, (*ids.shape, classes))
    return ids.astype(_smallest(classes), copy=False)


def image_shape(model):
    """The shape of the images of a model, channels last.

    Args:
        model: `keras.Model` or `keras_seg.deployment.ExportedModel`.

    Returns:
        Tuple (height, width, channels), with None for sides of any length.
    """
    shape = list(model.inputs[0].shape[1:])
    channels = shape.pop(0 if _takes_channels_first(model) else -1)
    return (*shape, channels)


def _takes_channels_first(model):
    data_format = getattr(model, "data_format", None)
    if data_format is None:
        from keras_seg.surgery.graph import data_format_of

        data_format = data_format_of(model)
    return data_format == "channels_first"


def check_image(image):
    """Checks that an array has the shape of an image.

    Args:
        image: anything that has a `shape`.

    Raises:
        ValueError: If that is not `(height, width, channels)`, or a side is 0.
    """
    if len(image.shape) != 3 or 0 in image.shape:
        raise ValueError(
            "An image must be an array (height, width, channels). "
            f"Received: shape {tuple(image.shape)}"
        )


def ids_of(scores):
    """The class of the highest score, in the smallest unsigned integers."""
    return scores.argmax(axis=-1).astype(_smallest(scores.shape[-1]))


def probabilities_of(scores, from_logits):
    """The probabilities of the classes.

    Args:
        scores: float array `(..., classes)`.
        from_logits: bool, whether the scores go through a softmax first.

    Returns:
        Array of the same shape, float32 at least.

    Example:

    >>> probabilities_of(np.array([[2.0, 2.0]]), from_logits=True).tolist()
    [[0.5, 0.5]]
    """
    scores = np.asarray(scores, np.result_type(scores.dtype, "float32"))
    if from_logits:
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        scores /= scores.sum(axis=-1, keepdims=True)
    return scores


def predict_scores(model, images):
    """Predicts the scores of images of one size.

    Args:
        model: `keras.Model`, images to scores of the same size, channels
            first or last. Only its first output is used.
        images: array `(batch, height, width, channels)`.

    Returns:
        Array `(batch, height, width, classes)`.

    Raises:
        ValueError: If the model returns scores of another size.
    """
    scores = _predict(model, images)
    scores = np.asarray(scores[0] if isinstance(scores, list) else scores)
    _check_size(images, scores.shape)
    return scores


def _predict(model, images):
    if images.dtype.kind == "f" and 0 < images.max() <= 1:
        _warn_of_range(model)
    if _is_keras(model):
        from keras_seg.inference.keras_models import forget_sizes

        forget_sizes(model, images)
    if _takes_channels_first(model):
        images = np.moveaxis(images, -1, 1)
    # `predict` would build a pipeline at every call, and calling the model
    # would run it uncompiled.
    return model.predict_on_batch(images)


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


def _is_keras(model):
    return hasattr(model, "make_predict_function")


def compiles_each_size(model):
    """Whether each size of images is compiled: by Keras on JAX."""
    if not _is_keras(model):
        return False
    import keras

    return keras.config.backend() == "jax"


def warn_of_weights(model, again=True):
    """Warns of the first weight of a model that is NaN or infinite.

    Args:
        model: `keras.Model`. Of an exported one the weights are not known.
        again: bool, whether to look again at a model whose last weight,
            which every step of training changes, is as it was before.
    """
    if getattr(model, "weights", None):
        from keras_seg.inference.keras_models import check_weights

        check_weights(model, again)


def _smallest(classes):
    return np.uint8 if classes <= 256 else np.uint16


def _check_size(images, shape):
    if len(shape) != 4 or shape[:3] != images.shape[:3]:
        raise ValueError(
            "`model` must give scores (batch, height, width, classes) at the "
            f"size of the image. Received: images of shape {images.shape}, "
            f"scores of shape {shape}"
        )
