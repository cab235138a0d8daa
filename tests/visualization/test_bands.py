import numpy as np
import pytest

from keras_seg.metrics import trimap
from keras_seg.visualization import trimap_curve


def test_curve():
    truth = np.zeros((40, 60), int)
    truth[:, 30:] = 1
    found = np.roll(truth, 2, axis=1)
    bands = trimap([(truth, found)], 2, (1, 2, 5, 20), "label_change")
    picture = trimap_curve(bands)
    assert picture.dtype == np.uint8 and picture.ndim == 3
    # The line is blue, and stands on white.
    blue = (picture == (0, 114, 178)).all(axis=-1)
    assert blue.sum() > 100
    # It rises to the right: narrow bands are wrong.
    columns = np.flatnonzero(blue.any(axis=0))
    heights = [np.flatnonzero(blue[:, c]).mean() for c in columns[[0, -1]]]
    assert heights[0] > heights[1]


def test_bands_without_pixels():
    truth = np.zeros((5, 5), int)
    bands = trimap([(truth, truth)], 2, (1, 3), "label_change")
    assert trimap_curve(bands).shape[2] == 3


def test_refused():
    with pytest.raises(ValueError, match="Received: none"):
        trimap_curve({})
