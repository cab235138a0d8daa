"""Converts a Keras model to another format, by `keras.Model.export`."""

import contextlib
import gc
import io
import logging
import os
import pathlib
import warnings
from collections.abc import Iterator
from typing import Any
from unittest import mock

import keras
import numpy as np
from numpy.typing import NDArray

from keras_seg.deployment.formats import ExportError
from keras_seg.deployment.formats import Format
from keras_seg.deployment.formats import first_line
from keras_seg.deployment.int8 import quantized
from keras_seg.ops.backend import portable_forms

__all__ = ["convert"]

# Parameters; twenty copies of so many take a gigabyte.
MANY = 10_000_000


def convert(
    model: keras.Model,
    path: pathlib.Path,
    known: Format,
    quantization: str | None = None,
    samples: list[NDArray] | None = None,
    opset: int | None = None,
) -> None:
    """Writes a model in a format, for images of the shape of its input.

    Raises an `ExportError` if the converter fails. `samples` are for `"int8"`.
    """
    options: dict[str, Any] = {}
    if opset is not None:
        options = {"opset_version": opset}
    if quantization is not None:
        options = _litert_options(quantization, samples)
    image = keras.InputSpec(
        shape=model.inputs[0].shape, dtype="float32", name="image"
    )
    from_torch = keras.config.backend() == "torch"
    # What OpenVINO makes of PyTorch's graphs itself takes twice the time.
    by_onnx = from_torch and known.name == "openvino"
    written = path.with_suffix(".onnx") if by_onnx else path
    try:
        with (
            portable_forms(known.name),
            _quiet(),
            _copies_collected(known, model),
        ):
            model.export(
                str(written),
                format="onnx" if by_onnx else known.name,
                input_signature=[image],
                verbose=False,
                **options,
            )
            if from_torch and written.suffix == ".onnx":
                _simplify(written)
            if by_onnx:
                _to_openvino(written, path)
            if quantization == "int8":
                path.write_bytes(quantized(path.read_bytes()))
    except Exception as error:
        # Each converter raises errors of its own.
        raise ExportError(
            f"{model.name} can't be written as {known.title} with "
            f"{keras.config.backend()}: {first_line(error)} "
            f"({type(error).__name__})."
        ) from error


def _simplify(path: pathlib.Path) -> None:
    """Leaves out of an ONNX file what ONNX Runtime would leave out of it.

    PyTorch transposes the maps before and behind each convolution. Other
    runtimes do not see through that. Operations of ONNX Runtime's own, should
    there be any, are not written.
    """
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.graph_optimization_level = level
    options.optimized_model_filepath = str(path.with_suffix(".simple"))
    options.log_severity_level = 3
    onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
    simple = onnx.load(options.optimized_model_filepath)
    os.remove(options.optimized_model_filepath)
    if any(node.domain for node in simple.graph.node):
        return
    known = onnx.load(path, load_external_data=False)
    del simple.opset_import[:]
    simple.opset_import.extend(known.opset_import)
    simple.ir_version = known.ir_version
    onnx.save(simple, path)


def _to_openvino(source: pathlib.Path, path: pathlib.Path) -> None:
    import openvino

    network = openvino.convert_model(source)
    openvino.save_model(network, path, compress_to_fp16=False)
    source.unlink()


def _litert_options(
    quantization: str, samples: list[NDArray] | None
) -> dict[str, Any]:
    """Attributes of `tf.lite.TFLiteConverter`.

    `"float16"` stores the kernels in half precision. `"int8"` computes in
    eight bits, with ranges calibrated on the samples; images and scores stay
    float32, see `quantized` for what else does.
    """
    import tensorflow

    options: dict[str, Any] = {
        "optimizations": [tensorflow.lite.Optimize.DEFAULT]
    }
    if quantization == "float16":
        options["target_spec"] = {"supported_types": [tensorflow.float16]}
        return options

    def each() -> Iterator[list[NDArray]]:
        for image in samples or ():
            yield [np.asarray(image, "float32")[None]]

    # It is calibrated here, and quantized by `quantized`.
    return {
        **options,
        "representative_dataset": each,
        "_experimental_calibrate_only": True,
    }


@contextlib.contextmanager
def _copies_collected(known: Format, model: keras.Model) -> Iterator[None]:
    """Collects garbage before each pass of tf2onnx, which copies the graph.

    The copies are cycles of few, large objects: Python would collect them
    only after tens of GiB. Objects from before the export are not searched.
    """
    copied = known.name == "onnx" and keras.config.backend() == "tensorflow"
    if not copied or model.count_params() < MANY:
        yield
        return
    from tf2onnx.optimizer.optimizer_base import GraphOptimizerBase

    inner = GraphOptimizerBase.optimize

    def optimize(*arguments: Any) -> Any:
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
def _quiet() -> Iterator[None]:
    """Holds back the warnings and logs of the converters."""
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
