"""Boundary scores against their definitions, written out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from keras_seg.metrics import boundary_f1
from keras_seg.metrics import boundary_iou

pytestmark = pytest.mark.once


def drawn(seed, void=0.0):
    rng = np.random.default_rng(seed)
    truth, prediction = (
        np.kron(rng.integers(0, 3, (4, 5)), np.ones((5, 4), int))
        for _ in range(2)
    )
    truth[rng.random(truth.shape) < void] = 255
    return truth, prediction


def outline(region, known):
    """Pixels with one of four neighbors outside, all of them known."""
    places = []
    for y, x in np.argwhere(region & known):
        around = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
        inside = [
            region[j, i]
            for j, i in around
            if 0 <= j < region.shape[0]
            and 0 <= i < region.shape[1]
            and known[j, i]
        ]
        if not all(inside):
            places.append((y, x))
    return np.array(places).reshape(-1, 2)


def near(points, others, reach):
    """The share of points within reach of one of the others."""
    steps = points[:, None] - others[None]
    return (np.sqrt((steps**2).sum(-1)).min(1) <= reach).mean()


def f1_by_hand(truth, prediction, classes, tolerance):
    """papers.md 3.4."""
    reach = tolerance * np.hypot(*truth.shape)
    result = np.full(classes, np.nan)
    for index in range(classes):
        real = outline(truth == index, truth != 255)
        found = outline(prediction == index, truth != 255)
        if len(real) and len(found):
            p, r = near(found, real, reach), near(real, found, reach)
            result[index] = 2 * p * r / (p + r) if p + r else 0.0
        elif len(real) or len(found):
            result[index] = 0.0
    return result


@given(
    seed=st.integers(0, 10_000),
    tolerance=st.sampled_from([0.01, 0.05, 0.2]),
    void=st.sampled_from([0.0, 0.1]),
)
def test_f1_is_its_definition(seed, tolerance, void):
    pairs = [drawn(seed, void), drawn(seed + 1, void)]
    each = [f1_by_hand(*pair, 4, tolerance) for pair in pairs]
    scored = ~np.isnan(each)
    with np.errstate(invalid="ignore"):
        expected = np.nansum(each, axis=0) / scored.sum(axis=0)
    np.testing.assert_allclose(boundary_f1(pairs, 4, tolerance), expected)


def test_f1_of_a_square():
    """Shifted by 3: of the 4·(n - 1) pixels of the outline, by hand."""
    truth = np.zeros((100, 100), int)
    truth[20:40, 20:40] = 1
    moved = np.roll(truth, 3, axis=1)
    # 0.0075 of the diagonal is 1.06. Two outlines of 20 x 20 share, on top
    # and below, columns 23...39; one step away are column 22 there, and the
    # pixels under and over the corners on the right.
    share = 2 * (17 + 1 + 1) / (4 * 19)
    assert boundary_f1([(truth, moved)], 2)[1] == pytest.approx(share)
    assert boundary_f1([(truth, truth)], 2).tolist() == [1.0, 1.0]


def test_f1_of_absent_classes():
    flat, spot = np.zeros((9, 9), int), np.zeros((9, 9), int)
    spot[4, 4] = 1
    pairs = [(flat, spot), (spot, spot)]
    union = boundary_f1(pairs, 3)
    assert union[1] == 0.5 and np.isnan(union[2])
    assert boundary_f1(pairs, 3, absent_classes="truth")[1] == 1.0


def rim_by_erosion(region, known, width):
    """As the authors of Boundary IoU: eroded 3x3, padded with outside."""
    padded = np.pad(region | ~known, 1)
    eroded = ndimage.binary_erosion(padded, np.ones((3, 3)), width)
    return region & known & ~eroded[1:-1, 1:-1]


@given(
    seed=st.integers(0, 10_000),
    dilation=st.sampled_from([0.001, 0.05, 0.1]),
    void=st.sampled_from([0.0, 0.1]),
)
def test_iou_of_eroded_rims(seed, dilation, void):
    pairs = [drawn(seed, void), drawn(seed + 1, void)]
    both, either = np.zeros((2, 4))
    for truth, prediction in pairs:
        width = max(1, int(round(dilation * np.hypot(*truth.shape))))
        for index in range(4):
            real = rim_by_erosion(truth == index, truth != 255, width)
            found = rim_by_erosion(prediction == index, truth != 255, width)
            both[index] += (real & found).sum()
            either[index] += (real | found).sum()
    with np.errstate(invalid="ignore"):
        expected = both / either
    np.testing.assert_allclose(boundary_iou(pairs, 4, dilation), expected)


def test_iou_of_absent_classes():
    flat, spot = np.zeros((9, 9), int), np.zeros((9, 9), int)
    spot[4, 4] = 1
    assert boundary_iou([(flat, spot)], 3)[1] == 0.0
    found = boundary_iou([(flat, spot)], 3, absent_classes="truth")
    assert np.isnan(found[1:]).all() and found[0] > 0


@pytest.mark.parametrize("score", [boundary_f1, boundary_iou])
@given(seed=st.integers(0, 10_000), void=st.sampled_from([0.1, 0.5, 1.0]))
def test_predictions_in_void_change_nothing(score, seed, void):
    """papers.md 3.1, rule 2: dropped, whatever the prediction."""
    truth, prediction = drawn(seed, void)
    other = np.random.default_rng(seed).integers(0, 3, truth.shape)
    other = np.where(truth == 255, other, prediction)
    np.testing.assert_array_equal(
        score([(truth, prediction)], 4, 0.05), score([(truth, other)], 4, 0.05)
    )


@pytest.mark.parametrize("score", [boundary_f1, boundary_iou])
def test_a_right_prediction_is_right_beside_void(score):
    truth = np.zeros((30, 30), int)
    truth[8:22, 8:22] = 1
    truth[:, 15:] = 255
    for index in range(2):
        filled = np.where(truth == 255, index, truth)
        assert score([(truth, filled)], 2).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("score", [boundary_f1, boundary_iou])
def test_bad_arguments(score):
    with pytest.raises(ValueError, match="Received: ids"):
        score([drawn(0)], 2)
    with pytest.raises(ValueError, match="Received: absent_classes='none'"):
        score([drawn(0)], 3, absent_classes="none")
