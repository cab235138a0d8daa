import numpy as np
import pytest
from PIL import Image

from keras_seg.data import from_folder
from keras_seg.data import splits
from keras_seg.data.synthetic import membranes
from keras_seg.data.synthetic import shape_classes
from keras_seg.data.synthetic import shapes
from keras_seg.data.synthetic import write_folder
from keras_seg.data.synthetic.fields import bands
from keras_seg.data.synthetic.fields import smooth

pytestmark = pytest.mark.once

DRAWN = pytest.mark.parametrize("draw", [membranes, shapes])


def test_smooth():
    fields = np.stack(
        [smooth(np.random.default_rng(i), 100, 10) for i in range(40)]
    )
    assert fields.dtype == np.float32 and fields.shape == (40, 100, 100)
    assert abs(fields.mean()) < 0.1 and 0.9 < fields.std() < 1.1
    # A cubic B-spline has no steps, and no memory beyond four knots.
    assert abs(np.diff(fields, axis=1)).max() < 0.7
    far = np.mean(fields[:, :50] * fields[:, 50:])
    assert abs(far) < 0.1


@pytest.mark.parametrize("size", [32, 45])
def test_bands(size):
    field = bands(np.random.default_rng(0), size, 2, 7)
    assert field.dtype == np.float32 and field.shape == (size, size)
    assert abs(field.mean()) < 1e-3 and abs(field.std() - 1) < 1e-3


def test_bands_keep_their_sizes():
    rng = np.random.default_rng(0)
    fine, coarse = bands(rng, 128, 1, 2), bands(rng, 128, 6, 12)
    steps = [abs(np.diff(field, axis=0)).mean() for field in (fine, coarse)]
    assert steps[0] > 3 * steps[1]


@DRAWN
@pytest.mark.parametrize("size", [32, 33, 65])
def test_arrays_of_any_size(draw, size):
    images, masks = draw(3, size=size)
    assert images.shape == (3, size, size, 3) and images.dtype == np.uint8
    assert masks.shape == (3, size, size) and masks.dtype == np.uint8


@DRAWN
def test_seed_and_index_decide(draw):
    images, masks = draw(5, size=64)
    again, same = draw(3, size=64)
    np.testing.assert_array_equal(images[:3], again)
    np.testing.assert_array_equal(masks[:3], same)
    assert (images[0] != images[1]).any() and (masks[0] != masks[1]).any()
    assert (draw(1, size=64, seed=1)[1] != masks[:1]).any()


@DRAWN
def test_bad_arguments(draw):
    for arguments, text in {
        (0, 64, 0): "`n` must be an int of 1 or more. Received: n=0",
        (1, 31, 0): "`size` must be an int of 32 or more. Received: size=31",
        (1, 64, -1): "`seed` must be an int of 0 or more. Received: seed=-1",
    }.items():
        with pytest.raises(ValueError) as caught:
            draw(*arguments)
        assert str(caught.value) == text


def test_round_trip(tmp_path):
    images, masks = shapes(3, size=40)
    path = tmp_path / "new" / "data"
    write_folder(str(path), images, masks, shape_classes())
    write_folder(path, images[:1], masks[:1], shape_classes(), split="val")
    assert splits(path) == ("train", "val")
    folder = from_folder(path, "train")
    assert folder.classes == shape_classes()
    assert [pair.stem for pair in folder.pairs] == ["0000", "0001", "0002"]
    for i, (image, mask) in enumerate(folder):
        np.testing.assert_array_equal(image, images[i])
        np.testing.assert_array_equal(mask, masks[i])


def test_masks_are_seen_in_their_colors(tmp_path):
    masks = np.array([[[0, 1, 255]]])
    write_folder(
        tmp_path, np.zeros((1, 1, 3, 3), "uint8"), masks, shape_classes()
    )
    mask = Image.open(tmp_path / "train/labels/0000.png")
    assert mask.mode == "P"
    assert np.asarray(mask.convert("RGB"))[0].tolist() == [
        [0, 0, 0],
        [128, 0, 0],
        [224, 224, 192],
    ]


def test_counts_differ(tmp_path):
    images, masks = shapes(2, size=32)
    with pytest.raises(ValueError, match="Received: 2 images, 1 masks"):
        write_folder(tmp_path / "a", images, masks[:1], shape_classes())
    assert not (tmp_path / "a").exists()
