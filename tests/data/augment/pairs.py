"""Pairs that show what a transform did with them."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from keras_seg.data import augment

__all__ = ["coordinates", "pairs", "repeated", "transforms"]

SIDES = st.integers(1, 12)
_DTYPES = ["uint8", "uint16", "int16", "int32", "int64"]


@st.composite
def pairs(draw, channels=(1, 2, 3, 4, 7)):
    """An image of any channels, and a mask of any ids and integer dtype."""
    mask = draw(
        hnp.arrays(
            draw(st.sampled_from(_DTYPES)),
            st.tuples(SIDES, SIDES),
            elements=st.integers(0, 99),
        )
    )
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    shape = (*mask.shape, draw(st.sampled_from(channels)))
    image = rng.integers(0, 256, shape).astype(
        draw(st.sampled_from(["uint8", "float32"]))
    )
    return image, mask


def transforms(color=True):
    """Each transform of the package, with any arguments."""
    size = st.tuples(SIDES, SIDES)
    share = st.floats(0, 1)
    amount = st.floats(0, 2)
    kinds = [
        st.builds(augment.RandomScale, st.floats(0.3, 1), st.floats(1, 3)),
        st.builds(
            augment.RandomScale,
            factors=st.lists(st.floats(0.3, 3), min_size=1, max_size=3),
        ),
        st.builds(augment.RandomCrop, size),
        st.builds(
            augment.BalancedCrop,
            size,
            st.none() | st.lists(amount, min_size=1, max_size=50),
            share,
        ),
        st.builds(augment.RandomFlip, share, share),
        st.builds(augment.RandomQuarterTurns),
        st.builds(augment.RandomShift, st.integers(0, 15)),
        st.builds(augment.RandomRotation, st.floats(0, 180)),
        st.builds(
            augment.ElasticDeformation, st.integers(2, 5), st.floats(0, 10)
        ),
        st.builds(augment.GrayJitter, st.floats(0, 99), amount),
    ]
    if color:
        kinds.append(
            st.builds(
                augment.ColorJitter, amount, amount, amount, st.floats(0, 0.5)
            )
        )
    return st.one_of(kinds)


def coordinates(height, width):
    """A float image of rows and columns, and a mask of 1000 and up.

    An id tells the pixel it was taken from, the image where it was read.
    """
    rows, columns = np.mgrid[:height, :width].astype("float32")
    mask = np.arange(height * width).reshape(height, width) + 1000
    return np.stack([rows, columns], axis=-1), mask


def repeated(mask, channels=3):
    """An image whose channels are the mask."""
    return np.repeat(mask[..., None], channels, axis=-1).astype("uint8")
