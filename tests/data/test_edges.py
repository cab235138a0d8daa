"""Interpolated masks are told from clean ones, drawn and real."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from keras_seg.data import read_mask
from keras_seg.data.edges import find_edges
from keras_seg.data.edges import ids_in_between
from keras_seg.data.edges import loose_ids

pytestmark = pytest.mark.once


def drawn(seed, ids):
    """Rectangles of some ids, none thinner than 4 pixels."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((64, 64), "uint8")
    for _ in range(8):
        top, left = rng.integers(0, 56, 2)
        height, width = rng.integers(8, 40, 2)
        mask[top : top + height, left : left + width] = rng.choice(ids)
    return mask


def resized(mask, factor, how):
    size = tuple(max(8, round(side * factor)) for side in mask.shape[::-1])
    return np.array(Image.fromarray(mask).resize(size, how))


@given(
    seed=st.integers(0, 10_000),
    factor=st.sampled_from([0.7, 1.3, 2.0]),
    step=st.sampled_from([10, 40]),
)
def test_interpolated(seed, factor, step):
    mask = drawn(seed, step * np.arange(6))
    if len(np.unique(mask)) < 2:
        return
    smooth = resized(mask, factor, Image.Resampling.BILINEAR)
    assert find_edges(smooth).smooth


@given(
    seed=st.integers(0, 10_000),
    factor=st.sampled_from([0.5, 0.7, 1.0, 1.3, 2.0]),
    step=st.sampled_from([1, 2, 40]),
)
def test_resized_to_the_nearest(seed, factor, step):
    mask = resized(
        drawn(seed, step * np.arange(6)), factor, Image.Resampling.NEAREST
    )
    assert not find_edges(mask).smooth


@given(seed=st.integers(0, 10_000))
def test_a_mask_that_is_turned_has_the_same_edges(seed):
    mask = resized(drawn(seed, 5 * np.arange(6)), 1.3, Image.Resampling.BICUBIC)
    turned = (mask.T, mask[::-1], mask[:, ::-1], 255 - mask)
    assert {find_edges(mask)} == {find_edges(other) for other in turned}
    assert loose_ids(mask) == loose_ids(mask.T) == loose_ids(mask[::-1])


@given(mask=arrays("uint8", (7, 6), elements=st.integers(0, 4)))
def test_loose_ids(mask):
    """Against a search pixel by pixel."""
    found = {}
    for i in np.unique(mask).tolist():
        if any(
            (mask[y : y + 2, x : x + 2] == i).all()
            for y in range(6)
            for x in range(5)
        ):
            continue
        around = [
            mask[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2]
            for y, x in np.argwhere(mask == i)
        ]
        found[i] = sum(a.min() < i < a.max() for a in around)
    assert loose_ids(mask) == found


def test_thin_objects_are_no_edges():
    """Lines of one pixel on one ground, as cracks are drawn."""
    mask = np.zeros((60, 60), "uint8")
    for i in range(1, 9):
        mask[6 * i, 3:50] = i
    assert not find_edges(mask).smooth
    assert loose_ids(mask) == {i: 0 for i in range(1, 9)}


def test_the_ids_in_between():
    mask = np.zeros((40, 40), "uint8")
    mask[10:30, 10:30] = 100
    smooth = resized(mask, 2, Image.Resampling.BILINEAR)
    between = ids_in_between(smooth)
    assert between and set(between) == set(np.unique(smooth)) - {0, 100}


def test_real_masks(data_dir):
    """Thin poles, VOC's contours, horses: none looks interpolated, and those
    of more than two ids do once they are."""
    files = [
        *sorted((data_dir / "camvid/train/labels").glob("*.png"))[::12],
        *(data_dir / "voc_samples/SegmentationClass").glob("*.png"),
        *sorted((data_dir / "horses/train/labels").glob("*.png"))[::12],
    ]
    assert len(files) > 40
    for file in files:
        mask = read_mask(file)
        assert not find_edges(mask).smooth, file
        if "horses" not in str(file):
            smooth = resized(mask, 1.5, Image.Resampling.BICUBIC)
            assert find_edges(smooth).smooth, file
