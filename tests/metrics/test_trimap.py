"""Bands against dilation by SciPy, which is how the authors define them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from keras_seg.metrics import band_distance
from keras_seg.metrics import count_pairs
from keras_seg.metrics import scores
from keras_seg.metrics import trimap

pytestmark = pytest.mark.once


def drawn(seed, void=0.05, shape=(13, 17)):
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 3, (4, 5))
    truth = np.kron(coarse, np.ones((4, 4), int))[: shape[0], : shape[1]]
    truth[rng.random(truth.shape) < void] = 255
    return truth, rng.integers(0, 3, truth.shape)


def square(width):
    return np.ones((2 * width + 1,) * 2, bool)


def by_dilation(truth, width, kind):
    """papers.md 3.2: dilated by a square of side 2w + 1, without the void."""
    void = truth == 255
    if kind == "void":
        return ndimage.binary_dilation(void, square(width)) & ~void
    band = np.full(truth.shape, False)
    for index in np.unique(truth[~void]):
        others = (truth != index) & ~void
        near = ndimage.binary_dilation(others, square(width))
        band |= (truth == index) & near
    return band


@given(
    seed=st.integers(0, 10_000),
    kind=st.sampled_from(["void", "label_change"]),
    void=st.sampled_from([0.0, 0.02, 0.3]),
)
def test_scores_in_dilated_bands(seed, kind, void):
    pairs = [drawn(seed, void), drawn(seed + 1, void, (9, 20))]
    widths = (1, 2, 5)
    found = trimap(pairs, 3, widths, kind)
    for width in widths:
        matrix = np.zeros((3, 3), np.int64)
        for truth, prediction in pairs:
            band = by_dilation(truth, width, kind)
            matrix += count_pairs(truth[band], prediction[band], 3)
        expected = scores(matrix)
        np.testing.assert_equal(
            [found[width].mean_iou, found[width].pixel_accuracy],
            [expected.mean_iou, expected.pixel_accuracy],
        )


def test_the_widest_band_is_the_image():
    truth, prediction = drawn(0, 0.0)
    found = trimap([(truth, prediction)], 3, (100,), "label_change")
    whole = scores(count_pairs(truth, prediction, 3))
    assert found[100].mean_iou == whole.mean_iou


def test_no_boundary():
    """Nothing is in a band: nothing is said."""
    flat = np.zeros((5, 6), int)
    for kind in ("void", "label_change"):
        assert (band_distance(flat, kind) > 1000).all()
        found = trimap([(flat, flat)], 2, (6, 40), kind)
        assert all(np.isnan(found[width].mean_iou) for width in found)


def test_real_masks(data_dir):
    """VOC's contours: what is inside of the bands is close to an object."""
    from keras_seg.data import read_mask

    path = data_dir / "voc_samples/SegmentationClass/2007_000129.png"
    mask = read_mask(path)
    wrong = np.where(mask == 255, 0, mask)
    blurred = np.roll(wrong, 4, axis=1)
    found = trimap([(mask, blurred)], 21, (2, 5, 10, 40))
    accuracies = [found[width].pixel_accuracy for width in found]
    assert accuracies == sorted(accuracies) and accuracies[0] < accuracies[-1]


def test_bad_arguments():
    truth, prediction = drawn(0)
    for widths in ((), (0, 1), (2, 1), (1, 1)):
        with pytest.raises(ValueError, match="Received: widths="):
            trimap([(truth, prediction)], 3, widths)
    with pytest.raises(ValueError, match="Received: kind='edge'"):
        trimap([(truth, prediction)], 3, kind="edge")
    with pytest.raises(ValueError, match="Received: ids"):
        trimap([(truth, prediction)], 2)


def test_without_scipy(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "scipy.ndimage", None)
    with pytest.raises(ImportError, match=r"keras-seg\[classical\]"):
        trimap([drawn(0)], 3)
