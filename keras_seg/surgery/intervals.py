"""The pixels that the positions of a map depend on, side by side."""

import dataclasses
import math
from fractions import Fraction

__all__ = ["Field", "Intervals"]

NOTHING = (math.inf, -math.inf)


@dataclasses.dataclass(frozen=True)
class Intervals:
    """The first and last pixel that each position of a side depends on.

    After an enlargement, neighboring positions differ: by a factor of 2, even
    positions may depend on one pixel and odd ones on two. The intervals
    repeat in a pattern, of one position if the map was never enlarged:

        position q · len(pattern) + p   depends on pixels
        pattern[p][0] + q · period … pattern[p][1] + q · period

    The border is left out: pixels before the first or after the last are
    padding.

    Args:
        size: int, positions of the side.
        pattern: pairs `(first, last)` of pixels; infinity and minus infinity
            for a position that depends on none.
        period: int, pixels from one repeat of the pattern to the next.

    Example:

    >>> side = Intervals(64).window(3, before=1).window(2, stride=2)
    >>> side.at(10), side.width, side.stride, side.center
    ((19, 22), 4, Fraction(2, 1), Fraction(1, 2))
    """

    size: int
    pattern: tuple = ((0, 0),)
    period: int = 1

    @property
    def stride(self):
        """Pixels from one position to the next, on average."""
        return Fraction(self.period, len(self.pattern))

    @property
    def width(self):
        """Pixels in the largest interval."""
        return max(last - first + 1 for first, last in self.pattern)

    @property
    def center(self):
        """The middle of the interval of position 0, in pixels.

        For a pattern, the mean of `middle - position · stride`.
        """
        middles = [
            Fraction(first + last, 2) - place * self.stride
            for place, (first, last) in enumerate(self.pattern)
            if first <= last
        ]
        return sum(middles) / len(middles)

    def at(self, position):
        """The first and last pixel that a position depends on."""
        repeats, place = divmod(position, len(self.pattern))
        first, last = self.pattern[place]
        return first + repeats * self.period, last + repeats * self.period

    def join(self, other):
        """The hulls of the intervals of two sides of equal strides."""
        length = math.lcm(len(self.pattern), len(other.pattern))
        pattern = tuple(
            _hull([self.at(position), other.at(position)])
            for position in range(length)
        )
        return Intervals(self.size, pattern, int(length * self.stride))

    def without_pixels(self):
        """The same positions, which depend on no pixel."""
        return dataclasses.replace(self, pattern=(NOTHING,) * len(self.pattern))

    def resample(self, size, sources, every=1, advance=1):
        """The side of a new map, computed from this one's positions.

        Args:
            size: int, positions of the new side.
            sources: function from a new position to the old ones it is
                computed from.
            every: int. For every so many new positions,
            advance: int, the sources move by so many old ones.
        """
        repeats = len(self.pattern) // math.gcd(len(self.pattern), advance)
        pattern = tuple(
            _hull([self.at(source) for source in sources(position)])
            for position in range(every * repeats)
        )
        return Intervals(size, pattern, int(repeats * advance * self.stride))

    def window(self, taps=1, rate=1, stride=1, before=0, after=0):
        """Slides a window over the padded side, as a convolution does."""
        padded = self.size + before + after

        def sources(position):
            start = position * stride - before
            return [start + tap * rate for tap in range(taps)]

        size = (padded - (taps - 1) * rate - 1) // stride + 1
        return self.resample(size, sources, advance=stride)

    def slide(self, padding, taps, stride, rate=1):
        """Slides a window over the side, padded as Keras does by a name."""
        if padding != "same":
            return self.window(taps, rate, stride)
        # With a stride, the size of the map decides how much is padded.
        positions = -(-self.size // stride)
        needed = (positions - 1) * stride + (taps - 1) * rate + 1
        total = max(needed - self.size, 0)
        return self.window(taps, rate, stride, total // 2, total - total // 2)

    def spread(self, size, taps, rate=1, stride=1, before=0):
        """Lays a kernel over every position, as a transposed convolution.

        Args:
            size: int, positions of the new side.
            taps, rate, stride: ints, of the convolution.
            before: int, how many are cropped in front.
        """

        def sources(position):
            starts = [position + before - tap * rate for tap in range(taps)]
            return [start // stride for start in starts if start % stride == 0]

        return self.resample(size, sources, every=stride)

    def interpolate(self, size, factor, align_corners=False):
        """Resizes by bilinear interpolation: see `keras_seg.ops.resize`.

        If `size` is not what the factor gives, places drift along the side,
        and each is taken to lie between two positions.

        Args:
            size: int, positions of the new side.
            factor: int or `Fraction`, new positions for each old one.
            align_corners: bool, as in `resize`.
        """
        factor = Fraction(factor)
        corners = 1 if align_corners else 0
        is_exact = (self.size - corners) * factor == size - corners

        def sources(position):
            place = position / factor
            if not align_corners:
                place = (position + Fraction(1, 2)) / factor - Fraction(1, 2)
            before = math.floor(place)
            return {before, math.ceil(place) if is_exact else before + 1}

        return self.resample(
            size, sources, factor.numerator, factor.denominator
        )


@dataclasses.dataclass(frozen=True)
class Field:
    """The pixels that the positions of a tensor depend on.

    Args:
        sides: pair of `Intervals`, of the rows and of the columns; empty if
            the tensor is not a map.
        data_format: str, of the map.
        whole: bool, whether the positions also depend on a mean or maximum
            over a whole map, or on a dense layer. `sides` leaves these out.
    """

    sides: tuple
    data_format: str
    whole: bool = False

    @property
    def is_map(self):
        return bool(self.sides)

    def along(self, function, *pairs):
        """Applies a function to each side and its own of each pair."""
        sides = tuple(map(function, self.sides, *pairs))
        return dataclasses.replace(self, sides=sides)

    def resized(self, sizes):
        """The map with other numbers of positions, cut or padded at its end."""
        return self.along(
            lambda side, size: dataclasses.replace(side, size=size), sizes
        )


def _hull(intervals):
    firsts, lasts = zip(NOTHING, *intervals, strict=True)
    return min(firsts), max(lasts)
