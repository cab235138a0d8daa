"""Dropout in prediction, too."""

import keras

__all__ = ["SampledDropout"]


@keras.saving.register_keras_serializable(package="keras_seg")
class SampledDropout(keras.layers.Dropout):
    """`keras.layers.Dropout` that is on in prediction as in training.

    Sets a share `rate` of its inputs to 0, others at each call, and divides
    the rest by `1 - rate`. See `keras_seg.surgery.sample_dropout`.

    Args:
        rate: float in 0...1.
        **kwargs: of `keras.layers.Dropout`.

    Example:

    >>> x = SampledDropout(0.5, seed=0)(keras.ops.ones((1, 1000)))
    >>> sorted(set(keras.ops.convert_to_numpy(x).ravel().tolist()))
    [0.0, 2.0]
    """

    def call(self, inputs, training=None):
        return super().call(inputs, training=True)
