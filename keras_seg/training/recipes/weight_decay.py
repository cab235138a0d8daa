"""Weight decay as a part of the gradient."""

import keras

from keras_seg.layers.base import nested_layers
from keras_seg.surgery.graph import check_plain

__all__ = ["add_weight_decay"]

DEPTHWISE = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)


def add_weight_decay(model, weight_decay, depthwise=True):
    """Adds `weight_decay / 2 · Σ w²` of every kernel to the loss.

    Its gradient is `weight_decay · w`, as in Caffe, where it passes through
    the momentum: the weight decay that the papers state. That of Keras's
    optimizers does not pass, and takes the biases too; and
    `keras.regularizers.L2(x)` is `x · Σ w²`, without the half.

    Kernels of convolutions, also transposed and depthwise ones, and of dense
    layers decay. Biases, the scale and offset of norms, and kernels that are
    fixed do not. What a layer had for a kernel regularizer is replaced. It is
    saved with the model.

    Args:
        model: `keras.Model`, built; changed in place. Call it before
            `compile`.
        weight_decay: float, 0 for none.
        depthwise: bool, whether depthwise kernels decay; the authors of
            DeepLab v3 leave them out. Defaults to True.

    Returns:
        The model.

    Raises:
        ValueError: if `weight_decay` is below 0; for a layer with LoRA or a
            quantized one, whose kernel is no variable that could decay.

    Example:

    >>> import keras
    >>> from keras_seg.training.recipes import add_weight_decay
    >>> model = keras.Sequential([
    ...     keras.Input((None, None, 3)),
    ...     keras.layers.Conv2D(1, 1, kernel_initializer="ones"),
    ... ])
    >>> (loss,) = add_weight_decay(model, 0.5).losses
    >>> float(keras.ops.convert_to_numpy(loss))
    0.75
    """
    if not weight_decay >= 0:
        raise ValueError(
            "`weight_decay` must be a number of at least 0. "
            f"Received: weight_decay={weight_decay!r}"
        )
    for layer in nested_layers(model):
        check_plain(layer)
        for kind in ("kernel", "depthwise", "pointwise"):
            attribute = f"{kind}_regularizer"
            if not hasattr(layer, attribute):
                continue
            regularizer = None
            if weight_decay > 0 and (depthwise or kind != "depthwise"):
                regularizer = keras.regularizers.L2(weight_decay / 2)
            # The attribute is saved with the layer, the variable is trained.
            setattr(layer, attribute, regularizer)
            variable = _kernel(layer, kind)
            if variable is not None:
                variable.regularizer = regularizer
    return model


def _kernel(layer, kind):
    """The variable; a layer that only holds others has none."""
    name = "kernel" if kind == "kernel" else f"{kind}_kernel"
    if not hasattr(layer, name) and isinstance(layer, DEPTHWISE):
        name = "kernel"  # What Keras calls their only kernel.
    return getattr(layer, name, None)
