"""A Keras model into a file of another format, by the libraries for it."""

import contextlib
import gc
import io
import logging
import warnings
from unittest import mock

import keras

from keras_seg.deployment.errors import ExportError
from keras_seg.deployment.errors import first_line
from keras_seg.deployment.quantization import litert_options
from keras_seg.ops.devices import portable_forms

__all__ = ["convert"]

# Parameters, of which some twenty copies are a gigabyte.
MANY = 10_000_000


def convert(model, path, known, size, quantization=None, samples=None):
    """Writes a model for images of any size, or of one.

    Args:
        model: `keras.Model` of one image and one map of scores.
        path: path to write to.
        known: `Format`.
        size: pair of ints, or None for any size.
        quantization: None, `"float16"` or `"int8"`, of LiteRT.
        samples: list of arrays `(height, width, channels)`, for `"int8"`.

    Raises:
        ExportError: if the format has no form for a part of the model.
    """
    options = {}
    if quantization is not None:
        options = litert_options(quantization, samples)
    batch = 1 if size else None
    height, width = size or (None, None)
    channels = model.inputs[0].shape[-1]
    image = keras.InputSpec(
        shape=(batch, height, width, channels), dtype="float32", name="image"
    )
    try:
        with portable_forms(), _quiet(), _copies_collected(known, model):
            model.export(
                str(path),
                format=known.name,
                input_signature=[image],
                verbose=False,
                **options,
            )
    except Exception as error:
        # Each converter has its own for what it knows no form of.
        raise ExportError(
            f"{model.name} can't be written as {known.title} with "
            f"{keras.config.backend()}: {first_line(error)} "
            f"({type(error).__name__})."
        ) from error


@contextlib.contextmanager
def _copies_collected(known, model):
    """Frees the copies of the graph that tf2onnx makes, one before each pass.

    They are cycles of few, large objects, which Python by itself comes to
    after tens of GiB. What was there before is not searched.
    """
    copied = known.name == "onnx" and keras.config.backend() == "tensorflow"
    if not copied or model.count_params() < MANY:
        yield
        return
    from tf2onnx.optimizer.optimizer_base import GraphOptimizerBase

    inner = GraphOptimizerBase.optimize

    def optimize(*arguments):
        gc.collect()
        return inner(*arguments)

    frozen = gc.get_freeze_count() > 0
    if not frozen:
        gc.freeze()
    try:
        with mock.patch.object(GraphOptimizerBase, "optimize", optimize):
            yield
    finally:
        if not frozen:
            gc.unfreeze()


@contextlib.contextmanager
def _quiet():
    """Holds back what converters say to those who write converters."""
    disabled = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
