"""Elastic deformation, as U-Net was trained with."""

import dataclasses

import numpy as np

from keras_seg.arguments import check_not_negative
from keras_seg.data.augment.transform import Transform
from keras_seg.data.augment.warping import warp
from keras_seg.data.classes import VOID

__all__ = ["ElasticDeformation", "cubic_weights"]


def cubic_weights(count, nodes):
    """Weights of cubic interpolation between nodes, for every pixel.

    Keys' cubic convolution with a = -1/2 (https://doi.org/10.1109/
    TASSP.1981.1163711): for t of 0..1 between nodes 0 and 1,

        f(t) = f0 + t (s0 + t (3 (f1 - f0) - 2 s0 - s1
                               + t (2 (f0 - f1) + s0 + s1)))

    with the slopes s0 = (f1 - f-1) / 2 and s1 = (f2 - f0) / 2. The first
    node lies on the first pixel, the last one on the last; before and
    behind them they are repeated.

    Args:
        count: int, pixels along an axis.
        nodes: int, nodes along it, at least 2.

    Returns:
        float64 array `(count, nodes)`; every row has the sum 1.
    """
    places = np.linspace(0, nodes - 1, count)
    first = np.minimum(places.astype("int64"), nodes - 2)
    t = places - first
    taps = np.stack(
        [
            t * (-1 + t * (2 - t)) / 2,
            1 + t * t * (-5 + 3 * t) / 2,
            t * (1 + t * (4 - 3 * t)) / 2,
            t * t * (t - 1) / 2,
        ]
    )
    weights = np.zeros((count, nodes))
    for offset, tap in zip((-1, 0, 1, 2), taps, strict=True):
        node = (first + offset).clip(0, nodes - 1)
        weights[np.arange(count), node] += tap
    return weights


@dataclasses.dataclass(frozen=True)
class ElasticDeformation(Transform):
    """Bend image and mask by smooth random displacements.

    U-Net (https://arxiv.org/abs/1505.04597, section 3.1): displacement
    vectors on a coarse grid, each coordinate drawn from a Gaussian, and
    bicubic interpolation between them for every pixel, see `cubic_weights`.
    The image is then read bilinearly, the mask nearest.

    Args:
        grid: int, nodes along each side, the outer ones on the corners; at
            least 2.
        sigma: float, standard deviation of the displacements in pixels.
        color: what the image is filled with: a number, or one for each
            channel; `None` for the mean colour.
        void: int, what the mask is filled with.

    Example:

    >>> import numpy as np
    >>> from keras_seg.data import augment
    >>> image = np.zeros((64, 64, 1), "uint8")
    >>> mask = np.zeros((64, 64), "uint8")
    >>> bend = augment.ElasticDeformation()
    >>> image, mask = bend(image, mask, np.random.default_rng(0))
    >>> image.shape, mask.shape
    ((64, 64, 1), (64, 64))
    """

    grid: int = 3
    sigma: float = 10.0
    color: float | tuple[float, ...] | None = None
    void: int = VOID

    def __post_init__(self):
        if not isinstance(self.grid, int | np.integer) or self.grid < 2:
            raise ValueError(
                f"`grid` must be an int of 2 or more. Received: "
                f"grid={self.grid}"
            )
        check_not_negative(sigma=self.sigma)

    def __call__(self, image, mask, rng):
        height, width = mask.shape
        coarse = rng.normal(0, self.sigma, (2, self.grid, self.grid))
        down, right = (
            cubic_weights(height, self.grid)
            @ coarse
            @ cubic_weights(width, self.grid).T
        )
        return warp(
            image,
            mask,
            np.arange(height)[:, None] + down,
            np.arange(width) + right,
            color=self.color,
            void=self.void,
        )
