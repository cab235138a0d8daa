"""Removing strides: the hole algorithm, for any functional model."""

import collections
import json

import keras

from keras_seg.layers.metadata import Metadata
from keras_seg.layers.metadata import facts_of
from keras_seg.layers.metadata import note
from keras_seg.surgery import graph
from keras_seg.surgery import transform_rules  # noqa: F401  (rules of `carry`)
from keras_seg.surgery import verification
from keras_seg.surgery import window_rules  # noqa: F401  (rules of `carry`)
from keras_seg.surgery.stages import check_any_size
from keras_seg.surgery.transform_rules import Map
from keras_seg.surgery.transform_rules import Surgery

__all__ = ["set_output_stride"]

OUTPUT_STRIDES = (1, 2, 4, 8, 16, 32)


def set_output_stride(
    model: keras.Model,
    output_stride: int,
    *,
    input_tensor: keras.KerasTensor | None = None,
    verify: bool = True,
) -> keras.Model:
    """Rebuilds a network with denser maps and the same weights.

    Strides beyond `output_stride` are removed, and the kernels and pools after
    them are dilated instead ("à trous"). The network computes what it did, at
    more positions: if the old map has stride `s` and `k = s / output_stride`,

        dense_map[:, ::k, ::k] == old_map

    up to rounding, at every size, odd or even. There are rules for
    convolutions (depthwise and separable too), pooling, zero padding, cropping
    and everything pointwise. A layer or an operation without a rule, such as
    one of your own, is run on random maps, and counts as pointwise if it is
    so there. Squeeze-and-excite blocks, group normalization and other layers
    that take in the whole map see the dense one now, so these networks differ
    from the strided ones; a warning says by how much.

    The equation is checked on a small random image before the network is
    returned. A layer that extends one of Keras's is treated as that one if
    the equation holds.

    A "same" convolution with a stride is aligned differently on odd and even
    maps, and so is the dilated one: on even maps, all is shifted by one
    position. To have one alignment, give images whose sides are a multiple of
    the network's stride plus 1, as `keras_seg.applications` does
    (`keras_seg.layers.PadToMultiple(32, 1)`).

    Whole segmentation networks are treated like encoders: the rates of an
    `ASPP` grow with the map, and logits stay at the size of the image. For
    example, a DeepLab v3 trained at output stride 16 can be evaluated at 8.

    A Vision Transformer, behind `keras_seg.surgery.fully_convolutional`, has no
    kernels to dilate. There `k²` shifted images go through the network as one
    batch, and their maps are interleaved, at `k²` times the cost: the equation
    is that of the sliding window. It is worth it for thin things and in
    evaluation; a larger image costs less. A patch of 14 pixels has a stride of
    7 at an output stride of 8. As the patches keep their size, the center of
    position p is at `p · s + (patch - 1) / 2`.

    With an output stride of 1 every map preserves the resolution of the image:
    `FCN32s(set_output_stride(encoder, 1))` scores each pixel and enlarges
    nothing. The maps of VGG16 then take 19 times the memory.

    A larger output stride gives the strides back: the dense network carries
    the config of the strided one, which is rebuilt with the present weights.

    Source: the hole algorithm of
    [DeepLab](https://arxiv.org/abs/1412.7062), section 3.1.

    Args:
        model: functional `keras.Model`, its input of a fixed size or any.
        output_stride: int, one of 1, 2, 4, 8, 16, 32.
        input_tensor: tensor `(batch, height, width, channels)` to build
            upon. Defaults to a new input of any size.
        verify: bool, whether to check the equation. Defaults to True.

    Returns:
        A functional `keras.Model` for images of any size, with the layer
        names and weights of `model`.

    Raises:
        ValueError: If `output_stride` is another number or above that of the
            strided network, if there is no rule for a layer, or if the
            equation does not hold after one. The message names it.

    Example:

    >>> import keras, keras_seg
    >>> model = keras.applications.MobileNetV2(
    ...     input_shape=(64, 64, 3), include_top=False, weights=None)
    >>> dense = keras_seg.surgery.set_output_stride(model, 8)
    >>> dense.compute_output_shape((1, 64, 96, 3))
    (1, 8, 12, 1280)
    >>> back = keras_seg.surgery.set_output_stride(dense, 32)
    >>> back.compute_output_shape((1, 64, 96, 3))
    (1, 2, 3, 1280)
    """
    if output_stride not in OUTPUT_STRIDES or isinstance(output_stride, bool):
        raise ValueError(
            f"`output_stride` must be one of {OUTPUT_STRIDES}. "
            f"Received: output_stride={output_stride!r}"
        )
    model = graph.functional(model)
    check_any_size(model)
    facts = facts_of(model) or {}
    is_part = _is_part(input_tensor)
    dense, surgery = _rebuild(
        model, output_stride, input_tensor, is_part, verify
    )
    if surgery.largest_stride < output_stride and "strided" in facts:
        model = _restore(facts["strided"], model, surgery.largest_stride)
        if facts_of(model) is not None:  # What was noted since then.
            note(model, **{k: v for k, v in facts.items() if k != "strided"})
        dense, surgery = _rebuild(
            model, output_stride, input_tensor, is_part, verify
        )
    reached = surgery.largest_stride
    if reached < output_stride:
        raise ValueError(
            f"The output stride of '{model.name}' is {reached}: strides can "
            "be removed, not added. "
            f"Received: output_stride={output_stride}"
        )
    if verify:
        verification.verify(
            "set_output_stride",
            model,
            dense,
            surgery.reached,
            changed=surgery.changed,
            begin=None if input_tensor is None else [input_tensor],
        )
    if not is_part and facts_of(dense) is not None:
        config = keras.saving.serialize_keras_object(model)
        note(dense, **{"strided": json.dumps(config), **facts})
    return dense


