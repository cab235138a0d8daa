"""From settings and data to the model and the batches that `fit` takes."""

import contextlib
import dataclasses
import inspect
import pathlib
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_seg import applications
from keras_seg.applications.backbones import backbone_layers
from keras_seg.applications.backbones import find_builder
from keras_seg.applications.batch_norm import freeze_batch_norm
from keras_seg.data import Batches
from keras_seg.data import ClassTable
from keras_seg.data import Shrunk
from keras_seg.data import augment
from keras_seg.data.folder import PairSequence
from keras_seg.hub.names import is_name
from keras_seg.hub.names import parse
from keras_seg.inference.scores import image_shape
from keras_seg.inference.scores import warn_of_range
from keras_seg.layers.base import nested_layers
from keras_seg.layers.metadata import note
from keras_seg.pretrained import catalogue
from keras_seg.runs.settings import Settings
from keras_seg.surgery import shrink_input
from keras_seg.training.distillation import distill
from keras_seg.training.distillation import read_teacher
from keras_seg.training.recipes import finetune
from keras_seg.training.recipes import momentum_for
from keras_seg.training.recipes import set_batch_norm_momentum
from keras_seg.training.start_from import for_other_classes
from keras_seg.training.start_from import read_backbone
from keras_seg.words import did_you_mean

__all__ = [
    "at_size",
    "build_model",
    "check_network",
    "run_classes",
    "settled",
    "shrunk",
    "compiled_model",
    "find_application",
    "image_sizes",
    "training_batches",
    "whole_images",
]

