"""Segmentation networks of keras-hub, rebuilt of plain Keras layers."""

import contextlib
import pathlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import layers

from keras_seg.applications.assembly import finish
from keras_seg.applications.assembly import image_input
from keras_seg.layers import ASPP
from keras_seg.layers import PadToMultiple
from keras_seg.layers import ResizeLike
from keras_seg.layers.metadata import note
from keras_seg.lazy import optional
from keras_seg.surgery import graph
from keras_seg.surgery import shrink_input
from keras_seg.surgery.mix_transformer import mix_transformer
from keras_seg.surgery.rebuilt import Rebuilt

__all__ = ["from_hub", "weights_file"]

# Largest stride: of a ResNet, of a Mix Transformer with its reductions.
STRIDE = 32
LAST: dict[str, Any] = {"data_format": "channels_last"}
# ImageNet's, which SegFormer was trained with.
MEAN = np.array([0.485, 0.456, 0.406])
DEVIATION = np.array([0.229, 0.224, 0.225])


def from_hub(preset: str, name: str) -> keras.Model:
    """Loads a preset of keras-hub that segments: DeepLab v3+ or SegFormer.

    `keras_seg.pretrained.load` says where its network differs by design. A
    SegFormer preset without a scale for the colors gets the mean and the
    deviation of ImageNet, with which it was trained. The GELU is the one by
    tanh, as in keras-hub; that of the authors is exact.

    Args:
        preset: str, a preset's handle, or the path of a folder with one.
        name: str, name of the model.

    Returns:
        A functional `keras.Model`: RGB images of 0 … 255, of any size, to
        float32 logits. Loading it from a file does not need keras-hub.

    Raises:
        ImportError: If keras-hub is not installed.
        OSError: If keras-hub cannot load the preset.
        ValueError: If Keras is set to `"channels_first"`.
    """
    hub = optional("keras_hub", "hub", f"The network {name!r}")
    if keras.config.image_data_format() != "channels_last":
        raise ValueError(
            f"{name} takes channels last only. Fix: "
            "keras.config.set_image_data_format('channels_last')"
        )
    with _errors_of_hub(preset, name):
        segmenter = hub.models.ImageSegmenter.from_preset(preset)
    is_segformer = isinstance(segmenter, hub.models.SegFormerImageSegmenter)
    image = image_input(None, None, "channels_last")
    x = _normalized(image, segmenter.preprocessor, is_segformer)
    padded = PadToMultiple(STRIDE, name="pad", **LAST)(x)
    rebuilt = Rebuilt()
    build = _segformer if is_segformer else _deeplab
    scores, backbone = build(segmenter, padded, rebuilt)
    model = finish(scores, image, None, "channels_last", name, padded)
    rebuilt.copy_weights()
    note(model, backbone=backbone)
    if not is_segformer:
        return model
    return shrink_input(model, 2 * max(segmenter.input_shape[1:3]))


def weights_file(preset: str, name: str) -> pathlib.Path:
    """Returns the file with a preset's weights, downloaded if need be."""
    module = "keras_hub.src.utils.preset_utils"
    hub = optional(module, "hub", f"The network {name!r}")
    with _errors_of_hub(preset, name):
        return pathlib.Path(hub.get_file(preset, "model.weights.h5"))


@contextlib.contextmanager
def _errors_of_hub(preset: str, name: str) -> Iterator[None]:
    try:
        yield
    # Of its clients for downloads, each with errors of its own.
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise OSError(
            f"keras-hub could not load {name} from {preset} ({reason}). Fix: "
            "connect to the network."
        ) from error


def _normalized(
    image: keras.KerasTensor, preprocessor: Any, is_segformer: bool
) -> keras.KerasTensor:
    converter = getattr(preprocessor, "image_converter", None)
    scale = getattr(converter, "scale", None)
    offset = getattr(converter, "offset", None)
    if scale is None and offset is None:
        if not is_segformer:
            return image
        scale, offset = 1 / (255 * DEVIATION), -MEAN / DEVIATION
    scale = 1.0 if scale is None else np.asarray(scale, float).tolist()
    offset = 0.0 if offset is None else np.asarray(offset, float).tolist()
    return layers.Rescaling(scale, offset, name="preprocess")(image)


