"""From PyTorch's tensors into the layers of Keras, each tensor once."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from keras_seg.layers import ASPP
from keras_seg.layers import AtrousConv

__all__ = ["State"]

NORM = ("weight", "bias", "running_mean", "running_var")


class State:
    """The tensors of a network, from which layers take theirs.

    With `module`, the `torch.nn.Module` they are of, strides, rates and the
    like are checked too.
    """

    def __init__(self, tensors: Mapping[str, Any], module: Any = None):
        self.tensors = {
            str(name): tensor
            for name, tensor in tensors.items()
            if not str(name).endswith("num_batches_tracked")
        }
        self.module = module

    def shape(self, name: str) -> tuple[int, ...] | None:
        """The shape of a tensor, None if there is none of this name."""
        shape = getattr(self.tensors.get(name), "shape", None)
        return None if shape is None else tuple(shape)

    def fill(self, layer: keras.Layer, prefix: str) -> None:
        """Gives a layer the tensors whose names begin with `prefix`."""
        if isinstance(layer, ASPP):
            for part, name in _parts(layer.form).items():
                self.fill(part, f"{prefix}.{name}")
            return
        if isinstance(layer, layers.BatchNormalization):
            shape = tuple(layer.gamma.shape)
            values = [self._take(f"{prefix}.{name}", shape) for name in NORM]
        else:
            # Of a depthwise kernel, (height, width, channels, 1), the
            # channels are PyTorch's outputs.
            depthwise = isinstance(layer, layers.DepthwiseConv2D)
            order = (2, 3, 0, 1) if depthwise else (2, 3, 1, 0)
            shape = tuple(layer.kernel.shape)
            shape = tuple(shape[order.index(axis)] for axis in range(4))
            values = [self._take(f"{prefix}.weight", shape).transpose(order)]
            if layer.use_bias:
                shape = tuple(layer.bias.shape)
                values.append(self._take(f"{prefix}.bias", shape))
        layer.set_weights(values)
        self._check_geometry(layer, prefix)

    def check_all_used(self, spared: tuple[str, ...] = ()) -> None:
        """Refuses tensors that are left, except those of some prefixes."""
        left = [name for name in self.tensors if not name.startswith(spared)]
        if left:
            raise ValueError(
                f"`x` holds {len(left)} tensors that have no place in the "
                f"network: {', '.join(left[:5])}{', …' * (len(left) > 5)}"
            )

    def _take(self, name: str, shape: tuple[int, ...]) -> NDArray:
        if name not in self.tensors:
            raise ValueError(
                f"`x` has no '{name}', which should be of shape {shape}."
            )
        if self.shape(name) != shape:
            raise ValueError(
                f"'{name}' of `x` must have the shape {shape}. "
                f"Received: shape={self.shape(name)}"
            )
        tensor = self.tensors.pop(name)
        if hasattr(tensor, "detach"):
            tensor = tensor.detach().cpu().float().numpy()
        return np.asarray(tensor, "float32")

    def _check_geometry(self, layer: keras.Layer, prefix: str) -> None:
        if self.module is None:
            return
        module = self.module.get_submodule(prefix)
        for name, expected in _geometry(layer).items():
            found = getattr(module, name, None)
            if found != expected:
                raise ValueError(
                    f"`x` is not as torchvision builds it: {name} of "
                    f"'{prefix}' must be {expected}. Received: {name}={found}"
                )


def _parts(form: Any) -> dict[keras.Layer, str]:
    """Returns the layers of a pyramid with the names of torchvision's."""
    last = len(form.convs)
    return {
        **{conv: f"convs.{i}.0" for i, conv in enumerate(form.convs)},
        **{norm: f"convs.{i}.1" for i, norm in enumerate(form.norms)},
        form.pool_conv: f"convs.{last}.1",
        form.pool_norm: f"convs.{last}.2",
        form.project_conv: "project.0",
        form.project_norm: "project.1",
    }


def _geometry(layer: keras.Layer) -> dict[str, Any]:
    """Returns what the module of a layer should have, in PyTorch's words."""
    if isinstance(layer, layers.BatchNormalization):
        return {"eps": layer.epsilon}
    kernel_size = layer.kernel_size
    if isinstance(layer, AtrousConv):
        stride, dilation = (1, 1), (layer.dilation_rate,) * 2
    else:
        stride, dilation = tuple(layer.strides), tuple(layer.dilation_rate)
    padding = tuple(
        size // 2 * rate
        for size, rate in zip(kernel_size, dilation, strict=True)
    )
    return {"stride": stride, "dilation": dilation, "padding": padding}
