"""Filtering on a lattice with JAX: rows of eight points, in a few loops."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from keras_seg.ops.crf.jax_rows import CHUNK
from keras_seg.ops.crf.jax_rows import arrays
from keras_seg.ops.crf.jax_rows import capacities
from keras_seg.ops.crf.jax_rows import shapes
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
    return lax.dynamic_slice_in_dim(table, start, CHUNK)


def _sum_rows(values, rows, weights):
    """Rows of `values`, weighted and summed, tap after tap."""
    total = values[rows[:, 0]] * weights[:, :1]
    for tap in range(1, rows.shape[1]):
        total += values[rows[:, tap]] * weights[:, tap : tap + 1]
    return total


def _chunks(count):
    return (count + CHUNK - 1) // CHUNK


def _splat(tables, x):
    rows, weights = tables["rows"], tables["row_weights"]

    def step(number, values):
        start = number * CHUNK
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
        start = number * CHUNK
        part = _sum_rows(x, _part(rows, start), _part(weights, start))
        places = _part(tables["further_vertices"], start)
        return values.at[places].add(part)

    return lax.fori_loop(0, _chunks(tables["further"]), add, values)


def _blur(tables, values, spare, axis):
    pairs = tables["neighbours"][axis]

    def step(number, spare):
        start = number * CHUNK
        pair = _part(pairs, start)
        around = values[pair[:, 0]] + values[pair[:, 1]]
        part = _part(values, start) + around * 0.5
        return lax.dynamic_update_slice_in_dim(spare, part, start, 0)

    return lax.fori_loop(0, _chunks(tables["size"] + 1), step, spare)


def _slice(tables, values):
    vertices, weights = tables["vertices"], tables["slice_weights"]

    def step(number, result):
        start = number * CHUNK
        part = _sum_rows(values, _part(vertices, start), _part(weights, start))
        return lax.dynamic_update_slice_in_dim(result, part, start, 0)

    result = jnp.zeros((vertices.shape[0], values.shape[1]), values.dtype)
    return lax.fori_loop(0, vertices.shape[0] // CHUNK, step, result)
