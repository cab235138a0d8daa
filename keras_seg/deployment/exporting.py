"""Exports models to other runtimes and verifies what was written."""

import dataclasses
import math
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

import keras_seg
from keras_seg.arguments import check_integer
from keras_seg.arguments import check_one_of
from keras_seg.arguments import pair_of
from keras_seg.atomic import hidden_folder
from keras_seg.data import ClassTable
from keras_seg.deployment.convert import convert
from keras_seg.deployment.deepness import is_for_deepness
from keras_seg.deployment.exported import ExportedModel
from keras_seg.deployment.formats import LAYOUTS
from keras_seg.deployment.formats import OUTPUTS
from keras_seg.deployment.formats import QUANTIZATIONS
from keras_seg.deployment.formats import ExportError
from keras_seg.deployment.formats import Format
from keras_seg.deployment.formats import first_line
from keras_seg.deployment.formats import format_of
from keras_seg.deployment.graph import exported_graph
from keras_seg.deployment.graph import image_to_scores
from keras_seg.deployment.graph import returned_form
from keras_seg.deployment.metadata import ExportMetadata
from keras_seg.deployment.metadata import metadata_path
from keras_seg.deployment.naming import write_metadata
from keras_seg.deployment.verification import Agreement
from keras_seg.deployment.verification import compare
from keras_seg.deployment.verification import probe_images
from keras_seg.from_logits import gives_logits
from keras_seg.inference.scores import longest_side_of
from keras_seg.inference.scores import warn_of_weights
from keras_seg.runs.model_file import class_table_of
from keras_seg.score_form import ScoreForm
from keras_seg.score_form import how_read
from keras_seg.score_form import number_of_classes

__all__ = ["Export", "export"]


@dataclasses.dataclass(frozen=True)
class Export:
    """The result of `export`: the file, and how well it agrees with the model.

    Args:
        path: path of the file or folder.
        metadata: `keras_seg.deployment.metadata.ExportMetadata`.
        agreements: tuple of `Agreement`, one for each image compared.
        bytes: int, size of all files together.
    """

    path: pathlib.Path
    metadata: ExportMetadata
    agreements: tuple[Agreement, ...]
    bytes: int


