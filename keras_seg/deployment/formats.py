"""The export formats: which backends write them and what runs them."""

import dataclasses
import os
import pathlib

from keras_seg.lazy import is_installed

__all__ = [
    "FORMATS",
    "LAYOUTS",
    "OUTPUTS",
    "QUANTIZATIONS",
    "ExportError",
    "Format",
    "format_of",
]

QUANTIZATIONS = ("float16", "int8")
# What a file returns of a pixel; the scores are those of the model.
OUTPUTS = ("scores", "ids", "probabilities", "logits")
LAYOUTS = ("nhwc", "nchw")


class ExportError(ValueError):
    """A network cannot be exported, or an exported file cannot be run."""


def first_line(error: BaseException) -> str:
    """The first line of a library's error message, of Keras's that in bold.

    Example:

    >>> first_line(RuntimeError("no such op: Foo\\n  at graph.cc:15"))
    'no such op: Foo'
    """
    text = str(error).rpartition("\x1b[1m")[-1].partition("\x1b[0m")[0]
    return (text.strip() or type(error).__name__).splitlines()[0][:300]


@dataclasses.dataclass(frozen=True)
class Format:
    """A format of exported networks; `FORMATS` has all of them."""

    name: str  # the `format` of `keras.Model.export`
    title: str  # for texts
    suffix: str  # of its files; "" for a folder
    any_size: tuple[str, ...]  # backends that write it for images of any size
    one_size: tuple[str, ...]  # backends that write it for one size only
    writers: dict[str, tuple[str, ...]]  # packages needed beside a backend
    runtimes: tuple[str, ...]  # packages that run it, one of which is enough

    @property
    def backends(self) -> tuple[str, ...]:
        """The backends that write it, those for any size first."""
        return self.any_size + self.one_size

    def check_installed(self, backend: str) -> None:
        """Refuses it if a package to write or run the format is missing."""
        missing = [
            package
            for package in self.writers.get(backend, ())
            if not is_installed(package)
        ]
        if not any(map(is_installed, self.runtimes)):
            missing.append(self.runtimes[0])
        missing = list(dict.fromkeys(missing))
        if missing:
            verb = "is" if len(missing) == 1 else "are"
            backends = {"tensorflow", "torch"}
            extras = {x if x in backends else "export" for x in missing}
            named = ",".join(sorted(extras))
            raise ExportError(
                f"{self.title} needs {' and '.join(missing)}, which {verb} not "
                f'installed. Fix: pip install "keras-seg[{named}]".'
            )


FORMATS = (
    Format(
        "onnx",
        "ONNX",
        ".onnx",
        any_size=("tensorflow",),
        one_size=("torch",),
        writers={
            "tensorflow": ("onnx", "tf2onnx"),
            "torch": ("onnx", "onnxscript"),
        },
        runtimes=("onnxruntime",),
    ),
    Format(
        "litert",
        "LiteRT",
        ".tflite",
        any_size=("tensorflow",),
        one_size=(),
        writers={},
        runtimes=("ai_edge_litert", "tensorflow"),
    ),
    Format(
        "openvino",
        "OpenVINO",
        ".xml",
        any_size=("tensorflow",),
        one_size=("torch",),
        writers={
            "tensorflow": ("openvino",),
            "torch": ("openvino", "onnx", "onnxscript", "onnxruntime"),
        },
        runtimes=("openvino",),
    ),
    Format(
        "tf_saved_model",
        "TensorFlow SavedModel",
        "",
        any_size=("tensorflow",),
        one_size=("jax",),
        writers={"jax": ("tensorflow",)},
        runtimes=("tensorflow",),
    ),
    Format(
        "torch",
        "PyTorch export",
        ".pt2",
        any_size=(),
        one_size=("torch",),
        writers={},
        runtimes=("torch",),
    ),
)


def format_of(path: str | os.PathLike) -> Format:
    """The format of a path, by its suffix.

    Example:

    >>> format_of("model.onnx").title, format_of("served").title
    ('ONNX', 'TensorFlow SavedModel')
    """
    suffix = pathlib.Path(path).suffix
    for known in FORMATS:
        if suffix == known.suffix:
            return known
    allowed = ", ".join(f"{f.suffix} ({f.title})" for f in FORMATS if f.suffix)
    raise ExportError(
        f"The suffix of a path says in which format a network is: {allowed}, "
        f"or none (TensorFlow SavedModel, a folder). Received: {path}"
    )
