import numpy as np
import pytest
from PIL import Image

from keras_seg.data import ClassTable
from keras_seg.data import DataError
from keras_seg.data import from_stack

pytestmark = pytest.mark.once


def write(path, pages):
    first, *rest = [Image.fromarray(page) for page in pages]
    first.save(path, save_all=True, append_images=rest)
    return path


def test_pages(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (12, 5, 6), "uint8")
    labels = rng.integers(0, 2, (12, 5, 6), "uint8")
    stacks = (
        write(tmp_path / "x.tif", images),
        write(tmp_path / "y.tif", labels),
    )
    folder = from_stack(*stacks)
    assert len(folder) == 12 and folder.classes == ClassTable.default(2)
    assert [folder.pairs[i].stem for i in (0, 11)] == ["x_00", "x_11"]
    assert folder.pairs[3].page == 3 and folder.size(3) == (5, 6)
    for i, (image, mask) in enumerate(folder):
        np.testing.assert_array_equal(image[..., 1], images[i])
        np.testing.assert_array_equal(mask, labels[i])
    np.testing.assert_array_equal(folder.subset([4])[0][1], labels[4])
    assert from_stack(*stacks, channels=1)[0][0].shape == (5, 6, 1)


def test_black_and_white(tmp_path):
    labels = np.array([[[0, 255]], [[255, 0]]], "uint8")
    stack = write(tmp_path / "y.tif", labels)
    with pytest.raises(DataError, match="mask_values={0: 0, 255: 1}"):
        from_stack(stack, stack)
    folder = from_stack(stack, stack, mask_values={0: 0, 255: 1})
    assert folder[1][1].tolist() == [[1, 0]]


def test_16_bits(tmp_path):
    pages = np.array([[[0, 700]], [[65535, 257]]], "uint16")
    images, labels = write(tmp_path / "x.tif", pages), tmp_path / "y.tif"
    write(labels, (pages > 500).astype("uint8"))
    folder = from_stack(images, labels, channels=1)
    assert folder[1][0].dtype == np.float32
    assert folder[1][0].ravel().tolist() == [255.0, 1.0]


def test_errors(tmp_path):
    pages = np.zeros((3, 2, 2), "uint8")
    one, two = write(tmp_path / "x.tif", pages), tmp_path / "y.tif"
    write(two, pages[:2])
    with pytest.raises(DataError) as caught:
        from_stack(one, two)
    assert str(caught.value) == (
        f"KS-D019  {two} has 2 pages and x.tif has 3; page i of the one "
        "belongs to page i of the other. Fix: export both stacks again from "
        "one volume."
    )
    with pytest.raises(DataError, match="KS-D009"):
        from_stack(one, tmp_path / "none.tif")
