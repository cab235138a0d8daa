"""An exported network, as `keras_seg.inference` takes it."""

import pathlib
import types

import numpy as np

from keras_seg.deployment.errors import ExportError
from keras_seg.deployment.errors import first_line
from keras_seg.deployment.facts import Facts
from keras_seg.deployment.facts import place_of
from keras_seg.deployment.formats import format_of
from keras_seg.deployment.runtimes import RUNTIMES
from keras_seg.deployment.runtimes import onnx_session

__all__ = ["ExportedModel"]


class ExportedModel:
    """A file that `keras_seg.export` wrote, run by its own runtime.

    It takes the place of a `keras.Model` in `keras_seg.predict` and
    `keras_seg.evaluate`, and needs neither Keras nor a backend: ONNX Runtime,
    LiteRT, OpenVINO, TensorFlow or PyTorch, whichever the file is for.

    A SavedModel or a PyTorch export is a program; open those of people you
    trust only. The other formats are data.

    Args:
        path: str or path of the file, or the folder of a SavedModel.

    Attributes:
        facts: `keras_seg.deployment.facts.Facts`.
        classes: `keras_seg.data.ClassTable`.

    Raises:
        ExportError: if there is no such file, it is damaged or none of ours,
            or its runtime is not installed.
    """

    data_format = "channels_last"

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self._format = format_of(self.path)
        if not self.path.exists():
            raise ExportError(f"{self.path} does not exist.")
        self.facts = _facts(self.path, self._format)
        self.classes = self.facts.classes
        self.from_logits = self.facts.from_logits
        height, width = self.facts.size or (None, None)
        shape = (None, height, width, self.facts.channels)
        self.inputs = [types.SimpleNamespace(shape=shape)]
        self.output_shape = (*shape[:3], len(self.classes))
        self._run = _opened(
            self.path, self._format, RUNTIMES[self._format.name]
        )

    def predict_on_batch(self, images):
        """Finds the scores of images of one size.

        Args:
            images: array `(batch, height, width, channels)`, in 0...255.

        Returns:
            float32 array `(batch, height, width, classes)`.

        Raises:
            ValueError: if the network takes images of another size only.
        """
        images = np.ascontiguousarray(images, "float32")
        size = self.facts.size
        if size is None:
            return self._run(images)
        if images.shape[1:3] != size:
            raise ValueError(
                f"{self.path} takes images of {size[0]}×{size[1]} pixels "
                f"only. Received: {images.shape[1]}×{images.shape[2]}. Fix: "
                "export it for images of any size, with KERAS_BACKEND="
                "tensorflow, or predict in tiles of that size."
            )
        # A network of one size takes one image.
        return np.concatenate([self._run(image[None]) for image in images])


def _facts(path, known):
    if known.name == "onnx":
        session = _opened(path, known, onnx_session)
        text = session.get_modelmeta().custom_metadata_map.get("keras_seg", "")
        return Facts.from_json(text, path)
    place = place_of(path)
    try:
        with open(place, "rb") as file:
            text = file.read(1 << 21)
    except OSError:
        raise ExportError(
            f"{path} was not exported by keras_seg, or {place}, which "
            "belongs to it, is missing. Fix: copy both."
        ) from None
    return Facts.from_json(text, path)


def _opened(path, known, how):
    try:
        return how(path)
    except ImportError as error:
        raise ExportError(
            f"{path} needs {known.runtimes[0]}, which is not installed "
            f"({error}). Fix: pip install {known.runtimes[0]}."
        ) from None
    except Exception as error:
        # Each runtime has its own for a file that is none.
        raise ExportError(
            f"{path} is no {known.title} file, or is damaged "
            f"({first_line(error)}). Fix: copy it again from its source, or "
            "export the network again."
        ) from error
