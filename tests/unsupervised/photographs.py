"""Images and features that the tests of k-means share."""

import numpy as np
from skimage.color import rgb2lab

from keras_seg.data.synthetic.fields import smooth

__all__ = ["features", "photograph"]


def photograph(size=64, seed=0):
    """A uint8 image `(size, size, 3)`: smooth colours, and some noise."""
    rng = np.random.default_rng(seed)
    maps = [smooth(rng, size, 16) for _ in range(3)]
    noise = rng.normal(0, 3, (size, size, 3))
    image = 120 + 50 * np.stack(maps, axis=-1) + noise
    return image.clip(0, 255).astype("uint8")


def features(image, color_space="rgb", position=0.0):
    """A row for each pixel, as the documentation of the segmenter has it."""
    height, width = image.shape[:2]
    colors = image.reshape(height * width, -1).astype(float)
    if color_space == "lab":
        colors = rgb2lab(colors / 255)
    if not position:
        return colors
    y, x = np.indices((height, width)).reshape(2, -1)
    return np.column_stack([colors, position * x, position * y])
