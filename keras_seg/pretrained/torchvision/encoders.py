"""The encoders of torchvision: its ResNets and MobileNetV3-Large, dense."""

import dataclasses
from collections.abc import Iterable

import keras
from keras import layers

from keras_seg.applications.backbones import encoder
from keras_seg.fast.layers import replacement_class
from keras_seg.surgery import drop_biases
from keras_seg.surgery import graph
from keras_seg.surgery import set_output_stride

__all__ = ["Encoder", "build", "find"]

# Units of the four stages.
UNITS = {"resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3)}


@dataclasses.dataclass(frozen=True)
class Encoder:
    """An encoder on the image.

    Attributes:
        names: from names of its layers to PyTorch's.
        last: its last map.
        middle: an earlier map, for an auxiliary head; stride 8 for LR-ASPP.
    """

    names: dict
    last: keras.KerasTensor
    middle: keras.KerasTensor


def find(names: Iterable[str]) -> str | None:
    """Returns the name of the encoder with tensors of these names, or None."""
    if "backbone.16.0.weight" in names:
        return "mobilenet_v3_large"
    units = tuple(
        len({name.split(".")[2] for name in names if name.startswith(stage)})
        for stage in (f"backbone.layer{number}." for number in (1, 2, 3, 4))
    )
    return next((name for name in UNITS if UNITS[name] == units), None)


def build(name: str, image: keras.KerasTensor, data_format: str) -> Encoder:
    """Builds an encoder on a preprocessed image, with random weights."""
    model, _ = encoder(
        name, None, include_preprocessing=False, data_format=data_format
    )
    model = graph.copy_model(model, class_of=replacement_class)
    if name in UNITS:
        return _resnet(model, UNITS[name], image, data_format)
    return _mobilenet_v3_large(model, image, data_format)


def _resnet(
    model: keras.Model,
    units: tuple[int, ...],
    image: keras.KerasTensor,
    data_format: str,
) -> Encoder:
    """Turns the ResNet of `keras.applications` into v1.5 at output stride 8.

    The strides move from the 1×1 convolutions to the 3×3 ones behind them, and
    the biases go. With the strides removed, the first unit of a stage sees at
    the rate of the stage before, as in torchvision and as in the strided
    network.
    """
    model = _move_strides(drop_biases(model), data_format)
    model = set_output_stride(model, 8, input_tensor=image)
    names = {"conv1_conv": "conv1", "conv1_bn": "bn1"}
    for stage, count in enumerate(units, start=1):
        for unit in range(count):
            ours = f"conv{stage + 1}_block{unit + 1}"
            theirs = f"layer{stage}.{unit}"
            if unit == 0:
                names[f"{ours}_0_conv"] = f"{theirs}.downsample.0"
                names[f"{ours}_0_bn"] = f"{theirs}.downsample.1"
            for number in (1, 2, 3):
                names[f"{ours}_{number}_conv"] = f"{theirs}.conv{number}"
                names[f"{ours}_{number}_bn"] = f"{theirs}.bn{number}"
    middle = model.get_layer(f"conv4_block{units[2]}_out").output
    return Encoder(_prefixed(names), model.output, middle)


def _move_strides(model: keras.Model, data_format: str) -> keras.Model:
    """Moves the strides into the 3×3 convolutions, symmetrically padded."""
    copier = graph.Copier()

    def call(operation, *args, **kwargs):
        changes: dict = {}
        # Keras counts what stays of a statistic, PyTorch what is new.
        if isinstance(operation, layers.BatchNormalization):
            changes = {"epsilon": 1e-5, "momentum": 0.9}
        elif operation.name.endswith("_1_conv"):
            changes = {"strides": 1}
        elif operation.name.endswith("_2_conv"):
            unit = operation.name.removesuffix("_2_conv")
            strides = model.get_layer(f"{unit}_1_conv").strides
            if strides != (1, 1):
                pad = layers.ZeroPadding2D(
                    1, data_format=data_format, name=f"{unit}_2_pad"
                )
                args = (pad(args[0]),)
                changes = {"strides": strides, "padding": "valid"}
        return copier.copy(operation, **changes)(*args, **kwargs)

    return graph.rebuild(model, lambda x: x, call, copier)


def _mobilenet_v3_large(
    model: keras.Model, image: keras.KerasTensor, data_format: str
) -> Encoder:
    """Turns MobileNetV3-Large into torchvision's, at output stride 16.

    Padding is alike on all sides. The depthwise convolution that loses the
    last stride, and those behind it, see at rate 2.
    """
    copier = graph.Copier()
    spread = [f"expanded_conv_{unit}_depthwise" for unit in (12, 13, 14)]

    def call(operation, *args, **kwargs):
        changes: dict = {}
        if isinstance(operation, layers.BatchNormalization):
            changes = {"momentum": 0.99}
        elif operation.name in spread:
            changes = {"strides": 1, "dilation_rate": 2}
        elif getattr(operation, "strides", (1, 1)) == (2, 2):
            pad = layers.ZeroPadding2D(
                operation.kernel_size[0] // 2,
                data_format=data_format,
                name=f"{operation.name}_pad",
            )
            args = (pad(args[0]),)
            changes = {"padding": "valid"}
        return copier.copy(operation, **changes)(*args, **kwargs)

    model = graph.rebuild(model, lambda x: x, call, copier, image)
    names = {"conv": "0.0", "conv_1": "16.0"}
    for unit in range(15):
        ours = f"expanded_conv_{unit}_" if unit else "expanded_conv_"
        parts = ["expand"] if unit else []
        parts += ["depthwise", "squeeze_excite_conv", "project"]
        if f"{ours}{parts[-2]}" not in {layer.name for layer in model.layers}:
            parts.remove("squeeze_excite_conv")
        for number, part in enumerate(parts):
            theirs = f"{unit + 1}.block.{number}"
            if part == "squeeze_excite_conv":
                names[f"{ours}{part}"] = f"{theirs}.fc1"
                names[f"{ours}{part}_1"] = f"{theirs}.fc2"
            else:
                names[f"{ours}{part}"] = f"{theirs}.0"
    norms = {
        f"{ours}_bn": f"{theirs[:-1]}1"
        for ours, theirs in names.items()
        if "squeeze" not in ours
    }
    middle = model.get_layer("expanded_conv_3_project_bn").output
    return Encoder(_prefixed({**names, **norms}), model.output, middle)


def _prefixed(names: dict[str, str]) -> dict[str, str]:
    return {ours: f"backbone.{theirs}" for ours, theirs in names.items()}
