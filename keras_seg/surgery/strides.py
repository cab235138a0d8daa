"""Strides by measurement: of unknown operations, and of maps."""

import keras
import numpy as np

from keras_seg.keras_private import producer
from keras_seg.ops.backend import spatial_axes
from keras_seg.surgery import graph
from keras_seg.surgery.runs import compute
from keras_seg.surgery.runs import follow
from keras_seg.surgery.runs import images
from keras_seg.surgery.verification import doubt

__all__ = ["measured_strides", "verify_strides"]

# A multiple of 32, and of windows of 7.
SIZE = 224
# Beyond it, axes of attention were taken for rows and columns.
LARGEST = 1024


def measured_strides(operation, args, kwargs, data_format):
    """Finds strides from the sizes of an operation's outputs.

    For layers of other packages with convolutions and strides inside, such as
    blocks. Shapes are inferred for a map of 224×224; nothing is computed.

    Args:
        operation: a layer or an operation such as slicing.
        args: tuple, the arguments of its call: tensors of rank 4 or more are
            maps.
        kwargs: dict, the keyword arguments.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        A list with the stride of each output, as int: 0 if it is not a map,
        or one of a single position.

    Raises:
        ValueError: If rows and columns have different strides, if the map is
            enlarged, or if the operation takes no map of that size.

    Example:

    >>> import keras
    >>> class Block(keras.layers.Layer):
    ...     def call(self, x):
    ...         return x[:, ::2, ::2], keras.ops.mean(x, axis=(1, 2))
    >>> image = keras.Input((None, None, 3))
    >>> measured_strides(Block(), (image,), {}, "channels_last")
    [2, 0]
    """
    axes = spatial_axes(data_format)

    def sized(value):
        if not isinstance(value, keras.KerasTensor) or len(value.shape) < 4:
            return value
        shape = list(value.shape)
        for axis in axes:
            shape[axis] = SIZE
        return keras.KerasTensor(shape, value.dtype)

    args, kwargs = keras.tree.map_structure(sized, (args, kwargs))
    try:
        made = operation.compute_output_spec(*args, **kwargs)
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(
            f"The layer '{operation.name}' ({type(operation).__name__}) states "
            f"no stride, and takes no map of {SIZE}×{SIZE}: {reason}"
        ) from error
    return [
        _stride(operation, tensor.shape, axes)
        for tensor in keras.tree.flatten(made)
    ]


def _stride(operation, shape, axes):
    if len(shape) != 4 or all(shape[axis] == 1 for axis in axes):
        return 0
    sizes = [shape[axis] or SIZE for axis in axes]
    strides = {round(SIZE / size) for size in sizes}
    if max(sizes) > 1.5 * SIZE or len(strides) > 1:
        raise ValueError(
            f"The layer '{operation.name}' ({type(operation).__name__}) has "
            "no one stride for rows and columns, or enlarges its map: of "
            f"{SIZE}×{SIZE} it makes {tuple(shape)}."
        )
    return strides.pop()


def verify_strides(model, levels):
    """Checks by running a model that maps have the strides read from its graph.

    The shapes of the maps are compared for two images: if one is larger by
    `n` pixels, its maps must be larger by `n / stride` positions. For a model
    that takes images of one size, the ratio of sizes must be the stride.

    Args:
        model: functional `keras.Model`.
        levels: dict from stride to tensor of `model`.

    Raises:
        ValueError: If a map has another stride. The message names its layer.
    """
    largest = max(levels)
    if largest > LARGEST:
        layer = producer(levels[largest])
        raise ValueError(
            f"No pyramid can be found in the model '{model.name}': the map of "
            f"the layer '{layer.name}' ({type(layer).__name__}) would have "
            f"stride {largest} by its graph, more than {LARGEST}."
        )
    named = np.array(list(levels))[:, None]
    # Maps whose strides were removed grow by several positions at once.
    growths = [-(-pixels // largest) * largest for pixels in (64, 512)]
    for growth in growths:
        found = _strides(model, levels, growth)
        if found is None:
            doubt("pyramid", model, "it does not run on random images")
            return
        wrong = (np.abs(found - named) > 0.4 * named).any(1)
        if not wrong.any():
            return
    (stride, tensor), (height, width) = next(
        x
        for x, is_wrong in zip(
            zip(levels.items(), found, strict=True), wrong, strict=True
        )
        if is_wrong
    )
    layer = producer(tensor)
    raise ValueError(
        f"No pyramid can be found in the model '{model.name}': the map of the "
        f"layer '{layer.name}' ({type(layer).__name__}) would have stride "
        f"{stride} by its graph, and has {height:.3g} along the rows and "
        f"{width:.3g} along the columns when it runs."
    )


def _strides(model, levels, growth):
    """The measured strides, `(levels, 2)`; None if the model does not run."""
    axes = spatial_axes(graph.data_format_of(model))
    ended = keras.Model(model.inputs, list(levels.values()))
    pads = [(0, growth if axis in axes else 0) for axis in range(4)]
    sizes = None
    for arrays in images(model):
        larger = [np.pad(x, pads, "wrap") if x.ndim == 4 else x for x in arrays]
        try:
            sizes = _sizes(ended, arrays, axes)
            grown = _sizes(ended, larger, axes) - sizes
        except Exception:
            continue
        return growth / np.maximum(grown, 1e-3)
    if sizes is None:
        return None
    image = next(x.shape for x in arrays if x.ndim == 4)
    return [image[axis] for axis in axes] / sizes


def _sizes(model, arrays, axes):
    """Array of the sizes of a model's outputs, `(outputs, 2)`."""

    def run(arrays):
        return follow(model, model.inputs, arrays, lambda *made: made[-1])

    maps = compute((model,), run, arrays, shapes_only=True)
    sizes = np.array([[x.shape[axis] for axis in axes] for x in maps])
    if not sizes.all():
        raise ValueError("a map of it is empty")
    return sizes
