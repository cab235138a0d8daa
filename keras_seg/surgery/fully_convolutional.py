"""Fully connected layers of a classifier as convolutions."""

import dataclasses

import keras
import numpy as np
from keras import layers

from keras_seg.arguments import check_one_of
from keras_seg.layers import Conv
from keras_seg.ops.backend import channel_axis
from keras_seg.ops.backend import spatial_axes
from keras_seg.surgery import graph
from keras_seg.surgery import pointwise_rules
from keras_seg.surgery import verification
from keras_seg.surgery.head import GLOBAL_POOLING
from keras_seg.surgery.head import begins_head
from keras_seg.surgery.head import find_head
from keras_seg.surgery.stages import check_any_size
from keras_seg.surgery.stages import check_no_head
from keras_seg.surgery.stages import has_stages
from keras_seg.surgery.stages import rebuild_stages
from keras_seg.surgery.tokens import token_map

__all__ = ["fully_convolutional"]


def fully_convolutional(
    classifier: keras.Model,
    *,
    classifier_activation: str | None = None,
    padding: str = "valid",
    dropout: float = 0.0,
    verify: bool = True,
) -> keras.Model:
    """Turns the head of a classifier into convolutions with the same weights.

    A fully connected layer on a map of 7×7×512 is a convolution of 7×7 whose
    output has one position; on a larger map it has more. So:

    * `Flatten` and the dense layer after it become a convolution as large as
      the map the classifier was built for (VGG's `fc1`: 7×7),
    * global average or maximum pooling becomes pooling over a window of that
      size, with stride 1,
    * every further dense layer becomes a 1×1 convolution.

    On an image of the classifier's own size, the result equals that of the
    classifier, at one position. On a larger image it is the classifier's head
    slid over the feature map. This equals the classifier slid over the image
    only if the network does not pad: with padding, the classifier sees zeros
    around every window, the new network the rest of the image.

    Swin and Mix Transformers of keras-hub and zeromodels, and classifiers on
    them, become networks on maps of strides 4, 8, 16 and 32, at their own size
    with the same output; at others Swin pads maps to whole windows, as in the
    authors' code. Of a Vision Transformer the output is the map of its tokens;
    at other sizes positions are interpolated as in the authors' code (bicubic
    in DINO's), so build it at the size it was trained at, and without the
    scores of its class token.

    Source: [Fully Convolutional Networks](https://arxiv.org/abs/1411.4038),
    section 3.1.

    Args:
        classifier: functional `keras.Model` with a head of dense layers, or
            one of these backbones, built for a fixed input size.
        classifier_activation: str, name of the activation that replaces the
            last one of the classifier. Defaults to None: logits.
        padding: `"valid"`, or `"same"`: windows are padded, and the output has
            the size of the feature map. Defaults to `"valid"`.
        dropout: float, rate of a dropout added after each hidden layer of
            the head: the classifiers of `keras.applications` come without
            the one they were trained with. Defaults to 0, none.
        verify: bool, whether to check both equations on random numbers. Only
            then are layers converted that extend a layer of Keras by a `call`
            of their own. Defaults to True.

    Returns:
        A functional `keras.Model` with the classifier's layer names, for
        images of the classifier's size or larger (of any size with
        `padding="same"`). Its output is a map. The layers of a transformer
        have new names.

    Raises:
        ValueError: If the classifier has no such head or no fixed size, if a
            layer of the head can't be converted, or if the network computes
            something else after a layer. The message names it.

    Example:

    >>> import keras, keras_seg
    >>> classifier = keras.applications.MobileNetV2(
    ...     input_shape=(96, 96, 3), weights=None)
    >>> network = keras_seg.surgery.fully_convolutional(classifier)
    >>> network.compute_output_shape((1, 96, 160, 3))
    (1, 1, 3, 1000)
    """
    check_one_of(("valid", "same"), padding=padding)
    if has_stages(classifier):
        check_no_head(classifier, classifier_activation, padding, dropout)
        return rebuild_stages(classifier, verify=verify)
    classifier = graph.functional(rebuild_stages(classifier, verify=verify))
    check_any_size(classifier)
    last = keras.tree.flatten(classifier.outputs)[-1]
    if len(last.shape) == 3 and not any(map(begins_head, classifier.layers)):
        check_no_head(classifier, classifier_activation, padding, dropout)
        network = token_map(classifier, verify=verify)
        if network is None:
            raise ValueError(
                f"The model '{classifier.name}' ends in its class token, "
                "which is no map: give the model that ends in the tokens of "
                "the patches. Received: a model with output shape "
                f"{keras.tree.flatten(classifier.outputs)[-1].shape}"
            )
        return network
    surgery = _Surgery(classifier, padding, dropout, verify)
    reached: dict = {}
    converted = graph.rebuild(
        classifier, _Part, surgery.call, surgery.copier, reached=reached
    )
    if verify:
        _verify(classifier, converted, surgery, reached)
    if classifier_activation is None:
        return converted
    with graph.dtype_policy_of(classifier):
        if classifier_activation == "softmax":
            activation = layers.Softmax(
                axis=channel_axis(surgery.data_format), name="softmax"
            )
        else:
            activation = layers.Activation(
                classifier_activation, name="classifier_activation"
            )
            if not pointwise_rules.is_pointwise(
                activation, surgery.data_format
            ):
                raise ValueError(
                    "`classifier_activation` works along the last axis, and "
                    "the classes are the second (data_format='channels_first'"
                    "). Received: "
                    f"classifier_activation={classifier_activation!r}"
                )
        outputs = keras.tree.map_structure(activation, converted.output)
    return keras.Model(converted.input, outputs, name=converted.name)


