"""Random textures of synthetic images."""

import numpy as np

__all__ = ["bands", "smooth"]


def smooth(rng, size, period):
    """Cubic B-splines on random values every `period` pixels.

    A float32 array `(size, size)` of mean 0 and standard deviation about 1.
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
    """Noise with details of sizes between `low` and `high` pixels.

    A float32 array `(size, size)` of mean 0 and standard deviation 1.
    """
    noise = rng.standard_normal((size, size), dtype="float32")
    spectrum = np.fft.rfft2(noise)
    squared = np.fft.fftfreq(size)[:, None] ** 2 + np.fft.rfftfreq(size) ** 2
    filtered = np.exp(-squared * low**2 * 4) - np.exp(-squared * high**2 * 4)
    field = np.fft.irfft2(spectrum * filtered, s=(size, size))
    return (field / (field.std() + 1e-6)).astype("float32")
