"""Other channels than red, green and blue."""

import dataclasses

import keras
import numpy as np
from keras import layers

from keras_seg.layers.base import positive_int
from keras_seg.ops.formats import channel_axis
from keras_seg.ops.formats import spatial_axes
from keras_seg.surgery import graph
from keras_seg.surgery import pointwise

__all__ = ["inflate_input"]

PADDING = (layers.ZeroPadding2D, layers.Cropping2D, graph.Pad)


def inflate_input(model, channels):
    """Rebuilds a network for pictures of more channels, or of fewer.

    The kernels of the channels that stay are kept to the bit, those of new
    ones begin at zero: at first the network computes what it did, whatever
    the new channels hold, and learns to use them.

    Args:
        model: functional `keras.Model` with one input, whose first layers
            with weights are convolutions.
        channels: int, the channels of the new input: those that there were,
            then the new ones.

    Returns:
        A functional `keras.Model` for images of any size, with the layer
        names and the weights of `model`.

    Raises:
        ValueError: for a number below 1; for a layer in front of the first
            convolution that has weights or mixes positions, by name.

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
    data_format = graph.data_format_of(model)
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
    shape[channel_axis(data_format)] = channels
    for axis in spatial_axes(data_format):
        shape[axis] = None
    image = keras.Input(batch_shape=shape, name=model.inputs[0].name)
    return graph.rebuild(model, _Tensor, call, copier, image)


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
        raise ValueError(
            f"The layer '{operation.name}' ({type(operation).__name__}) is "
            "in front of the first convolution and made for the channels "
            "that there are. Build the network without its preprocessing "
            "(include_preprocessing=False)."
        )
