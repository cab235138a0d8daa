"""What a run would take: memory and time, measured in a few steps."""

import dataclasses
import math
import time

import numpy as np

from keras_seg.training.memory import peak_memory
from keras_seg.training.memory import variable_bytes
from keras_seg.training.setup import class_table
from keras_seg.training.setup import compiled_model
from keras_seg.training.setup import training_batches
from keras_seg.training.setup import whole_images

__all__ = ["DryRun", "dry_run"]

STEPS = 2


@dataclasses.dataclass(frozen=True)
class DryRun:
    """What `dry_run` found.

    Args:
        parameters: int, weights of the model.
        trainable: int, those that are trained.
        variable_bytes: int, weights, their gradients and the optimizer's
            variables: known exactly.
        peak_bytes: int, the most memory in use at once, measured, or `None`
            where the system does not tell. What exceeds `variable_bytes` is
            activations, the backend's libraries and decoded images.
        measured_on: str, the accelerator, or "the whole process".
        batch_shape: tuple, that of the first batch of images.
        steps: int, steps in an epoch.
        seconds_per_step: float, without the first step, which compiles.
        compile_seconds: float, the first step.
        validation_seconds: float, one validation; an estimate from one of
            its largest batches.
        epochs: int.
        loss: float, that of the first step.
    """

    parameters: int
    trainable: int
    variable_bytes: int
    peak_bytes: int | None
    measured_on: str
    batch_shape: tuple[int, ...]
    steps: int
    seconds_per_step: float
    compile_seconds: float
    validation_seconds: float
    epochs: int
    loss: float

    @property
    def seconds(self):
        """The time of the whole run, estimated."""
        epoch = self.steps * self.seconds_per_step + self.validation_seconds
        return self.compile_seconds + self.epochs * epoch


def dry_run(settings, data, validation=None, *, classes=None):
    """Builds data and model, takes a few steps, and writes nothing.

    Memory is measured, not computed: the peak of the device, or of the whole
    process on a CPU, after training steps on the first batch and one
    validation batch of the largest image.

    Args:
        settings: `keras_seg.training.Settings`.
        data: see `keras_seg.training.train`.
        validation: the same, or `None`.
        classes: `keras_seg.data.ClassTable`; that of `data` by default.

    Returns:
        `DryRun`.

    Raises:
        ValueError: for settings or data that can't be.

    Example:

    >>> from keras_seg.data import synthetic
    >>> from keras_seg.training import Settings
    >>> from keras_seg.training import dry_run
    >>> pairs = list(zip(*synthetic.membranes(2, size=32)))
    >>> settings = Settings(
    ...     model="unet", backbone=None, weights=None, epochs=1, crop=32,
    ...     options={"filters": 4, "depth": 2})
    >>> found = dry_run(
    ...     settings, pairs, classes=synthetic.MEMBRANE_CLASSES)
    >>> found.steps, found.batch_shape
    (1, (2, 32, 32, 3))
    """
    classes = class_table(data, validation, classes)
    batches = training_batches(settings, data)
    held_out = whole_images(settings, validation)
    model = compiled_model(settings, len(classes), data)
    images, masks = batches[0]
    loss, first = _timed(model.train_on_batch, images, masks)
    steps = [
        _timed(model.train_on_batch, images, masks)[1] for _ in range(STEPS)
    ]
    validation_seconds = 0.0
    if held_out is not None:
        largest = held_out[_largest(held_out)]
        _timed(model.test_on_batch, *largest)
        seconds = _timed(model.test_on_batch, *largest)[1]
        validation_seconds = seconds * len(held_out)
    peak, where = peak_memory()
    trained = model.trainable_variables
    return DryRun(
        parameters=model.count_params(),
        trainable=sum(math.prod(variable.shape) for variable in trained),
        variable_bytes=variable_bytes(model.variables)
        + variable_bytes(trained)
        + variable_bytes(model.optimizer.variables),
        peak_bytes=peak,
        measured_on=where,
        batch_shape=images.shape,
        steps=len(batches),
        seconds_per_step=min(steps),
        compile_seconds=first,
        validation_seconds=validation_seconds,
        epochs=settings.epochs,
        loss=float(loss[0]),
    )


def _timed(function, *args):
    begin = time.monotonic()
    result = [float(value) for value in np.atleast_1d(function(*args))]
    return result, time.monotonic() - begin


def _largest(batches):
    sizes = [math.prod(batch[1].shape) for batch in batches]
    return int(np.argmax(sizes))