def _deeplab(
    segmenter: Any, x: keras.KerasTensor, rebuilt: Rebuilt
) -> tuple[keras.KerasTensor, list[str]]:
    """Returns the scores at the stride of the decoder, and the backbone.

    keras-hub scores the enlarged map. The 1×1 convolution and the bilinear
    enlarging commute, and here come in the order that needs less memory.
    """
    backbone = segmenter.backbone
    levels = backbone.image_encoder.pyramid_outputs
    keys = backbone.low_level_feature_key, backbone.spatial_pyramid_pooling_key
    encoder = keras.Model(
        backbone.image_encoder.inputs, [levels[key] for key in keys]
    )
    encoder = graph.copy_model(encoder, x)
    low, high = encoder.outputs
    high = _pyramid(backbone, high)
    theirs = {layer.name: layer for layer in backbone.layers}

    def normed(x: keras.KerasTensor, prefix: str) -> keras.KerasTensor:
        for kind in ("conv", "norm", "relu"):
            layer = theirs[f"{prefix}_{kind}"]
            x = rebuilt.like(layer, x, layer.name)
        return x

    low = normed(low, "decoder")
    high = ResizeLike(name="decoder_enlarged", **LAST)(high, low)
    x = layers.Concatenate(name="decoder_joined")([high, low])
    x = normed(x, "segmentation_head")
    head = segmenter.output_conv
    score = layers.Conv2D(
        segmenter.num_classes, 1, use_bias=head.use_bias, name="score_conv"
    )
    return rebuilt.of(score, head)(x), [
        layer.name for layer in encoder.layers if layer.weights
    ]


def _pyramid(backbone: Any, x: keras.KerasTensor) -> keras.KerasTensor:
    """The pyramid of atrous convolutions, with keras-hub's weights."""
    theirs = next(
        layer
        for layer in backbone.layers
        if type(layer).__name__ == "SpatialPyramidPooling"
    )
    aspp = ASPP(
        theirs.num_channels,
        tuple(theirs.dilation_rates),
        dropout=theirs.dropout,
        name="aspp",
        **LAST,
    )
    x = aspp(x)
    form: Any = aspp.form
    ours = [
        *zip(form.convs, form.norms, strict=True),
        (form.pool_conv, form.pool_norm),
        (form.project_conv, form.project_norm),
    ]
    branches = [*theirs.aspp_parallel_channels, theirs.projection]
    for (conv, norm), branch in zip(ours, branches, strict=True):
        conv.set_weights(_only(branch, layers.Conv2D).get_weights())
        old = _only(branch, layers.BatchNormalization)
        *others, variance = old.get_weights()
        norm.set_weights([*others, variance + old.epsilon - norm.epsilon])
    return x


def _only(branch: Any, kind: type) -> Any:
    (layer,) = [x for x in branch.layers if isinstance(x, kind)]
    return layer


def _segformer(
    segmenter: Any, x: keras.KerasTensor, rebuilt: Rebuilt
) -> tuple[keras.KerasTensor, list[str]]:
    """Returns the scores at stride 4, and the backbone.

    [SegFormer](https://arxiv.org/abs/2105.15203). Where keras-hub has rows of
    tokens, from whose number it takes the sides of a square, these are maps.
    """
    backbone = segmenter.backbone
    maps = mix_transformer(backbone.image_encoder, x, rebuilt)
    kept = [
        layer.name
        for layer in keras.Model(keras.utils.get_source_inputs(x), maps).layers
        if layer.weights
    ]
    projected: list[keras.KerasTensor] = []
    for stage, (x, dense) in enumerate(
        zip(maps, backbone.mlp_blocks, strict=True)
    ):
        x = rebuilt.like(dense, x, f"linear_{stage}")
        if stage:
            x = ResizeLike(name=f"linear_{stage}_enlarged", **LAST)(
                x, projected[0]
            )
        projected.append(x)
    x = layers.Concatenate(name="joined")(projected[::-1])
    for layer, name in zip(
        backbone.linear_fuse.layers,
        ("fuse", "fuse_norm", "fuse_relu"),
        strict=True,
    ):
        x = rebuilt.like(layer, x, name)
    x = layers.Dropout(segmenter.dropout.rate, name="dropout")(x)
    head = segmenter.output_segmentation_head
    return rebuilt.like(head, x, "score_conv"), kept
