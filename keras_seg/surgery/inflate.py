"""Other channels than red, green and blue."""

import dataclasses

import keras
import numpy as np
from keras import layers

from keras_seg.layers.base import positive_int
from keras_seg.ops.backend import channel_axis
from keras_seg.ops.backend import spatial_axes
from keras_seg.surgery import graph
from keras_seg.surgery import pointwise
from keras_seg.surgery import verification

__all__ = ["inflate_input"]

PADDING = (layers.ZeroPadding2D, layers.Cropping2D, graph.Pad)


def inflate_input(model, channels, *, verify=True):
    """Rebuilds a network for pictures of more channels, or of fewer.

    The kernels of the channels that stay are kept to the bit, those of new
    ones begin at zero: at first the network computes what it did, whatever
    the new channels hold, and learns to use them.

    Args:
        model: functional `keras.Model` with one input, whose first layers
            with weights are convolutions.
        channels: int, the channels of the new input: those that there were,
            then the new ones.
        verify: bool, whether it is checked on a small random image that the
            network computes what it did, where it has as many channels or
            more. Defaults to True.

    Returns:
        A functional `keras.Model` for images of any size, with the layer
        names and the weights of `model`.

    Raises:
        ValueError: for a number below 1; for a layer in front of the first
            convolution that has weights or mixes positions, by name; for a
            layer behind which the network is another, by name.

    Example:

    >>> import keras, keras_seg
    >>> model = keras.applications.MobileNetV2(
    ...     input_shape=(64, 64, 3), include_top=False, weights=None)
    >>> infrared = keras_seg.surgery.inflate_input(model, 4)
    >>> tuple(infrared.get_layer("Conv1").kernel.shape)
    (3, 3, 4, 32)
    """
    positive_int("channels", channels)
    model = graph.functional(model)
    if len(model.inputs) > 1:
        raise ValueError(
            "`inflate_input` takes a model with one input. Received: "
            f"'{model.name}' with {len(model.inputs)}"
        )
    data_format = graph.data_format_of(model)
    axis = channel_axis(data_format)
    missing = channels - model.inputs[0].shape[axis]
    copier = graph.Copier()

    def fit_kernel(weights):
        kernel, *others = weights
        kept = kernel[:, :, :channels]
        missing = max(0, channels - kernel.shape[2])
        return [np.pad(kept, [(0, 0), (0, 0), (0, missing), (0, 0)]), *others]

    def call(operation, *args, **kwargs):
        values = keras.tree.flatten((args, kwargs))
        of_image = any(isinstance(x, _Tensor) and x.of_image for x in values)
        adapt = None
        if of_image and isinstance(operation, layers.Conv2D):
            if missing < 0 and graph.has_own_call(operation):
                _refuse(operation, "has a `call` of its own")
            of_image, adapt = False, fit_kernel
        elif of_image:
            _check(operation, data_format)
        args, kwargs = keras.tree.map_structure(
            lambda x: x.tensor if isinstance(x, _Tensor) else x, (args, kwargs)
        )
        outputs = copier.copy(operation, adapt=adapt)(*args, **kwargs)
        return keras.tree.map_structure(
            lambda tensor: _Tensor(tensor, of_image), outputs
        )

    shape = list(model.inputs[0].shape)
    shape[axis] = channels
    for side in spatial_axes(data_format):
        shape[side] = None
    image = keras.Input(
        batch_shape=shape,
        dtype=model.inputs[0].dtype,
        name=model.inputs[0].name,
    )
    reached: dict = {}
    wider = graph.rebuild(model, _Tensor, call, copier, image, reached=reached)

    def add_channels(arrays):
        others = [1 - arrays[0].take([0], axis)] * missing
        return [np.concatenate([*arrays, *others], axis)]

    if verify and missing >= 0:
        kept = {key: x for key, x in reached.items() if not x.of_image}
        verification.verify(
            "inflate_input", model, wider, kept, adapt=add_channels
        )
    return wider


@dataclasses.dataclass(frozen=True)
class _Tensor:
    """A tensor of the new network; `of_image` before the first convolution."""

    tensor: keras.KerasTensor
    of_image: bool = True


def _check(operation, data_format):
    weighted = bool(getattr(operation, "weights", ()))
    weighted |= isinstance(operation, layers.Normalization)
    if isinstance(operation, layers.Rescaling):
        weighted |= np.ndim(operation.scale) + np.ndim(operation.offset) > 0
    keeps = isinstance(operation, PADDING) or pointwise.is_pointwise(
        operation, data_format
    )
    if weighted or not keeps:
        _refuse(
            operation,
            "is in front of the first convolution and made for the channels "
            "that there are. Build the network without its preprocessing "
            "(include_preprocessing=False)",
        )


def _refuse(operation, reason):
    raise ValueError(
        f"The layer '{operation.name}' ({type(operation).__name__}) {reason}."
    )
