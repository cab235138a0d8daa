"""Batch norms in the kernels of the convolutions before them."""

import keras
import numpy as np
from keras import layers

from keras_seg.surgery import graph
from keras_seg.surgery import verification
from keras_seg.surgery.norms import norms_behind

__all__ = ["fold_batch_norm"]


def fold_batch_norm(model, *, verify=True):
    """Rebuilds a network with its batch norms folded into its convolutions.

    For prediction, where a batch norm is `scale · x + offset` with constants
    for each channel:

        scale · (conv(x; kernel) + bias) + offset
            == conv(x; scale · kernel) + (scale · bias + offset)

    The result is the same to rounding, without the norm's way over the map.
    It is not for training: statistics are no longer taken. A norm that does
    not stand right behind a convolution, or inside a layer such as `ASPP`,
    or has a `call` of its own or stands behind a layer with one, stays.

    Args:
        model: functional `keras.Model`.
        verify: bool, whether the equation is checked on a small random
            image. Defaults to True.

    Returns:
        A functional `keras.Model` for images of any size, with the layer
        names of `model` but for the norms that are gone.

    Raises:
        ValueError: if the model has no graph of layers; for a layer behind
            which the equation does not hold, by name.

    Example:

    >>> import keras, keras_seg
    >>> model = keras.applications.MobileNetV2(
    ...     include_top=False, weights=None)
    >>> folded = keras_seg.surgery.fold_batch_norm(model)
    >>> model.count_params(), folded.count_params()
    (2257984, 2206816)
    """
    model = graph.functional(model)
    norms = norms_behind(model)
    gone = set(norms.values())
    copier = graph.Copier()
    inner: dict = {}

    def call(operation, *args, **kwargs):
        if isinstance(operation, keras.Model):
            if operation not in inner:
                inner[operation] = fold_batch_norm(operation, verify=False)
            return inner[operation](*args, **kwargs)
        if operation in gone:
            return args[0]
        if operation in norms:
            adapt = _scaled(operation, norms[operation])
            copy = copier.copy(operation, adapt=adapt, use_bias=True)
        else:
            copy = copier.copy(operation)
        return copy(*args, **kwargs)

    reached: dict = {}
    rebuilt = graph.rebuild(model, lambda x: x, call, copier, reached=reached)
    if verify:
        # What goes into a norm is not what it was.
        for layer in norms:
            del reached[id(layer.output)]
        verification.verify("fold_batch_norm", model, rebuilt, reached)
    return rebuilt


def _scaled(layer, norm):
    def adapt(weights):
        scale, offset = _constants(norm)
        if layer.use_bias:
            offset = offset + scale * weights[-1]
            weights = weights[:-1]
        *others, kernel = weights
        return [*others, kernel * _along(layer, kernel, scale), offset]

    return adapt


def _constants(norm):
    """What the norm multiplies by and adds, in float64."""
    mean, variance, gamma, beta = (
        None
        if weight is None
        else keras.ops.convert_to_numpy(weight).astype("float64")
        for weight in (
            norm.moving_mean,
            norm.moving_variance,
            norm.gamma if norm.scale else None,
            norm.beta if norm.center else None,
        )
    )
    scale = 1 / np.sqrt(variance + norm.epsilon)
    if gamma is not None:
        scale = scale * gamma
    return scale, (0 if beta is None else beta) - mean * scale


def _along(layer, kernel, scale):
    """The scales in the axes of a kernel that its output's channels lie in."""
    if isinstance(layer, layers.Conv2DTranspose):
        return scale[:, None]
    if isinstance(layer, layers.DepthwiseConv2D):
        return scale.reshape(kernel.shape[-2:])
    return scale
