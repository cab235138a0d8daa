"""What the positions along one side of a map see of the image, exactly."""

import dataclasses
import math
from fractions import Fraction

__all__ = ["Reach"]

NOTHING = (math.inf, -math.inf)


@dataclasses.dataclass(frozen=True)
class Reach:
    """The first and the last pixel that each position of a side sees.

    Where maps are enlarged, neighbouring positions see differently: of an
    enlargement by 2, the even ones may see one position and the odd ones
    two. What they see comes again with every repeat of a pattern:

        position q · len(pattern) + p   sees pixels
        pattern[p][0] + q · period … pattern[p][1] + q · period

    A map that was never enlarged has a pattern of one. The border is left
    out: pixels before the first or behind the last are padding.

    Attributes:
        size: int, positions of the side.
        pattern: pairs `(first, last)` of pixels; infinity and minus infinity
            for a position that sees nothing.
        period: int, pixels by which the pattern moves on.

    Example:

    >>> reach = Reach(64).window(3, before=1).window(2, stride=2)
    >>> reach.at(10), reach.width, reach.stride, reach.center
    ((19, 22), 4, Fraction(2, 1), Fraction(1, 2))
    """

    size: int
    pattern: tuple = ((0, 0),)
    period: int = 1

    @property
    def stride(self):
        """Pixels for a position, on average."""
        return Fraction(self.period, len(self.pattern))

    @property
    def width(self):
        """Pixels that the position sees which sees most."""
        return max(last - first + 1 for first, last in self.pattern)

    @property
    def center(self):
        """Where the field of position 0 has its middle, in pixels.

        For a pattern, where it would have to lie for the middles of all
        fields to be at `center + position · stride`, on average.
        """
        middles = [
            Fraction(first + last, 2) - place * self.stride
            for place, (first, last) in enumerate(self.pattern)
            if first <= last
        ]
        return sum(middles) / len(middles)

    def at(self, position):
        """The first and the last pixel that a position sees."""
        repeats, place = divmod(position, len(self.pattern))
        first, last = self.pattern[place]
        return first + repeats * self.period, last + repeats * self.period

    def join(self, other):
        """Sees what either sees, of two sides of equal strides."""
        length = math.lcm(len(self.pattern), len(other.pattern))
        pattern = tuple(
            _hull([self.at(position), other.at(position)])
            for position in range(length)
        )
        return Reach(self.size, pattern, int(length * self.stride))

    def without_pixels(self):
        """Positions at the same places, which see nothing."""
        return dataclasses.replace(self, pattern=(NOTHING,) * len(self.pattern))

    def resample(self, size, sources, every=1, advance=1):
        """The side of a new map, whose positions are made of this one's.

        Args:
            size: int, positions of the new side.
            sources: function from a new position to the old ones it sees.
            every: int. So many new positions further on,
            advance: int, the sources are so many old ones further on.
        """
        repeats = len(self.pattern) // math.gcd(len(self.pattern), advance)
        pattern = tuple(
            _hull([self.at(source) for source in sources(position)])
            for position in range(every * repeats)
        )
        return Reach(size, pattern, int(repeats * advance * self.stride))

    def window(self, taps, rate=1, stride=1, before=0, after=0):
        """Slides a window over the padded side, as a convolution does."""
        padded = self.size + before + after

        def sources(position):
            start = position * stride - before
            return [start + tap * rate for tap in range(taps)]

        size = (padded - (taps - 1) * rate - 1) // stride + 1
        return self.resample(size, sources, advance=stride)

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

    def interpolate(self, size, factor, align_corners=False, exact=True):
        """Resizes by bilinear interpolation: see `keras_seg.ops.resize`.

        Args:
            size: int, positions of the new side.
            factor: `Fraction`, new positions for each old one.
            align_corners: bool, as in `resize`.
            exact: bool, whether `size` is what the factor gives. If not,
                places drift, and none is sure to fall on a position.
        """

        def sources(position):
            place = position / factor
            if not align_corners:
                place = (position + Fraction(1, 2)) / factor - Fraction(1, 2)
            before = math.floor(place)
            return {before, math.ceil(place) if exact else before + 1}

        return self.resample(
            size, sources, factor.numerator, factor.denominator
        )


def _hull(intervals):
    firsts, lasts = zip(NOTHING, *intervals, strict=True)
    return min(firsts), max(lasts)
