"""The permutohedral lattice around a set of points, built by sorting."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from keras_seg.crf.simplex import enclosing_simplices

__all__ = ["Lattice"]

# Points that are worked on together: their numbers stay in the cache.
_BLOCK = 8192

# Bits of a key: those of an int64 without the sign and the bit of a merge.
_BITS = 62


@dataclasses.dataclass(frozen=True, eq=False)
class Lattice:
    """The vertices of the permutohedral lattice that points touch.

    Filtering with a Gaussian whose standard deviation is 1 in the space of
    the features takes three steps: splat values onto the vertices, blur along
    each axis in turn by [1/2, 1, 1/2], and slice the values back
    ([Adams et al. 2010](https://graphics.stanford.edu/papers/permutohedral/),
    [Krähenbühl and Koltun 2011](https://arxiv.org/abs/1210.5644)).

    There is no hash table. A vertex is one integer: sorting the integers
    numbers the vertices and groups the points by vertex at once, and the
    neighbors of a vertex are a constant away from it.

    Attributes:
        vertices: int32 array `(points, d + 1)`, the vertices around each
            point, numbered from 0 to `size - 1`.
        weights: float32 array `(points, d + 1)`, their barycentric weights.
        starts: int32 array `(size + 1,)`, where the points of each vertex
            start in `order`; the last entry is their end.
        order: int32 array `(points · (d + 1),)`, points grouped by vertex.
        entries: int32 array of the same length: `weights.ravel()[entries]`
            groups the weights by vertex.
        neighbors: int32 array `(d + 1, size + 1, 2)`, for each axis the
            vertices next to each vertex. A missing one is the number
            `size`: an empty vertex after the last, without neighbors.

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
    neighbors: np.ndarray

    @property
    def size(self):
        """The number of vertices."""
        return len(self.starts) - 1

    @property
    def alpha(self):
        """The scale of an unnormalized filter: `1 / (1 + 2^-d)`."""
        return 1 / (1 + 2.0 ** (1 - self.vertices.shape[1]))

    @classmethod
    def build(cls, features: NDArray) -> "Lattice":
        """Builds the lattice around N points in `O(d² N + d N log N)`.

        Args:
            features: array `(points, d)`, in standard deviations of the
                Gaussian; or `(batch, points, d)`: images share no vertex,
                and their points are numbered one image after the other.

        Raises:
            ValueError: If there are no features, or a feature is not finite
                or too large.
        """
        features = np.asarray(features, np.float32)
        if features.ndim not in (2, 3) or features.size == 0:
            raise ValueError(
                "Features must be an array (points, d) or (batch, points, d) "
                f"and not empty. Received: shape {features.shape}"
            )
        batch = len(features) if features.ndim == 3 else 1
        flat = np.ascontiguousarray(features.reshape(-1, features.shape[-1]).T)
        colors, points = len(flat) + 1, flat.shape[1]
        q = np.empty((colors, points), np.int32)
        rank = np.empty((colors, points), np.int8)
        weights = np.empty((points, colors), np.float32)
        for start in range(0, points, _BLOCK):
            part = slice(start, start + _BLOCK)
            simplices = enclosing_simplices(flat[:, part])
            q[:, part], rank[:, part], inside, _ = simplices
            weights[part] = inside.T
        keys = _Keys(q, rank, batch)
        return cls(weights=weights, **_number(keys, points, colors))


def _number(keys, points, colors):
    """Numbers the vertices in the order of their keys."""
    order, color, first, unique = keys.sort()
    number = np.cumsum(first, dtype=np.int32)
    number -= 1
    entries = order * colors
    entries += color
    vertices = np.empty(points * colors, np.int32)
    vertices[entries] = number
    starts = np.append(np.flatnonzero(first), len(order))
    size = len(starts) - 1
    neighbors = np.full((colors, size + 1, 2), size, np.int32)
    for pairs, (here, there) in zip(
        neighbors, keys.neighbors(unique), strict=True
    ):
        pairs[here, 0] = there
        pairs[there, 1] = here
    return {
        "vertices": vertices.reshape(points, colors),
        "starts": starts.astype(np.int32),
        "order": order.astype(np.int32),
        "entries": entries.astype(np.int32),
        "neighbors": neighbors,
    }


class _Keys:
    """The vertices around points as integers, by point and color.

    A key is a number of several digits, each with as many values as the
    points need, and some more for steps beyond: the coordinates `q_i` of the
    vertex, and its color as the least significant digit. The first two
    coordinates are replaced by the most significant digits

        q_0 - q_1 and q_1 - q_2, which tell the first and the second feature.

    These are a pixel's position. Vertices sorted by such keys lie in memory
    as they lie in the image, next to those that they exchange values with.

    Digits that do not fit into 62 bits go on in a further word; the last word
    is the most significant.

    Args:
        q: int32 array `(d + 1, points)`, the vertices of color 0.
        rank: int8 array `(d + 1, points)`.
        batch: int, number of images among the points.
    """

    def __init__(self, q, rank, batch):
        self.colors, self.points = q.shape
        self.rank = rank
        self.words: list[np.ndarray] = []
        self.bits: list[int] = []
        strides: list[np.ndarray] = []
        # The color's bits come first.
        radix = self.radix = 1 << (self.colors - 1).bit_length()
        for digit, coordinates in self._digits(q, batch):
            lowest = int(digit.min()) - 2
            count = int(digit.max()) - lowest + 3
            full = (radix * count).bit_length() > _BITS
            if full:
                radix = 1
            if full or not self.words:
                self.words.append(np.zeros(self.points, np.int64))
                self.bits.append(0)
                strides.append(np.zeros(self.colors, np.int64))
            self.words[-1] += (digit - lowest) * np.int64(radix)
            strides[-1] += coordinates * radix
            radix *= count
            self.bits[-1] = radix.bit_length()
        # What each word grows by where a coordinate grows by 1.
        self.strides = np.stack(strides, axis=1)

    def _digits(self, q, batch):
        """Digits and their coordinates, the least significant first."""
        unit = np.eye(self.colors, dtype=np.int64)
        # The coordinates sum to what the color says: one is superfluous.
        first = 2 if self.colors > 2 else 0
        for i in range(first, self.colors - 1):
            yield q[i], unit[i]
        for i in range(first):
            yield q[i] - q[i + 1], unit[i] - unit[i + 1]
        if batch > 1:
            yield np.arange(batch).repeat(self.points // batch), 0 * unit[0]

    def sort(self):
        """Sorts the vertices around all points.

        Returns:
            `(order, color, first, unique)`: the points in the order of
            vertices, the color of each, whether it is the first of its
            vertex, and the vertices' keys, a list of words.
        """
        words = [self._of_all_colors(n) for n in range(len(self.words))]
        if len(words) == 1:
            order = _sort(words[0], self.bits[0])
        else:
            order = np.lexsort(words)
        ordered = [word[order] for word in words]
        first = np.zeros(len(order), bool)
        first[0] = True
        for word in ordered:
            first[1:] |= word[1:] != word[:-1]
        unique = [word[first] for word in ordered]
        color = ordered[0] & (self.radix - 1)
        return order % self.points, color, first, unique

    def _of_all_colors(self, number):
        """One word of the keys, color after color."""
        strides = self.strides[:, number]
        result = np.empty((self.colors, self.points), np.int64)
        result[0] = self.words[number]
        for color in range(1, self.colors):
            word = result[color]
            word[:] = result[color - 1]
            if number == 0:
                word += 1
            # One coordinate more is less by 1.
            for i in np.flatnonzero(strides):
                word -= (self.rank[i] == self.colors - color) * strides[i]
        return result.ravel()

    def neighbors(self, unique):
        """Finds the neighbors of vertices, one step along each axis.

        A step leads from a color to the one before, or from 0 to the last.

        Args:
            unique: the keys from `sort`.

        Yields:
            `(here, there)` for each axis: the numbers of the vertices that
            have a neighbor, and the neighbors'.
        """
        is_zero = (unique[0] & (self.radix - 1)) == 0
        up = -self.strides.sum(axis=0)
        up[0] += self.colors - 1
        down = np.zeros_like(up)
        down[0] = -1
        parts = []
        for chosen, step in ((is_zero, up), (~is_zero, down)):
            words = [
                word[chosen] + n for word, n in zip(unique, step, strict=True)
            ]
            parts.append((np.flatnonzero(chosen), words))
        for strides in self.strides:
            found = []
            for numbers, words in parts:
                wanted = [w + n for w, n in zip(words, strides, strict=True)]
                here, there = _find(unique, wanted)
                found.append((numbers[here], there))
            yield tuple(map(np.concatenate, zip(*found, strict=True)))


def _sort(keys, bits):
    """Returns the order of keys.

    NumPy sorts numbers of 16 bits by counting them; a few such passes, the
    least significant digits first, take half the time of its other sorts.
    """
    order = np.argsort(keys.astype(np.uint16), kind="stable")
    for shift in range(16, bits, 16):
        digits = (keys >> shift).astype(np.uint16)
        order = order[np.argsort(digits[order], kind="stable")]
    return order


def _find(among, wanted):
    """Finds keys among others; both are sorted and have no duplicates.

    Returns:
        `(here, there)`: positions in `wanted` and in `among`.
    """
    if len(among) > 1:
        words = list(map(np.concatenate, zip(among, wanted, strict=True)))
        order = np.lexsort(words)
        # The sort is stable: a key that is wanted follows its equal.
        equal = [word[order[1:]] == word[order[:-1]] for word in words]
        places = np.flatnonzero(np.logical_and.reduce(equal))
        return order[places + 1] - len(among[0]), order[places]
    # Merge both, the last bit telling them apart: a key that is wanted
    # follows its equal.
    merged = np.concatenate([among[0] << 1, wanted[0] << 1 | 1])
    merged.sort(kind="stable")
    places = np.flatnonzero((merged[1:] ^ merged[:-1]) == 1)
    there = np.cumsum(~merged & 1)[places] - 1
    return places - there, there
