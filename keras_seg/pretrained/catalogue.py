"""The catalogue: each network by its name, with what is published of it."""

import dataclasses

from keras_seg.data.classes import ClassTable
from keras_seg.data.classes import voc_colormap
from keras_seg.words import did_you_mean

__all__ = ["CATALOGUE", "VOC_CLASSES", "PretrainedModel", "find", "named"]


@dataclasses.dataclass(frozen=True)
class PretrainedModel:
    """A network of the catalogue.

    Attributes:
        name: str, for `load` and the command line.
        class_table: `keras_seg.data.ClassTable` of the classes it knows.
        library: str, whose network it is: `"torchvision"` or `"tensorflow"`.
        url: str, where the weights are downloaded from.
        sha256: str, how the SHA-256 of the file begins, as far as that is
            published.
        mebibytes: float, size of the file.
        license: str, SPDX identifier.
        mean_iou: float in percent as published, or None if nothing is.
        scored_on: str, what the published figure was measured on.
        published: str, URL of the figure, or of the network's description.
    """

    name: str
    class_table: ClassTable
    library: str
    url: str
    sha256: str
    mebibytes: float
    license: str
    mean_iou: float | None
    scored_on: str
    published: str


VOC_CLASSES = ClassTable(
    (
        *("background", "aeroplane", "bicycle", "bird", "boat", "bottle"),
        *("bus", "car", "cat", "chair", "cow", "diningtable", "dog", "horse"),
        *("motorbike", "person", "pottedplant", "sheep", "sofa", "train"),
        "tvmonitor",
    ),
    tuple((r, g, b) for r, g, b in voc_colormap(21).tolist()),
)


def _torchvision(
    name: str, file: str, mebibytes: float, mean_iou: float
) -> PretrainedModel:
    return PretrainedModel(
        name,
        VOC_CLASSES,
        "torchvision",
        f"https://download.pytorch.org/models/{file}",
        # The end of the file's name.
        file.removesuffix(".pth").rsplit("-", 1)[1],
        mebibytes,
        "BSD-3-Clause",
        mean_iou,
        "COCO val2017, the classes of PASCAL VOC, shorter side 520",
        "https://docs.pytorch.org/vision/stable/models.html"
        "#semantic-segmentation",
    )


CATALOGUE = (
    PretrainedModel(
        "deeplabv3_mobilenet_v2_257",
        VOC_CLASSES,
        "tensorflow",
        "https://storage.googleapis.com/download.tensorflow.org/models/tflite/"
        "gpu/deeplabv3_257_mv_gpu.tflite",
        "68a539782c2c6a72f8aac3724600124a85ed977162b44e84cbae5db717c933c6",
        2.65,
        "Apache-2.0",
        None,
        "trained on PASCAL VOC 2012; no figure of this file is published",
        "https://www.tensorflow.org/lite/examples/segmentation/overview",
    ),
    _torchvision(
        "lraspp_mobilenet_v3_large",
        "lraspp_mobilenet_v3_large-d234d4ea.pth",
        12.490,
        57.9,
    ),
    _torchvision(
        "deeplabv3_mobilenet_v3_large",
        "deeplabv3_mobilenet_v3_large-fc3c493d.pth",
        42.301,
        60.3,
    ),
    _torchvision(
        "fcn_resnet50", "fcn_resnet50_coco-1167a1af.pth", 135.009, 60.5
    ),
    _torchvision(
        "fcn_resnet101", "fcn_resnet101_coco-7ecb50ca.pth", 207.711, 63.7
    ),
    _torchvision(
        "deeplabv3_resnet50",
        "deeplabv3_resnet50_coco-cd0a2569.pth",
        160.515,
        66.4,
    ),
    _torchvision(
        "deeplabv3_resnet101",
        "deeplabv3_resnet101_coco-586e9e4e.pth",
        233.217,
        67.4,
    ),
)


def named(name: str) -> PretrainedModel | None:
    """Returns the network of that name, if there is one.

    >>> named("deeplabv3_resnet50").mean_iou
    66.4
    """
    return next((x for x in CATALOGUE if x.name == name), None)


def find(name: str) -> PretrainedModel:
    """Returns the network of that name, or raises a `ValueError`."""
    known = named(name)
    if known is None:
        names = [x.name for x in CATALOGUE]
        raise ValueError(
            f"There is no pretrained network {name!r}."
            f"{did_you_mean(name, names)} They are: {', '.join(names)}."
        )
    return known
