"""Convolutions on the JAX backend, with other gradients for the kernel.

XLA takes that gradient as a convolution by a kernel as large as the map. One
product of matrices for each tap of the kernel takes 0.1 to 0.9 of its time on
a CPU, but for few filters up to twice as much; the gradients of a transposed
convolution in blocks take 0.03 to 0.08 (benchmarks/README.md). JAX refuses
forward-mode derivatives of a function with a gradient of its own.
"""

import jax
from jax import lax
from jax import numpy as jnp

from keras_seg.fast.jax_depthwise import padded
from keras_seg.fast.jax_depthwise import seen_by_taps
from keras_seg.ops.backend import spatial_axes

__all__ = ["jax_conv", "jax_conv_in_blocks"]

# So few are left to XLA.
FEW_FILTERS = 16


def jax_conv(x, kernel, geometry, data_format):
    """A convolution of all channels; XLA convolves padded maps faster.

    Args:
        x: array `(batch, height, width, channels)`, or with the channels
            second for `data_format="channels_first"`.
        kernel: array `(rows, columns, channels, filters)`.
        geometry: `jax_depthwise.Geometry`.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        The convolved maps.
    """
    conv = _conv if kernel.shape[-1] > FEW_FILTERS else _plain
    row_more = geometry.strides == (1, 1) and not any(sum(geometry.pads, ()))
    if not row_more:
        return conv(x, kernel, geometry, data_format)
    height, width = geometry.counts
    more = geometry._replace(pads=((0, 1), (0, 0)), counts=(height + 1, width))
    y = conv(x, kernel, more, data_format)
    return lax.slice_in_dim(y, 0, height, axis=spatial_axes(data_format)[0])


def _plain(x, kernel, geometry, data_format):
    maps = "NHWC" if data_format == "channels_last" else "NCHW"
    return lax.conv_general_dilated(
        x,
        kernel,
        geometry.strides,
        geometry.pads,
        rhs_dilation=geometry.rates,
        dimension_numbers=(maps, "HWIO", maps),
    )


_conv = jax.custom_vjp(_plain, nondiff_argnums=(2, 3))


def _forward(x, kernel, geometry, data_format):
    return _plain(x, kernel, geometry, data_format), (x, kernel)


def _backward(geometry, data_format, saved, upstream):
    x, kernel = saved
    _, for_map = jax.vjp(lambda x: _plain(x, kernel, geometry, data_format), x)
    return *for_map(upstream), _gradient_for_kernel(
        upstream, x, kernel, geometry, data_format
    )


_conv.defvjp(_forward, _backward)


def _gradient_for_kernel(upstream, x, kernel, geometry, data_format):
    """The product of what each tap saw and of the gradient of the maps."""
    if data_format == "channels_first":
        x, upstream = (jnp.moveaxis(maps, 1, -1) for maps in (x, upstream))
    *_, channels, filters = kernel.shape
    upstream = upstream.reshape(-1, filters)
    products = [
        lax.dot_general(
            seen.reshape(-1, channels),
            upstream,
            (((0,), (0,)), ((), ())),
            preferred_element_type="float32",
        )
        for seen in seen_by_taps(padded(x, geometry), kernel, geometry)
    ]
    return jnp.stack(products).reshape(kernel.shape).astype(kernel.dtype)


def jax_conv_in_blocks(x, kernel, data_format):
    """A transposed convolution by strides as large as its kernel.

    Each pixel becomes a block of its own, so that it is one product.

    Args:
        x: array `(batch, height, width, channels)`, or with the channels
            second for `data_format="channels_first"`.
        kernel: array `(rows, columns, filters, channels)`.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        The map, `rows` times as high and `columns` times as wide.
    """
    if data_format == "channels_first":
        x = jnp.moveaxis(x, 1, -1)
    rows, columns, filters, channels = kernel.shape
    batch, height, width, _ = x.shape
    y = x.reshape(-1, channels) @ kernel.reshape(-1, channels).T
    y = y.reshape(batch, height, width, rows, columns, filters)
    y = y.transpose(0, 1, 3, 2, 4, 5)
    y = y.reshape(batch, height * rows, width * columns, filters)
    return jnp.moveaxis(y, -1, 1) if data_format == "channels_first" else y
