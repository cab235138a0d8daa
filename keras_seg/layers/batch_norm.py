"""Keras's batch normalization, by one operation on PyTorch."""

import keras
from keras import ops

__all__ = ["BatchNorm"]


@keras.saving.register_keras_serializable(package="keras_seg")
class BatchNorm(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization`, faster on PyTorch.

    Arguments, weights and results are Keras's; builders put it in the place
    of a backbone's own. Keras goes over the map three times to normalize it,
    and more often to take its statistics; PyTorch's own operations once.

    Example:

    >>> import numpy as np
    >>> x = np.array([1.0, 3.0]).reshape(1, 1, 2, 1)
    >>> y = BatchNorm(epsilon=0.0)(x, training=True)
    >>> [float(v) for v in np.ravel(keras.ops.convert_to_numpy(y))]
    [-1.0, 1.0]
    """

    def call(self, inputs, training=None, mask=None):
        plain = mask is None and not self.renorm and not self.synchronized
        if keras.config.backend() != "torch" or not plain:
            return super().call(inputs, training=training, mask=mask)
        dtype = keras.backend.result_type(inputs.dtype, "float32")
        x = ops.cast(inputs, dtype)
        mean, variance, gamma, beta = (
            None if weight is None else ops.cast(weight, dtype)
            for weight in (
                self.moving_mean,
                self.moving_variance,
                self.gamma if self.scale else None,
                self.beta if self.center else None,
            )
        )
        if training and self.trainable:
            y, mean, variance = _by_statistics(
                x, gamma, beta, self.axis, self.epsilon
            )
            for moving, value in (
                (self.moving_mean, mean),
                (self.moving_variance, variance),
            ):
                moving.assign(
                    moving * self.momentum + value * (1.0 - self.momentum)
                )
        else:
            y = _by_constants(
                x, mean, variance, gamma, beta, self.axis, self.epsilon
            )
        return ops.cast(y, self.compute_dtype)


def _by_constants(x, mean, variance, gamma, beta, axis, epsilon):
    import torch

    scale = torch.rsqrt(variance + epsilon)
    if gamma is not None:
        scale = scale * gamma
    offset = -mean * scale if beta is None else beta - mean * scale
    shape = [1] * x.ndim
    shape[axis] = -1
    return torch.addcmul(offset.reshape(shape), x, scale.reshape(shape))


def _by_statistics(x, gamma, beta, axis, epsilon):
    """The normalized map, its means and its variances."""
    import torch

    # A map with its channels last, its axes permuted, already is what PyTorch
    # calls channels-last memory.
    y, mean, deviation = torch.native_batch_norm(
        torch.movedim(x, axis, 1), gamma, beta, None, None, True, 0.0, epsilon
    )
    variance = torch.clamp(deviation.detach() ** -2 - epsilon, min=0.0)
    return torch.movedim(y, 1, axis), mean.detach(), variance
