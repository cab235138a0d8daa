"""Which pixels a position depends on: gradients, on every backend."""

import keras
import numpy as np
import pytest

from keras_seg import receptive_field
from keras_seg.layers import AtrousConv
from keras_seg.visualization import strengths
from keras_seg.visualization import support
from tests.dependence import make_positive


def stack(rates, size=64):
    """3×3 convolutions at these rates, one behind the other, all ones."""
    image = x = keras.Input((size, size, 1))
    for rate in rates:
        x = AtrousConv(
            1,
            3,
            dilation_rate=rate,
            use_bias=False,
            kernel_initializer="ones",
        )(x)
    return keras.Model(image, x)


@pytest.mark.parametrize(
    "rates, pixels, side",
    [
        pytest.param((1,), 9, 3, marks=pytest.mark.once),
        # As wide as a 7×7 kernel; the lecture's equation.
        ((3,), 9, 7),
        pytest.param((1, 1, 1), 49, 7, marks=pytest.mark.once),
        # 9 of 625 positions.
        pytest.param((12,), 9, 25, marks=pytest.mark.once),
        # Gridding: a quarter of 169.
        pytest.param((2, 2, 2), 49, 13, marks=pytest.mark.once),
        ((1, 2, 3), 169, 13),  # No holes are left.
    ],
)
def test_holes(rates, pixels, side):
    model = stack(rates)
    found = support(model, np.zeros((2, 64, 64, 1)))
    assert found.shape == (64, 64)
    rows, columns = np.nonzero(found)
    assert len(rows) == pixels
    assert np.ptp(rows) + 1 == np.ptp(columns) + 1 == side
    assert receptive_field(model).size == side
    # Paths of three taps, of 3 · 3 ways each, end somewhere.
    assert found.sum() == 9 ** len(rates)
    assert rows.mean() == columns.mean() == 32


@pytest.mark.once
def test_rate_24_sees_padding():
    """On 28×28 a corner has one of nine taps, and the mean is 18 %."""
    model = stack((24,), 28)
    zeros = np.zeros((1, 28, 28, 1))
    assert (support(model, zeros, (14, 14)) > 0).sum() == 1
    assert (support(model, zeros, (0, -1)) > 0).sum() == 4
    # 1 + 2 · 4 / 28 taps of a side's three lie in the map.
    share = (1 + 2 * 4 / 28) ** 2 / 9
    assert share == pytest.approx(0.18, abs=0.005)
    taps = model.predict(np.ones((1, 28, 28, 1)), verbose=0).mean()
    assert taps / 9 == pytest.approx(share, rel=1e-5)


@pytest.mark.once
def test_images_channels_and_formats():
    """The mean over images of what a ReLU lets through; channels apart."""
    layer = keras.layers.Conv2D(2, 1, use_bias=False, activation="relu")
    layer.build((None, 4, 5, 3))
    layer.set_weights([np.float32([[1, 2], [-4, 1], [0, 1]])[None, None]])
    images = np.zeros((2, 4, 5, 3))
    images[0] = 1.0  # -3 for the first channel, 4 for the second
    images[1, ..., 0] = 1.0  # 1 and 2
    found = [
        support(layer, images, (1, 2), channel) for channel in (0, 1, None)
    ]
    for values, expected in zip(found, (2.5, 4, 5.5), strict=True):
        assert values[1, 2] == pytest.approx(expected)
        assert np.count_nonzero(values) == 1
    model = make_positive(stack((2,), 9))

    def first(x):
        last = keras.ops.transpose(x, (0, 2, 3, 1))
        return keras.ops.transpose(model(last), (0, 3, 1, 2))

    image = np.zeros((1, 9, 9, 1))
    np.testing.assert_array_equal(
        support(first, np.moveaxis(image, -1, 1), data_format="channels_first"),
        support(model, image),
    )
    # The gradients of weights are left alone.
    assert all(
        getattr(weight.value, "grad", None) is None for weight in model.weights
    )


@pytest.mark.once
def test_bad_input_and_colors():
    model = stack((1,), 5)
    image = np.zeros((1, 5, 5, 1))
    with pytest.raises(ValueError, match=r"an array of shape \(5, 5, 1\)"):
        support(model, image[0])
    with pytest.raises(ValueError, match=r"Received: position=\(5, 0\)"):
        support(model, image, (5, 0))
    with pytest.raises(ValueError, match="channel=1"):
        support(model, image, channel=1)
    with pytest.raises(ValueError, match="`model` must give one map"):
        support(lambda x: x[..., 0], image)
    picture = strengths([[0, 1e-6], [0.5, 1]])
    assert picture.dtype == np.uint8 and picture.shape == (2, 2, 3)
    shades = picture.astype(int).sum(-1).ravel()
    assert shades[0] == 765 and list(np.sort(shades)[::-1]) == list(shades)
    assert (strengths(np.zeros((2, 3))) == 255).all()
    with pytest.raises(ValueError, match="at least 0"):
        strengths([[-1.0]])
