"""Few sizes for many images: a network is compiled for each."""

import itertools

import numpy as np

from keras_seg.data.augment import pad_to
from keras_seg.inference.scores import takes_channels_first

__all__ = ["buckets", "image_shape"]


def image_shape(model):
    """The shape of the images of a model, channels last.

    Args:
        model: `keras.Model` or `keras_seg.deployment.ExportedModel`.

    Returns:
        Tuple (height, width, channels); None where any size is taken.
    """
    shape = list(model.inputs[0].shape[1:])
    channels = shape.pop(0 if takes_channels_first(model) else -1)
    return (*shape, channels)


def buckets(model, pairs, batch_size, bucket):
    """Batches of neighbours whose sides, rounded up, are equal.

    Images are filled with the mean colour, at the right and at the bottom.
    Those of a model that takes one size stay as they are.

    Args:
        model: `keras.Model` or `keras_seg.deployment.ExportedModel`.
        pairs: iterable of tuples (anything, array `(height, width,
            channels)`).
        batch_size: int, the most images in a batch.
        bucket: int, what sides are rounded up to multiples of.

    Yields:
        Tuple of a list of such tuples, and the array `(batch, height, width,
        channels)` of their images.
    """
    if None not in image_shape(model):
        bucket = 1

    def kind(pair):
        image = pair[1]
        size = tuple(-(-n // bucket) * bucket for n in image.shape[:2])
        return size, image.dtype

    for (size, _), neighbours in itertools.groupby(pairs, kind):
        while batch := list(itertools.islice(neighbours, batch_size)):
            yield batch, np.stack([_filled(image, size) for _, image in batch])


def _filled(image, size):
    mask = np.broadcast_to(np.uint8(0), image.shape[:2])
    return pad_to(image, mask, size)[0]
