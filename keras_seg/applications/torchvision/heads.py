"""The heads of torchvision's segmentation networks."""

from keras import layers

from keras_seg.applications.fcn_head import fcn_head
from keras_seg.layers import ASPP
from keras_seg.layers import BatchNorm
from keras_seg.layers import Conv
from keras_seg.layers import ResizeLike
from keras_seg.ops.backend import channel_axis

__all__ = ["deeplab", "fcn", "lraspp"]

# Keras counts what stays of a statistic, PyTorch what is new.
MOMENTUM = 0.9


def deeplab(last, classes, data_format):
    """`DeepLabHead`: ASPP at rates 12, 24, 36, a 3×3 convolution, scores.

    Args:
        last: tensor, the last map of the encoder.
        classes: int.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        `(scores, names)`: a tensor, and a dict from names of layers to
        PyTorch's.
    """
    options = {"data_format": data_format}
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


def fcn(x, classes, data_format, prefix="head_", theirs="classifier"):
    """`FCNHead`, `fcn_head` here.

    Args:
        x: tensor, the last map of the encoder, or one in its middle.
        classes: int.
        data_format: `"channels_last"` or `"channels_first"`.
        prefix: str, what the names of the layers begin with.
        theirs: str, name of the module in PyTorch.

    Returns:
        As `deeplab`.
    """
    scores = fcn_head(x, classes, data_format, prefix, MOMENTUM)
    return scores, {
        f"{prefix}conv": f"{theirs}.0",
        f"{prefix}norm": f"{theirs}.1",
        f"{prefix}score": f"{theirs}.4",
    }


def lraspp(high, low, classes, data_format):
    """`LRASPPHead`: the last map, weighted by its mean, and a finer one.

    LR-ASPP of [MobileNetV3](https://arxiv.org/abs/1905.02244), section 6.4.

    Args:
        high: tensor, the last map of the encoder.
        low: tensor, that of stride 8.
        classes: int.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        As `deeplab`; the scores are as large as `low`.
    """
    options = {"data_format": data_format}
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


def _norm(data_format):
    return BatchNorm(
        axis=channel_axis(data_format),
        epsilon=1e-5,
        momentum=MOMENTUM,
        name="head_norm",
    )
