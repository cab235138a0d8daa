import numpy as np
import pytest

from keras_seg.data.synthetic.fields import bands
from keras_seg.data.synthetic.fields import check_arguments
from keras_seg.data.synthetic.fields import smooth

pytestmark = pytest.mark.once


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


def test_bad_arguments():
    for arguments, text in {
        (0, 64, 0): "`n` must be 1 or more. Received: n=0",
        (1, 31, 0): "`size` must be 32 or more. Received: size=31",
        (1, 64, -1): "`seed` must be 0 or more. Received: seed=-1",
    }.items():
        with pytest.raises(ValueError) as caught:
            check_arguments(*arguments)
        assert str(caught.value) == text
