"""Simple points by their definition, and by what flipping them keeps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from keras_seg.metrics.em.simple_points import NEIGHBOURS
from keras_seg.metrics.em.simple_points import SIMPLE
from keras_seg.metrics.em.simple_points import neighbourhoods
from tests.metrics.em.drawings import spots

pytestmark = pytest.mark.once

SIDES = [(0, 1), (1, 0), (1, 2), (2, 1)]
CORNERS = np.ones((3, 3))


def parts_that_touch(patch, structure, places):
    """Connected parts of the neighbours, without the pixel between them."""
    patch = patch.copy()
    patch[1, 1] = False
    labelled, _ = ndimage.label(patch, structure)
    return len({labelled[place] for place in places} - {0})


def is_simple(patch):
    """Bertrand and Malandain 1994: T_4 of the foreground and T_8 of the rest.

    Both count the parts that touch the pixel, and are 1.
    """
    around = [(y, x) for y in range(3) for x in range(3) if (y, x) != (1, 1)]
    return (
        parts_that_touch(patch, None, SIDES) == 1
        and parts_that_touch(~patch, CORNERS, around) == 1
    )


def test_the_whole_table():
    for code in range(256):
        patch = np.zeros((3, 3), bool)
        for place, (y, x) in enumerate(NEIGHBOURS):
            patch[1 + y, 1 + x] = code >> place & 1
        assert SIMPLE[code] == is_simple(patch), patch
        assert neighbourhoods(patch)[1, 1] == code
    # One part each in 116 of 256 neighbourhoods: 0 and 255 are not among.
    assert sum(SIMPLE) == 116 and not SIMPLE[0] and not SIMPLE[255]


def counts(foreground):
    """The cells, and the parts of what is around them, frame included."""
    padded = np.pad(foreground, 1)
    return ndimage.label(padded)[1], ndimage.label(~padded, CORNERS)[1]


@given(seed=st.integers(0, 10_000), share=st.sampled_from([0.3, 0.5, 0.8]))
def test_flipping_a_simple_point_keeps_the_topology(seed, share):
    foreground = spots(seed, (8, 9), share)
    before = counts(foreground)
    codes = neighbourhoods(foreground)
    for y, x in np.ndindex(*codes.shape):
        if SIMPLE[codes[y, x]]:
            flipped = foreground.copy()
            flipped[y, x] ^= True
            assert counts(flipped) == before, (y, x)
