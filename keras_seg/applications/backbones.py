"""Classifiers as encoders: by a name, or a model."""

import contextlib
import inspect
import os
from collections.abc import Callable
from collections.abc import Iterator

import keras
from keras import layers

from keras_seg.applications import weights as weight_files
from keras_seg.applications import zeromodels_backbones
from keras_seg.applications.builder import check_network
from keras_seg.applications.builder import distinct
from keras_seg.applications.builder import without_effect
from keras_seg.applications.zeromodels_backbones import plain
from keras_seg.fast.layers import replacement_class
from keras_seg.layers.metadata import facts_of
from keras_seg.ops.backend import spatial_axes
from keras_seg.surgery import fully_convolutional
from keras_seg.surgery import pyramid
from keras_seg.surgery import verification
from keras_seg.surgery.graph import copy_model
from keras_seg.surgery.graph import functional
from keras_seg.surgery.graph import has_own_call
from keras_seg.surgery.graph import with_outputs
from keras_seg.surgery.padding import pad_by_parity
from keras_seg.surgery.stages import rebuild_stages
from keras_seg.surgery.tokens import token_map
from keras_seg.words import did_you_mean

__all__ = [
    "backbone_layers",
    "encoder",
    "find_builder",
    "maps_fit",
    "on_image",
    "preprocessing_mode",
    "without_widening",
]

# What each family was fed; a family that is not here preprocesses itself.
MODES = {
    "vgg": "caffe",
    "resnet": "caffe",
    "resnetv2": "tf",
    "mobilenet": "tf",
    "mobilenetv2": "tf",
    "xception": "tf",
    "inception": "tf",
    "nasnet": "tf",
    "densenet": "torch",
}

# Where MobileNetV2 has its second last map, under the name that Keras gives.
WIDENED = "block_16_project_BN"


def find_builder(name: str) -> Callable[..., keras.Model]:
    """Returns the builder of a name of `keras.applications` or zeromodels.

    Case and underscores do not count; names of zeromodels begin with
    `zeromodels:`.

    >>> find_builder("mobilenet_v2").__name__
    'MobileNetV2'
    """
    builders = {
        plain(key): value
        for key, value in vars(keras.applications).items()
        if inspect.isfunction(value)
    }
    text = isinstance(name, str)
    if text and name.startswith(zeromodels_backbones.PREFIX):
        return zeromodels_backbones.find_model(name)[0]
    if not text or plain(name) not in builders:
        guess = did_you_mean(plain(name), list(builders)) if text else ""
        raise ValueError(
            "`backbone` must be a Keras model, the name of one of zeromodels "
            "such as 'zeromodels:convnextv2_tiny', or the name of one of "
            f"keras.applications: {', '.join(sorted(builders))}.{guess} "
            f"Received: backbone={name!r}"
        )
    return builders[plain(name)]


def preprocessing_mode(name: str) -> str | None:
    """Returns the mode of `Preprocess` for the name of a classifier.

    None for a network that takes images of 0 … 255 as they are.

    >>> preprocessing_mode("resnet50"), preprocessing_mode("resnet50v2")
    ('caffe', 'tf')
    """
    if name.startswith(zeromodels_backbones.PREFIX):
        return zeromodels_backbones.find_model(name)[1]
    name = plain(name)
    if name.startswith("mobilenetv3"):
        return None
    if name.startswith("resnet") and name.endswith("v2"):
        return MODES["resnetv2"]
    families = [family for family in MODES if name.startswith(family)]
    return MODES[max(families, key=len)] if families else None


