"""The lattice as JAX filters on it: rows of points, of a few sizes only."""

import numpy as np

__all__ = ["CHUNK", "arrays", "capacities", "shapes"]

# Points summed at once for a vertex; those beyond take further rows.
_ROW = 8

# Vertices or points worked on at once. The loops over them are as long as
# the lattice is large, whatever room there is for it, and what is gathered
# in one step is added up before it leaves the cache.
CHUNK = 4096


def capacities(points, colours, size=None, further=None):
    """Room for vertices and for further rows, in whole chunks.

    Without the numbers themselves, that which suffices for any lattice.
    With them, steps of a quarter, so that few sizes are ever compiled.
    """
    if size is None:
        size, further = points * colours, points * colours // _ROW
    else:
        size, further = _step(size), _step(further)
    return _whole(size + 1), _whole(further)


def _step(count):
    step = 1024
    while step < count:
        step = -(-step * 5 // 4)
    return step


def _rows(points):
    """Room for points: at most 16 sizes from one power of two to the next."""
    step = max(CHUNK, 1 << max(points.bit_length() - 5, 0))
    return -(-points // step) * step


def _whole(count):
    return -(-count // CHUNK) * CHUNK


def shapes(points, colours, has_ratio):
    """Shapes and dtypes of what `arrays` makes with room for any lattice."""
    size, further = capacities(points, colours)
    result = {
        "size": ((), np.int32),
        "rows": ((size, _ROW), np.int32),
        "row_weights": ((size, _ROW), np.float32),
        "further": ((), np.int32),
        "further_rows": ((further, _ROW), np.int32),
        "further_weights": ((further, _ROW), np.float32),
        "further_vertices": ((further,), np.int32),
        "neighbours": ((colours, size, 2), np.int32),
        "vertices": ((_rows(points), colours), np.int32),
        "slice_weights": ((_rows(points), colours), np.float32),
    }
    if has_ratio:
        result["ratio"] = ((_rows(points), 1), np.float32)
    return result


def arrays(weighted, room=None):
    """What the filter needs, as arrays of a few sizes only.

    Args:
        weighted: `WeightedLattice`.
        room: pair of ints from `capacities`; None for what it needs.
    """
    lattice = weighted.lattice
    points, colours = lattice.vertices.shape
    size = lattice.size
    counts = np.diff(lattice.starts)
    rows_of = -(-counts // _ROW)
    beyond = int(rows_of.sum()) - size
    if room is None:
        room = capacities(points, colours, size, beyond)

    # The first row of vertex m is row m, further ones follow all of them.
    extra = rows_of - 1
    position = np.arange(len(lattice.order)) - lattice.starts[:-1].repeat(
        counts
    )
    nth, column = position // _ROW, position % _ROW
    vertex = np.arange(size).repeat(counts)
    base = np.cumsum(extra) - extra - 1 + room[0]
    row = np.where(nth == 0, vertex, base[vertex] + nth)
    place = row * _ROW + column
    rows = np.zeros((sum(room), _ROW), np.int32)
    weights = np.zeros((sum(room), _ROW), np.float32)
    rows.ravel()[place] = lattice.order
    weights.ravel()[place] = weighted.splat_weights
    further_vertices = np.full(room[1], size, np.int32)
    further_vertices[:beyond] = np.arange(size).repeat(extra)
    neighbours = np.full((colours, room[0], 2), size, np.int32)
    neighbours[:, : size + 1] = lattice.neighbours
    whole = _rows(points)
    result = {
        "size": np.int32(size),
        "rows": rows[: room[0]],
        "row_weights": weights[: room[0]],
        "further": np.int32(beyond),
        "further_rows": rows[room[0] :],
        "further_weights": weights[room[0] :],
        "further_vertices": further_vertices,
        "neighbours": neighbours,
        "vertices": _padded(lattice.vertices, whole),
        "slice_weights": _padded(weighted.slice_weights, whole),
    }
    if weighted.ratio is not None:
        result["ratio"] = _padded(weighted.ratio - 1, whole) + 1
    return result


def _padded(array, count):
    result = np.zeros((count, *array.shape[1:]), array.dtype)
    result[: len(array)] = array
    return result
