"""The pairwise potentials of the CRF, and the settings of the papers."""

import dataclasses
import math
import numbers
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_seg.arguments import check_integer
from keras_seg.arguments import check_not_negative
from keras_seg.arguments import check_one_of
from keras_seg.crf.filtering import NORMALIZATIONS

__all__ = ["PRESETS", "Bilateral", "Gaussian", "Settings"]


@dataclasses.dataclass(frozen=True)
class Gaussian:
    """The smoothness kernel: `weight · exp(-|p_i - p_j|² / 2 sxy²)`.

    Attributes:
        sxy: float, standard deviation in pixels, or a pair of them, across
            (x) and down (y). Defaults to 3.
        weight: float, what the kernel is multiplied by. Defaults to 3.

    Raises:
        ValueError: If a value is out of range. The message names it.
    """

    sxy: float | Sequence[float] = 3.0
    weight: float = 3.0

    def __post_init__(self):
        _check_deviation(self, "sxy", 2)
        check_not_negative(weight=self.weight)

    def deviations(self, channels: int) -> NDArray:
        """The standard deviations of a pixel's features: x and y."""
        del channels
        return np.broadcast_to(np.asarray(self.sxy, np.float32), 2)


@dataclasses.dataclass(frozen=True)
class Bilateral:
    """The appearance kernel, of pixels that are near and of one color.

    `weight · exp(-|p_i - p_j|² / 2 sxy² - |I_i - I_j|² / 2 srgb²)`

    Attributes:
        sxy: float, standard deviation in pixels, or a pair of them, across
            (x) and down (y). Defaults to 49.
        srgb: float, standard deviation in the image's own units, 0 … 255 for
            a photograph, or one for each channel of the image. Defaults to 5.
        weight: float, what the kernel is multiplied by. Defaults to 4.

    Raises:
        ValueError: If a value is out of range. The message names it.
    """

    sxy: float | Sequence[float] = 49.0
    srgb: float | Sequence[float] = 5.0
    weight: float = 4.0

    def __post_init__(self):
        _check_deviation(self, "sxy", 2)
        _check_deviation(self, "srgb")
        check_not_negative(weight=self.weight)

    def deviations(self, channels: int) -> NDArray:
        """The standard deviations of a pixel's features: x, y and channels.

        Raises:
            ValueError: If `srgb` is neither one number nor one for each
                channel.
        """
        colors = np.asarray(self.srgb, np.float32)
        if colors.ndim and len(colors) != channels:
            raise ValueError(
                "`srgb` must be a number or one for each channel. "
                f"Received: srgb={self.srgb} for {channels} channels"
            )
        positions = np.broadcast_to(np.asarray(self.sxy, np.float32), 2)
        return np.append(positions, np.broadcast_to(colors, channels))


def _check_deviation(kernel, field, axes=None):
    value = getattr(kernel, field)
    if isinstance(value, list):
        value = tuple(value)
        object.__setattr__(kernel, field, value)
    each = value if isinstance(value, tuple) else (value,)
    fits = bool(each) and all(
        isinstance(v, numbers.Real) and 0 < float(v) < math.inf for v in each
    )
    if not fits or (each is value and axes not in (None, len(each))):
        raise ValueError(
            f"`{field}` must be a deviation above 0, or one for each axis. "
            f"Received: {field}={value!r}"
        )


@dataclasses.dataclass(frozen=True)
class Settings:
    """Kernels, iterations and normalization of a fully connected CRF.

    Attributes:
        gaussian: `Gaussian`, a mapping of its fields, or None for no such
            kernel.
        bilateral: `Bilateral`, a mapping of its fields, or None.
        iterations: int, of mean field, 0 or more. Defaults to 10.
        normalization: `"after"`, `"symmetric"`, `"before"` or None. Defaults
            to `"after"`.

    Raises:
        ValueError: If a value is out of range. The message names it.
    """

    gaussian: Gaussian | Mapping | None = Gaussian()
    bilateral: Bilateral | Mapping | None = Bilateral()
    iterations: int = 10
    normalization: str | None = "after"

    def __post_init__(self):
        for name, kind in (("gaussian", Gaussian), ("bilateral", Bilateral)):
            object.__setattr__(self, name, _kernel(kind, getattr(self, name)))
        check_integer(0, iterations=self.iterations)
        check_one_of(NORMALIZATIONS, normalization=self.normalization)

    @classmethod
    def of(cls, preset: str, **given) -> "Settings":
        """The settings of a preset, except for those that are given.

        Args:
            preset: str, a name of `PRESETS`.
            **given: fields of `Settings`; `"preset"` is what the preset says.
        """
        check_one_of(PRESETS, preset=preset)
        given = {k: v for k, v in given.items() if v is None or v != "preset"}
        return dataclasses.replace(PRESETS[preset], **given)

    @property
    def potentials(self) -> list[Any]:
        """The Gaussian and the bilateral kernel, where they are set."""
        both = self.gaussian, self.bilateral
        return [potential for potential in both if potential is not None]

    def as_arguments(self) -> dict[str, Any]:
        """The fields, ready for JSON and for `dense_crf`."""
        return dataclasses.asdict(self)


def _kernel(kind, given):
    """Converts a mapping of its fields to a kernel."""
    if given is None or isinstance(given, kind):
        return given
    fields = [field.name for field in dataclasses.fields(kind)]
    name = kind.__name__
    if not isinstance(given, Mapping) or set(given) - set(fields):
        raise ValueError(
            f"`{name.lower()}` must be None, a `{name}` or a mapping with "
            f"keys among {fields}. Received: {name.lower()}={given!r}"
        )
    return kind(**given)


# From the authors' scripts. DeepLab's code divides after filtering.
PRESETS = {
    "deeplab_v1": Settings(Gaussian(3, 3), Bilateral(49, 5, 4)),
    "deeplab_v2_vgg16": Settings(Gaussian(2, 2), Bilateral(65, 3, 4)),
    "deeplab_v2_resnet101": Settings(Gaussian(1, 3), Bilateral(67, 3, 4)),
    "deconvnet": Settings(Gaussian(3, 3), Bilateral(20, 3, 5)),
    "crf_rnn": Settings(Gaussian(3, 3), Bilateral(160, 3, 5)),
    "krahenbuhl": Settings(
        Gaussian(3, 3), Bilateral(80, 13, 10), 5, "symmetric"
    ),
}
