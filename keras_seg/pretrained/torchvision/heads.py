"""The heads of torchvision's segmentation networks."""

from typing import Any

import keras
from keras import layers

from keras_seg.applications.assembly import fcn_head
from keras_seg.layers import ASPP
from keras_seg.layers import BatchNorm
from keras_seg.layers import Conv
from keras_seg.layers import ResizeLike
from keras_seg.ops.backend import channel_axis

__all__ = ["deeplab", "fcn", "lraspp"]

# Keras counts what stays of a statistic, PyTorch what is new.
MOMENTUM = 0.9


def deeplab(
    last: keras.KerasTensor, classes: int, data_format: str
) -> tuple[keras.KerasTensor, dict[str, str]]:
    """`DeepLabHead`: ASPP at rates 12, 24, 36, a 3×3 convolution, scores.

    Also returns the names of its layers, each with PyTorch's, as every head
    does.
    """
    options: dict[str, Any] = {"data_format": data_format}
    x = ASPP(
        256,
        (12, 24, 36),
        dropout=0.5,
        momentum=MOMENTUM,
        name="aspp",
        **options,
    )(last)
    x = Conv(
        256, 3, padding="same", use_bias=False, name="head_conv", **options
    )(x)
    x = _norm(data_format)(x)
    x = layers.ReLU(name="head_relu")(x)
    scores = Conv(classes, 1, name="head_score", **options)(x)
    return scores, {
        "aspp": "classifier.0",
        "head_conv": "classifier.1",
        "head_norm": "classifier.2",
        "head_score": "classifier.4",
    }


def fcn(
    x: keras.KerasTensor,
    classes: int,
    data_format: str,
    prefix: str = "head_",
    theirs: str = "classifier",
) -> tuple[keras.KerasTensor, dict[str, str]]:
    """`FCNHead`, which is `fcn_head` here; `theirs` is its name in PyTorch."""
    scores = fcn_head(x, classes, data_format, prefix, MOMENTUM)
    return scores, {
        f"{prefix}conv": f"{theirs}.0",
        f"{prefix}norm": f"{theirs}.1",
        f"{prefix}score": f"{theirs}.4",
    }


def lraspp(
    high: keras.KerasTensor,
    low: keras.KerasTensor,
    classes: int,
    data_format: str,
) -> tuple[keras.KerasTensor, dict[str, str]]:
    """`LRASPPHead`: the last map, weighted by its mean, and a finer one.

    `low` is the map of stride 8.

    LR-ASPP of [MobileNetV3](https://arxiv.org/abs/1905.02244), section 6.4.
    The scores are as large as `low`.
    """
    options: dict[str, Any] = {"data_format": data_format}
    x = Conv(128, 1, use_bias=False, name="head_conv", **options)(high)
    x = layers.ReLU(name="head_relu")(_norm(data_format)(x))
    weight = layers.GlobalAveragePooling2D(
        keepdims=True, name="head_mean", **options
    )(high)
    weight = Conv(128, 1, use_bias=False, name="head_weight_conv", **options)(
        weight
    )
    weight = layers.Activation("sigmoid", name="head_weight")(weight)
    x = layers.Multiply(name="head_weighted")([x, weight])
    x = ResizeLike(name="head_enlarged", **options)(x, low)
    high = Conv(classes, 1, name="high_score", **options)(x)
    low = Conv(classes, 1, name="low_score", **options)(low)
    return layers.Add(name="head_score")([low, high]), {
        "head_conv": "classifier.cbr.0",
        "head_norm": "classifier.cbr.1",
        "head_weight_conv": "classifier.scale.1",
        "low_score": "classifier.low_classifier",
        "high_score": "classifier.high_classifier",
    }


def _norm(data_format: str) -> BatchNorm:
    return BatchNorm(
        axis=channel_axis(data_format),
        epsilon=1e-5,
        momentum=MOMENTUM,
        name="head_norm",
    )
