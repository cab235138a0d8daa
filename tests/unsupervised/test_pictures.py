"""What is an image for k-means, and how it is cut."""

import numpy as np
import pytest

from keras_seg.unsupervised import KMeansSegmenter
from keras_seg.unsupervised import pictures

pytestmark = pytest.mark.once

IMAGE = np.arange(24, dtype="uint8").reshape(2, 4, 3)


@pytest.mark.parametrize(
    "image",
    [
        IMAGE[0, 0],
        np.zeros((4, 5, 4), "uint8"),
        np.zeros((0, 5, 3), "uint8"),
        [[1, 2], [3, 4]],
    ],
)
def test_no_image(image):
    with pytest.raises(ValueError, match=r"\(height, width, 3\).*Received"):
        KMeansSegmenter(1).fit(image)


def test_nothing():
    with pytest.raises(ValueError, match="Received: none"):
        KMeansSegmenter(1).fit([])


@pytest.mark.parametrize("dtype", ["int64", "bool", "int8"])
def test_other_dtypes(dtype):
    with pytest.raises(ValueError, match=f"Received: dtype {dtype}"):
        KMeansSegmenter(1).fit(IMAGE.astype(dtype))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("color_space", ["rgb", "lab"])
def test_not_finite(value, color_space):
    kmeans = KMeansSegmenter(2, color_space=color_space).fit(IMAGE)
    image = IMAGE.astype("float32")
    image[1, 2, 1] = value
    for call in (kmeans.predict, kmeans.fit):
        with pytest.raises(ValueError, match="Received: NaN or infinity"):
            call(image)


def test_images_of_several_dtypes():
    with pytest.raises(ValueError, match="in image 0, float32 .* in image 1"):
        KMeansSegmenter(2).fit([IMAGE, IMAGE.astype("float32")])


@pytest.mark.parametrize("size", [(7, 5), (1, 40), (40, 1), (3, 16)])
def test_tiles_cover_each_pixel_once(monkeypatch, size):
    monkeypatch.setattr(pictures, "PIXELS_OF_A_TILE", 16)
    covered = np.zeros(size, int)
    for tile in pictures.tiles(*size):
        assert 0 < covered[tile].size <= 16
        covered[tile] += 1
    assert (covered == 1).all()
