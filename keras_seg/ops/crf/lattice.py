"""The permutohedral lattice around a set of points, built by sorting."""

import dataclasses

import numpy as np

from keras_seg.ops.crf.keys import Keys
from keras_seg.ops.crf.simplex import enclosing_simplices

__all__ = ["Lattice"]


@dataclasses.dataclass(frozen=True, eq=False)
class Lattice:
    """The vertices of the permutohedral lattice that points touch.

    Filtering with a Gaussian of deviation 1 in the space of the features is
    to splat values onto the vertices, to blur along each axis in turn by
    [1/2, 1, 1/2], and to slice them back
    ([Adams et al. 2010](https://graphics.stanford.edu/papers/permutohedral/),
    [Krähenbühl and Koltun 2011](https://arxiv.org/abs/1210.5644)).

    There is no hash table. A vertex is one integer: sorting them numbers the
    vertices and orders the points by vertex at once, and neighbours along an
    axis are those a constant away. Vertices that are near in the first two
    features, the position of a pixel, get numbers that are near.

    Attributes:
        vertices: int32 array `(points, d + 1)`, the vertices around each
            point, numbered from 0 to `size - 1`.
        weights: float32 array `(points, d + 1)`, their barycentric weights.
        starts: int32 array `(size + 1,)`, where the points of each vertex
            start in `order`; the last entry is their end.
        order: int32 array `(points · (d + 1),)`, points by vertex.
        entries: int32 array of the same length: `points · (d + 1)` weights,
            flattened, are by vertex as `weights.ravel()[entries]`.
        neighbours: int32 array `(d + 1, size + 1, 2)`, for each axis the
            vertices next to each vertex. A missing one is the number
            `size`: an empty vertex after the last, without neighbours.

    Example:

    >>> import numpy as np
    >>> lattice = Lattice.build(np.array([[0.0], [0.1], [9.0]]))
    >>> lattice.vertices.tolist()
    [[0, 1], [0, 1], [2, 3]]
    """

    vertices: np.ndarray
    weights: np.ndarray
    starts: np.ndarray
    order: np.ndarray
    entries: np.ndarray
    neighbours: np.ndarray

    @property
    def size(self):
        """How many vertices there are."""
        return len(self.starts) - 1

    @property
    def alpha(self):
        """What the sum of the blurs is divided by: `1 + 2^-d`."""
        return 1 / (1 + 2.0 ** (1 - self.vertices.shape[1]))

    @classmethod
    def build(cls, features):
        """Builds the lattice around points.

        It takes `O(d² N + d N log N)` for N points.

        Args:
            features: array `(points, d)`, in deviations of the Gaussian; or
                `(batch, points, d)`, of which every image gets vertices of
                its own and points are numbered through.

        Raises:
            ValueError: if there is no point or no feature, or a feature is
                no number or too large.
        """
        features = np.asarray(features, np.float32)
        if features.ndim not in (2, 3) or features.size == 0:
            raise ValueError(
                "Features must be an array (points, d) or (batch, points, d) "
                f"and not empty. Received: shape {features.shape}"
            )
        batch = len(features) if features.ndim == 3 else 1
        flat = np.ascontiguousarray(features.reshape(-1, features.shape[-1]).T)
        q, rank, weights = enclosing_simplices(flat)
        keys = Keys(q, rank, batch)
        return cls(weights=weights, **_number(keys, *weights.shape))


def _number(keys, points, colours):
    """Numbers the vertices by their keys."""
    order, colour, first, unique = keys.sort()
    number = np.cumsum(first, dtype=np.int32)
    number -= 1
    entries = order * colours
    entries += colour
    vertices = np.empty(points * colours, np.int32)
    vertices[entries] = number
    starts = np.append(np.flatnonzero(first), len(order))
    size = len(starts) - 1
    neighbours = np.full((colours, size + 1, 2), size, np.int32)
    for pairs, (here, there) in zip(
        neighbours, keys.neighbours(unique), strict=True
    ):
        pairs[here, 0] = there
        pairs[there, 1] = here
    return {
        "vertices": vertices.reshape(points, colours),
        "starts": starts.astype(np.int32),
        "order": order.astype(np.int32),
        "entries": entries.astype(np.int32),
        "neighbours": neighbours,
    }
