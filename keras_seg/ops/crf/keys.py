"""Vertices of the lattice as integers that can be sorted."""

import numpy as np

__all__ = ["Keys"]

# Of an int64, without its sign.
_BITS = 63


class Keys:
    """The vertices around points, one key for each point and colour.

    The digits of a key are the coordinates `q_i` and the image's number,
    each with as many values as the points need, and two more for steps
    beyond. What does not fit into one word of 63 bits is spread over several;
    a word is then replaced by its rank among the words that are there.

    Args:
        q: int32 array `(d + 1, points)`.
        rank: int8 array `(d + 1, points)`.
        batch: int, images among the points.
    """

    def __init__(self, q, rank, batch):
        self.colours, self.points = q.shape
        self.rank = rank
        # The coordinates sum to what the colour says: one is superfluous.
        digits, self.words = q[:-1], []
        image = np.arange(batch).repeat(self.points // batch)
        lowest = digits.min(axis=1)
        # From the lowest minus 2 to the highest plus 1.
        values = [int(n) for n in digits.max(axis=1) - lowest + 4]
        self.bits, strides = [], []
        radix = None
        for digit, low, count in zip(
            [*digits, image], [*(lowest - 2), 0], [*values, batch], strict=True
        ):
            if radix is None or (radix * count).bit_length() > _BITS:
                radix = 1
                self.words.append(np.zeros(self.points, np.int64))
                self.bits.append(0)
            self.words[-1] += (digit.astype(np.int64) - low) * radix
            strides.append((len(self.words) - 1, radix))
            radix *= count
            self.bits[-1] = radix.bit_length()
        self.strides = np.zeros((self.colours, len(self.words)), np.int64)
        for i, (word, stride) in enumerate(strides[:-1]):
            self.strides[i, word] = stride

    def sort(self, colour):
        """Sorts the points by their vertex of one colour.

        Returns:
            `(order, first, unique)`: the points in order, whether each is
            the first of its vertex, and the vertices' keys, a list of words.
        """
        words = [word.copy() for word in self.words]
        if colour:
            for i in range(self.colours - 1):
                beyond = self.rank[i] > self.colours - 1 - colour
                for word, stride in zip(words, self.strides[i], strict=True):
                    if stride:
                        word -= beyond * stride
        if len(words) == 1:
            order, ordered = _sort(words[0], self.bits[0])
            first = np.empty(self.points, bool)
            first[0] = True
            np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
            return order, first, [ordered[first]]
        order = np.lexsort(words)
        ordered = [word[order] for word in words]
        first = np.zeros(self.points, bool)
        first[0] = True
        for word in ordered:
            first[1:] |= word[1:] != word[:-1]
        return order, first, [word[first] for word in ordered]

    def find(self, among, unique, colour, axis):
        """Finds the neighbours of vertices, one step along an axis.

        Args:
            among: keys, from `sort`, of the colour before.
            unique: keys, from `sort`.
            colour: int, theirs.
            axis: int.

        Returns:
            `(here, there)`: positions in `unique` of those that have a
            neighbour, and the neighbours' positions in `among`.
        """
        step = self.strides[axis]
        if colour == 0:
            step = step - self.strides.sum(axis=0)
        wanted = [word + n for word, n in zip(unique, step, strict=True)]
        if len(wanted) > 1:
            among, wanted = _ranked(among, wanted)
        there = np.searchsorted(among[0], wanted[0])
        np.minimum(there, len(among[0]) - 1, out=there)
        here = np.flatnonzero(among[0][there] == wanted[0])
        return here, there[here]


def _sort(keys, bits):
    """Returns the order of keys and the keys in that order.

    A sort of keys and positions in one number is several times as fast as
    an indirect one.
    """
    shift = (len(keys) - 1).bit_length()
    if bits + shift > _BITS:
        order = np.argsort(keys, kind="stable")
        return order, keys[order]
    packed = (keys << shift) | np.arange(len(keys))
    packed.sort()
    return packed & ((1 << shift) - 1), packed >> shift


def _ranked(among, wanted):
    """Several words as one: each by its rank, the last most significant.

    What is wanted and not there has no rank and becomes -1.
    """
    key = np.zeros(len(among[0]), np.int64)
    sought = np.zeros(len(wanted[0]), np.int64)
    absent = np.zeros(len(wanted[0]), bool)
    for words, others in zip(among[::-1], wanted[::-1], strict=True):
        values, ranks = np.unique(words, return_inverse=True)
        places = np.minimum(np.searchsorted(values, others), len(values) - 1)
        absent |= values[places] != others
        # Ranks before this word, made small again.
        key = key * len(values) + ranks
        sought = sought * len(values) + places
        values, key = np.unique(key, return_inverse=True)
        places = np.minimum(np.searchsorted(values, sought), len(values) - 1)
        absent |= values[places] != sought
        sought = places
    sought[absent] = -1
    return [key], [sought]
