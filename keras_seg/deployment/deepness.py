"""Metadata that QGIS's plugin Deepness reads from ONNX files."""

import json

from keras_seg.deployment.metadata import ExportMetadata

__all__ = ["deepness_properties", "is_for_deepness"]


def is_for_deepness(metadata: ExportMetadata) -> bool:
    """Whether Deepness can run a file: it takes squares, channels first.

    Of scores it takes the largest probability, so labels that do not exclude
    each other are none of its models.
    """
    height, width = metadata.size or (0, 1)
    return (
        metadata.format == "onnx"
        and metadata.layout == "nchw"
        and metadata.gives != "ids"
        and metadata.from_logits is False
        and not metadata.multi_label
        and height == width
    )


def deepness_properties(
    metadata: ExportMetadata, resolution: float | None
) -> dict[str, str]:
    """The values that Deepness reads, each of them JSON.

    It divides the values of an image by 255, subtracts a mean and divides by a
    deviation: one of 1 / 255 gives the 0...255 that the network takes. Its
    documentation says `tiles_size`, its code reads `tile_size`.
    `resolution` is in centimeters.
    """
    side = metadata.size[0] if metadata.size else 0
    one = metadata.scores == 1
    # Where the largest score decides, a threshold would make class 0 of doubt.
    threshold = metadata.threshold if one else 0.0
    values = {
        "model_type": "Segmentor",
        "class_names": dict(enumerate(metadata.class_table.names)),
        "tile_size": side,
        "tiles_size": side,
        # In percent: what `predict` takes of such a network.
        "tiles_overlap": round(100 * min(128, side // 4) / side),
        "standardization_mean": [0.0] * metadata.channels,
        "standardization_std": [1 / 255] * metadata.channels,
        "seg_thresh": threshold,
    }
    if resolution is not None:
        values["resolution"] = resolution
    return {name: json.dumps(value) for name, value in values.items()}
