"""Every system, small: what the tests of what all of them must do build."""

import keras
from keras import layers

from keras_seg import applications
from tests.applications.test_deeplab_v3 import tiny_resnet
from tests.applications.test_fcn import tiny_vgg

__all__ = ["SYSTEMS", "small"]

VGG = {"filters": 8, "kernel_size": 2, "dilation_rate": 4}


def tiny_patch_classifier():
    """A window of 9×9 to two classes."""
    first = keras.config.image_data_format() == "channels_first"
    return keras.Sequential(
        [
            keras.Input((3, 9, 9) if first else (9, 9, 3)),
            layers.Conv2D(4, 4, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )


# Name of the test: builder, backbone, options.
SYSTEMS = {
    "fcn32s": (applications.FCN32s, tiny_vgg, {}),
    "fcn16s": (applications.FCN16s, tiny_resnet, {}),
    "fcn8s": (applications.FCN8s, tiny_vgg, {}),
    "fcn2s": (applications.FCN2s, tiny_vgg, {}),
    "deeplabv1": (applications.DeepLabV1, tiny_vgg, VGG),
    "deeplabv1_base": (
        applications.DeepLabV1,
        tiny_vgg,
        {**VGG, "geometry": "base", "multi_scale": True},
    ),
    "deeplabv2": (
        applications.DeepLabV2,
        tiny_resnet,
        {"scales": (1.0, 0.5), "atrous_rates": (2, 4)},
    ),
    "deeplabv3": (applications.DeepLabV3, tiny_resnet, {}),
    "deeplabv3_cascade": (
        applications.DeepLabV3,
        tiny_resnet,
        {"cascade": 2, "multi_grid": (1, 2, 1)},
    ),
    "deeplabv3plus": (applications.DeepLabV3Plus, tiny_resnet, {}),
    "linear_head": (applications.LinearHead, tiny_resnet, {}),
    "unet": (applications.UNet, None, {"filters": 2}),
    "unet_resnet": (applications.UNet, tiny_resnet, {"filters": 2}),
    "segnet": (applications.SegNet, None, {"filters": 2, "weights": None}),
    "segnet_basic": (applications.SegNetBasic, None, {"filters": 2}),
    "deconvnet": (
        applications.DeconvNet,
        None,
        {"filters": 4, "hidden_filters": 8, "weights": None},
    ),
    "sliding_window": (applications.SlidingWindow, tiny_patch_classifier, {}),
}


def small(name, **options):
    """Builds the system of that name with few parameters."""
    builder, backbone, own = SYSTEMS[name]
    if backbone is tiny_patch_classifier:
        own = {"classifier": backbone(), **own}
    elif backbone is not None:
        own = {"backbone": backbone(), **own}
    return builder(**{**own, **options})