def _is_part(tensor):
    """Whether a tensor is in a network that has a `Metadata`."""
    if tensor is None:
        return False
    before = keras.Model(keras.utils.get_source_inputs(tensor), tensor)
    return facts_of(before) is not None


def _rebuild(model, output_stride, input_tensor, is_part, verify):
    """Returns the dense network and the `Surgery` that made it.

    A `Metadata` follows the image, unless the network is a part of another.
    """
    surgery = Surgery(output_stride, graph.data_format_of(model), verify)
    kept = input_tensor is None and facts_of(model) is not None
    missing = not (kept or is_part)

    def start(tensor):
        nonlocal missing
        if missing and len(tensor.shape) == 4:
            missing = False
            names = {
                x.name for x in model.layers if not isinstance(x, Metadata)
            }
            free = None if "metadata" in names else "metadata"
            tensor = Metadata(name=free)(tensor)
        return Map(tensor)

    dense = graph.rebuild(
        model,
        start,
        surgery.call,
        surgery.copier,
        input_tensor,
        reached=surgery.reached,
    )
    return dense, surgery


def _restore(config, dense, output_stride):
    """Returns the strided network with the present weights of its layers.

    Args:
        config: str, JSON of the strided network.
        dense: the network without the strides.
        output_stride: int, that of `dense`.

    Raises:
        ValueError: If other surgery has changed `dense` meanwhile.
    """
    model = keras.saving.deserialize_keras_object(json.loads(config))
    trainable = {layer.name: layer.trainable for layer in dense.layers}
    for layer in model.layers:
        wanted = trainable.get(layer.name, layer.trainable)
        if layer.trainable != wanted:
            layer.trainable = wanted
    again, _ = _rebuild(model, output_stride, None, False, verify=False)
    if _kinds(again) != _kinds(dense):
        raise ValueError(
            f"'{dense.name}' was changed since its strides were removed: they "
            "can't be given back. Fix: set the output stride first, then "
            "change the network. Received: a model that surgery, or a new "
            "`keras.Model` of its layers, changed"
        )
    model.set_weights(dense.get_weights())
    return model


def _kinds(model):
    """Counts the layers of each class and config, whatever their names."""
    kinds: collections.Counter = collections.Counter()
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            kinds += _kinds(layer)
        elif not isinstance(layer, (keras.layers.InputLayer, Metadata)):
            saved = keras.saving.serialize_keras_object(layer)
            saved["config"]["name"] = None
            kinds[type(layer).__name__, json.dumps(saved["config"])] += 1
    return kinds
