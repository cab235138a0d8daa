"""Networks of another package, rebuilt of new layers with their weights."""

from typing import Any

import keras
from keras import layers

__all__ = ["Rebuilt", "add", "drop", "zero_layers"]


class Rebuilt:
    """The layers of a new network, and those whose weights they get.

    Attributes:
        reached: dict from the id of a tensor of the old network to the tensor
            of the new one that stands for it.
    """

    def __init__(self) -> None:
        self._pairs: list[tuple[keras.Layer, tuple[keras.Layer, ...]]] = []
        self.reached: dict[int, keras.KerasTensor] = {}

    def of(self, layer: Any, *theirs: keras.Layer) -> Any:
        """Returns the layer, to be given the weights of others later."""
        self._pairs.append((layer, theirs))
        return layer

    def like(self, theirs: Any, x: Any, name: str) -> Any:
        """Calls a new layer with the configuration and weights of another."""
        config = {**theirs.get_config(), "name": name, "trainable": True}
        layer = self.of(type(theirs).from_config(config), theirs)
        return self.stands_for(theirs, layer(x))

    def stands_for(self, theirs: keras.Layer, x: Any) -> Any:
        """Notes which tensor is the output of another's layer."""
        try:
            self.reached[id(theirs.output)] = x
        except (AttributeError, ValueError):  # It is a part of a layer.
            pass
        return x

    def copy_weights(self) -> None:
        for layer, theirs in self._pairs:
            values = [value for x in theirs for value in x.get_weights()]
            layer.set_weights(
                [
                    value.reshape(weight.shape)
                    for value, weight in zip(values, layer.weights, strict=True)
                ]
            )

    def copy_trainable(self) -> None:
        for layer, theirs in self._pairs:
            layer.trainable = all(x.trainable for x in theirs)


def drop(x, rate, name, **options):
    return layers.Dropout(rate, name=name, **options)(x) if rate else x


def add(x, y, drop_path, name):
    """Adds a branch, which training drops for a sample of the batch."""
    y = drop(y, drop_path, f"{name}_drop_path", noise_shape=(None, 1, 1, 1))
    return layers.Add(name=f"{name}_add")([x, y])


def zero_layers(model):
    """Layers of zeromodels by name, attention by block, and drop rates."""
    attentions = {
        layer.block_prefix: layer
        for layer in model.layers
        if hasattr(layer, "block_prefix")
    }
    rates = [
        layer.drop_path_rate
        for layer in model.layers
        if hasattr(layer, "drop_path_rate")
    ]
    return {x.name: x for x in model.layers}, attentions, iter(rates)
