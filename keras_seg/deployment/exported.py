"""Exported networks, run by their own runtimes without Keras."""

import functools
import os
import pathlib
import types
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from numpy.typing import NDArray

from keras_seg.deployment.formats import ExportError
from keras_seg.deployment.formats import Format
from keras_seg.deployment.formats import first_line
from keras_seg.deployment.formats import format_of
from keras_seg.deployment.metadata import ExportMetadata
from keras_seg.deployment.metadata import metadata_path

__all__ = ["ExportedModel"]


class ExportedModel:
    """A file that `keras_seg.export` wrote, run by its own runtime.

    It takes the place of a `keras.Model` in `keras_seg.predict` and
    `keras_seg.evaluate`, whatever the layout of the file and its output; of
    one that returns ids there are no probabilities. It needs neither Keras
    nor a backend, only the runtime of its format: ONNX Runtime, LiteRT,
    OpenVINO, TensorFlow or PyTorch.

    SavedModels and PyTorch exports can run any code: open only those you
    trust. The other formats are data.

    Args:
        path: str or path of the file, or the folder of a SavedModel.
        bfloat16: bool, whether OpenVINO computes in eight bits of precision,
            for which AMX and AVX-512 BF16 have instructions; scores then
            differ in the third digit. Defaults to False.

    Attributes:
        metadata: `keras_seg.deployment.metadata.ExportMetadata`.
        class_table: `keras_seg.data.ClassTable`.

    Raises:
        ExportError: If the file does not exist, is damaged or was not
            written by keras_seg, or if its runtime is not installed; or for
            `bfloat16` with a file that is not OpenVINO's.
    """

    data_format = "channels_last"

    def __init__(self, path: str | os.PathLike, *, bfloat16: bool = False):
        self.path = pathlib.Path(path)
        self._format = format_of(self.path)
        how = RUNTIMES[self._format.name]
        if bfloat16:
            if self._format.name != "openvino":
                raise ExportError(
                    "Only OpenVINO (.xml) computes in bfloat16 here. Fix: "
                    f"bfloat16=False, or export a .xml. Received: {path}"
                )
            how = functools.partial(_openvino, precision="bf16")
        if not self.path.exists():
            raise ExportError(f"{self.path} does not exist.")
        self.metadata = _metadata(self.path, self._format)
        self.class_table = self.metadata.class_table
        self.bit_depth = self.metadata.bit_depth
        self.bands = self.metadata.bands
        self.from_logits = self.metadata.from_logits
        self.multi_label = self.metadata.multi_label
        self.threshold = self.metadata.threshold
        self.temperature = self.metadata.temperature
        self.longest_side = self.metadata.longest_side
        self.gives_ids = self.metadata.gives == "ids"
        height, width = self.metadata.size or (None, None)
        shape = (None, height, width, self.metadata.channels)
        self.inputs = [types.SimpleNamespace(shape=shape)]
        scores = self.metadata.scores or len(self.class_table)
        self.output_shape = (*shape[:3], scores)
        self._run = _opened(self.path, self._format, how)

    def predict_on_batch(self, images: ArrayLike) -> NDArray[np.float32]:
        """Returns the scores of a batch of images.

        Args:
            images: array `(batch, height, width, channels)`, in 0...255.

        Returns:
            float32 array `(batch, height, width, scores)`; of a file that
            returns ids 1 for the class of the pixel and 0 for the others.

        Raises:
            ValueError: If the network takes only images of another size.
        """
        batch = np.ascontiguousarray(images, "float32")
        size = self.metadata.size
        if size is None:
            return self._scores(batch)
        if batch.shape[1:3] != size:
            raise ValueError(
                f"{self.path} takes images of {size[0]}×{size[1]} pixels "
                f"only. Received: {batch.shape[1]}×{batch.shape[2]}. Fix: "
                "call keras_seg.predict, which gives it tiles of that size, "
                "or export it for any size, with KERAS_BACKEND=tensorflow."
            )
        # A network of one size takes one image.
        return np.concatenate([self._scores(image[None]) for image in batch])

    def _scores(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        first = self.metadata.layout == "nchw"
        if first:
            batch = np.ascontiguousarray(np.moveaxis(batch, -1, 1))
        found = self._run(batch)
        if first and found.ndim == 4:
            found = np.moveaxis(found, 1, -1)
        if self.gives_ids and found.ndim == 3:
            found = found[..., None] == np.arange(self.output_shape[-1])
        return np.asarray(found, "float32")


def _metadata(path: pathlib.Path, known: Format) -> ExportMetadata:
    if known.name == "onnx":
        session = _opened(path, known, _onnx_session)
        text = session.get_modelmeta().custom_metadata_map.get("keras_seg", "")
        return ExportMetadata.from_json(text, path)
    place = metadata_path(path)
    try:
        with open(place, "rb") as file:
            text = file.read(1 << 21)
    except OSError:
        raise ExportError(
            f"{path} was not exported by keras_seg, or {place}, which "
            "belongs to it, is missing. Fix: copy both."
        ) from None
    return ExportMetadata.from_json(text, path)


def _opened(path: pathlib.Path, known: Format, how: Callable) -> Any:
    try:
        return how(path)
    except ImportError as error:
        raise ExportError(
            f"{path} needs {known.runtimes[0]}, which is not installed "
            f"({error}). Fix: pip install {known.runtimes[0]}."
        ) from None
    except Exception as error:
        # Each runtime raises errors of its own.
        raise ExportError(
            f"{path} is no {known.title} file, or is damaged "
            f"({first_line(error)}). Fix: copy it again from its source, or "
            "export the network again."
        ) from error


def _onnx_session(path: pathlib.Path) -> Any:
    import onnxruntime

    return onnxruntime.InferenceSession(
        str(path), providers=["CPUExecutionProvider"]
    )


# Each of these functions opens an exported file and returns what runs it.
Runner = Callable[[NDArray], NDArray]


def _onnx(path: pathlib.Path) -> Runner:
    session = _onnx_session(path)
    (image,) = session.get_inputs()
    return lambda images: session.run(None, {image.name: images})[0]


def _litert(path: pathlib.Path) -> Runner:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        import tensorflow

        Interpreter = tensorflow.lite.Interpreter

    # By default it uses one thread.
    interpreter = Interpreter(model_path=str(path), num_threads=os.cpu_count())
    (image,) = interpreter.get_input_details()
    (scores,) = interpreter.get_output_details()

    def run(images: NDArray) -> NDArray:
        details = interpreter.get_input_details()[0]
        if tuple(details["shape"]) != images.shape:
            interpreter.resize_tensor_input(image["index"], images.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(image["index"], images)
        interpreter.invoke()
        return interpreter.get_tensor(scores["index"])

    return run


def _openvino(path: pathlib.Path, precision: str = "f32") -> Runner:
    import openvino

    # By default it computes in bfloat16 where the processor can.
    hint = {"INFERENCE_PRECISION_HINT": precision}
    compiled = openvino.compile_model(str(path), "CPU", hint)
    return lambda images: compiled(images)[0]


def _saved_model(path: pathlib.Path) -> Runner:
    import tensorflow

    loaded = tensorflow.saved_model.load(str(path))

    # `loaded` owns the variables, so it must live as long.
    def run(images: NDArray) -> NDArray:
        try:
            found = loaded.serve(images)
        except tensorflow.errors.InvalidArgumentError as error:
            if "Cannot deserialize computation" not in str(error):
                raise
            raise ExportError(
                f"TensorFlow {tensorflow.__version__} is too old for the JAX "
                f"that wrote {path.name}. Fix: pip install --upgrade tensorflow"
            ) from error

        # Older files have one output without a name.
        (found,) = found.values() if isinstance(found, dict) else (found,)
        return np.asarray(found)

    return run


def _torch(path: pathlib.Path) -> Runner:
    import torch

    with warnings.catch_warnings():
        # PyTorch 2.5 and 2.6 warn of constants before they add them.
        warnings.simplefilter("ignore", UserWarning)
        network = torch.export.load(str(path)).module()

    def run(images: NDArray) -> NDArray:
        with torch.no_grad():
            return network(torch.from_numpy(images)).numpy()

    return run


RUNTIMES = {
    "onnx": _onnx,
    "litert": _litert,
    "openvino": _openvino,
    "tf_saved_model": _saved_model,
    "torch": _torch,
}
