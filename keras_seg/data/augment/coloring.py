"""Random colors and gray values of the image; masks do not change."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from keras_seg.arguments import check_not_negative
from keras_seg.data.augment.transform import Transform
from keras_seg.data.augment.transform import cast

__all__ = ["ColorJitter", "GrayJitter"]

_LUMA = np.array([0.299, 0.587, 0.114])
# NTSC's two axes of color beside luma: those of YIQ.
_YIQ = np.array([_LUMA, [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])


@dataclasses.dataclass(frozen=True)
class ColorJitter(Transform):
    """Change brightness, contrast, saturation and hue at random.

    With b, c, s, h drawn uniformly from 1 ± `brightness`, 1 ± `contrast`,
    1 ± `saturation` (not below 0) and ± `hue`:

        x ← b x
        x ← m + c (x - m),        m the mean luma of the image
        x ← luma(x) + s (x - luma(x))
        the plane of I and Q (YIQ) is rotated by h of a full turn

    The result is clipped to 0..255. Luma is .299 R + .587 G + .114 B.
    Saturation and hue have no effect on images of one channel.

    Args:
        brightness: float, 0 or more.
        contrast: float, 0 or more.
        saturation: float, 0 or more.
        hue: float, 0 to .5.

    Example:

    >>> import numpy as np
    >>> from keras_seg.data import augment
    >>> jitter = augment.ColorJitter(0.4, 0.4, 0.4, 0.1)
    >>> image = np.full((2, 2, 3), 100, "uint8")
    >>> jitter(image, np.zeros((2, 2), "uint8"), np.random.default_rng(0))[0][0]
    array([[111, 111, 111], [111, 111, 111]], dtype=uint8)
    """

    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0

    def __post_init__(self):
        check_not_negative(**dataclasses.asdict(self))
        if self.hue > 0.5:
            raise ValueError(
                "`hue` must be .5, half a turn, at most. "
                f"Received: hue={self.hue}"
            )

    def __call__(
        self, image: NDArray, mask: NDArray, rng: np.random.Generator
    ) -> tuple[NDArray, NDArray]:
        channels = image.shape[2]
        if channels not in (1, 3):
            raise ValueError(
                "`ColorJitter` needs images of 1 or 3 channels; `GrayJitter` "
                f"takes any number. Received: {channels} channels"
            )
        brightness, contrast, saturation = (
            rng.uniform(max(0.0, 1 - amount), 1 + amount)
            for amount in (self.brightness, self.contrast, self.saturation)
        )
        turn = 2 * np.pi * rng.uniform(-self.hue, self.hue)
        luma = _LUMA if channels == 3 else np.ones(1)
        mean = brightness * image.mean(axis=(0, 1), dtype="float64") @ luma
        matrix = np.eye(channels)
        if channels == 3:
            chroma = saturation * np.array(
                [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
            )
            changed = np.eye(3)
            changed[1:, 1:] = chroma
            matrix = np.linalg.solve(_YIQ, changed @ _YIQ)
        # White stays white under saturation and hue: m is m in all channels.
        return _affine(
            image, brightness * contrast * matrix, (1 - contrast) * mean
        ), mask


@dataclasses.dataclass(frozen=True)
class GrayJitter(Transform):
    """Change contrast and brightness of all channels alike, at random.

    x ← m + c (x - m) + s, clipped to 0..255, with the mean m of the image,
    c drawn uniformly from 1 ± `contrast` (not below 0) and s from ± `shift`.

    Args:
        shift: float, the largest shift in gray levels.
        contrast: float, 0 or more.

    Example:

    >>> import numpy as np
    >>> from keras_seg.data import augment
    >>> image = np.array([[[90], [110]]], "uint8")
    >>> jitter = augment.GrayJitter(shift=20, contrast=0.5)
    >>> mask, rng = np.zeros((1, 2), "uint8"), np.random.default_rng(0)
    >>> jitter(image, mask, rng)[0].ravel()
    array([ 79, 102], dtype=uint8)
    """

    shift: float = 0.0
    contrast: float = 0.0

    def __post_init__(self):
        check_not_negative(shift=self.shift, contrast=self.contrast)

    def __call__(
        self, image: NDArray, mask: NDArray, rng: np.random.Generator
    ) -> tuple[NDArray, NDArray]:
        contrast = rng.uniform(max(0.0, 1 - self.contrast), 1 + self.contrast)
        shift = rng.uniform(-self.shift, self.shift)
        mean = image.mean(dtype="float64")
        return _affine(image, contrast, (1 - contrast) * mean + shift), mask


def _affine(image, factor, offset):
    """`factor` is a number, or a matrix that maps colors to colors."""
    values = image.astype("float32")
    if np.ndim(factor):
        values = values @ factor.T.astype("float32")
    else:
        values *= np.float32(factor)
    values += np.float32(offset)
    values.clip(0, 255, out=values)
    return cast(values, image.dtype)
