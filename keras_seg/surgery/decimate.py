"""Fewer taps and fewer filters of a convolution."""

import dataclasses

import keras
import numpy as np
from keras import layers

from keras_seg.layers.base import positive_int
from keras_seg.surgery import graph
from keras_seg.surgery import pointwise

__all__ = ["decimate"]


def decimate(model, name, *, kernel_size=None, filters=None, rate=None, seed=0):
    """Drops taps of a convolution's kernel, and filters at random.

    Taps are dropped evenly, the outermost stay: of 7, a kernel of 3 keeps
    0, 3, 6 and one of 4 keeps 0, 2, 4, 6. They stay where they were, so the
    rate grows, by 3 or by 2: DeepLab's 7×7 at rate 4 becomes 3×3 at rate 12
    or 4×4 at rate 8. The result is that of the whole kernel with zeros for
    what was dropped. The filters that stay are drawn, and the next layer with
    weights keeps what belongs to them. Source:

    - [DeepLab](https://arxiv.org/abs/1412.7062), section 3.2, and
      [v2](https://arxiv.org/abs/1606.00915), section 4.1.1

    Args:
        model: functional `keras.Model`.
        name: str, name of a `Conv2D` without a stride.
        kernel_size: int, taps of each side that stay; one less must divide
            the taps less one. Defaults to None, all.
        filters: int, how many filters stay, in their order. Defaults to
            None, all.
        rate: int, another rate than that which keeps the taps in place.
        seed: int, of the draw of filters.

    Returns:
        A functional `keras.Model` for images of any size, with the layer
        names of `model`.

    Raises:
        ValueError: if there is no such convolution, it has fewer taps or
            filters, or taps would not stay in place; for a layer behind it
            that can't be told which channels are gone, by name.

    Example:

    >>> import keras, keras_seg
    >>> image = keras.Input((None, None, 512))
    >>> fc6 = keras.layers.Conv2D(
    ...     4096, 7, padding="same", dilation_rate=4, name="fc6")
    >>> model = keras.Model(image, fc6(image))
    >>> model = keras_seg.surgery.decimate(
    ...     model, "fc6", kernel_size=3, filters=1024)
    >>> model.get_layer("fc6").dilation_rate, model.count_params()
    ((12, 12), 4719616)
    """
    model = graph.functional(model)
    change = _Change(model, name, kernel_size, filters, rate, seed)
    return graph.rebuild(model, _Tensor, change.call, change.copier)


@dataclasses.dataclass(frozen=True)
class _Tensor:
    """A tensor of the new network, and which channels of the old are left."""

    tensor: keras.KerasTensor
    kept: np.ndarray | None = None


class _Change:
    def __init__(self, model, name, kernel_size, filters, rate, seed):
        self.copier = graph.Copier()
        self.data_format = graph.data_format_of(model)
        found = [layer for layer in model.layers if layer.name == name]
        if found and graph.has_own_call(found[0]):
            raise ValueError(
                f"The layer '{name}' ({type(found[0]).__name__}) has a "
                "`call` of its own: it can't be told what its taps do."
            )
        if not found or not isinstance(found[0], layers.Conv2D):
            raise ValueError(
                f"The model '{model.name}' has no Conv2D of that name. "
                f"Received: name={name!r}"
            )
        self.layer = layer = found[0]
        self.taps, self.config = self._taps(layer, kernel_size, rate)
        self.filters = None
        if filters is not None:
            positive_int("filters", filters)
            if filters > layer.filters:
                raise ValueError(
                    f"The layer '{name}' has {layer.filters} filters. "
                    f"Received: filters={filters}"
                )
            drawn = np.random.default_rng(seed).permutation(layer.filters)
            self.filters = np.sort(drawn[:filters])
            self.config["filters"] = filters

    def _taps(self, layer, kernel_size, rate):
        taps, rates = [], []
        for size, old in zip(
            layer.kernel_size, layer.dilation_rate, strict=True
        ):
            keep = kernel_size or size
            step = (size - 1) // max(keep - 1, 1) if keep > 1 else 1
            exact = keep == size or keep > 1 and (size - 1) % (keep - 1) == 0
            if not exact or keep > size or layer.strides != (1, 1):
                raise ValueError(
                    f"The layer '{layer.name}' with {size} taps and strides "
                    f"{layer.strides} can't keep {kernel_size} of them, "
                    "evenly spread and the outermost among them. "
                    f"Received: kernel_size={kernel_size!r}"
                )
            taps.append(np.arange(keep) * step)
            rates.append(rate or old * step)
        config = {
            "kernel_size": tuple(map(len, taps)),
            "dilation_rate": tuple(rates),
        }
        return np.ix_(*taps), config

    def call(self, operation, *args, **kwargs):
        values = [
            x
            for x in keras.tree.flatten((args, kwargs))
            if isinstance(x, _Tensor)
        ]
        kept = [x.kept for x in values if x.kept is not None]
        config, adapt, left = {}, None, kept[0] if kept else None
        if operation is self.layer:
            config, adapt, left = self.config, self._adapt, self.filters
        elif kept:
            if graph.has_own_call(operation):
                self._refuse(operation, "it has a `call` of its own")
            if len(values) > 1:
                self._refuse(operation, "it joins several maps")
            if isinstance(operation, layers.Conv2D):
                adapt, left = _inputs(left), None
            elif not pointwise.is_pointwise(operation, self.data_format):
                self._refuse(operation, "it is no convolution")
            elif isinstance(operation, layers.BatchNormalization):
                adapt = _channels(left)
            elif getattr(operation, "weights", ()):
                self._refuse(operation, "it has weights")
        args, kwargs = keras.tree.map_structure(
            lambda x: x.tensor if isinstance(x, _Tensor) else x, (args, kwargs)
        )
        copy = self.copier.copy(operation, adapt=adapt, **config)
        return keras.tree.map_structure(
            lambda tensor: _Tensor(tensor, left), copy(*args, **kwargs)
        )

    def _adapt(self, weights):
        kernel, *bias = weights
        kernel = kernel[self.taps]
        if self.filters is not None:
            kernel = kernel[..., self.filters]
            bias = [value[self.filters] for value in bias]
        return [kernel, *bias]

    def _refuse(self, operation, reason):
        raise ValueError(
            f"The layer '{operation.name}' ({type(operation).__name__}) "
            f"behind '{self.layer.name}' can't lose channels: {reason}."
        )


def _inputs(kept):
    return lambda weights: [weights[0][:, :, kept], *weights[1:]]


def _channels(kept):
    return lambda weights: [value[kept] for value in weights]
