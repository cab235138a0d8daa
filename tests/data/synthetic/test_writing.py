import numpy as np
import pytest
from PIL import Image

from keras_seg.data import from_folder
from keras_seg.data import splits
from keras_seg.data.synthetic import shape_classes
from keras_seg.data.synthetic import shapes
from keras_seg.data.synthetic import write_folder

pytestmark = pytest.mark.once


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


def test_masks_are_seen_in_their_colours(tmp_path):
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
