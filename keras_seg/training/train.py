"""Training on pairs of images and masks, with plain `compile` and `fit`."""

import math

import keras

from keras_seg.applications.batch_norm import freeze_batch_norm
from keras_seg.data import Batches
from keras_seg.data import augment
from keras_seg.training.models import build_model
from keras_seg.training.recipe import recipe
from keras_seg.training.run_folder import RunError
from keras_seg.training.run_folder import RunFolder
from keras_seg.training.save_run import SaveRun
from keras_seg.training.settings import Settings

__all__ = ["train"]


def train(
    settings,
    data,
    validation=None,
    out=None,
    *,
    classes=None,
    callbacks=(),
    verbose="auto",
):
    """Trains a model as the settings say.

    The seed sets the initial weights, the order of the images and all
    augmentation: the same settings and data give, on one backend and CPU,
    the same run.

    Args:
        settings: `Settings`.
        data: `keras_seg.data.Folder`, or any sequence of `(image, mask)`,
            see `keras_seg.data.Batches`; checked beforehand.
        validation: optional, the same; seen whole after every epoch.
        out: optional str or path of the run folder to write, see
            `RunFolder`.
        classes: `keras_seg.data.ClassTable`; that of `data` by default.
        callbacks: `keras.callbacks.Callback`s, further ones.
        verbose: that of `fit`.

    Returns:
        Tuple (model, history): the compiled model after the last epoch, and
        what `fit` returned.

    Raises:
        ValueError: for settings or data that can't be; nothing has been
            written then.
        RunError: if `out` is not free, or the loss became NaN.

    Example:

    >>> from keras_seg.data import synthetic
    >>> from keras_seg.training import Settings
    >>> from keras_seg.training import train
    >>> pairs = list(zip(*synthetic.membranes(2, size=32)))
    >>> settings = Settings(
    ...     model="unet", backbone=None, weights=None, epochs=1, crop=32,
    ...     options={"filters": 4, "depth": 2})
    >>> model, history = train(
    ...     settings, pairs, classes=synthetic.MEMBRANE_CLASSES, verbose=0)
    >>> sorted(history.history)
    ['loss', 'mean_iou']
    """
    classes = _class_table(data, validation, classes)
    if out is not None:
        RunFolder.check_free(out)
    keras.utils.set_random_seed(settings.seed)
    batches = Batches(
        data,
        settings.batch_size,
        _transforms(settings),
        shuffle=True,
        seed=settings.seed,
    )
    held_out = None
    if validation is not None:
        held_out = _whole_images(validation, settings)
    model = build_model(settings, len(classes))
    if settings.freezes_batch_norm:
        freeze_batch_norm(model)
    steps = settings.epochs * len(batches)
    model.compile(**recipe(settings, len(classes), steps))
    callbacks = [keras.callbacks.TerminateOnNaN(), *callbacks]
    if out is not None:
        run = RunFolder.create(out, settings, classes)
        callbacks.append(SaveRun(run))
    history = model.fit(
        batches,
        epochs=settings.epochs,
        validation_data=held_out,
        callbacks=callbacks,
        verbose=verbose,
    )
    _refuse_divergence(history, settings)
    return model, history


def _class_table(data, validation, classes):
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


def _transforms(settings):
    transforms: list[augment.Transform] = []
    if settings.scale is not None:
        transforms.append(augment.RandomScale(*settings.scale))
    if settings.crop is not None:
        transforms.append(augment.RandomCrop(settings.crop))
    if settings.flip:
        transforms.append(augment.RandomFlip())
    return transforms


def _whole_images(validation, settings: Settings):
    """Batches without padding, which would be seen by the network."""
    size = getattr(validation, "size", None)
    if size is None:

        def size(i):
            return validation[i][1].shape

    sizes = {tuple(size(i)) for i in range(len(validation))}
    several = settings.validation_batch_size if len(sizes) == 1 else 1
    return Batches(validation, several)


def _refuse_divergence(history, settings):
    loss = history.history["loss"]
    if not math.isfinite(loss[-1]):
        raise RunError(
            f"The loss became {loss[-1]} in epoch {len(loss)}: training has "
            "diverged. Fix: lower the learning rate. "
            f"Received: learning_rate={settings.learning_rate}"
        )
