"""Filtering on a lattice with JAX: rows of eight points, in a few loops.

JAX compiles anew for every shape, and a lattice has a size of its own for
every image. So arrays come in few sizes, with room that is not used, and the
loops over them are as long as the lattice is large. They work on chunks of
4096 rows, so that what is gathered in one step is added up in the cache.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from keras_seg.crf.filtering import pixel_filters

__all__ = ["compiled", "filter_points", "is_known", "symbolic_tables", "tables"]

# Points summed at once for a vertex; those beyond take further rows.
_ROW = 8

# Vertices or points worked on at once.
_CHUNK = 4096


def is_known(x):
    """Whether a tensor has values, or is a symbol of a graph."""
    return not isinstance(x, jax.core.Tracer)


def tables(lattice_filter, like=None):
    """Arrays of a `LatticeFilter`."""
    del like
    arrays = _arrays(lattice_filter)
    return {name: jnp.asarray(array) for name, array in arrays.items()}


def symbolic_tables(images, settings, weighted):
    """Tables for images of known sizes, while JAX traces.

    NumPy builds the lattices when the values are there, in arrays with room
    for any lattice.
    """
    points = math.prod(images.shape[:-1])
    has_ratio = settings.normalization in ("after", "before")
    promised = []
    for potential in settings.potentials:
        colors = len(potential.deviations(images.shape[-1])) + 1
        shapes = _shapes(points, colors, has_ratio)
        promised.append(
            {name: jax.ShapeDtypeStruct(*form) for name, form in shapes.items()}
        )

    def build(images):
        return [
            _arrays(each, _room(*each.lattice.vertices.shape))
            for each in pixel_filters(np.asarray(images), settings, weighted)
        ]

    return jax.pure_callback(build, promised, images)


def _room(points, colors, size=None, further=None):
    """Room for vertices and for further rows, in whole chunks.

    Without the numbers themselves, enough for any lattice. With them, in steps
    of a quarter, so that few sizes are compiled.
    """
    if size is None:
        size, further = points * colors, points * colors // _ROW
    else:
        size, further = _step(size), _step(further)
    return _whole(size + 1), _whole(further)


def _step(count):
    step = 1024
    while step < count:
        step = -(-step * 5 // 4)
    return step


def _whole(count, step=_CHUNK):
    return -(-count // step) * step


def _point_rows(points):
    """Room for points: at most 16 sizes from one power of two to the next."""
    return _whole(points, max(_CHUNK, 1 << max(points.bit_length() - 5, 0)))


def _shapes(points, colors, has_ratio):
    """Shapes and dtypes of `_arrays` with room for any lattice."""
    size, further = _room(points, colors)
    rows = _point_rows(points)
    result = {
        "size": ((), np.int32),
        "rows": ((size, _ROW), np.int32),
        "row_weights": ((size, _ROW), np.float32),
        "further": ((), np.int32),
        "further_rows": ((further, _ROW), np.int32),
        "further_weights": ((further, _ROW), np.float32),
        "further_vertices": ((further,), np.int32),
        "neighbors": ((colors, size, 2), np.int32),
        "vertices": ((rows, colors), np.int32),
        "slice_weights": ((rows, colors), np.float32),
    }
    if has_ratio:
        result["ratio"] = ((rows, 1), np.float32)
    return result


def _arrays(lattice_filter, room=None):
    """What filtering needs, as NumPy arrays.

    Args:
        lattice_filter: `LatticeFilter`.
        room: pair of ints from `_room`; None for what this lattice needs.
    """
    lattice = lattice_filter.lattice
    points, colors = lattice.vertices.shape
    size = lattice.size
    counts = np.diff(lattice.starts)
    extra = -(-counts // _ROW) - 1
    further = int(extra.sum())
    if room is None:
        room = _room(points, colors, size, further)

    # The first row of vertex m is row m; further ones follow all of them.
    position = np.arange(len(lattice.order))
    position -= lattice.starts[:-1].repeat(counts)
    nth, column = position // _ROW, position % _ROW
    vertex = np.arange(size).repeat(counts)
    base = np.cumsum(extra) - extra - 1 + room[0]
    row = np.where(nth == 0, vertex, base[vertex] + nth)
    place = row * _ROW + column
    rows = np.zeros((sum(room), _ROW), np.int32)
    weights = np.zeros((sum(room), _ROW), np.float32)
    rows.ravel()[place] = lattice.order
    weights.ravel()[place] = lattice_filter.splat_weights
    further_vertices = np.full(room[1], size, np.int32)
    further_vertices[:further] = np.arange(size).repeat(extra)
    neighbors = np.full((colors, room[0], 2), size, np.int32)
    neighbors[:, : size + 1] = lattice.neighbors
    beyond = ((0, _point_rows(points) - points), (0, 0))
    result = {
        "size": np.int32(size),
        "rows": rows[: room[0]],
        "row_weights": weights[: room[0]],
        "further": np.int32(further),
        "further_rows": rows[room[0] :],
        "further_weights": weights[room[0] :],
        "further_vertices": further_vertices,
        "neighbors": neighbors,
        "vertices": np.pad(lattice.vertices, beyond),
        "slice_weights": np.pad(lattice_filter.slice_weights, beyond),
    }
    if lattice_filter.ratio is not None:
        ratio = np.pad(lattice_filter.ratio, beyond, constant_values=1)
        result["ratio"] = ratio
    return result


@functools.cache
def compiled(function):
    """Compiles a function of points, tables, transforms and a number.

    The points are padded to as many as the tables have rows, so that few sizes
    are compiled.
    """
    jitted = jax.jit(function, static_argnums=3)

    def call(points, tables, transforms, number):
        count = points.shape[0]
        rows = tables[0]["vertices"].shape[0]
        points = jnp.pad(points, ((0, rows - count), (0, 0)))
        return jitted(points, tables, transforms, number)[:count]

    return call


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def filter_points(tables, x, reverse=False):
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


filter_points.defvjp(_forward, _backward)


def _filter(tables, x, reverse):
    values = _splat(tables, x)
    spare = jnp.zeros_like(values)
    axes = range(tables["neighbors"].shape[0])
    for axis in reversed(axes) if reverse else axes:
        values, spare = _blur(tables, values, spare, axis), values
    return _slice(tables, values)[: x.shape[0]]


def _splat(tables, x):
    first = _row_sums(x, tables["rows"], tables["row_weights"])
    values = jnp.zeros((tables["rows"].shape[0], x.shape[1]), x.dtype)
    # With the empty vertex after the last.
    values = _fill(values, tables["size"] + 1, first)
    if not tables["further_rows"].shape[0]:
        return values
    further = _row_sums(x, tables["further_rows"], tables["further_weights"])

    def add(number, values):
        start = number * _CHUNK
        places = _part(tables["further_vertices"], start)
        return values.at[places].add(further(start))

    return lax.fori_loop(0, _chunks(tables["further"]), add, values)


def _blur(tables, values, spare, axis):
    pairs = tables["neighbors"][axis]

    def part(start):
        pair = _part(pairs, start)
        around = values[pair[:, 0]] + values[pair[:, 1]]
        return _part(values, start) + around * 0.5

    return _fill(spare, tables["size"] + 1, part)


def _slice(tables, values):
    vertices = tables["vertices"]
    part = _row_sums(values, vertices, tables["slice_weights"])
    result = jnp.zeros((vertices.shape[0], values.shape[1]), values.dtype)
    return _fill(result, vertices.shape[0], part)


def _fill(result, count, part):
    """Writes `part(start)` for every chunk of the first `count` rows."""

    def step(number, result):
        start = number * _CHUNK
        return lax.dynamic_update_slice_in_dim(result, part(start), start, 0)

    return lax.fori_loop(0, _chunks(count), step, result)


def _chunks(count):
    return (count + _CHUNK - 1) // _CHUNK


def _part(table, start):
    return lax.dynamic_slice_in_dim(table, start, _CHUNK)


def _row_sums(values, rows, weights):
    """Sums of weighted rows of `values`, as a function of a chunk's start."""

    def part(start):
        row, weight = _part(rows, start), _part(weights, start)
        total = values[row[:, 0]] * weight[:, :1]
        for tap in range(1, row.shape[1]):
            total += values[row[:, tap]] * weight[:, tap : tap + 1]
        return total

    return part
