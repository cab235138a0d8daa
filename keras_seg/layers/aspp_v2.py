"""The pyramids of DeepLab v2: branches that end in scores, summed."""

import functools

import keras
from keras import ops

__all__ = ["SummedBranches"]


class SummedBranches(keras.layers.Layer):
    """The sum of branches, each a chain of layers.

    The part of `keras_seg.layers.ASPP` that computes versions "v2" and
    "v2_vgg16".

    Args:
        branches: lists of layers, all of one length.
        **kwargs: of `keras.layers.Layer`.
    """

    def __init__(self, branches, **kwargs):
        super().__init__(**kwargs)
        self.length = len(branches[0])
        # Keras saves the layers of a list, not those of a list of lists.
        self.steps = [layer for branch in branches for layer in branch]

    @classmethod
    def on_resnet(cls, conv, rates, **kwargs):
        """A 3×3 convolution with holes for each rate."""
        branches = [
            [conv(f"fc_{number}", 3, rate)]
            for number, rate in enumerate(rates, start=1)
        ]
        return cls(branches, **kwargs)

    @classmethod
    def on_vgg16(cls, conv, rates, hidden_filters, dropout, **kwargs):
        """fc6, fc7 and fc8 for each rate."""
        hidden = {"filters": hidden_filters, "activation": "relu"}

        def drop(name):
            dtype = kwargs.get("dtype")
            return keras.layers.Dropout(dropout, dtype=dtype, name=name)

        branches = [
            [
                conv(f"fc6_{number}", 3, rate, **hidden),
                drop(f"drop6_{number}"),
                conv(f"fc7_{number}", **hidden),
                drop(f"drop7_{number}"),
                conv(f"fc8_{number}"),
            ]
            for number, rate in enumerate(rates, start=1)
        ]
        return cls(branches, **kwargs)

    @property
    def branches(self):
        starts = range(0, len(self.steps), self.length)
        return [self.steps[start : start + self.length] for start in starts]

    def build(self, input_shape):
        for branch in self.branches:
            shape = input_shape
            for layer in branch:
                layer.build(shape)
                shape = layer.compute_output_shape(shape)
        self.built = True

    def call(self, inputs, training=False):
        scores = []
        for branch in self.branches:
            x = inputs
            for layer in branch:
                drops = isinstance(layer, keras.layers.Dropout)
                x = layer(x, training=training) if drops else layer(x)
            scores.append(x)
        return functools.reduce(ops.add, scores)
