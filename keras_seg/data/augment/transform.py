"""What all transforms share."""

import abc

__all__ = ["INPUT_SIZE", "Transform", "apply", "size_after"]

INPUT_SIZE = "input"


class Transform(abc.ABC):
    """A random change of an image and its mask together.

    Subclasses are frozen dataclasses of their settings and draw from the
    generator they are handed: the same generator, the same result. Where
    something new comes into the image it has the mean color, and void in
    the mask. Any other callable of the same arguments serves as well, if it
    leaves the size as it is.
    """

    @abc.abstractmethod
    def __call__(self, image, mask, rng):
        """Transform one pair, without writing into it.

        Args:
            image: array `(height, width, channels)` of 0..255, uint8 or
                float.
            mask: integer array `(height, width)`.
            rng: `numpy.random.Generator`.

        Returns:
            Tuple (image, mask) of the same dtypes.
        """

    def size_after(self, size):
        """The size of what comes out.

        Args:
            size: tuple (height, width); `INPUT_SIZE` for whatever size an
                image of the data set has; or `None`, drawn for each image.

        Returns:
            The same kind of value.
        """
        return size

    def with_next(self, following):
        """This transform and the next one as one that is faster, or `None`."""
        return None


def apply(transforms, image, mask, rng):
    """Apply transforms one after the other.

    `RandomScale` right before `RandomCrop` computes no more than the window
    that is kept. The mask is the same as otherwise, and so is the image, but
    for what is rounded: one gray level at most.

    Args:
        transforms: sequence of `Transform`s or callables.
        image: array `(height, width, channels)`.
        mask: integer array `(height, width)`.
        rng: `numpy.random.Generator`.

    Returns:
        Tuple (image, mask).

    Example:

    >>> import numpy as np
    >>> from keras_seg.data import augment
    >>> image, mask = np.ones((4, 6, 3), "uint8"), np.ones((4, 6), "uint8")
    >>> transforms = [augment.RandomScale(0.5, 2), augment.RandomCrop(8)]
    >>> image, mask = augment.apply(
    ...     transforms, image, mask, np.random.default_rng(0))
    >>> image.shape, mask.shape
    ((8, 8, 3), (8, 8))
    """
    waiting = list(transforms)
    while waiting:
        transform = waiting.pop(0)
        if waiting and isinstance(transform, Transform):
            joined = transform.with_next(waiting[0])
            if joined is not None:
                transform = joined
                del waiting[0]
        image, mask = transform(image, mask, rng)
    return image, mask


def size_after(transforms):
    """The size that transforms leave, see `Transform.size_after`.

    Args:
        transforms: sequence of `Transform`s or callables.

    Returns:
        Tuple (height, width), `INPUT_SIZE`, or `None` where it is drawn.
    """
    size = INPUT_SIZE
    for transform in transforms:
        if isinstance(transform, Transform):
            size = transform.size_after(size)
    return size
