"""Weights of classes against SegNet's table and scikit-learn."""

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.utils import compute_class_weight

from keras_seg.data import read_mask
from keras_seg.losses import class_weights

pytestmark = pytest.mark.once

# papers.md 9.3, of SegNet's own training file, in the order of CamVid's ids.
SEGNET = (
    0.2595, 0.1826, 4.5640, 0.1417, 0.9051, 0.3826, 9.6446, 1.8418, 0.6823,
    6.2478, 7.3614,
)  # fmt: skip


def count(masks, classes, void=255):
    """Statistics of masks, in NumPy."""
    counts = np.array(
        [np.bincount(mask.ravel(), minlength=256)[:classes] for mask in masks]
    )
    labeled = np.array([(mask != void).sum() for mask in masks])
    return SimpleNamespace(
        pixels=counts.sum(0),
        pixels_of_images=((counts > 0) * labeled[:, None]).sum(0),
    )


def test_by_hand():
    """f = 1/2, 1/4 and, of the second image alone, 2/4; the median is 1/2."""
    masks = np.array([[0, 0, 0, 1], [0, 1, 2, 2]])
    statistics = count(masks, 3)
    assert statistics.pixels_of_images.tolist() == [8, 8, 4]
    weights = class_weights(statistics, "median_frequency")
    np.testing.assert_allclose(weights, [1, 2, 1])


def test_camvid(data_dir):
    """SegNet's table, from the labels in the repository it is in.

    No class has the weight 1 there, as one of eleven would: void was counted
    as a twelfth. It was made from other labels all the same: these have 2.7
    times the pixels of sign_symbol a frame, and the rest within a tenth.
    """
    paths = sorted((data_dir / "camvid/train/labels").glob("*.png"))
    statistics = count([read_mask(path) for path in paths], 12)
    weights = class_weights(statistics, "median_frequency")[:11]
    ratios = np.array(weights) / SEGNET
    sign_symbol = ratios[6]
    np.testing.assert_allclose(np.delete(ratios, 6), 1, atol=0.11)
    assert sign_symbol == pytest.approx(1 / 2.73, rel=0.01)


def test_balanced_is_scikit_learns():
    masks = np.random.default_rng(0).choice(4, (3, 50), p=[0.6, 0.3, 0.1, 0])
    weights = class_weights(count(masks, 4), "balanced")
    expected = compute_class_weight(
        "balanced", classes=np.arange(3), y=masks.ravel()
    )
    np.testing.assert_allclose(weights, [*expected, 1.0])


@pytest.mark.parametrize("rule", ["balanced", "median_frequency"])
def test_absent_classes(rule):
    masks = np.array([[0, 0, 0, 2]])
    few = class_weights(count(np.where(masks == 2, 1, masks), 2), rule)
    weights = class_weights(count(masks, 4), rule, absent=0.0)
    np.testing.assert_allclose(weights, [few[0], 0, few[1], 0])


def test_lists_and_dicts():
    statistics = count(np.array([[0, 1, 2]]), 3)
    assert class_weights(statistics, [1, 2, 3]) == [1.0, 2.0, 3.0]
    names = ["sky", "road", "pole"]
    by_name = class_weights(statistics, {"pole": 5, 0: 2}, names)
    assert by_name == [2.0, 1.0, 5.0]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("frequency", "Received: rule='frequency'"),
        ([1, 2], r"3 classes. Received: rule=\[1, 2\]"),
        ({"car": 1}, r"Received: 'car', names=\[\]"),
        ({3: 1}, "Received: id 3"),
        ([1, 2, -1], "Received: class_weights"),
    ],
)
def test_bad_rules(rule, message):
    with pytest.raises(ValueError, match=message):
        class_weights(count(np.array([[0, 1, 2]]), 3), rule)


def test_nothing_labeled():
    statistics = count(np.full((1, 4), 255), 3)
    with pytest.raises(ValueError, match="0 labeled pixels"):
        class_weights(statistics, "balanced")
