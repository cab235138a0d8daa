"""What k-means measures distances in: colours, and places."""

import dataclasses

import numpy as np

from keras_seg.unsupervised.pictures import pieces

__all__ = ["FeatureSpace"]


@dataclasses.dataclass(frozen=True)
class FeatureSpace:
    """The features of images of one kind.

    Attributes:
        color_space: `"rgb"`, the values as they are, or `"lab"`.
        position: float, the scale of x and y; 0 leaves them out.
        channels: int, 1 or 3.
        white: int, the largest value of a colour: 65535 in uint16, else 255.
    """

    color_space: str
    position: float
    channels: int
    white: int

    @classmethod
    def of(cls, picture, color_space, position):
        """The space for images such as this one.

        Args:
            picture: array `(height, width, channels)`.
            color_space, position: see above.

        Returns:
            `FeatureSpace`.
        """
        white = _white(picture)
        return cls(color_space, position, picture.shape[2], white)

    @property
    def with_place(self):
        """Whether features have x and y."""
        return self.position > 0

    @property
    def dimensions(self):
        """The length of a row."""
        return self.channels + 2 * self.with_place

    def check(self, picture, fitting=False):
        """Refuses an image that is not of this space.

        Args:
            picture: array `(height, width, channels)`.
            fitting: bool, whether it is an image to learn from. In `"lab"`
                these must look like 0...255; one that is only predicted may
                be nearly black.

        Raises:
            ValueError: for other channels, another range, or for values that
                are no colours.
        """
        if picture.shape[2] != self.channels or _white(picture) != self.white:
            raise ValueError(
                f"`image` must have channels={self.channels} and values in "
                f"0...{self.white}, as the images of `fit`. Received: "
                f"channels={picture.shape[2]}, dtype {picture.dtype}"
            )
        if self.color_space != "lab":
            return
        if self.channels != 3:
            raise ValueError(
                "color_space='lab' needs images (height, width, 3); grey ones "
                f"take 'rgb'. Received: channels={self.channels}"
            )
        if picture.dtype.kind == "f":
            low, high = picture.min(), picture.max()
            if low < 0 or high > 255 or (fitting and 0 < high <= 1):
                raise ValueError(
                    "color_space='lab' needs floats of 0...255, not of "
                    f"0...1. Received: values in {low}...{high}"
                )

    def features(self, rows):
        """Brings colours to their space, and places to their scale.

        Args:
            rows: float64 array `(n, dimensions)`, colours and x, y in pixels;
                overwritten.

        Returns:
            float64 array of that shape.
        """
        if self.color_space == "lab":
            for piece in pieces(len(rows)):
                colors = rows[piece, : self.channels]
                colors[:] = _color().rgb2lab(colors / self.white)
        rows[:, self.channels :] *= self.position
        return rows

    def colors(self, features):
        """The colours of features: RGB or grey, as in the images.

        Args:
            features: float64 array `(n, dimensions)`.

        Returns:
            float64 array `(n, channels)`.
        """
        colors = features[:, : self.channels].copy()
        if self.color_space == "lab":
            colors = np.clip(_color().lab2rgb(colors), 0, 1) * self.white
        return colors


def _white(picture):
    return 65535 if picture.dtype == np.uint16 else 255


def _color():
    try:
        from skimage import color
    except ImportError as error:
        raise ImportError(
            "color_space='lab' needs scikit-image. Fix: "
            "pip install 'keras-seg[classical]'"
        ) from error
    return color
