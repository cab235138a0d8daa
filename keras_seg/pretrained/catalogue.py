"""The catalogue: each network by its name, with what is published of it."""

import dataclasses

from keras_seg.data import class_tables
from keras_seg.data.classes import ClassTable
from keras_seg.words import did_you_mean

__all__ = ["CATALOGUE", "PretrainedModel", "find", "named"]


@dataclasses.dataclass(frozen=True)
class PretrainedModel:
    """A network of the catalogue.

    Attributes:
        name: str, for `load` and the command line.
        class_table: `keras_seg.data.ClassTable` of the classes it knows.
        library: str, whose network it is: `"torchvision"`, `"tensorflow"` or
            `"keras-hub"`.
        url: str, where the weights are downloaded from; of keras-hub the
            handle of the preset.
        sha256: str, how the SHA-256 of the file begins, as far as that is
            published; empty for a preset, which keras-hub downloads.
        mebibytes: float, size of the file; of a preset that of its float32
            weights. keras-hub downloads more, as presets hold them twice.
        license: str, SPDX identifier, or `"non-commercial"`: for research and
            evaluation, see https://github.com/NVlabs/SegFormer.
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


def _torchvision(
    name: str, file: str, mebibytes: float, mean_iou: float
) -> PretrainedModel:
    return PretrainedModel(
        name,
        class_tables.VOC,
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


def _segformer(
    size: str, data: str, version: int, weights: int, mean_iou: float
) -> PretrainedModel:
    name = f"segformer_{size}_{data}"
    is_ade = data.startswith("ade20k")
    return PretrainedModel(
        name,
        class_tables.ADE20K if is_ade else class_tables.CITYSCAPES,
        "keras-hub",
        f"kaggle://keras/segformer/keras/{name}/{version}",
        "",
        weights * 4 / 2**20,
        # The terms of the authors, whose weights the presets were converted
        # from.
        "non-commercial",
        mean_iou,
        f"{'ADE20K' if is_ade else 'Cityscapes'} val, one scale, the authors'"
        " own weights and code",
        "https://arxiv.org/abs/2105.15203",
    )


CATALOGUE = (
    PretrainedModel(
        "deeplabv3_mobilenet_v2_257",
        class_tables.VOC,
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
    PretrainedModel(
        "deeplab_v3_plus_resnet50_pascalvoc",
        class_tables.VOC,
        "keras-hub",
        "kaggle://keras/deeplabv3plus/keras/"
        "deeplab_v3_plus_resnet50_pascalvoc/4",
        "",
        39_190_656 * 4 / 2**20,
        "Apache-2.0",
        63.0,
        "PASCAL VOC 2012 with SBD, by keras-hub",
        "https://keras.io/keras_hub/presets/",
    ),
    # Numbers of weights as counted in the networks; keras-hub's own table has
    # those of other decoders.
    _segformer("b0", "ade20k_512", 3, 3_753_206, 37.4),
    _segformer("b1", "ade20k_512", 5, 13_716_310, 42.2),
    _segformer("b2", "ade20k_512", 3, 27_463_510, 46.5),
    _segformer("b3", "ade20k_512", 3, 47_339_350, 49.4),
    _segformer("b4", "ade20k_512", 3, 64_109_910, 50.3),
    _segformer("b5", "ade20k_640", 3, 84_710_230, 51.0),
    _segformer("b0", "cityscapes_1024", 3, 3_719_539, 76.2),
    # The handle of keras-hub's b1 is that of ADE20K: it is left out.
    _segformer("b2", "cityscapes_1024", 3, 27_362_771, 81.0),
    _segformer("b3", "cityscapes_1024", 3, 47_238_611, 81.7),
    _segformer("b4", "cityscapes_1024", 3, 64_009_171, 82.3),
    _segformer("b5", "cityscapes_1024", 3, 84_609_491, 82.4),
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
