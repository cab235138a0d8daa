import numpy as np
import pytest

from keras_seg.data.synthetic import shape_classes
from keras_seg.data.synthetic import shapes

pytestmark = pytest.mark.once


@pytest.mark.parametrize("classes", [2, 5, 7])
def test_every_class_and_void_occur(classes):
    _, masks = shapes(24, size=96, classes=classes)
    assert set(np.unique(masks)) == {*range(classes), 255}
    share = np.bincount(masks.ravel(), minlength=256) / masks.size
    assert 0.5 < share[0] < 0.9
    assert (share[1:classes] > 0.005).all()


def test_void_lies_between_classes():
    _, masks = shapes(12, size=128)
    for axis in (1, 2):
        a = np.moveaxis(masks, axis, 0)[:-1].ravel()
        b = np.moveaxis(masks, axis, 0)[1:].ravel()
        touching = (a != b) & (a != 255) & (b != 255)
        assert not touching.any()
    # One pixel on each side of an outline: thin everywhere.
    void = masks == 255
    middle = void.copy()
    for _ in range(2):
        middle[:, 1:-1, 1:-1] &= (
            middle[:, 2:, 1:-1]
            & middle[:, :-2, 1:-1]
            & middle[:, 1:-1, 2:]
            & middle[:, 1:-1, :-2]
        )
    assert 0.01 < void.mean() < 0.12
    assert middle[:, 3:-3, 3:-3].sum() < 0.02 * void.sum()


def test_color_does_not_tell_a_class():
    # A classifier on the color, 8 levels a channel, learnt on half of the
    # images; always saying background scores what it is compared with.
    images, masks = shapes(80, size=96)
    bins = (images // 32).astype("int64") @ np.array([64, 8, 1])
    known = masks != 255
    train, test = np.s_[:40], np.s_[40:]
    counts = np.zeros((512, 5))
    np.add.at(
        counts, (bins[train][known[train]], masks[train][known[train]]), 1
    )
    best = counts.argmax(axis=1)[bins[test][known[test]]]
    truth = masks[test][known[test]]
    for i in range(1, 5):
        union = (best == i) | (truth == i)
        assert ((best == i) & (truth == i)).sum() / union.sum() < 0.3


def test_classes():
    assert shape_classes().names == (
        "background",
        "disc",
        "square",
        "triangle",
        "cross",
    )
    assert len(shape_classes(7)) == 7
    for classes in (1, 8):
        text = rf"`classes` must be in 2..7. Received: classes={classes}"
        with pytest.raises(ValueError, match=text):
            shapes(1, classes=classes)
