"""Images to class ids, one after the other, at their own size."""

import keras
import numpy as np

from keras_seg.data import DataError
from keras_seg.data import read_image

__all__ = ["predict", "predict_batch", "predict_files", "predict_scores"]


def predict(model, image):
    """Finds the class of every pixel of an image.

    Args:
        model: `keras.Model`, images to scores of the same size.
        image: array `(height, width, 3)`, RGB in 0...255, of any size.

    Returns:
        uint8 array `(height, width)` of class ids.

    Raises:
        ValueError: if the image is none, or the model gives scores of
            another size.

    Example:

    >>> import numpy as np
    >>> from keras_seg.applications import FCN8s
    >>> from keras_seg.inference import predict
    >>> model = FCN8s("mobilenet_v2", weights=None, classes=3)
    >>> ids = predict(model, np.zeros((35, 50, 3), "uint8"))
    >>> ids.shape, ids.dtype
    ((35, 50), dtype('uint8'))
    """
    image = np.asarray(image)
    if image.ndim != 3 or image.size == 0:
        raise ValueError(
            "`image` must be an array (height, width, 3). "
            f"Received: shape {image.shape}"
        )
    return predict_batch(model, image[None])[0]


def predict_batch(model, images):
    """Finds the classes of images of one size.

    Args:
        model: `keras.Model`, images to scores of the same size.
        images: array `(batch, height, width, 3)`, RGB in 0...255.

    Returns:
        uint8 array `(batch, height, width)` of class ids; the first of
        classes with equal scores.

    Raises:
        ValueError: if the model gives scores of another size.
    """
    scores = predict_scores(model, images)
    kind = np.uint8 if scores.shape[-1] <= 256 else np.uint16
    return scores.argmax(axis=-1).astype(kind)


def predict_scores(model, images):
    """The scores of a model, checked to be at the size of the images.

    Args:
        model: `keras.Model`, images to scores of the same size.
        images: array `(batch, height, width, channels)`.

    Returns:
        Array `(batch, height, width, classes)`.

    Raises:
        ValueError: if the model gives scores of another size.
    """
    # Not `predict`, which builds a pipeline at every call, nor the model
    # itself, which would run uncompiled.
    scores = keras.ops.convert_to_numpy(model.predict_on_batch(images))
    if scores.ndim != 4 or scores.shape[:3] != images.shape[:3]:
        raise ValueError(
            "`model` must give scores (batch, height, width, classes) at the "
            f"size of the image. Received: images of shape {images.shape}, "
            f"scores of shape {scores.shape}"
        )
    return scores


def predict_files(model, paths, on_error=None):
    """Reads and predicts image files, one at a time.

    Memory does not grow with the number of files: scores become class ids
    at once, and what was yielded is not kept.

    Args:
        model: `keras.Model`, images to scores of the same size.
        paths: iterable of str or path.
        on_error: optional function of a `DataError`, called for a file that
            cannot be read; the others are predicted. Without it the error
            is raised.

    Yields:
        Tuples (path, ids): the path as it came, and a uint8 array
        `(height, width)`.

    Raises:
        DataError: a file cannot be read, and there is no `on_error`.
    """
    for path in paths:
        try:
            image = read_image(path)
        except DataError as error:
            if on_error is None:
                raise
            on_error(error)
            continue
        yield path, predict(model, image)
