import numpy as np
import pytest
from PIL import Image

from keras_seg.data.synthetic import MEMBRANE_CLASSES
from keras_seg.data.synthetic import membranes

pytestmark = pytest.mark.once


def best_iou_of_gray(gray, mask):
    """The IoU of the best set of gray values, which no threshold can beat.

    It takes the values in the order of their share of membrane, so it is the
    Bayes classifier on the gray value, with the cut chosen in hindsight.
    """
    inside = np.bincount(gray[mask == 1], minlength=256)
    outside = np.bincount(gray[mask == 0], minlength=256)
    order = np.argsort(-inside / np.maximum(inside + outside, 1))
    hits, errors = np.cumsum(inside[order]), np.cumsum(outside[order])
    return (hits / (inside.sum() + errors)).max()


def test_gray_images_of_two_classes():
    images, masks = membranes(2, size=65)
    assert set(np.unique(masks)) == {0, 1}
    assert (images == images[..., :1]).all()
    assert MEMBRANE_CLASSES.names == ("cell", "membrane")


def test_gray_does_not_tell_a_membrane():
    images, masks = membranes(16)
    # The same number is 0.49 and 0.40 on two real slices of ISBI 2012, and
    # 0.25 for a classifier that always says membrane.
    assert 0.35 < best_iou_of_gray(images[..., 0], masks) < 0.6
    for image, mask in zip(images, masks, strict=True):
        assert best_iou_of_gray(image[..., 0], mask) < 0.65


def test_membranes_are_dark_and_thin():
    images, masks = membranes(16)
    share = masks.mean(axis=(1, 2))
    assert (share > 0.15).all() and (share < 0.3).all()
    gray = images[..., 0].astype("float64")
    assert gray[masks == 1].mean() < gray[masks == 0].mean() - 25
    # Nothing of a membrane is further than 6 pixels from a cell.
    thick = masks.copy()
    for _ in range(6):
        thick[:, 1:-1, 1:-1] = np.minimum.reduce(
            [
                thick[:, 1:-1, 1:-1],
                thick[:, 2:, 1:-1],
                thick[:, :-2, 1:-1],
                thick[:, 1:-1, 2:],
                thick[:, 1:-1, :-2],
            ]
        )
    assert thick[:, 8:-8, 8:-8].mean() < 0.002


@pytest.mark.parametrize("size", [32, 33, 300])
def test_share_of_membranes_at_any_size(size):
    _, masks = membranes(2, size=size)
    assert 0.05 < masks.mean() < 0.5


def test_like_a_real_slice(data_dir):
    path = data_dir / "isbi2012_em"
    gray = np.asarray(Image.open(path / "images/05.png")).astype("float64")
    membrane = np.asarray(Image.open(path / "labels/05.png")) == 0
    images, masks = membranes(8)
    drawn = images[..., 0].astype("float64")
    for is_membrane in (True, False):
        real = gray[membrane == is_membrane]
        ours = drawn[(masks == 1) == is_membrane]
        assert abs(real.mean() - ours.mean()) < 20
        assert 0.6 < ours.std() / real.std() < 1.5
