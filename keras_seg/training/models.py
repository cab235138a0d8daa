"""From settings to a model: the builder of that name, with its arguments."""

import inspect

from keras_seg import applications
from keras_seg.applications.backbones import backbone_layers
from keras_seg.applications.batch_norm import freeze_batch_norm
from keras_seg.training.settings import did_you_mean

__all__ = ["build_model", "find_application"]

# Settings of their own, or what the loss or the data fixes: one output, of
# the size of the image.
_TAKEN = (
    "auxiliary",
    "padding",
    "freeze_batch_norm",
    "backbone",
    "classifier",
    "weights",
    "classes",
    "classifier_activation",
    "input_tensor",
    "data_format",
)


def find_application(name):
    """Returns the builder of `keras_seg.applications` of that name.

    Args:
        name: str; case does not count.

    Raises:
        ValueError: if there is none.

    Example:

    >>> from keras_seg.training.models import find_application
    >>> find_application("fcn8s").__name__
    'FCN8s'
    """
    # What has an image for input; converters and classifiers are there too.
    builders = {
        key.lower(): key
        for key in applications.__all__
        if "input_tensor" in _parameters(getattr(applications, key))
    }
    if name.lower() not in builders:
        raise ValueError(
            "`model` must be one of keras_seg.applications: "
            f"{', '.join(sorted(builders))}."
            f"{did_you_mean(name, list(builders))} Received: model={name!r}"
        )
    return getattr(applications, builders[name.lower()])


def build_model(settings, classes):
    """Builds the model of a run.

    Args:
        settings: `keras_seg.training.Settings`.
        classes: int, the number of classes.

    Returns:
        A functional `keras.Model`: images of any size to logits.

    Raises:
        ValueError: if there is no such model, or an argument can't be.
        OSError: if weights can't be downloaded.

    Example:

    >>> from keras_seg.training import Settings
    >>> from keras_seg.training import build_model
    >>> model = build_model(Settings(weights=None), classes=3)
    >>> model.compute_output_shape((1, 97, 33, 3))
    (1, 97, 33, 3)
    """
    builder = find_application(settings.model)
    parameters = _parameters(builder)
    for key in settings.options:
        if key not in parameters or key in _TAKEN:
            raise ValueError(
                f"`options` are further arguments of {builder.__name__}, "
                f"which has no {key!r} to set there."
                f"{did_you_mean(key, list(parameters))} "
                f"Received: options={settings.options}"
            )
    arguments = {"weights": settings.weights, "classes": classes}
    if "freeze_batch_norm" in parameters:
        # What was asked for must have an effect; what is resolved need not.
        arguments["freeze_batch_norm"] = bool(settings.freeze_batch_norm)
    if "weights" not in parameters:
        if arguments.pop("weights") is not None:
            raise ValueError(
                f"{builder.__name__} begins from random weights: `weights` "
                f"must be none. Received: weights={settings.weights!r}"
            )
    if "backbone" in parameters:
        arguments["backbone"] = settings.backbone
        if settings.backbone is None and parameters["backbone"].default:
            raise ValueError(
                f"{builder.__name__} needs a backbone, the name of a "
                "classifier of keras.applications such as 'mobilenet_v2'. "
                "Received: backbone=None"
            )
    elif settings.backbone is not None:
        raise ValueError(
            f"{builder.__name__} has an encoder of its own: `backbone` must "
            f"be none. Received: backbone={settings.backbone!r}"
        )
    model = builder(**arguments, **settings.options)
    if settings.resolved().freeze_batch_norm:
        for layer in backbone_layers(model):
            freeze_batch_norm(layer)
    return model


def _parameters(function):
    return inspect.signature(function).parameters