# Builders' arguments that are no options: settings of their own, or what the
# loss or the data fixes, such as one output of the size of the image.
_NO_OPTIONS = (
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


def find_application(name: str | None) -> Callable[..., keras.Model]:
    """Returns the builder of `keras_seg.applications` of that name, any case.

    >>> find_application("fcn8s").__name__
    'FCN8s'
    """
    # What has an image for input; a classifier is there too.
    builders = {
        key.lower(): key
        for key in applications.__all__
        if "input_tensor" in _parameters(getattr(applications, key))
    }
    name = name or ""
    if name.lower() not in builders:
        raise ValueError(
            "`model` must be one of keras_seg.applications: "
            f"{', '.join(sorted(builders))}."
            f"{did_you_mean(name, list(builders))} Received: model={name!r}"
        )
    return getattr(applications, builders[name.lower()])


def build_model(settings: Settings, classes: int) -> keras.Model:
    """Builds the model of a run.

    Args:
        settings: `keras_seg.runs.Settings`.
        classes: int, the number of classes.

    Returns:
        `keras.Model`.

    Raises:
        ValueError: If there is no such model, or an argument is out of range.
        OSError: If weights cannot be downloaded.

    Example:

    >>> from keras_seg.training import Settings
    >>> from keras_seg.training import build_model
    >>> model = build_model(Settings(weights=None), classes=3)
    >>> model.compute_output_shape((1, 97, 33, 3))
    (1, 97, 33, 3)
    """
    if settings.start_from is not None:
        model = for_other_classes(settings.start_from, classes)
    else:
        model = _from_builder(settings, classes)
    if settings.resolved().freeze_batch_norm:
        for layer in backbone_layers(model):
            freeze_batch_norm(layer)
    return model


def settled(settings: Settings, model: keras.Model) -> Settings:
    """Returns the settings of a run with what `None` became for its model.

    A backbone without batch norm has none to freeze.
    """
    settings, asked = settings.resolved(), settings.freeze_batch_norm
    if asked is None and settings.freeze_batch_norm:
        freeze = any(
            isinstance(layer, keras.layers.BatchNormalization)
            for outer in backbone_layers(model)
            for layer in nested_layers(outer)
        )
        settings = dataclasses.replace(settings, freeze_batch_norm=freeze)
    return settings


def _from_builder(settings: Settings, classes: int) -> keras.Model:
    builder = find_application(settings.model)
    parameters = _parameters(builder)
    for key in settings.options:
        if key not in parameters or key in _NO_OPTIONS:
            raise ValueError(
                f"`options` are further arguments of {builder.__name__}, "
                f"which has no {key!r} to set there."
                f"{did_you_mean(key, list(parameters))} "
                f"Received: options={settings.options}"
            )
    arguments: dict[str, Any] = {
        "weights": settings.weights,
        "classes": classes,
    }
    if "freeze_batch_norm" in parameters:
        # What was asked for must have an effect; what is resolved need not.
        arguments["freeze_batch_norm"] = bool(settings.freeze_batch_norm)
    if "data_format" in parameters:
        # That of the batches, whatever Keras is set to.
        arguments["data_format"] = "channels_last"
    if "weights" not in parameters:
        if arguments.pop("weights") is not None:
            raise ValueError(
                f"{builder.__name__} begins from random weights: `weights` "
                f"must be none. Received: weights={settings.weights!r}"
            )
    if "backbone" in parameters:
        file = settings.backbone_file
        arguments["backbone"] = (
            read_backbone(file) if file else settings.backbone
        )
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
    return builder(**arguments, **settings.options)


def check_network(settings: Settings) -> None:
    """Refuses what `build_model` could not build, before data are read."""
    start, file = settings.start_from, settings.backbone_file
    if start is None:
        find_application(settings.model)
    elif is_name(start):
        parse(start)
    elif not pathlib.Path(start).exists():
        catalogue.find(start)
    if file is None and settings.backbone is not None:
        find_builder(settings.backbone)
    elif file is not None and not pathlib.Path(file).is_file():
        raise ValueError(
            f"`backbone` must be a name of keras.applications, or the path of "
            f"a .keras file with a classifier. {file} does not exist."
        )


def _parameters(function: Callable) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(function).parameters


def shrunk(settings: Settings, data: Any) -> Any:
    """Returns the data at the size that a run trains on."""
    if settings.size is None or data is None:
        return data
    return Shrunk(data, settings.size)


def at_size(model: keras.Model, settings: Settings | None) -> keras.Model:
    """Returns the model for images as they are, see `Settings.size`."""
    if settings is None or settings.size is None:
        return model
    return shrink_input(model, settings.size)


def training_batches(settings: Settings, data: PairSequence) -> Batches:
    """Returns the batches of a run, augmented, in a new order every epoch."""
    channels = 3
    if settings.augment != "standard":
        channels = data[0][0].shape[-1]
    transforms = augment.named(
        settings.augment,
        crop=settings.crop,
        scale=settings.scale,
        flip=settings.flip,
        channels=channels,
    )
    return Batches(
        shrunk(settings, data),
        settings.batch_size,
        transforms,
        shuffle=True,
        seed=settings.seed,
        workers=settings.workers,
        repeat=settings.repeat,
    )


def whole_images(
    settings: Settings, data: PairSequence | None
) -> Batches | None:
    """Returns batches for validation, without padding the network would see."""
    if data is None:
        return None
    data = shrunk(settings, data)
    one_size = len(set(image_sizes(data))) == 1
    batch_size = settings.validation_batch_size if one_size else 1
    return Batches(data, batch_size, workers=settings.workers)


def compiled_model(
    settings: Settings, classes: int, data: PairSequence
) -> keras.Model:
    """Returns the model of a run, ready for its first step.

    The momentum of trained batch norm is fitted to the number of steps: with
    Keras's 0.99 the averages would not follow a short run.
    """
    keras.utils.set_random_seed(settings.seed)
    multi_label = bool(getattr(data, "multi_label", False))
    if settings.binary and (multi_label or classes != 2):
        what = "labels that overlap" if multi_label else f"{classes} classes"
        raise ValueError(
            "`binary` is for two classes, background and object. Fix: leave "
            f"it out. Received: binary=True, {what}"
        )
    if settings.threshold and not (settings.binary or multi_label):
        raise ValueError(
            "`threshold` is of one score a pixel (binary=True) or of labels "
            "that overlap: of several classes the largest score decides. Fix: "
            f"leave it out. Received: threshold={settings.threshold!r}"
        )
    with dtype_policy(settings.precision):
        model = build_model(settings, 1 if settings.binary else classes)
    first = np.asarray(data[0][0])
    warn_of_range(model, first)
    channels, found = image_shape(model)[-1], first.shape[-1]
    if channels != found:
        raise ValueError(
            f"The network takes images of {channels} channels. Fix: name "
            f"{channels} bands, on the command line --bands, or take another "
            f"network. Received: images of {found} channels"
        )
    if multi_label:
        note(model, multi_label=True)
    images = len(data) * settings.repeat
    steps = settings.epochs * -(-images // settings.batch_size)
    set_batch_norm_momentum(model, momentum_for(steps))
    rate: Any = settings.resolved().backbone_rate  # Not None any more.
    model.compile(
        **finetune(
            data,
            model,
            classes=classes,
            epochs=settings.epochs,
            repeat=settings.repeat,
            batch_size=settings.batch_size,
            learning_rate=settings.learning_rate,
            backbone_rate=rate,
            weight_decay=settings.weight_decay,
            class_weights=settings.class_weights,
            loss=settings.loss,
            optimizer=settings.optimizer,
            ema=settings.ema,
            accumulation=settings.accumulate,
        )
    )
    if settings.teacher is not None:
        distill(
            model,
            read_teacher(settings.teacher, data, settings.size),
            temperature=settings.temperature,
            weight=settings.teacher_weight,
        )
    return model


@contextlib.contextmanager
def dtype_policy(name: str | None) -> Iterator[None]:
    """Builds layers with a dtype policy; None keeps that of Keras."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name or before)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def run_classes(
    data: PairSequence,
    validation: PairSequence | None,
    class_table: ClassTable | None,
) -> ClassTable:
    """Returns the checked classes of a run, by default those of `data`."""
    if class_table is None:
        class_table = getattr(data, "class_table", None)
    if class_table is None:
        raise ValueError(
            "`class_table` must be a ClassTable where the data has none of "
            "its own. Received: class_table=None"
        )
    if len(class_table) < 2 and not getattr(data, "multi_label", False):
        raise ValueError(
            "A network tells at least 2 classes apart, the background is "
            f"one of them. Received: 1 class, {class_table.names[0]!r}"
        )
    others = getattr(validation, "class_table", class_table)
    if others.names != class_table.names:
        raise ValueError(
            "`data` and `validation` must have the same classes. Received: "
            f"{', '.join(class_table.names)} and {', '.join(others.names)}"
        )
    return class_table


def image_sizes(data: PairSequence) -> list[tuple[int, ...]]:
    """Returns the height and width of every image."""
    size = getattr(data, "size", None) or (lambda i: data[i][1].shape)
    return [tuple(map(int, size(i))) for i in range(len(data))]
