"""Filtering on a lattice with PyTorch: sums of bags of rows."""

import numpy as np
import torch
from torch.nn.functional import embedding_bag

from keras_seg.ops.crf.eagerly import compiled
from keras_seg.ops.crf.eagerly import repeat
from keras_seg.ops.crf.keeping import kept

__all__ = [
    "arrays",
    "compiled",
    "host_tables",
    "is_known",
    "is_on_host",
    "lattice_filter",
    "repeat",
    "tables",
]


def arrays(weighted):
    """What the filter needs, as arrays."""
    lattice = weighted.lattice
    own = np.arange(lattice.size + 1, dtype=np.int32)
    # Each vertex with its neighbours: one bag of three.
    bags = np.empty((*lattice.neighbours.shape[:2], 3), np.int32)
    bags[..., 0] = own
    bags[..., 1:] = lattice.neighbours
    taps = np.array([[1, 0.5, 0.5]], np.float32).repeat(len(own), axis=0)
    result = {
        "order": lattice.order,
        "starts": lattice.starts,
        "splat_weights": weighted.splat_weights,
        "bags": bags,
        "taps": taps,
        "vertices": lattice.vertices,
        "slice_weights": weighted.slice_weights,
    }
    if weighted.ratio is not None:
        result["ratio"] = weighted.ratio
    return result


def tables(arrays, like):
    """The arrays as tensors, where `like` is."""
    return {
        name: torch.as_tensor(array, device=like.device)
        for name, array in arrays.items()
    }


def is_known(x):
    """Whether a tensor has values yet, or is a symbol."""
    del x
    return True


def is_on_host(images):
    """Whether NumPy may build the lattices: not for a GPU."""
    return images.device.type == "cpu"


def host_tables(build, images, colours, has_ratio):
    """Tables for the lattices that `build` makes of images, as an array."""
    del colours, has_ratio
    return [
        kept(weighted, lambda x: tables(arrays(x), images))
        for weighted in build(images.numpy())
    ]


def lattice_filter(tables, x, reverse=False):
    """Filters `x`, `(points, channels)`; differentiable in `x`."""
    return _Filter.apply(x, tables, reverse)


def _filter(tables, x, reverse):
    # The last bag is empty: the vertex that stands for missing ones.
    values = embedding_bag(
        tables["order"],
        x.contiguous(),
        tables["starts"],
        mode="sum",
        per_sample_weights=tables["splat_weights"],
    )
    bags = tables["bags"].unbind()
    for bag in reversed(bags) if reverse else bags:
        values = embedding_bag(
            bag, values, mode="sum", per_sample_weights=tables["taps"]
        )
    return embedding_bag(
        tables["vertices"],
        values,
        mode="sum",
        per_sample_weights=tables["slice_weights"],
    )


class _Filter(torch.autograd.Function):
    """The adjoint is the same filter, its axes in reversed order."""

    @staticmethod
    def forward(context, x, tables, reverse):
        context.tables, context.reverse = tables, reverse
        return _filter(tables, x, reverse)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context, gradient):
        tables = context.tables
        ratio = tables.get("ratio")
        if ratio is None:
            return _filter(tables, gradient, not context.reverse), None, None
        filtered = _filter(tables, gradient * ratio, not context.reverse)
        return filtered / ratio, None, None
