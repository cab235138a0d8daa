"""Sizes of images and objects, and the side that is suggested."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis.extra.numpy import arrays

from keras_seg.data import check
from keras_seg.data import from_folder
from keras_seg.data import suggest_longest_side
from keras_seg.data.sizes import measure_mask
from keras_seg.data.sizes import sampled
from tests.data.test_folder import write

pytestmark = pytest.mark.once


def square(side, *boxes):
    mask = np.zeros((side, side), "uint8")
    for top, left, height, width in boxes:
        mask[top : top + height, left : left + width] = 1
    return [(mask[..., None], mask)]


@pytest.mark.parametrize(
    ("data", "side"),
    [
        # Below 1,024, half of the image is less than 512.
        (square(1000, (0, 0, 500, 500)), None),
        # The background is as long as the image: 384 of it are 512 at least.
        (square(3000, (0, 0, 1500, 1500)), 512),
        # 24 of 60 pixels: 3000 * 24 / 60 = 1200, a multiple of 32 is 1216.
        (square(3000, (0, 0, 60, 60)), 1216),
        # 24 of 40 would be 1800, more than a half.
        (square(3000, (0, 0, 40, 40)), None),
        # A pole is long enough, and 12 pixels thick: 3000 * 3 / 12 = 750.
        (square(3000, (0, 0, 2000, 12)), 768),
        # Void is no object.
        ([(None, np.full((2000, 2000), 255, "uint8"))], None),
    ],
)
def test_suggested_side(data, side):
    found = suggest_longest_side(data)
    if side is None:
        assert found is None
    else:  # Masks are measured at 1,024 pixels, to about 3 of 3,000.
        assert found % 32 == 0 and abs(found - side) <= 0.1 * side


def test_speckles_of_a_large_object_do_not_count():
    clean = square(3000, (500, 500, 1500, 1500))[0][1]
    speckled = clean.copy()
    places = np.random.default_rng(0).integers(0, 2990, (200, 2))
    for top, left in places:
        speckled[top : top + 3, left : left + 3] = 1
    assert suggest_longest_side([(None, speckled)]) == 512


def flooded(mask):
    """By id, the sorted (longer side, area) of parts, pixel by pixel."""
    left = set(np.ndindex(mask.shape))
    found = {}
    while left:
        inside = [left.pop()]
        for y, x in inside:
            for place in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if place in left and mask[place] == mask[y, x]:
                    left.remove(place)
                    inside.append(place)
        side = int(np.ptp(np.array(inside), axis=0).max()) + 1
        kind = int(mask[inside[0]])
        found.setdefault(kind, []).append((side, len(inside)))
    return {kind: sorted(parts) for kind, parts in found.items()}


MASKS = st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(
    lambda shape: arrays("uint8", shape, elements=st.integers(0, 2))
)


@settings(max_examples=200, deadline=None)
@given(MASKS)
def test_objects_are_connected_parts(mask):
    found = measure_mask(mask).objects
    assert {
        i: sorted(map(tuple, parts.T.astype(int).tolist()))
        for i, parts in found.items()
    } == flooded(mask)


def test_the_check_says_what_train_would_choose(tmp_path):
    """Objects of 1,000 pixels in images of 1,600; specks do not count."""
    masks = []
    for i in range(3):
        mask = np.zeros((1200, 1600), "uint8")
        mask[100:1100, 300 + i : 900] = 1
        mask[5::200, 5::200] = 1
        masks.append(mask)
    path = write(tmp_path, masks)
    report = check(path)
    sizes = report.sizes
    assert (sizes.split, sizes.images, sizes.masks) == ("all", (1600, 1600), 3)
    # Measured at 1,024 pixels.
    assert abs(np.array(sizes.objects[1]) - 1000).max() <= 2
    assert sizes.objects[0] == (1600, 1600)
    folder = from_folder(path)
    assert sizes.longest_side == suggest_longest_side(folder) == 512
    text = report.to_text()
    assert "(all) are 1600 pixels. train would shrink them" in text
    assert "1 class 1" in text and "objects, pixels" in text
    small = check(
        [(np.stack([m[::4, ::4]] * 3, -1), m[::4, ::4]) for m in masks]
    )
    assert small.sizes.longest_side is None
    assert "train would leave them as they are (--size): half of" in (
        small.to_text()
    )
    for file in path.glob("images/*"):
        file.write_bytes(b"no picture")
    assert check(path).sizes is None


def test_at_most_forty_are_measured():
    for count in (0, 1, 39, 40, 41, 79, 100, 4000):
        found = sampled(count)
        assert len(found) == len(set(found)) <= 40
        assert len(found) >= min(count, 27)
        assert all(0 <= i < count for i in found)