def encoder(
    backbone: str | keras.Model,
    weights: str | os.PathLike | None,
    *,
    include_preprocessing: bool,
    dropout: float = 0.0,
    dropout_elsewhere: bool = True,
    padding: str = "same",
    data_format: str,
) -> tuple[keras.Model, str | None]:
    """Returns a classifier's network without its class scores, and its mode.

    A `backbone` given as a model, a classifier or an encoder such as a
    backbone of keras-hub, is used as it is, with its weights; of several
    outputs the last map counts. The tokens of a transformer become a map. It
    gets the images as they come: what stands outside of it, such as the image
    converter of a keras-hub preset, goes in front:
    `input_tensor=Rescaling(scale, offset)(image)`. A model of zeromodels is
    normalized as one given by name: see `zeromodels_backbones`.

    Args:
        include_preprocessing: whether a backbone that preprocesses by itself
            should.
        dropout: rate after each hidden fully connected layer.
        dropout_elsewhere: False if there must be such layers.
        padding: of the convolutions that were fully connected layers.

    Returns:
        `(model, mode)`: an encoder whose hidden fully connected layers, if
        any, are convolutions, and the mode of the preprocessing it expects,
        None for none.
    """
    if isinstance(backbone, keras.Model):
        if weights not in (None, "imagenet"):
            raise ValueError(
                "`weights` names the weights of a backbone given by name; a "
                "model keeps its own: load them before. Received: "
                f"weights={weights!r}"
            )
        mode = zeromodels_backbones.mode_of(backbone)
        if mode is None:
            without_effect(
                "include_preprocessing",
                include_preprocessing,
                True,
                "on a backbone given as a model, which gets the images as they "
                "come",
            )
        model = distinct(functional(rebuild_stages(backbone)))
        check_network(model, "backbone", data_format)
    else:
        builder = find_builder(backbone)
        mode = preprocessing_mode(backbone)
        options = {}
        if "include_preprocessing" in inspect.signature(builder).parameters:
            options["include_preprocessing"] = include_preprocessing
        elif mode is None and not include_preprocessing:
            raise ValueError(
                f"{builder.__name__} preprocesses by itself, always. Give "
                "images of 0 … 255, or the backbone as a model that begins "
                "behind its preprocessing. Received: "
                "include_preprocessing=False"
            )
        with _image_data_format(data_format):
            model = rebuild_stages(
                weight_files.build(builder, weights, _is_vgg(builder), options)
            )
    model = zeromodels_backbones.with_keras_momentum(model)
    dense = [x for x in model.layers if isinstance(x, layers.Dense)]
    hidden = _is_flattened(model) and len(dense) > 1
    if dropout and not (hidden or dropout_elsewhere):
        why = f"on '{model.name}', which has no hidden fully connected layers"
        without_effect("dropout", dropout, 0.5, why)
    if (tokens := token_map(model)) is not None:
        return tokens, mode
    model = _without_classes(pad_by_parity(model), dropout, padding)
    # Every builder counts on its strides; those of Keras's layers are sure.
    pyramid(model, verify=any(map(has_own_call, model.operations)))
    return model, mode


def without_widening(model: keras.Model) -> keras.Model:
    """Removes MobileNetV2's last convolution, which its classifier needs.

    It makes 1,280 channels of 320; its authors let DeepLab begin at the 320,
    "the second last feature map"
    ([MobileNetV2](https://arxiv.org/abs/1801.04381), 6.3). A step of DeepLab
    v3 takes a fifth to a third less time on a CPU. Other networks stay as they
    are.
    """
    names = {layer.name for layer in model.layers}
    if WIDENED not in names:
        return model
    return with_outputs(model, model.get_layer(WIDENED).output)


def on_image(network: keras.Model, padded: keras.KerasTensor) -> keras.Model:
    """Copies an encoder to the image.

    With layers of other packages the copy is compared with the encoder: what
    such a layer leaves out of its config would be lost without a word.
    """
    reached: dict = {}
    copy = copy_model(network, padded, replacement_class, reached=reached)
    if any(map(has_own_call, network.operations)):
        verification.verify("backbone", network, copy, reached, begin=[padded])
    return copy


