"""The pairwise potentials: kernels of the CRF and their deviations."""

import dataclasses
import math
import numbers
from collections.abc import Sequence

import numpy as np

__all__ = ["Bilateral", "Gaussian"]


def _check_deviation(kernel, field, axes=None):
    value = getattr(kernel, field)
    if isinstance(value, list):
        value = tuple(value)
        object.__setattr__(kernel, field, value)
    each = value if isinstance(value, tuple) else (value,)
    fits = bool(each) and all(_is_number(v) and v > 0 for v in each)
    if not fits or (each is value and axes not in (None, len(each))):
        raise ValueError(
            f"`{field}` must be a deviation above 0, or one for each axis. "
            f"Received: {field}={value!r}"
        )


def _check_weight(kernel):
    if not _is_number(kernel.weight) or kernel.weight < 0:
        raise ValueError(
            "`weight` must be a number of at least 0. "
            f"Received: weight={kernel.weight!r}"
        )


def _is_number(value):
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return real and math.isfinite(value)


@dataclasses.dataclass(frozen=True)
class Gaussian:
    """The smoothness kernel: `weight · exp(-|p_i - p_j|² / 2 sxy²)`.

    Attributes:
        sxy: float, deviation in pixels, or a pair of them, across (x) and
            down (y). Defaults to 3.
        weight: float, what the kernel is multiplied by. Defaults to 3.

    Raises:
        ValueError: for what can't be, naming it.
    """

    sxy: float | Sequence[float] = 3.0
    weight: float = 3.0

    def __post_init__(self):
        _check_deviation(self, "sxy", 2)
        _check_weight(self)

    def deviations(self, channels):
        """Those of a pixel's features: x and y."""
        del channels
        return np.broadcast_to(np.asarray(self.sxy, np.float32), 2)


@dataclasses.dataclass(frozen=True)
class Bilateral:
    """The appearance kernel, of pixels that are near and of one colour.

    `weight · exp(-|p_i - p_j|² / 2 sxy² - |I_i - I_j|² / 2 srgb²)`

    Attributes:
        sxy: float, deviation in pixels, or a pair of them, across (x) and
            down (y). Defaults to 49.
        srgb: float, deviation in the image's own units, 0 … 255 for a
            photograph, or as many of them as the image has channels.
            Defaults to 5.
        weight: float, what the kernel is multiplied by. Defaults to 4.

    Raises:
        ValueError: for what can't be, naming it.
    """

    sxy: float | Sequence[float] = 49.0
    srgb: float | Sequence[float] = 5.0
    weight: float = 4.0

    def __post_init__(self):
        _check_deviation(self, "sxy", 2)
        _check_deviation(self, "srgb")
        _check_weight(self)

    def deviations(self, channels):
        """Those of a pixel's features: x, y and the channels.

        Raises:
            ValueError: if there are neither one nor as many as channels.
        """
        colors = np.asarray(self.srgb, np.float32)
        if colors.ndim and len(colors) != channels:
            raise ValueError(
                "`srgb` must be a number or one for each channel. "
                f"Received: srgb={self.srgb} for {channels} channels"
            )
        positions = np.broadcast_to(np.asarray(self.sxy, np.float32), 2)
        return np.append(positions, np.broadcast_to(colors, channels))