def export(
    model: keras.Model,
    path: str | os.PathLike,
    *,
    class_table: ClassTable | None = None,
    size: Sequence[int] | None = None,
    output: str = "scores",
    layout: str = "nhwc",
    quantization: str | None = None,
    samples: Sequence[NDArray] | None = None,
    verify: bool = True,
    bit_depth: int | None = None,
    bands: Sequence[int | str] | None = None,
    opset: int | None = None,
    ir_version: int | None = None,
    resolution: float | None = None,
) -> Export:
    """Writes a model for another runtime and compares their predictions.

    The file takes float32 images `(batch, height, width, channels)`, RGB in
    0...255, and returns scores as the model does, whose preprocessing it
    contains. The names and colors of the classes and other metadata are
    written with it; `ExportedModel` reads them.

    Whatever the backend, the input is called `image` and the output `scores`
    or `ids`, their axes that have any length `batch`, `height` and `width` in
    ONNX; PyTorch's own format has no names.

    | suffix | format | any size: by | one size: by |
    |---|---|---|---|
    | `.onnx` | ONNX | TensorFlow | PyTorch |
    | `.tflite` | LiteRT | TensorFlow | |
    | `.xml` | OpenVINO | TensorFlow | PyTorch |
    | none | SavedModel | TensorFlow | JAX |
    | `.pt2` | PyTorch export | | PyTorch |

    If the current backend does not write a format, save the model and load it
    with one that does; `keras-seg export` does so by itself.

    Args:
        model: `keras.Model`, images to scores of the same size, channels
            last; of several outputs the first is written.
        path: str or path; its suffix says which format.
        class_table: `keras_seg.data.ClassTable`. Defaults to that of the
            model, see `keras_seg.runs.class_table_of`, or to names "class 0",
            … in VOC's colors.
        size: pair of ints, height and width, for a file that takes only
            images of that size, one at a time: smaller, and faster with some
            runtimes. Defaults to that of the model, which is mostly any.
        output: `"ids"` for classes instead of scores, one byte a pixel;
            `"probabilities"`, by softmax or sigmoid and the temperature of the
            model, of one score a pixel those of class 1; `"logits"`, or a
            refusal. Defaults to `"scores"`, what the model returns.
        layout: `"nchw"` for images and outputs whose channels come first.
            Defaults to `"nhwc"`.
        quantization: None, `"float16"` or `"int8"`, for LiteRT only.
        samples: list of arrays `(height, width, channels)` in 0...255, about
            a hundred, to calibrate the ranges of `"int8"` on, for which they
            are required. The first three are used for the comparison.
            Defaults to synthetic images.
        verify: bool, whether to run the file with its own runtime on three
            images and to compare the scores with those of the model.
        bit_depth: optional int, of the 16-bit images that the model was
            trained on, see `keras_seg.data.read_image`. Defaults to what the
            model knows of its training.
        bands: optional sequence of the bands that the model was trained on,
            see there; by default the same.
        opset: optional int, the version of ONNX's operations, such as 17.
            Defaults to the converter's choice.
        ir_version: optional int, the version of ONNX's files, such as 8 for
            older runtimes. Defaults to the converter's choice.
        resolution: optional float, centimeters on the ground that a pixel
            covers, for QGIS's Deepness, which reads ONNX files of
            probabilities, `layout="nchw"` and one square size.

    Returns:
        `Export`. An earlier file of that name is replaced.

    Raises:
        ExportError: If the backend does not write the format, a package is
            missing, the model takes no images of the size, or scores differ by
            more than 1e-3 (relative to the largest if that is above 1); then
            nothing is written. Quantized scores may differ by any amount.
        ValueError: If an argument is not one of its values.
    """
    path = pathlib.Path(path)
    try:
        str(path.absolute()).encode()
    except UnicodeEncodeError as error:
        raise ExportError(
            f"{path} is not UTF-8 text, which the runtimes need of the names "
            "of their files. Fix: choose another name, or another folder."
        ) from error
    known = format_of(path)
    check_one_of(OUTPUTS, output=output)
    check_one_of(LAYOUTS, layout=layout)
    network = image_to_scores(model)
    fixed = _size(network, size, known)
    images = _samples(samples, quantization, known, fixed)
    known.check_installed(keras.config.backend())
    form = _form(model, output)
    count = number_of_classes(model)
    class_table = class_table or class_table_of(model)
    if class_table is None:
        class_table = ClassTable.default(count)
    elif len(class_table) != count:
        raise ExportError(
            f"`class_table` has {len(class_table)} classes, the model {count}."
        )
    bit_depth, bands = how_read(model, bit_depth, bands)
    metadata = ExportMetadata(
        model=model.name,
        format=known.name,
        class_table=class_table,
        size=fixed,
        channels=network.inputs[0].shape[-1],
        quantization=quantization,
        version=keras_seg.__version__,
        backend=keras.config.backend(),
        bit_depth=bit_depth,
        bands=None if bands is None else tuple(bands),
        longest_side=longest_side_of(model),
        gives=output,
        layout=layout,
        **_facts(returned_form(form, output)),
    )
    if output == "scores":
        from_logits = gives_logits(model)
        metadata = dataclasses.replace(metadata, from_logits=from_logits)
    _check_onnx(metadata, opset, ir_version, resolution)
    warn_of_weights(model)
    _check_free(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with hidden_folder(path) as hidden:
        written = hidden / path.name
        try:
            graph = exported_graph(network, form, fixed, output, layout)
        except Exception as error:
            # Each backend raises errors of its own.
            if size is None:
                raise
            raise ExportError(
                f"{model.name} can't be built for images of this size "
                f"({first_line(error).rstrip('.')}). Fix: choose another. "
                f"Received: size={size}"
            ) from error
        seen = [
            np.moveaxis(x, -1, 0) if layout == "nchw" else x for x in images
        ]
        convert(graph, written, known, quantization, seen, opset)
        write_metadata(
            written,
            metadata,
            opset=opset,
            ir_version=ir_version,
            resolution=resolution,
        )
        agreements: list[Agreement] = []
        if verify:
            probes = images[:3] or probe_images(
                fixed, metadata.channels, metadata.longest_side
            )
            exported = _opened(written, known)
            exact = quantization is None
            agreements = compare(network, exported, probes, form, exact)
        total = sum(
            file.stat().st_size for file in hidden.rglob("*") if file.is_file()
        )
        _move(hidden, path)
    return Export(path, metadata, tuple(agreements), total)


def _form(model: keras.Model, gives: str) -> ScoreForm:
    """The form of the model's scores, as far as the output depends on it."""
    if gives == "scores":
        return ScoreForm.of(model, gives_logits(model) is not False)
    form = ScoreForm.of(model, certain=gives != "ids")
    if gives == "logits" and not form.from_logits:
        raise ExportError(
            "The model returns probabilities, not logits. Fix: build it with "
            'classifier_activation=None, or export output="probabilities". '
            f"Received: output={gives!r}"
        )
    return form


def _facts(form: ScoreForm) -> dict[str, Any]:
    """What an `ExportMetadata` keeps of the form of scores."""
    threshold: Any = form.threshold if form.by_threshold else None
    return {
        "scores": form.scores,
        "multi_label": form.multi_label,
        "from_logits": form.from_logits,
        "threshold": list(threshold)
        if isinstance(threshold, tuple)
        else threshold,
        "temperature": form.temperature if form.temperature != 1 else None,
    }


def _size(
    model: keras.Model, size: Sequence[int] | None, known: Format
) -> tuple[int, int] | None:
    """The one size that the file will take, None for any."""
    backend = keras.config.backend()
    if backend not in known.backends:
        raise ExportError(
            f"{backend} does not write {known.title}. Fix: save the model, "
            f"and load and export it with KERAS_BACKEND={known.backends[0]}, "
            "as keras-seg export does where that is installed (pip install "
            f"'keras-seg[{known.backends[0]}]')."
        )
    own = tuple(model.inputs[0].shape[1:3])
    fixed = None if None in own else own
    if size is not None:
        height, width = fixed = pair_of("size", size)
        if own[0] not in (None, height) or own[1] not in (None, width):
            raise ExportError(
                f"The model takes images of {own[0]}×{own[1]}. "
                f"Received: size={fixed}"
            )
    if fixed is None and backend not in known.any_size:
        other = "".join(
            f", or export with KERAS_BACKEND={name}, which writes it for any"
            for name in known.any_size
        )
        raise ExportError(
            f"{backend} writes {known.title} for images of one size. Fix: "
            f"pass it, such as size=(512, 512), or --size 512{other}."
        )
    return fixed


def _samples(
    samples: Sequence[NDArray] | None,
    quantization: str | None,
    known: Format,
    size: tuple[int, int] | None,
) -> list[NDArray]:
    if quantization is not None:
        if quantization not in QUANTIZATIONS:
            raise ExportError(
                f"`quantization` must be None or one of {QUANTIZATIONS}. "
                f"Received: quantization={quantization!r}"
            )
        if known.name != "litert":
            raise ExportError(
                "Only LiteRT (.tflite) is quantized here. Received: "
                f"quantization={quantization!r} for {known.title}"
            )
        if quantization == "int8" and not samples:
            raise ExportError(
                "int8 needs `samples`: a hundred images like those to come, "
                "that its ranges are fitted to."
            )
    samples = list(samples or [])
    for image in samples:
        if size is not None and tuple(image.shape[:2]) != size:
            raise ExportError(
                f"`samples` must have the size of the network, {size}. "
                f"Received: an image of shape {tuple(image.shape)}"
            )
    return samples


def _check_onnx(
    metadata: ExportMetadata,
    opset: int | None,
    ir_version: int | None,
    resolution: float | None,
) -> None:
    options = {"opset": opset, "ir_version": ir_version}
    given = {k: v for k, v in options.items() if v is not None}
    check_integer(1, **given)
    if metadata.format != "onnx" and given:
        name, value = next(iter(given.items()))
        raise ExportError(
            f"`{name}` is of ONNX. Fix: leave it out, or write a .onnx. "
            f"Received: {name}={value} for a file of {metadata.format}"
        )
    if resolution is None:
        return
    if not 0 < resolution < math.inf:
        raise ExportError(
            "`resolution` must be above 0, in centimeters. "
            f"Received: resolution={resolution}"
        )
    if not is_for_deepness(metadata):
        raise ExportError(
            "`resolution` is for QGIS's Deepness, which takes ONNX files of "
            "probabilities of one square size, channels first, whose classes "
            'exclude each other. Fix: output="probabilities", layout="nchw", '
            f"size=(512, 512), or leave it out. Received: resolution="
            f"{resolution}, a file of {metadata.format}, "
            f"{metadata.output_name}, {metadata.layout}, size={metadata.size}"
        )


def _check_free(path: pathlib.Path) -> None:
    """A file may replace a file, a folder only a folder that was exported."""
    is_ours = path.is_file() if path.suffix else metadata_path(path).is_file()
    if path.exists() and not is_ours:
        raise ExportError(
            f"{path} is there already, and no exported network. Fix: choose "
            "another name."
        )


def _opened(path: pathlib.Path, known: Format) -> ExportedModel:
    try:
        return ExportedModel(path)
    except ExportError as error:
        raise ExportError(
            f"What {keras.config.backend()} writes as {known.title} can't be "
            f"run: {first_line(error.__cause__ or error)}. Nothing was "
            "written."
        ) from error


def _move(hidden: pathlib.Path, path: pathlib.Path) -> None:
    """Moves what was written into place, the network itself last.

    The old one goes first: killed in between, this leaves no network beside
    the metadata of another.
    """
    written = sorted(hidden.iterdir(), key=lambda item: item.name == path.name)
    if path.exists():
        os.replace(path, hidden / ".old")
    for item in written:
        os.replace(item, path.parent / item.name)
