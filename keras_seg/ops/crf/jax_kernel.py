"""Filtering on a lattice with JAX: rows of eight points, in a few loops."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from keras_seg.ops.crf.keeping import kept

__all__ = [
    "arrays",
    "capacities",
    "compiled",
    "host_tables",
    "is_known",
    "is_on_host",
    "lattice_filter",
    "repeat",
    "shapes",
    "tables",
]

# Points summed at once for a vertex; those beyond take further rows.
_ROW = 8

# Vertices or points worked on at once. The loops over them are as long as
# the lattice is large, whatever room there is for it, and what is gathered
# in one step is added up before it leaves the cache.
_CHUNK = 4096


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
    step = max(_CHUNK, 1 << max(points.bit_length() - 5, 0))
    return -(-points // step) * step


def _whole(count):
    return -(-count // _CHUNK) * _CHUNK


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


def tables(arrays, like=None):
    """The arrays as they are."""
    del like
    return {name: jnp.asarray(array) for name, array in arrays.items()}


def is_known(x):
    """Whether a tensor has values yet, or is a symbol."""
    return not isinstance(x, jax.core.Tracer)


def is_on_host(images):
    """Whether NumPy may build the lattices: not for a GPU."""
    del images
    return jax.default_backend() == "cpu"


def host_tables(build, images, colours, has_ratio):
    """Tables for the lattices that `build` makes of images, as an array.

    While JAX traces, sizes must be known: there is room for any lattice.
    """
    if is_known(images):
        return [
            kept(weighted, lambda x: tables(arrays(x)))
            for weighted in build(np.asarray(images))
        ]
    points = math.prod(images.shape[:-1])
    forms = [shapes(points, count, has_ratio) for count in colours]

    def call(images):
        return [
            arrays(weighted, capacities(points, count))
            for weighted, count in zip(
                build(np.asarray(images)), colours, strict=True
            )
        ]

    promised = [
        {name: jax.ShapeDtypeStruct(*form) for name, form in each.items()}
        for each in forms
    ]
    return jax.pure_callback(call, promised, images)


@functools.cache
def compiled(function):
    """Compiles a function of points, tables, transforms and a number.

    Points are filled up to as many as the tables have rows, so that few sizes
    are compiled.
    """
    jitted = jax.jit(function, static_argnums=3)

    def call(points, tables, transforms, number):
        count = points.shape[0]
        rows = tables[0]["vertices"].shape[0]
        points = jnp.pad(points, ((0, rows - count), (0, 0)))
        return jitted(points, tables, transforms, number)[:count]

    return call


def repeat(step, x, times):
    """`step(step(… x))`, compiled once."""
    return lax.fori_loop(0, times, lambda _, x: step(x), x)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def lattice_filter(tables, x, reverse=False):
    """Filters `x`, `(points, channels)`; differentiable in `x`."""
    return _filter(tables, x, reverse)


def _forward(tables, x, reverse):
    return _filter(tables, x, reverse), tables


def _backward(reverse, tables, upstream):
    """The adjoint is the same filter, its axes in reversed order."""
    ratio = tables.get("ratio")
    if ratio is None:
        return None, _filter(tables, upstream, not reverse)
    ratio = ratio[: upstream.shape[0]]
    return None, _filter(tables, upstream * ratio, not reverse) / ratio


lattice_filter.defvjp(_forward, _backward)


def _filter(tables, x, reverse):
    values = _splat(tables, x)
    spare = jnp.zeros_like(values)
    axes = range(tables["neighbours"].shape[0])
    for axis in reversed(axes) if reverse else axes:
        values, spare = _blur(tables, values, spare, axis), values
    return _slice(tables, values)[: x.shape[0]]


def _part(table, start):
    return lax.dynamic_slice_in_dim(table, start, _CHUNK)


def _sum_rows(values, rows, weights):
    """Rows of `values`, weighted and summed, tap after tap."""
    total = values[rows[:, 0]] * weights[:, :1]
    for tap in range(1, rows.shape[1]):
        total += values[rows[:, tap]] * weights[:, tap : tap + 1]
    return total


def _chunks(count):
    return (count + _CHUNK - 1) // _CHUNK


def _splat(tables, x):
    rows, weights = tables["rows"], tables["row_weights"]

    def step(number, values):
        start = number * _CHUNK
        part = _sum_rows(x, _part(rows, start), _part(weights, start))
        return lax.dynamic_update_slice_in_dim(values, part, start, 0)

    values = jnp.zeros((rows.shape[0], x.shape[1]), x.dtype)
    # With the empty vertex after the last.
    count = _chunks(tables["size"] + 1)
    values = lax.fori_loop(0, count, step, values)
    rows, weights = tables["further_rows"], tables["further_weights"]
    if not rows.shape[0]:
        return values

    def add(number, values):
        start = number * _CHUNK
        part = _sum_rows(x, _part(rows, start), _part(weights, start))
        places = _part(tables["further_vertices"], start)
        return values.at[places].add(part)

    return lax.fori_loop(0, _chunks(tables["further"]), add, values)


def _blur(tables, values, spare, axis):
    pairs = tables["neighbours"][axis]

    def step(number, spare):
        start = number * _CHUNK
        pair = _part(pairs, start)
        around = values[pair[:, 0]] + values[pair[:, 1]]
        part = _part(values, start) + around * 0.5
        return lax.dynamic_update_slice_in_dim(spare, part, start, 0)

    return lax.fori_loop(0, _chunks(tables["size"] + 1), step, spare)


def _slice(tables, values):
    vertices, weights = tables["vertices"], tables["slice_weights"]

    def step(number, result):
        start = number * _CHUNK
        part = _sum_rows(values, _part(vertices, start), _part(weights, start))
        return lax.dynamic_update_slice_in_dim(result, part, start, 0)

    result = jnp.zeros((vertices.shape[0], values.shape[1]), values.dtype)
    return lax.fori_loop(0, vertices.shape[0] // _CHUNK, step, result)
