"""Networks of torchvision, their weights too, as Keras models."""

from typing import Any

import keras

from keras_seg.applications.assembly import finish
from keras_seg.applications.assembly import image_input
from keras_seg.layers import Preprocess
from keras_seg.layers.metadata import note
from keras_seg.ops.backend import standardize_data_format
from keras_seg.pretrained.torchvision import encoders
from keras_seg.pretrained.torchvision import heads
from keras_seg.pretrained.torchvision.files import NAMES
from keras_seg.pretrained.torchvision.files import read
from keras_seg.pretrained.torchvision.state import State

__all__ = ["from_torchvision"]

AUXILIARY = "aux_classifier"

# A tensor of every head that no other one has.
HEADS = {
    "deeplabv3": "classifier.0.project.0.weight",
    "fcn": "classifier.0.weight",
    "lraspp": "classifier.cbr.0.weight",
}


def from_torchvision(
    x: Any,
    include_preprocessing: bool = True,
    auxiliary: bool = False,
    classifier_activation: str | None = None,
    data_format: str | None = None,
    name: str | None = None,
) -> keras.Model:
    """A segmentation network of torchvision as a Keras model.

    | `x`, a name | trained weights | mean IoU | pixel accuracy |
    |---|---|---|---|
    | `"fcn_resnet50"` | 32,957,013 | 60.5 | 91.4 |
    | `"fcn_resnet101"` | 51,949,141 | 63.7 | 91.9 |
    | `"deeplabv3_resnet50"` | 39,638,869 | 66.4 | 92.4 |
    | `"deeplabv3_resnet101"` | 58,630,997 | 67.4 | 92.4 |
    | `"deeplabv3_mobilenet_v3_large"` | 11,025,477 | 60.3 | 91.2 |
    | `"lraspp_mobilenet_v3_large"` | 3,221,538 | 57.9 | 91.2 |

    These are trained on the images of COCO with the 20 classes of PASCAL
    VOC, and scored by torchvision on COCO's validation images, scaled to a
    shorter side of 520. Any other weights of these networks, with any
    number of classes, are converted the same way; which network they are of
    is found out from their names and shapes.

    The logits are torchvision's to rounding, at every size. Its networks are
    not those of the papers: see `keras_seg.applications.DeepLabV3` for them.
    ResNets have their strides in the 3×3 convolutions and reach output stride
    8, MobileNetV3 reaches 16; the pyramid's rates are 12, 24 and 36; the
    image is not padded, and the logits are enlarged with half-pixel centers.
    Training differs in one thing: PyTorch updates its moving averages with
    the unbiased variance, Keras with the biased one.

    `keras_seg.surgery.replace_classes` makes a network for other classes of
    it, to be trained on.

    Args:
        x: a torchvision network; its state dict, of PyTorch's tensors or of
            arrays; the path of a file with the state dict, `.pth` or `.pt`
            (read as tensors alone, never run; needs PyTorch) or
            `.safetensors` (needs safetensors); or a name of the table, to
            download the weights (PyTorch's file, checked by its SHA-256).
        include_preprocessing: bool. Whether images come as RGB of 0 … 255
            and torchvision's normalization is part of the network, or they
            are normalized already. Defaults to True.
        auxiliary: bool, whether the auxiliary head's logits are a second
            output, for a second loss. Defaults to False.
        classifier_activation: name of an activation, or None for logits.
            Defaults to None.
        data_format: `"channels_last"`, `"channels_first"` or None for the
            Keras setting: of the image and inside the network.
        name: str, name of the model. Defaults to torchvision's.

    Returns:
        A functional `keras.Model`: images of any size to float32 logits
        `(batch, height, width, classes)` of the same size; with
        `auxiliary`, a list of two of these.

    Raises:
        ValueError: If `x` is no such network, was built in another way, or is
            a damaged file.
        ImportError: If PyTorch or safetensors is needed and not installed.
        OSError: If weights cannot be downloaded.

    Example:

    >>> from keras_seg.pretrained import from_torchvision
    >>> model = from_torchvision("deeplabv3_resnet50")  # doctest: +SKIP
    >>> model = from_torchvision("my_own.pth")  # doctest: +SKIP
    >>> from_torchvision("my_own.onnx")
    Traceback (most recent call last):
    ...
    ValueError: `x` must be a torchvision network, its state dict, ...
    """
    data_format = standardize_data_format(data_format)
    state = State(read(x), x if hasattr(x, "get_submodule") else None)
    found = _find(state)
    head, backbone = found.split("_", 1)
    image = image_input(None, None, data_format)
    normalized = image
    if include_preprocessing:
        normalize = Preprocess(
            "torch", data_format=data_format, name="preprocess"
        )
        normalized = normalize(image)
    encoder = encoders.build(backbone, normalized, data_format)
    classes = _classes(state, head)
    if head == "lraspp":
        scores, names = heads.lraspp(
            encoder.last, encoder.middle, classes, data_format
        )
    else:
        build = heads.fcn if head == "fcn" else heads.deeplab
        scores, names = build(encoder.last, classes, data_format)
    second = None
    if auxiliary:
        second, more = heads.fcn(
            encoder.middle, classes, data_format, "auxiliary_", AUXILIARY
        )
        names |= more
    model = finish(
        scores,
        image,
        classifier_activation,
        data_format,
        name or found,
        image,
        auxiliary=second,
        crop=False,
    )
    for ours, theirs in {**encoder.names, **names}.items():
        state.fill(model.get_layer(ours), theirs)
    note(model, backbone=list(encoder.names))
    state.check_all_used(spared=() if auxiliary else (f"{AUXILIARY}.",))
    return model


def _find(state: State) -> str:
    """Returns the name of the network that a state is of."""
    backbone = encoders.find(state.tensors)
    heads = [head for head, mark in HEADS.items() if mark in state.tensors]
    names = [f"{head}_{backbone}" for head in heads]
    if len(names) != 1 or names[0] not in NAMES:
        first = list(state.tensors)[:3]
        raise ValueError(
            "The names of the tensors in `x` must be those of one of "
            f"{', '.join(NAMES)}. If `x` is a checkpoint, pass the state dict "
            f"in it. Received: names {', '.join(first)}, …"
        )
    return names[0]


def _classes(state: State, head: str) -> int:
    scores = {"lraspp": "classifier.low_classifier"}.get(head, "classifier.4")
    # A state without them fails where they are looked for.
    return (state.shape(f"{scores}.weight") or (1,))[0]
