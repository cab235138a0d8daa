"""Vertices of the lattice as integers that can be sorted."""

import numpy as np

__all__ = ["Keys"]

# Of an int64, without its sign and the bit of a merge.
_BITS = 62


class Keys:
    """The vertices around points, one key for each point and colour.

    A key is a number of several digits, each with as many values as the
    points need, and some more for steps beyond: the coordinates `q_i` of the
    vertex, and its colour as the least significant one. In place of the first
    two coordinates there are differences, as the most significant digits:

        q_0 - q_1 and q_1 - q_2 tell the first feature and the second one

    which are a pixel's position, so that vertices, sorted by their keys, lie
    in memory as they lie in the image, next to what they exchange values
    with. What does not fit into one word of 62 bits is spread over several; a
    word is then replaced by its rank among the words that are there.

    Args:
        q: int32 array `(d + 1, points)`, of the vertices of colour 0.
        rank: int8 array `(d + 1, points)`.
        batch: int, images among the points.
    """

    def __init__(self, q, rank, batch):
        self.colours, self.points = q.shape
        self.rank = rank
        self.words, self.bits = [np.zeros(self.points, np.int64)], [0]
        columns = [np.zeros(self.colours, np.int64)]
        # The colours' bits come first.
        radix = self.radix = 1 << (self.colours - 1).bit_length()
        for digit, weights in self._digits(q, batch):
            lowest = int(digit.min()) - 2
            count = int(digit.max()) - lowest + 3
            if (radix * count).bit_length() > _BITS:
                radix = 1
                self.words.append(np.zeros(self.points, np.int64))
                self.bits.append(0)
                columns.append(np.zeros(self.colours, np.int64))
            self.words[-1] += (digit - lowest) * np.int64(radix)
            columns[-1] += weights * radix
            radix *= count
            self.bits[-1] = radix.bit_length()
        # What a word grows by where a coordinate grows by 1.
        self.strides = np.stack(columns, axis=1)

    def _digits(self, q, batch):
        """The digits, the least significant first, and how each is made."""
        unit = np.eye(self.colours, dtype=np.int64)
        # The coordinates sum to what the colour says: one is superfluous.
        first = 2 if self.colours > 2 else 0
        for i in range(first, self.colours - 1):
            yield q[i], unit[i]
        for i in range(first):
            yield q[i] - q[i + 1], unit[i] - unit[i + 1]
        if batch > 1:
            image = np.arange(batch).repeat(self.points // batch)
            yield image, 0 * unit[0]

    def sort(self):
        """Sorts the points' vertices of all colours.

        Returns:
            `(order, colour, first, unique)`: the points in the order of
            vertices, the colour of each, whether it is the first of its
            vertex, and the vertices' keys, a list of words.
        """
        words = [self._of_all_colours(n) for n in range(len(self.words))]
        if len(words) == 1:
            order, ordered = _sort(words[0], self.bits[0])
            ordered = [ordered]
        else:
            order = np.lexsort(words)
            ordered = [word[order] for word in words]
        first = np.zeros(len(order), bool)
        first[0] = True
        for word in ordered:
            first[1:] |= word[1:] != word[:-1]
        colour = ordered[0] & (self.radix - 1)
        return (
            order % self.points,
            colour,
            first,
            [word[first] for word in ordered],
        )

    def _of_all_colours(self, number):
        """One word of the keys, colour after colour."""
        strides = self.strides[:, number]
        result = np.empty((self.colours, self.points), np.int64)
        result[0] = self.words[number]
        for colour in range(1, self.colours):
            word = result[colour]
            word[:] = result[colour - 1]
            if number == 0:
                word += 1
            # One coordinate more is less by 1.
            for i in np.flatnonzero(strides):
                word -= (self.rank[i] == self.colours - colour) * strides[i]
        return result.ravel()

    def neighbours(self, unique):
        """Finds the neighbours of vertices, one step along each axis.

        It leads from a colour to the one before, or from 0 to the last.

        Args:
            unique: the keys from `sort`.

        Yields:
            `(here, there)` for each axis: the numbers of the vertices that
            have a neighbour, and the neighbours'.
        """
        is_zero = (unique[0] & (self.radix - 1)) == 0
        up = -self.strides.sum(axis=0)
        up[0] += self.colours - 1
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
    """Returns the order of keys and the keys in that order.

    NumPy sorts numbers of 16 bits by counting them; a few such passes, the
    least significant digits first, take half the time of its other sorts.
    """
    order = np.argsort(keys.astype(np.uint16), kind="stable")
    for shift in range(16, bits, 16):
        digits = (keys >> shift).astype(np.uint16)
        order = order[np.argsort(digits[order], kind="stable")]
    return order, keys[order]


def _find(among, wanted):
    """Where keys are found among others, both in order and none twice.

    Returns:
        `(here, there)`: positions in `wanted` and in `among`.
    """
    if len(among) > 1:
        return _find_words(among, wanted)
    # A merge of the two, the last bit telling them apart, leaves a key that
    # is wanted behind its equal.
    merged = np.concatenate([among[0] << 1, wanted[0] << 1 | 1])
    merged.sort(kind="stable")
    places = np.flatnonzero((merged[1:] ^ merged[:-1]) == 1)
    there = np.cumsum(~merged & 1)[places] - 1
    return places - there, there


def _find_words(among, wanted):
    """The same where a key is several words, the last most significant."""
    key = np.zeros(len(among[0]), np.int64)
    sought = np.zeros(len(wanted[0]), np.int64)
    present = np.ones(len(wanted[0]), bool)
    for words, others in zip(among[::-1], wanted[::-1], strict=True):
        values, ranks = np.unique(words, return_inverse=True)
        places = np.minimum(np.searchsorted(values, others), len(values) - 1)
        present &= values[places] == others
        # Ranks before this word, made small again.
        key = key * len(values) + ranks
        sought = sought * len(values) + places
        values, key = np.unique(key, return_inverse=True)
        places = np.minimum(np.searchsorted(values, sought), len(values) - 1)
        present &= values[places] == sought
        sought = places
    # In order and none twice: the rank of a key is its position.
    return np.flatnonzero(present), sought[present]
