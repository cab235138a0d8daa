"""Vertices of the lattice as integers, by tensor operations."""

import dataclasses
from typing import Any

import keras
from keras import ops

__all__ = ["GraphKeys"]


@dataclasses.dataclass(frozen=True, eq=False)
class GraphKeys:
    """One key for each point and colour, and the way to other keys.

    The digits of a key are the coordinates `q_i`, the image's number and,
    most significant, the colour. As in `Keys` each digit has as many values
    as the points need, and two more for steps beyond; but how many that is
    only the graph knows when it runs.

    A key is one int64, or two int32 on JAX, which has no other integers by
    default; a digit is in one of them as a whole. The sign is not used.

    Attributes:
        words: list of integer tensors `(d + 1, points)`, the keys by
            colour, the most significant word last.
        steps: list of pairs of integer tensors `(d + 1, 1)`, as `words`:
            what leads from a vertex to the one before it along each axis,
            for colours above 0 and for colour 0.
        fits: bool tensor, whether the digits fit into the words. Where they
            do not, keys mean nothing.
    """

    words: list
    steps: list
    fits: Any

    @classmethod
    def build(cls, q, rank, batch):
        """Makes keys of what `graph_simplices` returns.

        Args:
            q: int32 tensor `(d + 1, points)`.
            rank: int32 tensor `(d + 1, points)`.
            batch: int or integer tensor, images among the points.
        """
        dtype, bits, count = _words()
        colours, points = q.shape[0], ops.shape(q)[1]
        # The coordinates sum to what the colour says: one is superfluous.
        # The rest count from the lowest minus 2 to the highest plus 1.
        lowest = ops.min(q[:-1], axis=1) - 2
        values = ops.cast(ops.max(q[:-1], axis=1) - lowest + 2, dtype)
        digits = ops.cast(q[:-1] - lowest[:, None], dtype)
        digits = [digits[i] for i in range(colours - 1)]
        colour = ops.arange(colours, dtype="int32")[:, None]
        image = ops.arange(points, dtype="int32") // (points // batch)
        strides, fits = _strides(
            [values[i] for i in range(colours - 1)]
            + [ops.cast(batch, dtype), ops.cast(colours, dtype)],
            2**bits - 1,
            count,
        )
        # Coordinates of high rank are one less, the more the higher a colour.
        beyond = [rank[i] > colours - 1 - colour for i in range(colours - 1)]
        image, colour = ops.cast(image, dtype), ops.cast(colour, dtype)
        words, steps = [], []
        for *along, of_image, of_colour in zip(*strides, strict=True):
            word = image * of_image
            for digit, stride in zip(digits, along, strict=True):
                word = word + digit * stride
            word = word + colour * of_colour
            for less, stride in zip(beyond, along, strict=True):
                word = word - ops.where(less, stride, 0)
            words.append(word)
            steps.append(_steps(along, of_colour))
        return cls(words, steps, fits)


def _steps(along, of_colour):
    """The way to the colour before, and from colour 0 to the last."""
    colours = len(along) + 1
    # The last coordinate has no digit.
    along = ops.stack([*along, ops.zeros_like(of_colour)])
    total = ops.cast(ops.sum(along), along.dtype)
    around = along - total + of_colour * (colours - 1)
    return (along - of_colour)[:, None], around[:, None]


def _words():
    """The dtype of words, their bits without a sign, and their number."""
    if keras.backend.backend() == "jax":
        return "int32", 31, 2
    return "int64", 63, 1


def _strides(values, largest, count):
    """What each digit is multiplied by in each word, and whether all fit.

    A digit that would make a word larger than `largest` starts the next.
    """
    radix, word = ops.ones_like(values[0]), 0
    strides = []
    for number in values:
        full = radix > largest // number
        radix = ops.where(full, 1, radix)
        word = word + ops.cast(full, "int32")
        strides.append([ops.where(word == n, radix, 0) for n in range(count)])
        radix = radix * number
    return strides, word < count
