"""Hierarchical transformers, Swin and MiT, rebuilt for images of any size."""

import warnings
from typing import Any

import keras
from keras import layers

from keras_seg.layers.base import nested_layers
from keras_seg.surgery import graph
from keras_seg.surgery import verification
from keras_seg.surgery.mix_transformer import hub_mit
from keras_seg.surgery.mix_transformer import zero_mit
from keras_seg.surgery.rebuilt import Rebuilt
from keras_seg.surgery.runs import images
from keras_seg.surgery.swin import hub_swin
from keras_seg.surgery.swin import zero_swin

__all__ = [
    "check_any_size",
    "check_no_head",
    "has_stages",
    "rebuild_stages",
]

# Layers of other packages that are built for maps of one size.
OF_ONE_SIZE = {
    "HierarchicalTransformerEncoder": "MiTBackbone",
    "SwinTransformerStage": "SwinTransformerBackbone",
    "MiTEfficientMultiheadSelfAttention": "MiTModel",
    "SwinV2Attention": None,
    "SwinWindowAttention": "SwinModel",
}
PACKAGES = ("keras_hub", "zeromodels")


def has_stages(model: Any) -> bool:
    """Whether a model is a backbone, not a classifier, of these families."""
    return _find(BACKBONES, model) is not None


def rebuild_stages(model: keras.Model, *, verify: bool = True) -> keras.Model:
    """Rebuilds a Swin or a Mix Transformer on maps, for images of any size.

    The backbones of keras-hub (`SwinTransformerBackbone`, `MiTBackbone`) and
    zeromodels (`SwinModel`, `MiTModel`) are built for one size, and have rows
    of tokens between their layers. Here these are maps, the weights are the
    same. At other sizes the network does what the authors' code for
    segmentation does: Swin pads its maps to whole windows and patches, MiT
    needs nothing. A map that Swin's windows divide gets what a backbone of
    that size, with these weights, would make of it.

    A classifier becomes one of these layers, for images of its own size.

    Args:
        model: one of these, built for a fixed size. Any other model is
            returned as it is.
        verify: bool, whether to compare the two at that size, on random
            images, after every stage. Defaults to True.

    Returns:
        A functional `keras.Model` whose output is the map of the last stage,
        or the scores of a classifier.

    Raises:
        ValueError: If the channels come first, if Swin's windows are not those
            that its biases are for, or if the two compute something else
            behind a layer. The message names it.
    """
    is_backbone = has_stages(model)
    builder = _find(BACKBONES if is_backbone else CLASSIFIERS, model)
    if builder is None:
        return model
    # A classifier of keras-hub has a backbone, one of zeromodels is one.
    backbone = getattr(model, "backbone", model)
    data_format = graph.data_format_of(backbone)
    data_format = getattr(backbone, "data_format", data_format)
    if data_format != "channels_last":
        raise ValueError(
            f"The model '{model.name}' ({type(model).__name__}) is rebuilt "
            "for images of any size with the channels last only. Received: a "
            f"model with data_format={data_format!r}"
        )
    image = model.inputs[0]
    rebuilt = Rebuilt()
    shape = (None, None, image.shape[-1]) if is_backbone else image.shape[1:]
    new_image = keras.Input(shape, dtype=image.dtype, name=image.name)
    with graph.dtype_policy_of(model):
        x = builder(backbone, new_image, rebuilt)
        if not is_backbone:
            x = _scores(model, x, rebuilt)
    network = keras.Model(new_image, x, name=model.name)
    rebuilt.copy_weights()
    rebuilt.copy_trainable()
    if verify:
        # At other sizes, the old network fails or mistakes the sides.
        *_, probe = images(model)
        with warnings.catch_warnings():
            # Of keras-hub's Swin, as it warned when it was built.
            warnings.filterwarnings("ignore", ".*mask attached to it")
            verification.verify(
                "fully_convolutional",
                model,
                network,
                rebuilt.reached,
                probes=[probe],
                align=_as_tokens,
            )
    return network


def _scores(model, x, rebuilt):
    """The head of a classifier: pooling and a dense layer."""
    theirs = {layer.name: layer for layer in model.layers}
    if "final_norm" in theirs:
        x = rebuilt.like(theirs["final_norm"], x, "final_norm")
    pool = theirs.get("pooler", theirs.get("avg_pool"))
    if pool is None:  # The mean of the tokens.
        x = layers.GlobalAveragePooling2D(name="pool")(x)
    else:
        x = rebuilt.like(pool, x, "pool")
    if "output_dropout" in theirs:
        x = rebuilt.like(theirs["output_dropout"], x, "output_dropout")
    return rebuilt.like(theirs["predictions"], x, "predictions")


def check_any_size(model: keras.Model) -> None:
    """Refuses networks with layers that hold the size they were built for.

    Raises:
        ValueError: If there is a layer of Swin or MiT. The message names it.
    """
    for layer in nested_layers(model):
        name = type(layer).__name__
        if name not in OF_ONE_SIZE or _package(type(layer)) not in PACKAGES:
            continue
        fix = (
            "make the backbone a network for images of any size first, "
            "`keras_seg.surgery.fully_convolutional(backbone)`, with the "
            f"backbone a {OF_ONE_SIZE[name]} as it was built, without other "
            "layers around it"
        )
        if OF_ONE_SIZE[name] is None:
            fix = "take a Swin Transformer of the first version"
        raise ValueError(
            f"The layer '{layer.name}' ({name}) of '{model.name}' works on "
            f"maps of one size. Fix: {fix}."
        )


def check_no_head(backbone, classifier_activation, padding, dropout):
    """Refuses arguments of `fully_convolutional` that are for a head."""
    if (classifier_activation, padding, dropout) != (None, "valid", 0.0):
        raise ValueError(
            f"The backbone '{backbone.name}' has no head that "
            "`classifier_activation`, `padding` and `dropout` are for: leave "
            "them out. Received: classifier_activation="
            f"{classifier_activation!r}, padding={padding!r}, dropout={dropout}"
        )


def _as_tokens(operation, old, new):
    """Two arrays to compare: what was a row of tokens is a map now."""
    return old, new.reshape(old.shape) if old.size == new.size else new


def _package(kind):
    return kind.__module__.split(".")[0]


def _find(builders, model):
    return next(
        (
            builders[_package(kind), kind.__name__]
            for kind in type(model).__mro__
            if (_package(kind), kind.__name__) in builders
        ),
        None,
    )


BACKBONES = {
    ("keras_hub", "MiTBackbone"): hub_mit,
    ("keras_hub", "SwinTransformerBackbone"): hub_swin,
    ("zeromodels", "MiTModel"): zero_mit,
    ("zeromodels", "SwinModel"): zero_swin,
}
CLASSIFIERS = {
    ("keras_hub", "MiTImageClassifier"): hub_mit,
    ("keras_hub", "SwinTransformerImageClassifier"): hub_swin,
    ("zeromodels", "MiTImageClassify"): zero_mit,
    ("zeromodels", "SwinImageClassify"): zero_swin,
}
