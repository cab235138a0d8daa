"""PyTorch's operations of a network, without what Keras does between them.

A first batch is predicted by Keras, and what PyTorch is asked for on the way
is recorded; further batches of that size replay the record. DeepLab v3 on
MobileNetV3 takes 0.63 of the time of Keras at 513×513, and 0.28 at 33×33, on
ResNet-50 0.88 (two threads; Keras 3.15.1, PyTorch 2.13.0). It can go when
`torch.compile` takes Keras's layers without a break in the graph, in no more
time than some images take.
"""

import operator
from typing import Any

import keras
import numpy as np
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only
from torch.utils.weak import WeakTensorKeyDictionary

__all__ = ["Replay", "predict_function"]

# Sizes of images that are recorded.
MOST_SIZES = 32

# What these return depends on the values of an image, or on chance: of a
# record it would be that of the first image.
REFUSED_TAGS = {
    torch.Tag.data_dependent_output,
    torch.Tag.dynamic_output_shape,
    torch.Tag.nondeterministic_seeded,
}
LEAVING = {
    torch.Tensor.numpy,
    torch.Tensor.tolist,
    torch.Tensor.__array__,
    torch.Tensor.__dlpack__,
    torch.Tensor.data_ptr,
}


def predict_function(model: keras.Model) -> Any:
    """The one that a model has, or a `Replay` in its place."""
    known = model.predict_function
    own = not type(model).__module__.startswith("keras.")
    if own or model.run_eagerly or model.jit_compile:
        return known
    return known if isinstance(known, Replay) else Replay(model)


class Replay:
    """A `predict_function` of a functional model that replays its operations.

    As on the other backends, Python's part of a layer runs once for each shape
    of images. A network that reads values on the way, such as a CRF, is left
    to Keras.

    Args:
        model: `keras.Model` on the PyTorch backend.
    """

    def __init__(self, model: keras.Model):
        model.make_predict_function(force=True)
        self._predict = model.predict_function
        self._records: dict = {}

    def __call__(self, data: Any) -> Any:
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data[0])
        if isinstance(x, np.ndarray):
            x = keras.ops.convert_to_tensor(x)
        if not isinstance(x, torch.Tensor):  # of several inputs
            return self._predict(data)
        kind = tuple(x.shape), x.dtype, x.device
        record = self._records.get(kind, self._recorded)
        with torch.no_grad():
            return record(x)

    def _plain(self, x: torch.Tensor) -> Any:
        return self._predict([(x,)])

    def _recorded(self, x: torch.Tensor) -> Any:
        with _Recorder(x) as recorder, _Border(recorder):
            outputs = self._plain(x)
        if len(self._records) == MOST_SIZES:
            self._records.clear()
        kind = tuple(x.shape), x.dtype, x.device
        self._records[kind] = recorder.compiled(outputs) or self._plain
        return outputs


class _Recorder(TorchDispatchMode):
    """Writes down the operations by which tensors are made of `x`."""

    def __init__(self, x: torch.Tensor):
        super().__init__()
        self.refused = False
        self._graph = torch.fx.Graph()
        self._nodes = WeakTensorKeyDictionary()
        self._nodes[x] = self._graph.placeholder("x")
        self._constants: dict[str, torch.Tensor] = {}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        result = function(*args, **kwargs)
        schema = function._schema
        if schema.is_mutable or REFUSED_TAGS.intersection(function.tags):
            self.refused = True
        if not self.refused:
            named = tree_map_only(torch.Tensor, self._node, (args, kwargs))
            node = self._graph.call_function(function, *named)
            if isinstance(result, torch.Tensor):
                self._nodes[result] = node
            elif isinstance(result, (tuple, list)):
                for number, part in enumerate(result):
                    if isinstance(part, torch.Tensor):
                        self._nodes[part] = self._graph.call_function(
                            operator.getitem, (node, number)
                        )
        return result

    def _node(self, tensor: torch.Tensor) -> torch.fx.Node:
        if tensor not in self._nodes:
            name = f"constant_{len(self._constants)}"
            self._constants[name] = tensor
            self._nodes[tensor] = self._graph.get_attr(name)
        return self._nodes[tensor]

    def compiled(self, outputs: Any) -> torch.fx.GraphModule | None:
        """The record as a function of `x`; None where it cannot be one."""
        if self.refused:
            return None
        self._graph.output(tree_map_only(torch.Tensor, self._node, outputs))
        self._graph.eliminate_dead_code()
        return torch.fx.GraphModule(self._constants, self._graph)


class _Border(TorchFunctionMode):
    """Refuses a record of what computes outside of PyTorch."""

    def __init__(self, recorder: _Recorder):
        super().__init__()
        self._recorder = recorder

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function in LEAVING:
            self._recorder.refused = True
        return function(*args, **kwargs or {})
