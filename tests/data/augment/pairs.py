"""Pairs that show what a transform did with them."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from keras_seg.data import augment

__all__ = [
    "coloring",
    "coordinates",
    "pairs",
    "repeated",
    "spatial",
    "transforms",
]

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


_SIZE = st.tuples(SIDES, SIDES)
_SHARE = st.floats(0, 1)
_AMOUNT = st.floats(0, 2)
_ALWAYS = {"probability": st.just(1.0) | _SHARE}


def spatial():
    """Each transform that moves pixels or takes them away."""
    return st.one_of(
        st.builds(augment.RandomScale, st.floats(0.3, 1), st.floats(1, 3)),
        st.builds(
            augment.RandomScale,
            factors=st.lists(st.floats(0.3, 3), min_size=1, max_size=3),
        ),
        st.builds(augment.RandomCrop, _SIZE),
        st.builds(
            augment.BalancedCrop,
            _SIZE,
            st.none() | st.lists(_AMOUNT, min_size=1, max_size=50),
            _SHARE,
        ),
        st.builds(augment.RandomFlip, _SHARE, _SHARE),
        st.builds(augment.RandomQuarterTurns),
        st.builds(augment.RandomShift, st.integers(0, 15)),
        st.builds(augment.RandomRotation, st.floats(0, 180)),
        st.builds(
            augment.ElasticDeformation, st.integers(2, 5), st.floats(0, 10)
        ),
        st.builds(augment.RandomPerspective, st.floats(0, 0.5), **_ALWAYS),
        st.builds(augment.CoarseDropout, st.integers(1, 5), _SHARE, **_ALWAYS),
    )


def coloring(color=True):
    """Each transform that changes the values of images alone."""
    kinds = [
        st.builds(augment.GrayJitter, st.floats(0, 99), _AMOUNT),
        st.builds(augment.GaussianBlur, st.floats(0, 9), **_ALWAYS),
        st.builds(augment.GaussianNoise, st.floats(0, 99), **_ALWAYS),
    ]
    if color:
        kinds += [
            st.builds(
                augment.ColorJitter,
                _AMOUNT,
                _AMOUNT,
                _AMOUNT,
                st.floats(0, 0.5),
            ),
            st.builds(augment.JPEGCompression, st.integers(1, 95), **_ALWAYS),
        ]
    return st.one_of(kinds)


def transforms(color=True):
    """Each transform of one pair, with any arguments."""
    return spatial() | coloring(color)


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