@dataclasses.dataclass(frozen=True)
class _Part:
    """A tensor of the new network.

    Attributes:
        tensor: `KerasTensor`.
        window: None before the head. In the head, the height and width of
            the flattened map that a position holds, (1, 1) for a vector.
    """

    tensor: keras.KerasTensor
    window: tuple | None = None


class _Surgery:
    def __init__(self, classifier, padding, dropout, verify):
        self.verify = verify
        self.data_format = graph.data_format_of(classifier)
        self.padding = padding
        self.dropout = dropout
        self.copier = graph.Copier()
        self.begin = {}
        self.roots, self.last = find_head(classifier)

    def call(self, operation, *args, **kwargs):
        parts = graph.values_of(_Part, args, kwargs)
        if not self.verify and graph.has_own_call(operation):
            _refuse(
                operation,
                "it has a `call` of its own, which only `verify=True` shows "
                "to be that of the class it extends",
            )
        if id(operation) in self.roots:
            return self._root(operation, parts[0])
        if all(part.window is None for part in parts):
            return self._copy(operation, args, kwargs, None)
        if isinstance(operation, layers.Dense):
            return self._dense(operation, parts[0])
        if any(part.window != (1, 1) for part in parts):
            elementwise = isinstance(
                operation, layers.Activation
            ) and pointwise_rules.is_elementwise(operation.activation)
            if not elementwise and not isinstance(operation, layers.Dropout):
                _refuse(operation, "it works on a flattened map")
            return self._copy(operation, args, kwargs, parts[0].window)
        return self._vector(operation, args, kwargs)

    def _root(self, layer, part):
        """Converts `Flatten` or global pooling, where the head begins."""
        self.begin[id(layer.input)] = layer.input, part.tensor
        if layer.data_format != self.data_format:
            _refuse(
                layer,
                f"its data format is {layer.data_format!r}, that of the maps "
                f"{self.data_format!r}",
            )
        shape = layer.input.shape
        window = tuple(shape[axis] for axis in spatial_axes(self.data_format))
        if None in window:
            raise ValueError(
                f"The layer '{layer.name}' covers a map of unknown size: the "
                "size of the classifier's own input decides the window. "
                "Build the classifier with a fixed `input_shape`. Received: "
                f"a map of shape {tuple(shape)}"
            )
        if isinstance(layer, layers.Flatten):
            return _Part(part.tensor, window)
        pooling = next(
            pool
            for globally, pool in GLOBAL_POOLING.items()
            if isinstance(layer, globally)
        )
        pool = pooling(
            window,
            strides=1,
            padding=self.padding,
            data_format=self.data_format,
            name=layer.name,
            dtype=layer.dtype_policy,
        )
        return _Part(pool(part.tensor), (1, 1))

    def _dense(self, layer, part):
        config = layer.get_config()
        for key in ("units", "lora_rank", "lora_alpha", "quantization_config"):
            config.pop(key, None)
        if id(layer) in self.last:
            config["activation"] = "linear"
        else:
            self._check_activation(layer)
        convolution = self.copier.copy(
            layer,
            Conv,
            filters=layer.units,
            kernel_size=part.window,
            padding=self.padding,
            data_format=self.data_format,
            **config,
        )
        tensor = convolution(part.tensor)
        if self.dropout and id(layer) not in self.last:
            drop = layers.Dropout(self.dropout, name=f"{layer.name}_dropout")
            tensor = drop(tensor)
        return _Part(tensor, (1, 1))

    def _check_activation(self, layer):
        """Refuses activations along the last axis if it is not the channels."""
        if self.data_format == "channels_last":
            return
        if not pointwise_rules.is_elementwise(layer.activation):
            _refuse(
                layer,
                f"its activation '{layer.activation.__name__}' works along "
                "the last axis, and the channels of the maps are the second "
                "(data_format='channels_first')",
            )

    def _vector(self, operation, args, kwargs):
        """Converts an operation on vectors to one on positions of a map."""
        part = keras.tree.flatten(args)[0]
        if isinstance(operation, (layers.Flatten, layers.Reshape)):
            shape = operation.output.shape[1:]
            if sum(size != 1 for size in shape) > 1:
                _refuse(operation, f"it makes a vector a {tuple(shape)}")
            return part
        if isinstance(operation, layers.GroupNormalization):
            _refuse(
                operation,
                "its mean would be that of all windows of a larger image",
            )
        changes = {}
        if isinstance(operation, pointwise_rules.ALONG_AN_AXIS):
            changes["axis"] = channel_axis(self.data_format)
        elif isinstance(operation, layers.Conv2D):
            if set(operation.kernel_size) != {1}:
                _refuse(operation, "its kernel is larger than the vector")
        elif isinstance(operation, layers.Activation):
            if id(operation) not in self.last:
                self._check_activation(operation)
        elif not pointwise_rules.is_pointwise(operation, self.data_format):
            _refuse(operation, "it is not known to work on a vector alone")
        if id(operation) in self.last:
            if isinstance(operation, (layers.Activation, layers.Softmax)):
                return part
            if isinstance(operation, layers.Conv2D):
                changes["activation"] = "linear"
        elif isinstance(operation, layers.Conv2D):
            self._check_activation(operation)
        return self._copy(operation, args, kwargs, (1, 1), **changes)

    def _copy(self, operation, args, kwargs, window, **changes):
        args, kwargs = graph.tensors(args, kwargs)
        outputs = self.copier.copy(operation, **changes)(*args, **kwargs)
        return keras.tree.map_structure(
            lambda tensor: _Part(tensor, window), outputs
        )


