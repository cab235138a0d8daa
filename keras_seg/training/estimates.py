"""What a run takes: memory, time and room on the disk."""

import dataclasses
import math
import os
import pathlib
import re
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from keras_seg.data import ClassTable
from keras_seg.data.folder import PairSequence
from keras_seg.inference import evaluate
from keras_seg.runs.files import RunError
from keras_seg.runs.files import RunWarning
from keras_seg.runs.folder import RunFolder
from keras_seg.runs.settings import Settings
from keras_seg.training.callbacks import run_callbacks
from keras_seg.training.finish import finish
from keras_seg.training.setup import at_size
from keras_seg.training.setup import compiled_model
from keras_seg.training.setup import run_classes
from keras_seg.training.setup import shrunk
from keras_seg.training.setup import training_batches
from keras_seg.training.setup import whole_images

__all__ = [
    "DryRun",
    "check_space",
    "dry_run",
    "in_words",
    "peak_memory",
    "variable_bytes",
]

# Steps are measured until there are so many, or so many seconds are over.
STEPS, SECONDS = 12, 10.0
FEW = 4  # images that are evaluated


@dataclasses.dataclass(frozen=True)
class DryRun:
    """What `dry_run` measured.

    Args:
        parameters: int, weights of the model.
        trainable: int, those that are trained.
        variable_bytes: int, exact bytes of weights, gradients and optimizer
            variables.
        peak_bytes: int, measured peak memory, or `None` if the system does not
            report it. The excess over `variable_bytes` is activations, backend
            libraries and decoded images.
        measured_on: str, the accelerator, or "the whole process".
        batch_shape: tuple, shape of the first batch of images.
        steps: int, steps in an epoch.
        seconds_per_step: float, mean time of a step, including the wait for
            images but not the first step, which compiles.
        start_seconds: float, time to build the model and take the first step.
        validation_seconds: float, time of one validation, estimated from one
            of its largest batches, by pixels.
        save_seconds: float, time to write models, state and pictures after an
            epoch.
        end_seconds: float, time to load and score the best model at the end.
        epochs: int.
        loss: float, loss of the first step.
    """

    parameters: int
    trainable: int
    variable_bytes: int
    peak_bytes: int | None
    measured_on: str
    batch_shape: tuple[int, ...]
    steps: int
    seconds_per_step: float
    start_seconds: float
    validation_seconds: float
    save_seconds: float
    end_seconds: float
    epochs: int
    loss: float

    @property
    def seconds(self) -> float:
        """The estimated time of the whole run."""
        epoch = (
            self.steps * self.seconds_per_step
            + self.validation_seconds
            + self.save_seconds
        )
        return self.start_seconds + self.epochs * epoch + self.end_seconds


def dry_run(
    settings: Settings,
    data: PairSequence,
    validation: PairSequence | None = None,
    *,
    class_table: ClassTable | None = None,
) -> DryRun:
    """Measures the memory and the time of a run with a few training steps.

    Memory is the peak of the device, or of the whole process on a CPU, after a
    few training steps and one validation batch of the largest image. Writing
    the run folder is timed in a temporary folder. Nothing is left behind.

    Args:
        settings: `keras_seg.runs.Settings`.
        data: see `keras_seg.training.train`.
        validation: the same, or `None`.
        class_table: `keras_seg.data.ClassTable`. Defaults to that of `data`.

    Returns:
        `DryRun`.

    Raises:
        ValueError: If a setting is out of range or the data do not fit it.

    Example:

    >>> from keras_seg.data import synthetic
    >>> from keras_seg.training import Settings
    >>> from keras_seg.training import dry_run
    >>> pairs = list(zip(*synthetic.membranes(2, size=32)))
    >>> settings = Settings(
    ...     model="unet", backbone=None, weights=None, epochs=1, crop=32,
    ...     options={"filters": 4, "depth": 2})
    >>> found = dry_run(
    ...     settings, pairs, class_table=synthetic.MEMBRANE_CLASSES)
    >>> found.steps, found.batch_shape
    (1, (2, 32, 32, 3))
    """
    class_table = run_classes(data, validation, class_table)
    batches = training_batches(settings, data)
    held_out = whole_images(settings, validation)
    begin = time.monotonic()
    model = compiled_model(settings, len(class_table), data)
    steps = _Steps()
    # Of a few images an epoch has one step, and that one compiles.
    model.fit(batches, epochs=STEPS + 1, callbacks=[steps], verbose=0)
    start = steps.times[0] - begin
    rest = np.diff(steps.times)
    validation_seconds = 0.0
    if held_out is not None:
        pixels = [math.prod(masks.shape) for _, masks in held_out]
        largest = held_out[int(np.argmax(pixels))]
        _timed(model.test_on_batch, *largest)
        seconds = _timed(model.test_on_batch, *largest)
        validation_seconds = seconds * sum(pixels) / max(pixels)
    seen = data if validation is None else validation
    saved, ended = _run_folder_seconds(model, settings, class_table, seen)
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
        batch_shape=batches[0][0].shape,
        steps=len(batches),
        seconds_per_step=float(rest.mean()) if len(rest) else start,
        start_seconds=start,
        validation_seconds=validation_seconds,
        save_seconds=saved,
        end_seconds=ended,
        epochs=settings.epochs,
        loss=steps.loss,
    )


