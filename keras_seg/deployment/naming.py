"""Names, metadata and versions within exported files."""

import os
import pathlib
from collections.abc import Iterable
from typing import Any

from keras_seg.deployment.deepness import deepness_properties
from keras_seg.deployment.deepness import is_for_deepness
from keras_seg.deployment.formats import ExportError
from keras_seg.deployment.metadata import ExportMetadata
from keras_seg.deployment.metadata import metadata_path

__all__ = ["rename", "write_metadata"]


def write_metadata(
    path: pathlib.Path,
    metadata: ExportMetadata,
    *,
    opset: int | None = None,
    ir_version: int | None = None,
    resolution: float | None = None,
) -> None:
    """Writes metadata into a file, or beside it, and names what it takes.

    ONNX gets an IR version, and is checked for the opset asked for.
    """
    text = metadata.to_json()
    if metadata.format == "onnx":
        properties = {"keras_seg": text}
        if is_for_deepness(metadata):
            properties |= deepness_properties(metadata, resolution)
        _write_onnx(path, metadata, properties, opset, ir_version)
        return
    metadata_path(path).write_text(text + "\n", encoding="utf-8")
    if metadata.format == "openvino":
        _write_openvino(path, metadata)


def _write_onnx(
    path: pathlib.Path,
    metadata: ExportMetadata,
    properties: dict[str, str],
    opset: int | None,
    ir_version: int | None,
) -> None:
    import onnx

    network = onnx.load(path)
    (written,) = (x.version for x in network.opset_import if not x.domain)
    if opset not in (None, written):
        raise ExportError(
            f"{metadata.backend} wrote opset {written} of ONNX, which it can't "
            f"bring to {opset}. Fix: ask for {written}, or leave it out. "
            f"Received: opset={opset}"
        )
    if ir_version is not None:
        least = onnx.helper.find_min_ir_version_for(network.opset_import)
        if not least <= ir_version <= onnx.IR_VERSION:
            raise ExportError(
                f"An IR version of {least}...{onnx.IR_VERSION} goes with opset "
                f"{written}. Received: ir_version={ir_version}"
            )
        network.ir_version = ir_version
    (image,), (output,) = network.graph.input, network.graph.output
    names = "image", metadata.output_name
    # What is called so within the graph makes room.
    new = {name: f"{name}_within" for name in names}
    rename(network.graph, new | {image.name: "image", output.name: names[1]})
    for value, axes in (
        (image, metadata.axes("channels")),
        (output, metadata.output_axes),
    ):
        sides = value.type.tensor_type.shape.dim
        for side, name in zip(sides, axes, strict=True):
            if not side.HasField("dim_value"):
                side.dim_param = name
    onnx.helper.set_model_props(network, properties)
    onnx.save(network, path)


def rename(graph: Any, new: dict[str, str]) -> None:
    """Renames the values of a graph, and of the graphs within its nodes."""
    values: Iterable = (
        *graph.input,
        *graph.output,
        *graph.value_info,
        *graph.initializer,
    )
    for value in values:
        value.name = new.get(value.name, value.name)
    for node in graph.node:
        for names in node.input, node.output:
            names[:] = [new.get(name, name) for name in names]
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                rename(inner, new)


def _write_openvino(path: pathlib.Path, metadata: ExportMetadata) -> None:
    import openvino

    core = openvino.Core()
    network = core.read_model(path)
    # TensorFlow leaves sizes within the graph as outputs behind the first.
    network = openvino.Model(
        [network.outputs[0]], network.get_parameters(), network.friendly_name
    )
    network.inputs[0].set_names({"image"})
    network.outputs[0].set_names({metadata.output_name})
    renamed = path.with_name(f"named_{path.name}")
    openvino.save_model(network, renamed, compress_to_fp16=False)
    # The weights are read while the file is open.
    del network
    for suffix in ".xml", ".bin":
        os.replace(renamed.with_suffix(suffix), path.with_suffix(suffix))
