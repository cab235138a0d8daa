"""What all synthetic images share: arguments, and random fields."""

import numpy as np

from keras_seg.arguments import check_integer

__all__ = ["bands", "draw_all", "smooth"]


def draw_all(n, size, seed, draw):
    """Images and masks of a square size, each drawn from a seed of its own.

    `draw` takes the size and a `numpy.random.Generator` and gives an image,
    `(size, size, 3)` or `(size, size, 1)`, and a mask.
    """
    check_integer(1, n=n)
    check_integer(32, size=size)
    check_integer(0, seed=seed)
    images = np.empty((n, size, size, 3), "uint8")
    masks = np.empty((n, size, size), "uint8")
    for i in range(n):
        images[i], masks[i] = draw(size, np.random.default_rng([seed, i]))
    return images, masks


def smooth(rng, size, period):
    """Smooth noise: cubic B-splines on random values every `period` pixels.

    Returns:
        float32 array `(size, size)` of mean 0 and deviation about 1.
    """
    count = int(size / period) + 5
    position = np.arange(size, dtype="float32") / period + rng.random() + 1
    distance = np.abs(position[:, None] - np.arange(count, dtype="float32"))
    near = 2 / 3 - distance**2 + distance**3 / 2
    far = (2 - distance).clip(0) ** 3 / 6
    weights = np.where(distance < 1, near, far)
    values = rng.standard_normal((count, count), dtype="float32")
    # A B-spline's squared weights sum to 0.48 on average, along each axis.
    return weights @ values @ weights.T / 0.48


def bands(rng, size, low, high):
    """Noise with details between the sizes `low` and `high` in pixels.

    Returns:
        float32 array `(size, size)` of mean 0 and deviation 1.
    """
    noise = rng.standard_normal((size, size), dtype="float32")
    spectrum = np.fft.rfft2(noise)
    squared = np.fft.fftfreq(size)[:, None] ** 2 + np.fft.rfftfreq(size) ** 2
    filtered = np.exp(-squared * low**2 * 4) - np.exp(-squared * high**2 * 4)
    field = np.fft.irfft2(spectrum * filtered, s=(size, size))
    return (field / (field.std() + 1e-6)).astype("float32")
