"""CIE L*a*b*, and which images have no colours in it."""

import sys

import numpy as np
import pytest

from keras_seg.unsupervised import KMeansSegmenter
from tests.unsupervised.photographs import photograph

pytestmark = pytest.mark.once


def test_white_and_red():
    """L*a*b* of sRGB under D65 as published: red is (53.24, 80.09, 67.20)."""
    image = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0]]], "uint8")
    kmeans = KMeansSegmenter(3, color_space="lab").fit(image)
    expected = [[0, 0, 0], [53.24, 80.09, 67.20], [100, 0, 0]]
    np.testing.assert_allclose(kmeans.features, expected, atol=0.02)
    np.testing.assert_allclose(
        kmeans.centers, [[0, 0, 0], [255, 0, 0], [255, 255, 255]], atol=0.02
    )


def test_floats_are_up_to_255():
    image = photograph(16) / 255
    with pytest.raises(ValueError, match=r"0\.\.\.255, not of 0\.\.\.1"):
        KMeansSegmenter(2, color_space="lab").fit(image)
    for wrong in (image * 300, image * 255 - 128):
        with pytest.raises(ValueError, match="Received: values in"):
            KMeansSegmenter(2, color_space="lab").fit(wrong)
    kmeans = KMeansSegmenter(2, color_space="lab").fit(image * 255)
    # Nearly black, it may be a part of an image.
    assert len(np.unique(kmeans.predict(image))) == 1


def test_grey_has_no_lab():
    with pytest.raises(ValueError, match="grey ones take 'rgb'"):
        KMeansSegmenter(2, color_space="lab").fit(photograph(16)[..., 0])


def test_without_scikit_image(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(ImportError, match=r"keras-seg\[classical\]"):
        KMeansSegmenter(2, color_space="lab").fit(photograph(16))
