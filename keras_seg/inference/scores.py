"""Scores and class ids of images of one size."""

import warnings
from typing import Any
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from keras_seg.arguments import check_finite
from keras_seg.score_form import ScoreForm

__all__ = [
    "Model",
    "check_image",
    "compiles_each_size",
    "image_shape",
    "is_keras",
    "longest_side_of",
    "predict_batch",
    "predict_scores",
    "warn_of_range",
    "warn_of_weights",
]

# How far the values of an image may be from 0...255.
_OVERSHOOT = 16


class Model(Protocol):
    """A `keras.Model`, or a `keras_seg.deployment.ExportedModel`."""

    inputs: list
    output_shape: tuple

    def predict_on_batch(self, images: NDArray) -> Any: ...


def predict_batch(
    model: Model, images: NDArray, form: ScoreForm | None = None
) -> NDArray:
    """Predicts the class ids of images of one size.

    Args:
        model: `keras.Model`, images to scores of the same size, or a
            `keras_seg.deployment.ExportedModel`.
        images: array `(batch, height, width, channels)`, RGB in 0...255.
        form: `keras_seg.score_form.ScoreForm`. Defaults to that of the model.

    Returns:
        uint8 array `(batch, height, width)` of class ids, the first of
        classes with equal scores; uint16 for more than 256 classes. Of a
        model of labels 0 and 1, `(batch, height, width, labels)`.

    Raises:
        ValueError: If the model returns scores of another size.
    """
    # A subclass may compute more than its graph.
    form = form or ScoreForm.of(model)
    keras_own = type(model).__module__.startswith("keras.")
    if not keras_own or form.least is not None:
        return form.ids_of(predict_scores(model, images))
    from keras_seg.inference.keras_models import ids_network

    network: Any = model
    ids = _predict(ids_network(network, form), images)
    _check_size(images, (*ids.shape[:3], form.scores))
    many = form.scores > 256 and not form.by_threshold
    return ids.astype("uint16" if many else "uint8", copy=False)


def image_shape(model: Model) -> tuple[int | None, int | None, int]:
    """`(height, width, channels)` of a model's images, None for any length."""
    shape = list(model.inputs[0].shape[1:])
    channels = shape.pop(0 if _takes_channels_first(model) else -1)
    height, width = shape
    return height, width, channels


def _takes_channels_first(model: Model) -> bool:
    data_format = getattr(model, "data_format", None)
    if data_format is None:
        from keras_seg.surgery.graph import data_format_of

        data_format = data_format_of(model)
    return data_format == "channels_first"


def check_image(image: Any) -> None:
    """Refuses what is not of a shape `(height, width, channels)`, no side 0."""
    if len(image.shape) != 3 or 0 in image.shape:
        raise ValueError(
            "An image must be an array (height, width, channels). "
            f"Received: shape {tuple(image.shape)}"
        )


def predict_scores(model: Model, images: NDArray) -> NDArray:
    """Predicts the scores of images of one size, by a model's first output.

    Images are `(batch, height, width, channels)`, scores `(batch, height,
    width, classes)`, whatever the data format of the model.
    """
    scores = _predict(model, images)
    scores = np.asarray(scores[0] if isinstance(scores, list) else scores)
    _check_size(images, scores.shape)
    return scores


def _predict(model: Model, images: NDArray) -> Any:
    channels = image_shape(model)[-1]
    if channels not in (None, images.shape[-1]):
        raise ValueError(
            f"The network takes images of {channels} channels. Fix: name the "
            "bands that it sees, on the command line --bands. Received: images "
            f"of {images.shape[-1]} channels"
        )
    check_finite(images)
    warn_of_range(model, images)
    if is_keras(model):
        from keras_seg.inference.keras_models import prepare

        prepare(model)
    if _takes_channels_first(model):
        images = np.moveaxis(images, -1, 1)
    # `predict` would build a pipeline at every call, and calling the model
    # would run it uncompiled.
    return model.predict_on_batch(images)


def warn_of_range(model: Model, images: NDArray) -> None:
    """Warns of values that are not 0...255 where the network takes these.

    They are of 16 bits, or 0...1, or normalized already. Enlarging with cubic
    polynomials goes a little beyond 0...255, which is no reason.
    """
    if images.dtype == np.uint8 or not images.any():
        return
    least, largest = float(images.min()), float(images.max())
    small = largest <= 1 or (least < 0 and largest <= _OVERSHOOT)
    beyond = least < -_OVERSHOOT or largest > 255 + _OVERSHOOT
    if not (small or beyond):
        return
    # The range that other models take is not known; exported ones say 0...255.
    layers = getattr(model, "layers", None)
    if layers is None or any(map(_takes_bytes, layers)):
        warnings.warn(
            f"The image holds {images.dtype} from {least:g} to {largest:g}, "
            "and this network takes RGB in 0...255, neither scaled nor "
            "normalized. Fix: bring the image to that range.",
            stacklevel=4,
        )


def _takes_bytes(layer: Any) -> bool:
    kind = type(layer).__name__
    return kind == "Preprocess" or (
        kind == "Rescaling" and 255 * np.max(layer.scale) > 0.9
    )


def is_keras(model: Model) -> bool:
    return hasattr(model, "make_predict_function")


def compiles_each_size(model: Model) -> bool:
    """Whether a model is compiled for each size of images: Keras on JAX."""
    if not is_keras(model):
        return False
    import keras

    return keras.config.backend() == "jax"


def warn_of_weights(model: Model, again: bool = True) -> None:
    """Warns of the first weight of a Keras model that is NaN or infinite.

    Unless `again`, a model is not checked twice while its last weight, which
    every step of training changes, stays the same.
    """
    if getattr(model, "weights", None):
        from keras_seg.inference.keras_models import check_weights

        check_weights(model, again)


def _check_size(images: NDArray, shape: tuple[int, ...]) -> None:
    if len(shape) != 4 or shape[:3] != images.shape[:3]:
        raise ValueError(
            "`model` must give scores (batch, height, width, classes) at the "
            f"size of the image. Received: images of shape {images.shape}, "
            f"scores of shape {shape}"
        )


def longest_side_of(model: Any) -> int | None:
    """The side to which a model, or an exported one, shrinks images.

    See `keras_seg.surgery.shrink_input`.
    """
    # Not by its class: an exported model is run without Keras.
    sides = (
        getattr(x, "longest_side", None)
        for x in (model, *getattr(model, "layers", ()))
    )
    return next((side for side in sides if side is not None), None)
