"""Convolution of every channel by itself, as XLA compiles it well for a CPU.

Sums of shifted maps, whose gradients are written out: left to JAX, each of
the nine taps of a kernel keeps a shifted copy of the map for the gradient,
and the gradient of a stride asks of every pixel where it came from. With
strides nothing is padded beforehand: positions of a padded copy, every second
of them, take XLA four times as long to read.
"""

import functools
import itertools
from typing import NamedTuple

import jax
from jax import lax
from jax import numpy as jnp

__all__ = ["Geometry", "jax_depthwise_conv", "padded", "seen_by_taps"]

# So many images are unrolled in a step of the gradient for the kernel.
UNROLLED = 8


class Geometry(NamedTuple):
    """Where the windows are; pairs are of the rows and of the columns.

    Args:
        pads: pair of pairs of ints, zeros before and after.
        counts: pair of ints, windows.
        strides: pair of ints.
        rates: pair of ints, distances of neighboring taps.
    """

    pads: tuple
    counts: tuple
    strides: tuple
    rates: tuple


@functools.partial(jax.jit, static_argnums=(2, 3))
def jax_depthwise_conv(x, kernel, geometry, data_format):
    """Convolution of every channel by itself on the JAX backend.

    Sums are float32: half precision would lose what a convolution keeps.

    Args:
        x: array `(batch, height, width, channels)`, or with the channels
            second for `data_format="channels_first"`.
        kernel: array `(rows, columns, channels, 1)`.
        geometry: `Geometry`.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        The convolved maps, of the dtype of `x`.
    """
    dtype = x.dtype
    if data_format == "channels_first":
        x = jnp.transpose(x, (0, 2, 3, 1))
    x, kernel = x.astype("float32"), kernel[..., 0].astype("float32")
    y = _conv(x, kernel, geometry).astype(dtype)
    if data_format == "channels_first":
        y = jnp.transpose(y, (0, 3, 1, 2))
    return y


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _conv(x, kernel, geometry):
    if geometry.strides == (1, 1):
        return _sum_of_taps(padded(x, geometry), kernel, geometry)
    products = []
    for i, j in _taps(kernel):
        (rows, above), (columns, beside) = (
            _inside(tap, axis, x.shape[axis + 1], geometry)
            for axis, tap in enumerate((i, j))
        )
        seen = _edged(x[:, rows, columns], ((*above, 0), (*beside, 0)))
        products.append(seen * kernel[i, j])
    return functools.reduce(jnp.add, products)


def _forward(x, kernel, geometry):
    return _conv(x, kernel, geometry), (x, kernel)


def _backward(geometry, saved, upstream):
    x, kernel = saved
    return (
        _gradient_for_map(upstream, kernel, x.shape, geometry),
        _gradient_for_kernel(upstream, x, kernel.shape, geometry),
    )


_conv.defvjp(_forward, _backward)


def padded(x, geometry):
    """The map with the zeros around it."""
    return _edged(x, [(*pads, 0) for pads in geometry.pads])


def _edged(x, edges):
    """Zeros before, after and between; fewer than none crops."""
    zero = jnp.zeros((), x.dtype)
    return lax.pad(x, zero, ((0, 0, 0), *edges, (0, 0, 0)))


def _taps(kernel):
    return itertools.product(*map(range, kernel.shape[:2]))


def seen_by_taps(x, kernel, geometry):
    """What each tap sees of a padded map, a position for each window."""
    height, width = geometry.counts
    for i, j in _taps(kernel):
        rows = _places(i, height, 0, geometry)
        yield x[:, rows, _places(j, width, 1, geometry)]


def _sum_of_taps(x, kernel, geometry):
    seen = seen_by_taps(x, kernel, geometry)
    weights = (kernel[tap] for tap in _taps(kernel))
    return functools.reduce(jnp.add, map(jnp.multiply, seen, weights))


def _places(tap, count, axis, geometry):
    """What a tap sees of an axis, one position for each window."""
    start, stride = tap * geometry.rates[axis], geometry.strides[axis]
    return slice(start, start + (count - 1) * stride + 1, stride)


def _start(tap, axis, geometry):
    """Where in the map, without its padding, a tap begins."""
    return tap * geometry.rates[axis] - geometry.pads[axis][0]


def _inside(tap, axis, size, geometry):
    """What a tap sees of a map, and how many windows before and after that."""
    start, stride = _start(tap, axis, geometry), geometry.strides[axis]
    count = geometry.counts[axis]
    first = min(max(0, -(start // stride)), count)
    end = max(first, min(count, (size - 1 - start) // stride + 1))
    places = slice(start + first * stride, start + end * stride, stride)
    return places, (first, count - end)


def _gradient_for_map(upstream, kernel, shape, geometry):
    """The convolution, turned around; with strides, what each tap spreads."""
    counts, strides, rates = geometry.counts, geometry.strides, geometry.rates
    if strides == (1, 1):
        pads = tuple(
            ((k - 1) * rate - before, (k - 1) * rate - after)
            for k, rate, (before, after) in zip(
                kernel.shape[:2], rates, geometry.pads, strict=True
            )
        )
        turned = Geometry(pads, shape[1:3], strides, rates)
        return _conv(upstream, kernel[::-1, ::-1], turned)
    products = []
    for tap in _taps(kernel):
        edges = []
        for axis in (0, 1):
            first = _start(tap[axis], axis, geometry)
            last = first + (counts[axis] - 1) * strides[axis]
            after = shape[axis + 1] - 1 - last
            edges.append((first, after, strides[axis] - 1))
        products.append(_edged(upstream, edges) * kernel[tap])
    return functools.reduce(jnp.add, products)


def _gradient_for_kernel(upstream, x, kernel_shape, geometry):
    """Row by row, all taps at once, so that a row is read from the cache.

    The products of a row are added up in place, column by column: XLA adds
    whole arrays fast, and the numbers of one array slowly.
    """
    x = padded(x, geometry)
    taps = list(itertools.product(*map(range, kernel_shape[:2])))
    height, width = geometry.counts
    batch = x.shape[0]
    images = max(n for n in range(1, UNROLLED + 1) if batch % n == 0)

    def rows_of(maps, image, row):
        begin = (image, row, 0, 0)
        size = (images, 1, *maps.shape[2:])
        return lax.dynamic_slice(maps, begin, size)[:, 0]

    def add_row(sums, index):
        image, row = index // height * images, index % height
        errors = rows_of(upstream, image, row)
        rows = [
            rows_of(x, image, row * geometry.strides[0] + i * geometry.rates[0])
            for i in range(kernel_shape[0])
        ]
        new = []
        for total, (i, j) in zip(sums, taps, strict=True):
            seen = rows[i][:, _places(j, width, 1, geometry)]
            for n in range(images):
                total += seen[n] * errors[n]
            new.append(total)
        return new, None

    zeros = [jnp.zeros(upstream.shape[2:], upstream.dtype) for _ in taps]
    steps = jnp.arange(batch // images * height)
    sums, _ = lax.scan(add_row, zeros, steps)
    return jnp.stack([total.sum(axis=0) for total in sums]).reshape(
        kernel_shape
    )
