"""What a run takes: memory, time and room on the disk."""

import dataclasses
import math
import pathlib
import re
import shutil
import sys
import tempfile
import time
import warnings

import keras
import numpy as np

from keras_seg.inference import evaluate
from keras_seg.runs.files import RunError
from keras_seg.runs.files import RunWarning
from keras_seg.runs.folder import RunFolder
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
        seconds_per_step: float, the mean without the first step, which
            compiles; with the reading of images, where steps wait for it.
        start_seconds: float, once: building the model and the first step.
        validation_seconds: float, one validation; an estimate from one of
            its largest batches.
        save_seconds: float, after every epoch: the models, the state and the
            pictures.
        end_seconds: float, once: the best model is loaded and scored.
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
    start_seconds: float
    validation_seconds: float
    save_seconds: float
    end_seconds: float
    epochs: int
    loss: float

    @property
    def seconds(self):
        """The time of the whole run, estimated."""
        epoch = (
            self.steps * self.seconds_per_step
            + self.validation_seconds
            + self.save_seconds
        )
        return self.start_seconds + self.epochs * epoch + self.end_seconds


def dry_run(settings, data, validation=None, *, class_table=None):
    """Builds data and model, takes a few steps, and leaves nothing behind.

    Memory is measured, not computed: the peak of the device, or of the whole
    process on a CPU, after a few training steps and one validation batch of
    the largest image. So is the time of all that a run does: a run folder is
    written into a temporary folder, and removed.

    Args:
        settings: `keras_seg.runs.Settings`.
        data: see `keras_seg.training.train`.
        validation: the same, or `None`.
        class_table: `keras_seg.data.ClassTable`; that of `data` by default.

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
    model.fit(batches, epochs=1, callbacks=[steps], verbose=0)
    start = steps.times[0] - begin
    rest = np.diff(steps.times)
    validation_seconds = 0.0
    if held_out is not None:
        largest = held_out[_largest(held_out)]
        _timed(model.test_on_batch, *largest)
        seconds = _timed(model.test_on_batch, *largest)
        validation_seconds = seconds * len(held_out)
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
    """When each step ended, until there are enough of them."""

    def __init__(self):
        super().__init__()
        self.times = []
        self.loss = math.nan

    def on_train_batch_end(self, batch, logs=None):
        self.times.append(time.monotonic())
        if len(self.times) == 1:
            self.loss = float((logs or {}).get("loss", math.nan))
        enough = len(self.times) > STEPS or (
            len(self.times) > 2 and self.times[-1] - self.times[1] > SECONDS
        )
        if enough:
            self.model.stop_training = True


def _run_folder_seconds(model, settings, class_table, seen):
    """What `SaveRun` and its kin take after an epoch, and `finish` at the end.

    The last is measured on a few images, and estimated for all of them.
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
        ended = _timed(finish, run, few[:1], False, callbacks[-1])
        whole = at_size(model, settings)
        each = _timed(evaluate, whole, few, class_table=class_table) / len(few)
    return saved, ended + max(0.0, first - saved) + each * (len(seen) - 1)


def _timed(function, *args, **options):
    begin = time.monotonic()
    function(*args, **options)
    return time.monotonic() - begin


def _largest(batches):
    sizes = [math.prod(batch[1].shape) for batch in batches]
    return int(np.argmax(sizes))


def check_space(path, model):
    """Refuses to begin where the disk has no room for what will be written.

    While a file is written anew, the old one is still there. With the
    weights taking w bytes and the optimizer o, that is
    `2 w` for the last and the best model and `2 (w + o)` for the state.

    Args:
        path: path of the run folder, which may not exist.
        model: compiled `keras.Model`.

    Raises:
        RunError: if less is free.
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


def _free(path):
    while not path.exists() and path != path.parent:
        path = path.parent
    return shutil.disk_usage(path).free


def variable_bytes(variables):
    """The bytes of the values of Keras variables.

    Args:
        variables: iterable of `keras.Variable`.

    Returns:
        int.

    Example:

    >>> import keras
    >>> variable_bytes([keras.Variable([[1.0, 2.0]], dtype="float32")])
    8
    """
    return sum(
        math.prod(variable.shape) * _bytes_each(variable.dtype)
        for variable in variables
    )


def peak_memory():
    """The most memory that was in use at once since the process began.

    Returns:
        Tuple (bytes, where): of the first accelerator, if the backend has
        one and counts; else of the whole process, the backend's own
        libraries included. (None, where) if the system does not tell.

    Example:

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


def in_words(count):
    """Bytes as text, "1.5 GiB" or "12 MiB".

    Example:

    >>> in_words(3 * 2**29), in_words(12 * 2**20)
    ('1.5 GiB', '12 MiB')
    """
    if count >= 2**30:
        return f"{count / 2**30:.1f} GiB"
    return f"{count / 2**20:.0f} MiB"


def _peak_of_process():
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _bytes_each(dtype):
    bits = re.search(r"\d+", keras.backend.standardize_dtype(dtype))
    return int(bits.group()) // 8 if bits else 1
