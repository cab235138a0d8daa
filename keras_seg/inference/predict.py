"""Images to class ids, one after the other, at their own size."""

import warnings

import keras
import numpy as np

from keras_seg.data import DataError
from keras_seg.data import read_image
from keras_seg.inference.memory import is_out_of_memory

__all__ = ["predict", "predict_batch", "predict_files", "predict_scores"]


def predict(model, image, tiles=None, out=None):
    """Finds the class of every pixel of an image.

    Where memory does not suffice for a tile, tiles are halved, with a
    warning, and the image begins anew.

    Args:
        model: `keras.Model`, images to scores of the same size.
        image: array `(height, width, 3)`, RGB in 0...255, of any size. With
            `tiles` anything that has a `shape` and gives arrays of
            `image[rows, columns]`, such as `numpy.memmap`.
        tiles: `keras_seg.inference.Tiles`, for an image whose scores the
            memory does not hold. Defaults to None: the image as a whole.
        out: what ids are written to, `out[rows, columns] = ids`, such as a
            `numpy.memmap`. Defaults to a new array.

    Returns:
        `out`, or a uint8 array `(height, width)` of class ids; uint16 for
        more than 256 classes.

    Raises:
        ValueError: if the image is none, or the model gives scores of
            another size.
        MemoryError: or the backend's own, where it does not suffice for the
            smallest tiles either.

    Example:

    >>> import numpy as np
    >>> from keras_seg.applications import FCN8s
    >>> from keras_seg.inference import Tiles, predict
    >>> model = FCN8s("mobilenet_v2", weights=None, classes=3)
    >>> ids = predict(model, np.zeros((35, 50, 3), "uint8"))
    >>> ids.shape, ids.dtype
    ((35, 50), dtype('uint8'))
    >>> image = np.zeros((35, 90, 3), "uint8")
    >>> predict(model, image, Tiles(64, overlap=32)).shape
    (35, 90)
    """
    image = image if tiles is not None else np.asarray(image)
    if len(image.shape) != 3 or 0 in image.shape:
        raise ValueError(
            "`image` must be an array (height, width, 3). "
            f"Received: shape {tuple(image.shape)}"
        )
    if tiles is None:
        ids = predict_batch(model, image[None])[0]
        if out is None:
            return ids
        out[:] = ids
        return out
    while True:
        try:
            return _tiled(model, image, tiles, out)
        except Exception as error:
            if not is_out_of_memory(error) or not tiles.can_be_halved:
                raise
        smaller = tiles.halved()
        warnings.warn(
            f"Out of memory with tiles of {tiles.size} pixels: they have "
            f"{smaller.size} from here on.",
            stacklevel=2,
        )
        tiles = smaller


def _tiled(model, image, tiles, out):
    blocks = tiles.blocks(
        lambda tile: predict_scores(model, tile[None])[0], image
    )
    for rows, columns, scores in blocks:
        if out is None:
            out = np.empty(image.shape[:2], _kind(scores.shape[-1]))
        out[rows, columns] = scores.argmax(axis=-1)
    return out


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
    return scores.argmax(axis=-1).astype(_kind(scores.shape[-1]))


def _kind(classes):
    return np.uint8 if classes <= 256 else np.uint16


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
