"""Filtering on a lattice with PyTorch: sums of bags of rows."""

import numpy as np
import torch
from torch.nn.functional import embedding_bag

__all__ = ["filter_points", "is_known", "tables"]


def is_known(x):
    """Whether a tensor has values: PyTorch runs eagerly."""
    del x
    return True


def tables(lattice_filter, like):
    """Tensors of a `LatticeFilter`, on the device of the tensor `like`."""
    lattice = lattice_filter.lattice
    own = np.arange(lattice.size + 1, dtype=np.int32)
    # Each vertex with its neighbors: one bag of three.
    bags = np.empty((*lattice.neighbors.shape[:2], 3), np.int32)
    bags[..., 0] = own
    bags[..., 1:] = lattice.neighbors
    taps = np.array([[1, 0.5, 0.5]], np.float32).repeat(len(own), axis=0)
    arrays = {
        "order": lattice.order,
        "starts": lattice.starts,
        "splat_weights": lattice_filter.splat_weights,
        "bags": bags,
        "taps": taps,
        "vertices": lattice.vertices,
        "slice_weights": lattice_filter.slice_weights,
    }
    if lattice_filter.ratio is not None:
        arrays["ratio"] = lattice_filter.ratio
    return {
        name: torch.as_tensor(array, device=like.device)
        for name, array in arrays.items()
    }


def filter_points(tables, x, reverse=False):
    """Filters `x`, `(points, channels)`; differentiable in `x`."""
    return _Filter.apply(x, tables, reverse)


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