def _verify(classifier, converted, surgery, reached):
    """Checks the layers before the head, then the head on windows of a map."""
    old_begin, begin = map(list, zip(*surgery.begin.values(), strict=True))
    if not surgery.begin.keys() & set(map(id, classifier.inputs)):
        verification.verify(
            "fully_convolutional",
            keras.Model(classifier.inputs, old_begin),
            keras.Model(converted.inputs, begin),
            {key: x for key, x in reached.items() if x.window is None},
        )

    axes = spatial_axes(surgery.data_format)
    maps, windows = [], []
    rng = np.random.default_rng(0)
    for tensor in old_begin:
        shape = [2, *tensor.shape[1:]]
        window = [shape[axis] for axis in axes]
        # Two rows and three columns of windows.
        shape[axes[0]] += 1
        shape[axes[1]] += 2
        x = rng.normal(size=shape).astype("float32")
        maps.append(x)
        slid = np.lib.stride_tricks.sliding_window_view(x, window, axes)
        # The rows and columns of windows behind the batch, their own last.
        slid = np.moveaxis(slid, axes, (1, 2))
        if surgery.data_format == "channels_last":
            slid = np.moveaxis(slid, 3, -1)
        windows.append(slid.reshape(-1, *tensor.shape[1:]))
    rows, columns = (
        (size - 1) // 2 if surgery.padding == "same" else 0 for size in window
    )

    def align(operation, old, new):
        """The outputs for every window, and those at the map's positions."""
        new = np.moveaxis(new, channel_axis(surgery.data_format), -1)
        new = new[:, rows : rows + 2, columns : columns + 3]
        new = new.reshape(len(old), -1)
        if id(operation) in surgery.last:
            # It was left off.
            activation = getattr(operation, "activation", lambda x: x)
            if isinstance(operation, layers.Softmax):
                activation = operation
            new = activation(keras.ops.convert_to_tensor(new))
            new = keras.ops.convert_to_numpy(new)
        return old.reshape(len(old), -1), new

    verification.verify(
        "fully_convolutional",
        classifier,
        converted,
        {key: x for key, x in reached.items() if x.window == (1, 1)},
        old_begin=old_begin,
        begin=begin,
        probes=[windows],
        adapt=lambda _: maps,
        align=align,
    )


def _refuse(layer, reason):
    raise ValueError(
        f"The layer '{layer.name}' ({type(layer).__name__}) of the "
        f"classifier's head can't become a convolution: {reason}."
    )
