"""Weights: taps, filters and input channels changed, weights copied."""

import dataclasses

import keras
import numpy as np
from keras import layers

from keras_seg.arguments import check_positive
from keras_seg.ops.backend import channel_axis
from keras_seg.ops.backend import spatial_axes
from keras_seg.surgery import graph
from keras_seg.surgery import operations
from keras_seg.surgery import pointwise_rules
from keras_seg.surgery import verification

__all__ = ["decimate", "inflate_input", "transplant"]


def decimate(
    model: keras.Model,
    name: str,
    *,
    kernel_size: int | None = None,
    filters: int | None = None,
    dilation_rate: int | None = None,
    seed: int = 0,
) -> keras.Model:
    """Keeps evenly spaced taps of a convolution, and some filters at random.

    The outermost taps are kept: of 7, a kernel of 3 keeps 0, 3, 6 and one of 4
    keeps 0, 2, 4, 6. They stay in place, so the dilation rate grows by 3 or 2:
    DeepLab's 7×7 at rate 4 becomes 3×3 at rate 12 or 4×4 at rate 8. The result
    equals that of the whole kernel with the other taps set to zero. If filters
    are dropped, so are the channels of the next layer with weights. Source:

    - [DeepLab](https://arxiv.org/abs/1412.7062), section 3.2, and
      [v2](https://arxiv.org/abs/1606.00915), section 4.1.1

    Args:
        model: functional `keras.Model`.
        name: str, name of a `Conv2D` without a stride.
        kernel_size: int, taps to keep along each side. `kernel_size - 1` must
            divide the present size less one. Defaults to None, all.
        filters: int, how many filters to keep, in their order. Defaults to
            None, all.
        dilation_rate: int. Defaults to None, the rate that keeps the taps in
            place.
        seed: int, of the random choice of filters. Defaults to 0.

    Returns:
        A functional `keras.Model` for images of any size, with the layer
        names of `model`.

    Raises:
        ValueError: If there is no such convolution, if it has fewer taps or
            filters, if the taps can't be spaced evenly, or if a layer after
            it can't lose channels. The message names it.

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
    change = _Change(model, name, kernel_size, filters, dilation_rate, seed)
    return graph.rebuild(model, _Kept, change.call, change.copier)


@dataclasses.dataclass(frozen=True)
class _Kept:
    """A tensor of the new network, and the channels of the old one it keeps."""

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
            check_positive(filters=filters)
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
        values = graph.values_of(_Kept, args, kwargs)
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
            elif not pointwise_rules.rule(operation, self.data_format):
                self._refuse(operation, "it is no convolution")
            elif isinstance(operation, layers.BatchNormalization):
                adapt = _channels(left)
            elif getattr(operation, "weights", ()):
                self._refuse(operation, "it has weights")
        args, kwargs = graph.tensors(args, kwargs)
        copy = self.copier.copy(operation, adapt=adapt, **config)
        return keras.tree.map_structure(
            lambda tensor: _Kept(tensor, left), copy(*args, **kwargs)
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


PADDING = (layers.ZeroPadding2D, layers.Cropping2D, operations.Pad)


def inflate_input(
    model: keras.Model, channels: int, *, verify: bool = True
) -> keras.Model:
    """Rebuilds a network for images with more or fewer channels.

    Kernels of present channels are kept exactly, those of new channels start
    at zero. So at first the network ignores the new channels and computes what
    it did before.

    Args:
        model: functional `keras.Model` with one input, whose first layers
            with weights are convolutions.
        channels: int, the channels of the new input. New ones come last.
        verify: bool, whether to check on a small random image that the network
            computes what it did, unless it loses channels. Defaults to True.

    Returns:
        A functional `keras.Model` for images of any size, with the layer
        names and weights of `model`.

    Raises:
        ValueError: If `channels` is below 1, if a layer before the first
            convolution has weights or mixes positions, or if the network
            computes something else after a layer. The message names it.

    Example:

    >>> import keras, keras_seg
    >>> model = keras.applications.MobileNetV2(
    ...     input_shape=(64, 64, 3), include_top=False, weights=None)
    >>> infrared = keras_seg.surgery.inflate_input(model, 4)
    >>> tuple(infrared.get_layer("Conv1").kernel.shape)
    (3, 3, 4, 32)
    """
    check_positive(channels=channels)
    model = graph.functional(model)
    if len(model.inputs) > 1:
        raise ValueError(
            "`inflate_input` takes a model with one input. Received: "
            f"'{model.name}' with {len(model.inputs)}"
        )
    data_format = graph.data_format_of(model)
    axis = channel_axis(data_format)
    missing = channels - model.inputs[0].shape[axis]
    copier = graph.Copier()

    def fit_kernel(weights):
        kernel, *others = weights
        kept = kernel[:, :, :channels]
        missing = max(0, channels - kernel.shape[2])
        return [np.pad(kept, [(0, 0), (0, 0), (0, missing), (0, 0)]), *others]

    def call(operation, *args, **kwargs):
        values = graph.values_of(_OfImage, args, kwargs)
        of_image = any(x.of_image for x in values)
        adapt = None
        if of_image and isinstance(operation, layers.Conv2D):
            if missing < 0 and graph.has_own_call(operation):
                _refuse_channels(operation, "has a `call` of its own")
            of_image, adapt = False, fit_kernel
        elif of_image:
            _check_channels(operation, data_format)
        args, kwargs = graph.tensors(args, kwargs)
        outputs = copier.copy(operation, adapt=adapt)(*args, **kwargs)
        return keras.tree.map_structure(
            lambda tensor: _OfImage(tensor, of_image), outputs
        )

    shape = list(model.inputs[0].shape)
    shape[axis] = channels
    for side in spatial_axes(data_format):
        shape[side] = None
    image = keras.Input(
        batch_shape=shape,
        dtype=model.inputs[0].dtype,
        name=model.inputs[0].name,
    )
    reached: dict = {}
    wider = graph.rebuild(model, _OfImage, call, copier, image, reached=reached)

    def add_channels(arrays):
        others = [1 - arrays[0].take([0], axis)] * missing
        return [np.concatenate([*arrays, *others], axis)]

    if verify and missing >= 0:
        kept = {key: x for key, x in reached.items() if not x.of_image}
        verification.verify(
            "inflate_input", model, wider, kept, adapt=add_channels
        )
    return wider


@dataclasses.dataclass(frozen=True)
class _OfImage:
    """A tensor of the new network, before or after the first convolution."""

    tensor: keras.KerasTensor
    of_image: bool = True


def _check_channels(operation, data_format):
    weighted = bool(getattr(operation, "weights", ()))
    weighted |= isinstance(operation, layers.Normalization)
    if isinstance(operation, layers.Rescaling):
        weighted |= np.ndim(operation.scale) + np.ndim(operation.offset) > 0
    keeps = isinstance(operation, PADDING) or pointwise_rules.rule(
        operation, data_format
    )
    if weighted or not keeps:
        _refuse_channels(
            operation,
            "is in front of the first convolution and made for the channels "
            "that there are. Build the network without its preprocessing "
            "(include_preprocessing=False)",
        )


def _refuse_channels(operation, reason):
    raise ValueError(
        f"The layer '{operation.name}' ({type(operation).__name__}) {reason}."
    )


def transplant(source: keras.Model, target: keras.Model) -> list[str]:
    """Copies weights between layers of the same name.

    For example, FCN-16s is trained from the weights of FCN-32s, and FCN-8s
    from those of FCN-16s. Layers that only one of the models has are skipped.

    Args:
        source: `keras.Model`.
        target: `keras.Model`, changed in place.

    Returns:
        List of the names of the layers that were given weights.

    Raises:
        ValueError: If layers of the same name have weights of different
            shapes, or if no name is shared.

    Example:

    >>> import keras_seg
    >>> options = {"weights": None, "classes": 3}
    >>> coarse = keras_seg.applications.FCN32s("mobilenet_v2", **options)
    >>> fine = keras_seg.applications.FCN16s("mobilenet_v2", **options)
    >>> "score_fr" in keras_seg.surgery.transplant(coarse, fine)
    True
    """
    layers = {layer.name: layer for layer in source.layers if layer.weights}
    shared = [
        (layers[layer.name], layer)
        for layer in target.layers
        if layer.weights and layer.name in layers
    ]
    for old, new in shared:
        shapes = [[tuple(w.shape) for w in x.weights] for x in (old, new)]
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"The layer '{new.name}' has weights of shapes {shapes[1]} "
                f"in '{target.name}' and {shapes[0]} in '{source.name}'."
            )
    if not shared:
        raise ValueError(
            f"The models '{source.name}' and '{target.name}' share no names "
            "of layers with weights."
        )
    for old, new in shared:
        new.set_weights(old.get_weights())
    return [new.name for _, new in shared]
