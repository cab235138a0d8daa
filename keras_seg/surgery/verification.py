"""Checks on random images that surgery kept what a network computes."""

import dataclasses
import warnings
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_seg.keras_private import calls_of
from keras_seg.layers.base import nested_layers
from keras_seg.ops.backend import spatial_axes
from keras_seg.surgery import graph
from keras_seg.surgery.locality import POOLED
from keras_seg.surgery.locality import WHOLE
from keras_seg.surgery.pointwise_rules import reach
from keras_seg.surgery.runs import compute
from keras_seg.surgery.runs import follow
from keras_seg.surgery.runs import images

__all__ = ["TOLERANCE", "compare_layers", "doubt", "verify"]

# Of the largest value of a tensor.
TOLERANCE = 1e-4

# Stands for zero as a divisor.
TINY = 1e-30


def verify(
    operation,
    old,
    new,
    reached,
    *,
    changed=(),
    adapt=None,
    begin=None,
    old_begin=None,
    probes=None,
    align=None,
):
    """Checks on a small random image that two networks compute the same.

    `reached` says which tensors of the new network stand for which of the old
    one, and at which rate. For each of them

        new[:, ::rate, ::rate] == old

    must hold up to 1e-4 of the largest value, or up to rounding errors if these
    are larger. Layers that use the whole map, such as the pooling of
    squeeze-and-excite blocks and group normalization, differ on a denser map.
    For the check their outputs are replaced by those of the old network, and a
    warning says by how much the network differs otherwise.

    Weights, statistics and seeds are not changed.

    Args:
        operation: str, name of the function that made the network.
        old: functional `keras.Model`.
        new: functional `keras.Model`.
        reached: dict from the id of a tensor of `old` to the tensor of `new`
            that stands for it, or to an object with that as `.tensor` and its
            rate as `.rate`: see `keras_seg.surgery.graph.rebuild`. Other
            tensors are not compared.
        changed: operations of `old` that were changed on purpose. They and
            all that depend on them are not compared.
        adapt: function from the list of input arrays of `old` to that of
            `new`. Defaults to None, the same arrays.
        begin: list of the tensors of `new` that are given these arrays.
            Defaults to None, its inputs.
        old_begin: the same of `old`. Defaults to None, its inputs.
        probes: iterable of lists of arrays. The first on which both networks
            run is used. Defaults to None, random images.
        align: function `(operation, array of old, array of new)` that returns
            two arrays which should be equal. Defaults to None, the equation
            above.

    Raises:
        ValueError: If a tensor differs. The message names the first layer
            whose output does.
    """
    pairs = _pairs(old, reached, changed)
    probe = None
    for arrays in probes or images(old):
        try:
            probe = _Probe(
                old, new, pairs, arrays, adapt, begin, old_begin, align
            )
        except Exception as error:
            # Too small for a network that does not pad, for example.
            reason = str(error).strip().split("\n")[0]
            continue
        break
    if probe is None:
        doubt(operation, old, f"it does not run on a random image ({reason})")
        return
    parting = probe.parting()
    if parting is not None:
        layer, difference = parting
        raise ValueError(
            f"`{operation}` does not keep what the model '{old.name}' "
            f"computes: behind the layer '{layer.name}' "
            f"({type(layer).__name__}) the two part {_by(difference)} on "
            f"{probe}; {TOLERANCE:g} is allowed. A layer that extends one of "
            "Keras's is taken for that: use Keras's own, or layers that pad, "
            "pool and normalize as those do."
        )
    blind = probe.blind()
    if blind is not None:
        doubt(
            operation,
            old,
            f"what the layer '{blind.name}' makes of {probe} does not depend "
            "on the image (are its weights zero, or not numbers?)",
        )
    difference = probe.natural_difference()
    if difference > TOLERANCE:
        layer = next(iter(probe.whole.values())).operation
        warnings.warn(
            f"`{operation}`: layers of the model '{old.name}' take in whole "
            f"maps (the first is '{layer.name}', {type(layer).__name__}), "
            "which are denser now. What it computes differs by "
            f"{100 * difference:.2g} % of the largest value on {probe}.",
            stacklevel=3,
        )