class _Steps(keras.callbacks.Callback):
    """Records when each step ended, and stops `fit` after enough of them."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []
        self.loss = math.nan

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        self.times.append(time.monotonic())
        if len(self.times) == 1:
            self.loss = float((logs or {}).get("loss", math.nan))
        enough = len(self.times) > STEPS or (
            len(self.times) > 2 and self.times[-1] - self.times[1] > SECONDS
        )
        if enough:
            self.model.stop_training = True


def _run_folder_seconds(
    model: keras.Model,
    settings: Settings,
    class_table: ClassTable,
    seen: PairSequence,
) -> tuple[float, float]:
    """Times what callbacks do after an epoch, and `finish` at the end.

    `finish` is measured on a few images and extrapolated to all of them.
    """
    few = [seen[i] for i in range(min(FEW, len(seen)))]
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", RunWarning)
        run = RunFolder.create(
            pathlib.Path(folder) / "run", settings, class_table
        )
        callbacks = run_callbacks(run, shrunk(settings, seen))
        for callback in callbacks:
            callback.set_model(model)
            callback.on_train_begin()

        def end_epoch(epoch):
            for callback in callbacks:
                callback.on_epoch_begin(epoch)
                callback.on_epoch_end(
                    epoch, {"loss": 1.0, "val_mean_iou": epoch}
                )

        first = _timed(end_epoch, 0)  # It compiles for pictures.
        saved = _timed(end_epoch, 1)
        ended = _timed(finish, run, model, few[:1], False, callbacks[-1])
        whole = at_size(model, settings)
        evaluate(whole, few[:1], class_table=class_table)  # It compiles.
        each = _timed(evaluate, whole, few, class_table=class_table) / len(few)
    return saved, ended + max(0.0, first - saved) + each * (len(seen) - 1)


def _timed(function: Callable, *args, **options) -> float:
    begin = time.monotonic()
    function(*args, **options)
    return time.monotonic() - begin


def check_space(path: str | os.PathLike, model: keras.Model) -> None:
    """Raises a `RunError` if the disk has no room for the run folder.

    A file stays until its successor is complete, so weights of w bytes and an
    optimizer of o need `2 w` for the last and the best model and `2 (w + o)`
    for the state.
    """
    optimizer = model.optimizer
    if not optimizer.built:
        optimizer.build(model.trainable_variables)
    weights = variable_bytes(model.variables)
    needed = 4 * weights + 2 * variable_bytes(optimizer.variables)
    free = _free(pathlib.Path(path))
    if free < needed:
        raise RunError(
            f"{path} needs {in_words(needed)} for its models and the state "
            f"of training, and the disk has {in_words(free)} free. "
            "Fix: free some, or write to another disk."
        )


def _free(path: pathlib.Path) -> int:
    while not path.exists() and path != path.parent:
        path = path.parent
    return shutil.disk_usage(path).free


def variable_bytes(variables: Iterable[keras.Variable]) -> int:
    """Returns the bytes of the values of Keras variables.

    >>> variable_bytes([keras.Variable([[1.0, 2.0]], dtype="float32")])
    8
    """
    return sum(
        math.prod(variable.shape) * _bytes_each(variable.dtype)
        for variable in variables
    )


def peak_memory() -> tuple[int | None, str]:
    """Returns the peak memory of the process, and where it was measured.

    On the first accelerator if the backend has one and counts; otherwise of
    the whole process, including the backend's libraries. None if the system
    does not report it.

    >>> count, where = peak_memory()
    >>> count is None or count > 2**20
    True
    """
    backend = keras.config.backend()
    if backend == "torch":
        import torch

        if torch.cuda.is_available():
            name = torch.cuda.get_device_name(0)
            return torch.cuda.max_memory_allocated(0), name
    if backend == "jax":
        import jax

        device = jax.local_devices()[0]
        counts = device.memory_stats() if device.platform != "cpu" else None
        if counts:
            return counts["peak_bytes_in_use"], device.device_kind
    if backend == "tensorflow":
        import tensorflow

        if tensorflow.config.list_physical_devices("GPU"):
            counts = tensorflow.config.experimental.get_memory_info("GPU:0")
            return counts["peak"], "GPU:0"
    return _peak_of_process(), "the whole process"


def in_words(count: float) -> str:
    """Formats bytes as "1.5 GiB" or "12 MiB".

    >>> in_words(3 * 2**29), in_words(12 * 2**20)
    ('1.5 GiB', '12 MiB')
    """
    if count >= 2**30:
        return f"{count / 2**30:.1f} GiB"
    return f"{count / 2**20:.0f} MiB"


def _peak_of_process() -> int | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _bytes_each(dtype: str) -> int:
    bits = re.search(r"\d+", keras.backend.standardize_dtype(dtype))
    return int(bits.group()) // 8 if bits else 1
