"""The stride of an operation that does not state it."""

import keras

from keras_seg.ops.backend import spatial_axes

__all__ = ["measured_strides"]

# A multiple of 32, and of windows of 7.
SIZE = 224


def measured_strides(operation, args, kwargs, data_format):
    """Finds strides from the sizes of what is made of a map of 224×224.

    For blocks of other packages, which are one layer with convolutions and
    strides within. Nothing is computed: shapes are inferred.

    Args:
        operation: a layer or an operation such as slicing.
        args: tuple, the arguments of its call: tensors of rank 4 are maps.
        kwargs: dict, the keyword arguments.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        A list with an int for each output: its stride, or 0 where the
        output is no map, or one of a single position.

    Raises:
        ValueError: if rows and columns have different strides, or the map is
            enlarged.

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
        if not isinstance(value, keras.KerasTensor) or len(value.shape) != 4:
            return value
        shape = list(value.shape)
        for axis in axes:
            shape[axis] = SIZE
        return keras.KerasTensor(shape, value.dtype)

    args, kwargs = keras.tree.map_structure(sized, (args, kwargs))
    made = operation.compute_output_spec(*args, **kwargs)
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