def _by(difference):
    if not np.isfinite(difference):
        return "(the sizes of their maps differ, or one is not a number)"
    return f"by {difference:.2g} of the largest value"


def doubt(operation, model, reason):
    """Warns that an operation could not be verified."""
    warnings.warn(
        f"`{operation}` could not be verified on the model '{model.name}': "
        f"{reason}.",
        stacklevel=4,
    )


@dataclasses.dataclass(frozen=True)
class _Pair:
    """A tensor of the old network and the one of the new that stands for it."""

    operation: object
    old: int
    new: int
    rate: int
    is_map: bool
    is_end: bool


def _pairs(model, reached, changed):
    pairs: list[tuple] = []
    lost: set[int] = set()
    ends = {id(tensor) for tensor in model.outputs}

    def find(operation, inputs, outputs):
        if operation in changed or not lost.isdisjoint(map(id, inputs)):
            ends.update(set(map(id, inputs)) - lost)
            lost.update(map(id, outputs))
            return
        for tensor in outputs:
            value = reached.get(id(tensor))
            if value is not None:
                new = id(getattr(value, "tensor", value))
                rate = getattr(value, "rate", 1)
                is_map = getattr(value, "is_map", False)
                pairs.append((operation, id(tensor), new, rate, is_map))

    def through(inner):
        for call in calls_of(graph.functional(inner)):
            if isinstance(call.operation, keras.Model):
                through(call.operation)
            outputs = keras.tree.flatten(call.operation.output)
            find(call.operation, call.inputs, outputs)

    through(model)
    return [
        _Pair(operation, old, new, rate, is_map, old in ends)
        for operation, old, new, rate, is_map in pairs
    ]


