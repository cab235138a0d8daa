"""Each threshold of the check, from both of its sides."""

import numpy as np
import pytest

from keras_seg.data import check
from keras_seg.data.edges import Edges
from keras_seg.data.edges import find_edges
from keras_seg.data.edges import ids_in_between

pytestmark = pytest.mark.once

NOISE = np.random.default_rng(0).integers(0, 256, (40, 16, 16), "uint8")


def picture(gray):
    """An RGB image of gray values."""
    return np.repeat(np.asarray(gray, "uint8")[..., None], 3, axis=2)


def mask_of(*counts, ids=(0, 1), size=100):
    """A square mask that has so many pixels of each id."""
    mask = np.repeat(np.array(ids, "uint8"), counts)
    return mask.reshape(size, size)


def codes(pairs, classes=2):
    if not isinstance(pairs, dict):
        pairs = {"train": pairs}
    return {f.code: f for f in check(pairs, class_table=classes).findings}


@pytest.mark.parametrize(("count", "found"), [(1974, True), (2000, False)])
def test_an_image_shows_nothing_below_a_deviation_of_2(count, found):
    # Two values 5 apart, a share p of one: the deviation is 5 sqrt(p (1 - p)),
    # 1.990 and 2.
    gray = mask_of(count, 10_000 - count, ids=(100, 105))
    pair = picture(gray), mask_of(5000, 5000)
    assert ("KS-D032" in codes([pair])) == found
    # What shows nothing is no copy of another image.
    leaked = codes({"train": [pair], "val": [pair]})
    assert ("KS-D021" in leaked) == (not found)


@pytest.mark.parametrize(
    ("steps", "contrast", "found"),
    [(2, 24, True), (3, 24, False), (2, 23, False), (-2, 24, True)],
)
def test_lookalikes_are_2_levels_apart_and_have_24(steps, contrast, found):
    gray = np.full((16, 16), 100)
    gray[8:] += contrast
    other = gray.copy()
    other[3:6, 3] += steps  # Inside the range: the contrast stays.
    other[8:, 0] -= 1
    parts = {
        split: [(picture(x), NOISE[0] % 2)]
        for split, x in (("train", gray), ("val", other))
    }
    if steps < 0:  # The smaller values would enlarge the contrast.
        parts = dict(zip(parts, reversed(parts.values()), strict=True))
    assert ("KS-D025" in codes(parts)) == found


@pytest.mark.parametrize(("steps", "found"), [(16, False), (17, True)])
def test_one_mask_is_of_two_images_17_levels_apart(steps, found):
    gray = NOISE[0] // 2
    other = gray.copy()
    other[4, 4] = gray[4, 4] + steps
    pairs = [(picture(x), NOISE[0] % 2) for x in (gray, other)]
    assert ("KS-D026" in codes(pairs)) == found


@pytest.mark.parametrize(("rest", "found"), [(50, False), (49, True)])
def test_a_class_is_nearly_everything_above_995_in_1000(rest, found):
    pair = picture(NOISE[0].repeat(7, 0).repeat(7, 1)[:100, :100])
    pairs = [(pair, mask_of(10_000 - rest, rest))]
    assert ("KS-D030" in codes(pairs)) == found


@pytest.mark.parametrize(("void", "found"), [(5000, False), (5001, True)])
def test_void_is_too_much_above_half(void, found):
    image = picture(NOISE[0].repeat(7, 0).repeat(7, 1)[:100, :100])
    mask = mask_of(void, 4000, 6000 - void, ids=(255, 0, 1))
    full = mask_of(5000, 5000)
    # In all masks together, and in one of several.
    assert ("KS-D031" in codes([(image, mask)])) == found
    assert ("KS-D031" in codes([(image, mask), (image, full)])) == found


@pytest.mark.parametrize(("count", "found"), [(9, True), (10, False)])
def test_a_split_is_small_below_10_images(count, found):
    pairs = [(picture(x), x % 2) for x in NOISE[:count]]
    assert ("KS-D034" in codes(pairs)) == found


@pytest.mark.parametrize(("count", "found"), [(12, False), (13, True)])
def test_13_ids_outside_the_classes_are_no_mistake(count, found):
    mask = np.zeros((16, 16), "uint8")
    mask[0, :count] = np.arange(count) + 2
    finding = codes([(picture(NOISE[0]), mask)])["KS-D003"]
    assert ("JPEG or an interpolation" in finding.guess) == found


@pytest.mark.parametrize(
    ("ids", "elsewhere", "found"),
    [(5, 3, True), (4, 3, False), (5, 4, False)],
)
def test_5_ids_along_edges_a_quarter_of_each_between(ids, elsewhere, found):
    mask = np.zeros((40, 40), "uint8")
    mask[:, 20:] = 200
    for i in range(ids):
        mask[4 * i, 19] = 10 + i  # Between 0 and 200 ...
        mask[4 * i, 2 : 2 + 3 * elsewhere : 3] = 10 + i  # ... and on 0 alone.
    image = picture(NOISE[0].repeat(3, 0).repeat(3, 1)[:40, :40])
    assert ("KS-D020" in codes([(image, mask)], classes=201)) == found


@pytest.mark.parametrize(
    ("row", "steps", "slopes"),
    [
        ([0, 0, 0, 2, 5, 5, 5], 0, 1),
        ([0, 0, 2, 5, 5, 5], 0, 0),  # Two pixels are no area ...
        ([0, 0, 0, 1, 1, 5, 5, 5], 0, 1),  # ... and lie on a slope,
        ([0, 0, 0, 1, 1, 1, 5, 5, 5], 1, 0),  # which three do not.
        ([0, 0, 0, 2, 2, 2], 1, 0),
        ([0, 0, 0, 1, 1, 1], 0, 0),  # No id fits between 0 and 1.
    ],
)
def test_steps_and_slopes(row, steps, slopes):
    assert find_edges(np.array([row])) == Edges(steps, slopes)


def test_a_mask_is_smooth_from_20_slopes_on_where_these_are_most():
    smooth = {(0, 19): False, (0, 20): True, (20, 20): False, (20, 21): True}
    for counts, expected in smooth.items():
        assert Edges(*counts).smooth == expected


@pytest.mark.parametrize(("alone", "found"), [(1, (4,)), (2, ())])
def test_an_id_is_in_between_with_9_of_10_pixels(alone, found):
    mask = np.zeros((20, 9), "uint8")
    mask[:, 5:] = 9
    mask[:9, 4] = 4
    mask[10 : 10 + 2 * alone : 2, 1] = 4
    assert ids_in_between(mask) == found
