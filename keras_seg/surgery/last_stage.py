"""The last stage of a network: its dilation rates, and copies of it."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import layers

from keras_seg.arguments import check_positive
from keras_seg.keras_private import run_through_graph
from keras_seg.ops.backend import spatial_axes
from keras_seg.surgery import graph
from keras_seg.surgery import verification
from keras_seg.surgery.pyramid import pyramid
from keras_seg.surgery.pyramid import stride_of

__all__ = ["cascade", "multi_grid"]


def multi_grid(
    model: keras.Model, rates: Sequence[int], *, verify: bool = True
) -> keras.Model:
    """Dilates the kernels of the last stage, each by a rate of its own.

    This is DeepLab v3's multi-grid: the convolutions after the last stride get
    rates such as (1, 2, 4). Removing strides afterwards multiplies these by
    the base rate: at output stride 16 they become 2, 4, 8. The weights are
    kept, but the network computes something else and must be trained on.
    Reference:

    - [Rethinking Atrous Convolution for Semantic Image Segmentation](
      https://arxiv.org/abs/1706.05587), section 3.2

    Args:
        model: functional `keras.Model`, an encoder with its strides.
        rates: ints, one for each convolution larger than 1×1 behind the last
            stride, in the order of the graph: three in every ResNet.
        verify: bool, whether to check, on random maps, that a dilated
            convolution computes from every `rate`-th position what the
            original computes from neighboring ones. Defaults to True.

    Returns:
        A functional `keras.Model` for images of any size, with the layer
        names and the weights of `model`.

    Raises:
        ValueError: If a rate is below 1, if there are not as many rates as
            convolutions, or if a convolution can't be dilated. The message
            names it.

    Example:

    >>> import keras, keras_seg
    >>> model = keras.applications.ResNet50(include_top=False, weights=None)
    >>> spread = keras_seg.surgery.multi_grid(model, (1, 2, 4))
    >>> spread.get_layer("conv5_block3_2_conv").dilation_rate
    (4, 4)
    """
    model = graph.functional(model)
    rates = list(rates)
    for rate in rates:
        check_positive(rates=rate)
    found = last_convolutions(model)
    if len(found) != len(rates):
        raise ValueError(
            f"The model '{model.name}' has {len(found)} convolutions larger "
            "than 1×1 behind its last stride, each of which needs a rate. "
            f"Received: rates={tuple(rates)}"
        )
    spread = {}
    for layer, rate in zip(found, rates, strict=True):
        if rate == 1:
            continue
        if layer.padding != "same" or layer.strides != (1, 1):
            raise ValueError(
                f"The layer '{layer.name}' can't be spread: it must have "
                "padding 'same' and no stride. Received: "
                f"padding={layer.padding!r}, strides={layer.strides}"
            )
        spread[id(layer)] = tuple(rate * old for old in layer.dilation_rate)
    copier = graph.Copier()

    def call(operation, *args, **kwargs):
        changes = {}
        if id(operation) in spread:
            changes["dilation_rate"] = spread[id(operation)]
        return copier.copy(operation, **changes)(*args, **kwargs)

    network = graph.rebuild(model, lambda x: x, call, copier)
    if verify:
        for layer, rate in zip(found, rates, strict=True):
            if rate > 1:
                changes = {"dilation_rate": spread[id(layer)]}
                _check_spread(layer, copier.copy(layer, **changes), rate)
    return network


def _check_spread(layer, spread, rate):
    """Compares the two on positions that are `rate` apart."""
    axes = spatial_axes(layer.data_format)
    shape = [2, *layer.input.shape[1:]]
    every = [slice(None)] * 4
    for axis, size in zip(axes, (5 * rate, 4 * rate + 1), strict=True):
        shape[axis] = size
        every[axis] = slice(None, None, rate)
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    difference = verification.compare_layers(
        layer, x[tuple(every)], spread, x, tuple(every)
    )
    if difference > verification.TOLERANCE:
        raise ValueError(
            f"The layer '{layer.name}' ({type(layer).__name__}) can't be "
            f"spread: at {rate} times its rate it computes something else of "
            f"every {rate}th position, by {difference:.2g} of the largest "
            "value."
        )


def last_convolutions(model):
    """The convolutions larger than 1×1 whose maps have the largest stride."""
    found = []

    def call(operation, *args, **kwargs):
        strides = keras.tree.flatten((args, kwargs))
        stride = max([x for x in strides if isinstance(x, int)], default=1)
        stride *= stride_of(operation)[0]
        # Depthwise convolutions are no `Conv2D`: they have no units.
        if isinstance(operation, layers.Conv2D) and operation.kernel_size != (
            1,
            1,
        ):
            found.append((stride, operation))
        return keras.tree.map_structure(lambda _: stride, operation.output)

    last = run_through_graph(model, [1 for _ in model.inputs], call)
    largest = max(keras.tree.flatten(last))
    return [layer for stride, layer in found if stride == largest]


def cascade(
    model: keras.Model, copies: int, *, verify: bool = True
) -> keras.Model:
    """Appends copies of a network's last stage: DeepLab v3's block5 … block7.

    The last stage begins with the last stride, so each copy adds a stride: a
    ResNet of stride 32 reaches 64, 128 and 256. Removing the strides with
    `keras_seg.surgery.set_output_stride` then gives the paper's rates: at
    output stride 16 the last stage has rate 2 and its copies 4, 8 and 16, each
    multiplied by the multi-grid rates if `keras_seg.surgery.multi_grid` was
    applied before. The weights of the copies are new, drawn by the layers'
    initializers. Reference:

    - [Rethinking Atrous Convolution for Semantic Image Segmentation](
      https://arxiv.org/abs/1706.05587), section 3.2

    Args:
        model: functional `keras.Model`, an encoder with its strides.
        copies: int, at least 1: the paper's 1, 2 or 3.
        verify: bool, whether to check on a small random image that the
            stages before the copies compute what they did. Defaults to True.

    Returns:
        A functional `keras.Model` for images of any size, with the layer
        names and weights of `model`. Names in the copies end in `_cascade1`,
        `_cascade2` and so on.

    Raises:
        ValueError: If the network has only one stage, or if the last one
            can't be applied to its own output.

    Example:

    >>> import keras, keras_seg
    >>> model = keras.applications.ResNet50(include_top=False, weights=None)
    >>> longer = keras_seg.surgery.cascade(model, 3)
    >>> longer.compute_output_shape((1, 512, 512, 3))
    (1, 2, 2, 2048)
    """
    check_positive(copies=copies)
    model = graph.functional(model)
    levels = list(pyramid(model, verify=False).items())
    if len(levels) < 2:
        raise ValueError(
            f"The network '{model.name}' has no stage behind a stride."
        )
    stride, start = levels[-2]
    reached: dict = {}
    longer = graph.copy_model(model, reached=reached)
    x = longer.output
    try:
        stage = keras.Model(start, model.output)
        if not stage.weights:
            raise ValueError("It has no weights.")
        for number in range(1, copies + 1):
            x = _repeat(stage, x, f"cascade{number}")
    except ValueError as error:
        raise ValueError(
            f"The last stage of '{model.name}' can't be repeated. It must "
            f"begin at one map, of stride {stride}, and take its own output "
            f"for input: {str(error).splitlines()[0]}"
        ) from error
    network = keras.Model(longer.input, x, name=model.name)
    if verify:
        verification.verify("cascade", model, network, reached)
    return network


def _repeat(stage, x, suffix):
    """Calls copies of the stage's layers, with new weights."""
    copier = graph.Copier(new_weights=True)

    def call(operation, *args, **kwargs):
        name = f"{operation.name}_{suffix}"
        return copier.copy(operation, name=name)(*args, **kwargs)

    return run_through_graph(stage, [x], call)