class _Probe:
    """The tensors of both networks for one batch of images."""

    def __init__(self, old, new, pairs, arrays, adapt, begin, old_begin, align):
        self.old, self.new, self.pairs = old, new, pairs
        self.arrays = arrays
        self.adapted = arrays if adapt is None else adapt(arrays)
        self.begin = begin or new.inputs
        self.old_begin = old_begin or old.inputs
        self.align = align
        data_format = graph.data_format_of(old)
        self.axes = spatial_axes(data_format)
        self.whole = {
            pair.new: pair
            for pair in pairs
            if pair.rate > 1
            and reach(pair.operation, data_format) in (POOLED, WHOLE)
        }
        self.before, self.after = compute(
            (old, new), self._both, arrays, self.adapted
        )
        if any(0 in x.shape for x in (*self.before, *self.after)):
            raise ValueError("a map of it is empty")

    def __str__(self):
        for x in self.arrays:
            if x.ndim == 4 and self.align is None:
                height, width = (x.shape[axis] for axis in self.axes)
                return f"a random image of {height}×{width}"
        return "a random input"

    def parting(self):
        """The first layer whose outputs differ, and by how much; or None."""
        found = [self._difference(*x) for x in self._aligned(self.after)]
        if max(found, default=0) <= TOLERANCE:
            return None
        rounding = self._rounding()
        for pair, difference, allowed in zip(
            self.pairs, found, rounding, strict=True
        ):
            if difference > max(TOLERANCE, allowed):
                return pair.operation, difference
        return None

    def blind(self):
        """The first layer whose output is constant, if one of the ends is."""
        blind = [
            pair
            for pair, x in zip(self.pairs, self.before, strict=True)
            if not _is_seen(x)
        ]
        if not any(pair.is_end for pair in blind):
            return None
        return blind[0].operation

    def natural_difference(self):
        """The difference of the ends if layers use their own whole maps."""
        if not self.whole:
            return 0.0
        (free,) = compute(
            (self.old, self.new), self._free, self.arrays, self.adapted
        )
        ends = [
            self._difference(*x)
            for x, pair in zip(self._aligned(free), self.pairs, strict=True)
            if pair.is_end
        ]
        return max(ends, default=0.0)

    def _aligned(self, after):
        """Pairs of arrays that should be equal."""
        for pair, old, new in zip(self.pairs, self.before, after, strict=True):
            if self.align is not None:
                old, new = self.align(pair.operation, old, new)
            elif pair.is_map:
                slices = [slice(None)] * new.ndim
                for axis in self.axes:
                    slices[axis] = slice(None, None, pair.rate)
                new = new[tuple(slices)]
            # Of the tokens of shifted images, those of the image itself.
            yield old, new if self.align else new[: len(old)]

    def _difference(self, old, new):
        """The largest difference, relative to the largest value of an image."""
        if old.shape != new.shape:
            return np.inf
        if not np.isfinite(old).all():
            return 0.0
        each = (len(old), -1) if len(old) == 2 else (1, -1)
        gap = np.abs(new - old).reshape(each).max(1)
        scale = np.abs(old).reshape(each).max(1)
        scale = np.maximum(scale, 1e-6 * scale.max())
        ratio = np.divide(gap, scale, where=scale > 0, out=gap / TINY)
        return float(np.nan_to_num(ratio, nan=np.inf).max())

    def _rounding(self):
        """Ten times the differences that rounding the inputs makes."""
        dtypes = [x.compute_dtype for x in nested_layers(self.old)]
        epsilon = 2.0**-20
        if "bfloat16" in dtypes or "float16" in dtypes:
            epsilon = 2.0**-8
        moved = [x + (epsilon * x).astype(x.dtype) for x in self.arrays]
        (moved,) = compute((self.old,), self._only_old, moved)
        return [
            10 * self._difference(*x)
            for x in zip(self.before, moved, strict=True)
        ]

    def _only_old(self, arrays):
        values = self._old(arrays)
        return ([values[pair.old] for pair in self.pairs],)

    def _free(self, arrays, adapted):
        return self._both(arrays, adapted, force=False)[1:]

    def _both(self, arrays, adapted, force=True):
        old = self._old(arrays)
        new: dict[int, Any] = {}

        def record(operation, tensor, name, value):
            pair = self.whole.get(id(tensor))
            if pair and force:
                value = self._place(old[pair.old], value, pair.rate)
            # Of what is called several times the first call is compared.
            new.setdefault(id(tensor), value)
            return value

        follow(self.new, self.begin, adapted, record)
        # What is not computed is not on the way from where they begin.
        self.pairs = [x for x in self.pairs if x.old in old and x.new in new]
        return (
            [old[pair.old] for pair in self.pairs],
            [new[pair.new] for pair in self.pairs],
        )

    def _old(self, arrays):
        values: dict[int, Any] = {}

        def record(operation, tensor, name, value):
            values.setdefault(id(name), value)
            return value

        follow(self.old, self.old_begin, arrays, record)
        return values

    def _place(self, old, new, rate):
        """The new map with the old one at every `rate`-th position."""
        if old.shape == new.shape:
            return old
        is_old = True
        for axis in self.axes:
            size = new.shape[axis]
            old = ops.repeat(old, rate, axis)
            old = ops.take(old, np.arange(size), axis)
            shape = [1] * new.ndim
            shape[axis] = size
            is_old = is_old & (np.arange(size) % rate == 0).reshape(shape)
        return ops.where(is_old, old, new)


def compare_layers(old, x, new, y, positions=()):
    """The difference of `new(y)[positions]` and `old(x)`, relative."""

    def both(x, y):
        return [old(x[0]), new(y[0])]

    expected, actual = compute((old, new), both, [x], [y])
    scale = np.abs(expected).max()
    return float(np.abs(actual[positions] - expected).max() / max(scale, TINY))


def _is_seen(x):
    """Whether an array is finite and differs between images."""
    if not np.isfinite(x).all():
        return False
    return bool(np.ptp(x, axis=0).any() if len(x) > 1 else np.ptp(x) > 0)