def maps_fit(
    network: keras.Model,
    padded: keras.KerasTensor,
    levels: dict[int, keras.KerasTensor],
    data_format: str,
) -> bool:
    """Returns whether each map of stride s has 1 / s of the rows and columns.

    It has not behind convolutions that do not pad, as in Xception.
    """
    model = keras.Model(network.inputs, [padded, *levels.values()])
    shape = network.inputs[0].shape
    # Any multiple of 32 tells.
    full, *maps = model.compute_output_shape(
        [224 if size is None else size for size in shape]
    )
    return all(
        shape[axis] * stride == full[axis]
        for stride, shape in zip(levels, maps, strict=True)
        for axis in spatial_axes(data_format)
    )


def _without_classes(
    model: keras.Model, dropout: float, padding: str
) -> keras.Model:
    """Removes the class scores, and keeps hidden fully connected layers."""
    if _is_flattened(model):
        network = fully_convolutional(model, padding=padding, dropout=dropout)
        return with_outputs(network, network.layers[-1].input)
    levels = pyramid(model, verify=False)
    if len(model.outputs) == 1 and len(model.outputs[0].shape) == 4:
        return model
    if not levels:
        raise ValueError(
            f"The backbone '{model.name}' has no map of a convolution that "
            "class scores could be given to. Received: a model with outputs "
            f"of shapes {[tuple(x.shape) for x in model.outputs]}"
        )
    return with_outputs(model, list(levels.values())[-1])


def _is_flattened(model: keras.Model) -> bool:
    return any(isinstance(layer, layers.Flatten) for layer in model.layers)


def _is_vgg(builder: Callable) -> bool:
    """VGG's fully connected layers are features; other networks pool theirs."""
    return builder in (keras.applications.VGG16, keras.applications.VGG19)


@contextlib.contextmanager
def _image_data_format(data_format: str) -> Iterator[None]:
    """Sets the global data format, the only one keras.applications reads."""
    before = keras.config.image_data_format()
    keras.config.set_image_data_format(data_format)
    try:
        yield
    finally:
        keras.config.set_image_data_format(before)


def backbone_layers(
    model: keras.Model, backbone: keras.Model | None = None
) -> list[keras.Layer]:
    """Returns the layers with weights that a builder took from a classifier.

    They are in the model's order, and empty without a backbone. `backbone` is
    the model that it was built on: a layer came from it if it has weights
    there, under the same name. By default a model of a builder of
    `keras_seg.applications` knows it, also after it was loaded, cloned or
    changed by surgery.

    >>> import keras_seg
    >>> model = keras_seg.applications.FCN32s("mobilenet_v2", weights=None)
    >>> layers = backbone_layers(model)
    >>> layers[0].name, layers[-1].name
    ('Conv1', 'Conv_1_bn')
    """
    if isinstance(backbone, keras.Model):
        return _of_their_names(model, backbone)
    if backbone is not None:
        raise ValueError(
            "`backbone` must be the keras.Model that `model` was built on. "
            f"Received: backbone={backbone!r}"
        )
    names = (facts_of(model) or {}).get("backbone")
    if names is None:
        raise ValueError(
            "Which layers of the model came from a backbone is known of the "
            "models of keras_seg.applications. Give `backbone`, the "
            "keras.Model that it was built on. "
            f"Received: model='{model.name}', backbone=None"
        )
    return [x for x in model.layers if x.name in names and x.weights]


def _of_their_names(
    model: keras.Model, backbone: keras.Model
) -> list[keras.Layer]:
    there = {layer.name for layer in model.layers}
    names = [layer.name for layer in backbone.layers if layer.weights]
    ends = getattr(backbone, "outputs", None)
    if model is not backbone and ends and len(ends[0].shape) == 2:
        names = names[:-1]  # The scores of its classes were cut off.
    # Builders give a name that they need themselves a prefix.
    other = {name for name in names if f"backbone_{name}" in there}
    mine = {*names} - other | {f"backbone_{name}" for name in other}
    mine &= set((facts_of(model) or {}).get("backbone", mine))
    return [x for x in model.layers if x.weights and x.name in mine]
