import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_seg.surgery.intervals import Intervals

pytestmark = pytest.mark.once

STEPS = st.one_of(
    st.tuples(
        st.just("window"),
        st.integers(1, 4),
        st.integers(1, 3),
        st.integers(1, 3),
        st.integers(0, 4),
    ),
    st.tuples(
        st.just("spread"),
        st.integers(1, 5),
        st.integers(1, 2),
        st.integers(1, 3),
        st.integers(0, 2),
    ),
)


def matrix(kind, old, taps, rate, stride, before):
    """Which positions of a side of `old` each new one sees, from -> to."""
    new = (
        old // stride if kind == "window" else old * stride
    )  # Enough; its borders are not looked at.
    sees = np.zeros((new, old), bool)
    for i in range(new):
        for tap in range(taps):
            if kind == "window":
                place = i * stride - before + tap * rate
            else:
                place, rest = divmod(i + before - tap * rate, stride)
                if rest:
                    continue
            if 0 <= place < old:
                sees[i, place] = True
    return sees


@given(steps=st.lists(STEPS, min_size=1, max_size=3))
def test_follows_every_position(steps):
    """The pattern, against products of the matrices of the steps."""
    size = 240
    side, sees = Intervals(size), np.eye(size, dtype=bool)
    for kind, *geometry in steps:
        sees = matrix(kind, len(sees), *geometry) @ sees
        taps, rate, stride, before = geometry
        if kind == "window":
            side = side.window(taps, rate, stride, before)
        else:
            side = side.spread(len(sees), taps, rate, stride, before)
    checked = 0
    for position in range(len(sees)):
        first, last = side.at(position)
        if 60 <= position * side.stride < 180 and 0 <= first <= last < size:
            (pixels,) = np.nonzero(sees[position])
            assert (pixels[0], pixels[-1]) == (first, last)
            checked += 1
        elif first > last:
            assert not sees[position].any()
    assert checked


def test_an_enlarged_side_has_a_pattern():
    """Bilinear, by 2, with half-pixel centers: two positions for each."""
    side = Intervals(8).interpolate(16, Fraction(2))
    assert [side.at(i) for i in range(4)] == [(-1, 0), (0, 1), (0, 1), (1, 2)]
    assert (side.width, side.stride) == (2, Fraction(1, 2))
    # The middle of the first half of pixel 0.
    assert side.center == Fraction(-1, 4)


def test_aligned_corners_fall_on_positions():
    side = Intervals(5).interpolate(9, Fraction(2), align_corners=True)
    assert [side.at(i) for i in range(4)] == [(0, 0), (0, 1), (1, 1), (1, 2)]
    assert side.center == Fraction(0)
    drifting = Intervals(5).interpolate(10, Fraction(2), align_corners=True)
    assert drifting.at(2) == (1, 2)


def test_join_is_the_hull():
    one = Intervals(8).window(3, before=1)
    other = Intervals(8).window(1, before=4)
    assert one.join(other).at(10) == (6, 11)
    enlarged = Intervals(8).window(1, stride=2).spread(8, 2, stride=2)
    assert [enlarged.join(one).at(i) for i in (2, 3)] == [(1, 3), (2, 4)]


def test_nails_leave_positions_that_see_nothing():
    side = Intervals(4).spread(8, 1, stride=2)
    assert side.at(4) == (2, 2)
    assert side.at(5) == (math.inf, -math.inf)
    assert side.window(2, before=1).at(5) == (2, 2)
    assert side.center == 0
