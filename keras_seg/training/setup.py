"""From settings and data to what `fit` takes."""

import keras

from keras_seg.data import Batches
from keras_seg.data import augment
from keras_seg.training.models import build_model
from keras_seg.training.recipes import finetune
from keras_seg.training.recipes import momentum_for
from keras_seg.training.recipes import set_batch_norm_momentum

__all__ = ["class_table", "compiled_model", "training_batches", "whole_images"]


def training_batches(settings, data):
    """The batches of a run, augmented, in a new order every epoch.

    Args:
        settings: `keras_seg.training.Settings`.
        data: see `keras_seg.training.train`.

    Returns:
        `keras_seg.data.Batches`.
    """
    transforms: list[augment.Transform] = []
    if settings.scale is not None:
        transforms.append(augment.RandomScale(*settings.scale))
    if settings.crop is not None:
        transforms.append(augment.RandomCrop(settings.crop))
    if settings.flip:
        transforms.append(augment.RandomFlip())
    return Batches(
        data,
        settings.batch_size,
        transforms,
        shuffle=True,
        seed=settings.seed,
    )


def whole_images(settings, data):
    """Batches for validation, without padding, which the network would see.

    Args:
        settings: `keras_seg.training.Settings`.
        data: see `keras_seg.training.train`, or `None`.

    Returns:
        `keras_seg.data.Batches`, or `None`.
    """
    if data is None:
        return None
    size = getattr(data, "size", None)
    if size is None:

        def size(i):
            return data[i][1].shape

    sizes = {tuple(size(i)) for i in range(len(data))}
    several = settings.validation_batch_size if len(sizes) == 1 else 1
    return Batches(data, several)


def compiled_model(settings, classes, data):
    """The model of a run, ready for its first step.

    Batch norm that is trained gets a momentum that this many steps fill: of
    Keras's own, 0.99 and more, the averages would not follow a short run.

    Args:
        settings: `keras_seg.training.Settings`.
        classes: int, the number of classes.
        data: what it will be trained on.

    Returns:
        `keras.Model`.
    """
    keras.utils.set_random_seed(settings.seed)
    model = build_model(settings, classes)
    steps = settings.epochs * -(-len(data) // settings.batch_size)
    set_batch_norm_momentum(model, momentum_for(steps))
    model.compile(
        **finetune(
            data,
            model,
            classes=classes,
            epochs=settings.epochs,
            batch_size=settings.batch_size,
            learning_rate=settings.learning_rate,
            backbone_rate=settings.resolved().backbone_rate,
            weight_decay=settings.weight_decay,
        )
    )
    return model


def class_table(data, validation, classes):
    """The classes of a run, checked.

    Args:
        data: see `keras_seg.training.train`.
        validation: the same, or `None`.
        classes: `keras_seg.data.ClassTable`, or `None` for that of `data`.

    Returns:
        `keras_seg.data.ClassTable`.

    Raises:
        ValueError: if there is none, or those of the data differ.
    """
    if classes is None:
        classes = getattr(data, "classes", None)
    if classes is None:
        raise ValueError(
            "`classes` must be a ClassTable where the data has none of its "
            "own. Received: classes=None"
        )
    if len(classes) < 2:
        raise ValueError(
            "A network tells at least 2 classes apart, the background is "
            f"one of them. Received: 1 class, {classes.names[0]!r}"
        )
    others = getattr(validation, "classes", classes)
    if others.names != classes.names:
        raise ValueError(
            "`data` and `validation` must have the same classes. Received: "
            f"{', '.join(classes.names)} and {', '.join(others.names)}"
        )
    return classes
