"""Random perspective."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from keras_seg.arguments import check_share
from keras_seg.data.augment.cropping import Filling
from keras_seg.data.augment.moving import warp
from keras_seg.data.augment.transform import Occasional

__all__ = ["RandomPerspective", "homography"]


def homography(points, images):
    """The projective map of the plane that takes four points to four others.

    It takes (y, x) to (u / w, v / w) with (u, v, w) = H (y, x, 1), where the
    last element of H is 1. Both sets are corners of convex quadrilaterals in
    the same order.

    Args:
        points, images: float arrays `(4, 2)`.

    Returns:
        float64 array H `(3, 3)`.

    Example: twice as large, and moved by one.

    >>> import numpy as np
    >>> square = np.array([[0, 0], [0, 1], [1, 1], [1, 0]])
    >>> homography(square, 2 * square + 1).round(9).tolist()
    [[2.0, 0.0, 1.0], [0.0, 2.0, 1.0], [0.0, 0.0, 1.0]]
    """
    rows = []
    for (y, x), (u, v) in zip(points, images, strict=True):
        rows.append([y, x, 1, 0, 0, 0, -u * y, -u * x])
        rows.append([0, 0, 0, y, x, 1, -v * y, -v * x])
    solution = np.linalg.solve(np.array(rows), np.ravel(images))
    return np.append(solution, 1).reshape(3, 3)


@dataclasses.dataclass(frozen=True)
class RandomPerspective(Filling, Occasional):
    """Move each corner of the image inward, as if it was seen at an angle.

    Each corner moves by a random part of its row's and its column's half, as
    in torchvision. The image is sampled bilinearly, the mask by nearest
    neighbor; what lies outside the four corners is filled. The size stays.

    Args:
        distortion_scale: float, 0 to .5, the largest part of half of the
            height and of half of the width. Each is drawn uniformly from 0
            to this. With .5 at most no corner passes the line through its
            neighbors, which would fold the image.
        color, ignore_class: fill values, see `RandomCrop`.
        probability: float, the share of pairs that are changed.

    Example:

    >>> import numpy as np
    >>> from keras_seg.data import augment
    >>> image, mask = np.zeros((9, 9, 3), "uint8"), np.zeros((9, 9), "uint8")
    >>> transform = augment.RandomPerspective(0.5, probability=1.0)
    >>> np.unique(transform(image, mask, np.random.default_rng(0))[1])
    array([  0, 255], dtype=uint8)
    """

    distortion_scale: float = 0.1

    def __post_init__(self):
        super().__post_init__()
        check_share(distortion_scale=self.distortion_scale)
        if self.distortion_scale > 0.5:
            raise ValueError(
                "`distortion_scale` must be .5 at most. "
                f"Received: distortion_scale={self.distortion_scale}"
            )

    def __call__(
        self, image: NDArray, mask: NDArray, rng: np.random.Generator
    ) -> tuple[NDArray, NDArray]:
        if not self.is_due(rng):
            return image, mask
        height, width = image.shape[:2]
        # From -1 to 1 between the outer edges, where all is well scaled.
        square = np.array([[-1, -1], [-1, 1], [1, 1], [1, -1]])
        moved = square * (1 - rng.uniform(0, self.distortion_scale, (4, 2)))
        y = (2 * np.arange(height)[:, None] + 1) / height - 1
        x = (2 * np.arange(width) + 1) / width - 1
        u, v, w = (a * y + b * x + c for a, b, c in homography(moved, square))
        # Where w is not positive is behind the viewer: outside, as 2 is.
        inside = w > 1e-6
        w[~inside] = 1
        rows, columns = (
            (np.where(inside, place / w, 2).clip(-2, 2) + 1) * side / 2 - 0.5
            for place, side in ((u, height), (v, width))
        )
        return warp(image, mask, rows, columns, **self.fill)
