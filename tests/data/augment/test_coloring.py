import colorsys

import numpy as np
import pytest

from keras_seg.data import augment

pytestmark = pytest.mark.once

MASK = np.zeros((5, 4), "uint8")
LUMA = np.array([0.299, 0.587, 0.114])  # Rec. 601


class Drawn:
    """A generator whose draws are known."""

    def __init__(self, *values):
        self.values = list(values)

    def uniform(self, low, high):
        value = self.values.pop(0)
        assert low <= value <= high
        return value


def image(dtype="float32", channels=3, low=80, high=140):
    rng = np.random.default_rng(0)
    return rng.uniform(low, high, (5, 4, channels)).astype(dtype)


def changed(x, *draws):
    return augment.ColorJitter(0.5, 0.5, 0.5, 0.5)(x, MASK, Drawn(*draws))[0]


def test_brightness_contrast_saturation():
    x = image()
    luma = x @ LUMA
    np.testing.assert_allclose(changed(x, 1, 1, 1, 0), x, rtol=1e-5)
    np.testing.assert_allclose(changed(x, 1.2, 1, 1, 0), 1.2 * x, rtol=1e-5)
    mean = luma.mean()
    np.testing.assert_allclose(
        changed(x, 1, 0.5, 1, 0), mean + 0.5 * (x - mean), rtol=1e-5
    )
    np.testing.assert_allclose(
        changed(x, 1, 1, 0.6, 0),
        luma[..., None] + 0.6 * (x - luma[..., None]),
        rtol=1e-5,
    )


def test_all_in_their_order():
    x = image(low=100, high=120).astype("float64")
    got = changed(x.astype("float32"), 1.1, 0.7, 0.8, 0.2)
    x = 1.1 * x
    x = (x @ LUMA).mean() + 0.7 * (x - (x @ LUMA).mean())
    x = (x @ LUMA)[..., None] + 0.8 * (x - (x @ LUMA)[..., None])
    expected = np.empty_like(x)
    for place in np.ndindex(x.shape[:2]):
        y, i, q = colorsys.rgb_to_yiq(*x[place] / 255)
        turned = (i + 1j * q) * np.exp(2j * np.pi * 0.2)
        rgb = colorsys.yiq_to_rgb(y, turned.real, turned.imag)
        expected[place] = 255 * np.array(rgb)
    # colorsys rounds its matrix to two digits.
    np.testing.assert_allclose(got, expected, atol=0.5)


def test_hue_keeps_luma_and_gray():
    x = image()
    got = changed(x, 1, 1, 1, 0.3)
    assert abs(got - x).max() > 5
    np.testing.assert_allclose(got @ LUMA, x @ LUMA, rtol=1e-5)
    gray = np.repeat(image(channels=1), 3, axis=-1)
    np.testing.assert_allclose(changed(gray, 1, 1, 1.4, 0.3), gray, rtol=1e-5)
    # A full turn in thirds.
    thirds = x
    for turn in (1 / 3, 1 / 3, 1 / 3):
        thirds = changed(thirds, 1, 1, 1, turn)
    np.testing.assert_allclose(thirds, x, rtol=1e-4)


def test_bytes_are_rounded_and_clipped():
    x = np.array([[[10, 100, 255]]], "uint8")
    got, mask = augment.ColorJitter(0.5)(x, MASK, Drawn(1.25, 1, 1, 0))
    assert got.dtype == np.uint8 and mask is MASK
    assert got.tolist() == [[[12, 125, 255]]]  # 12.5 to even
    got, _ = augment.GrayJitter(90)(x, MASK, Drawn(1, -60.0))
    assert got.tolist() == [[[0, 40, 195]]]


def test_one_channel():
    x = image(channels=1)
    np.testing.assert_allclose(changed(x, 1.1, 1, 0.5, 0.3), 1.1 * x, rtol=1e-5)


@pytest.mark.parametrize("channels", [1, 3, 6])
def test_gray_jitter(channels):
    x = image(channels=channels)
    jitter = augment.GrayJitter(shift=20, contrast=0.5)
    got, _ = jitter(x, MASK, Drawn(0.6, -7.5))
    mean = x.mean(dtype="float64")
    np.testing.assert_allclose(got, mean + 0.6 * (x - mean) - 7.5, rtol=1e-5)


def test_draws_are_uniform_over_their_ranges():
    x = np.full((1, 1, 1), 100, "float32")
    rng = np.random.default_rng(0)
    jitter = augment.ColorJitter(brightness=0.5)
    levels = [float(jitter(x, MASK, rng)[0].item()) for _ in range(300)]
    assert 50 <= min(levels) < 55 and 145 < max(levels) <= 150
    assert abs(np.mean(levels) - 100) < 7  # four standard errors
    # Factors do not go below 0.
    jitter = augment.ColorJitter(brightness=3)
    assert min(float(jitter(x, MASK, rng)[0].item()) for _ in range(99)) >= 0


def test_channels_that_have_no_color_are_refused():
    with pytest.raises(ValueError) as caught:
        augment.ColorJitter(0.1)(image(channels=4), MASK, Drawn())
    assert str(caught.value) == (
        "`ColorJitter` needs images of 1 or 3 channels; `GrayJitter` takes "
        "any number. Received: 4 channels"
    )
