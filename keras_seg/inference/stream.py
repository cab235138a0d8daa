"""Many images, one after the other, in the memory of a few."""

import collections
import concurrent.futures
import contextlib
import os
import pathlib
from typing import Any
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from keras_seg.data import DataError
from keras_seg.data import find_images
from keras_seg.data import read_image
from keras_seg.data.video import is_video
from keras_seg.data.video import read_frames
from keras_seg.inference.buckets import buckets
from keras_seg.inference.buckets import image_shape
from keras_seg.inference.scores import check_image
from keras_seg.inference.scores import ids_of
from keras_seg.inference.scores import predict_batch
from keras_seg.inference.scores import predict_scores
from keras_seg.inference.tiled import predict_tiled

__all__ = ["Prediction", "predict_stream"]


class Prediction(NamedTuple):
    """What was found in one of many images.

    Args:
        source: the path, as it came; of a frame of a video a tuple of the
            path and its number, of an array its number, both from 0.
        image: array `(height, width, channels)`, upright, in 0...255.
        ids: uint8 array `(height, width)` of class ids; uint16 for more than
            256 classes.
        probabilities: float16 array `(height, width, classes)` where they
            were asked for, or None.
    """

    source: Any
    image: NDArray
    ids: NDArray
    probabilities: NDArray | None = None


def predict_stream(
    model,
    images,
    tiles,
    batch_size,
    bucket,
    keep,
    on_error,
    bit_depth,
):
    """The predictions of images as they come: see `predict`."""
    channels = image_shape(model)[-1]
    # Closed here: frames that a compiler's traceback holds may live on.
    with contextlib.closing(
        _read_ahead(images, channels, bit_depth, batch_size + 1, on_error)
    ) as arrays:
        if tiles is None:
            yield from _whole(model, arrays, batch_size, bucket, keep)
            return
        for source, image in arrays:
            ids, kept, tiles = predict_tiled(model, image, tiles, keep=keep)
            yield Prediction(source, image, ids, kept)


def _whole(model, arrays, batch_size, bucket, keep):
    for batch, filled in buckets(model, arrays, batch_size, bucket):
        scores = predict_scores(model, filled) if keep else None
        ids = predict_batch(model, filled) if scores is None else ids_of(scores)
        for number, (source, image) in enumerate(batch):
            inside = (number, *map(slice, image.shape[:2]))
            kept = None if scores is None else keep(scores[inside])
            # A copy, which does not hold the batch.
            yield Prediction(source, image, ids[inside].copy(), kept)


def _read_ahead(images, channels, bit_depth, count, on_error):
    """Sources and arrays; a thread reads the next files meanwhile."""
    pool = concurrent.futures.ThreadPoolExecutor(1, "keras_seg_images")
    waiting: collections.deque = collections.deque()
    try:
        for source, item in _sources(images):
            waiting.append(
                (source, pool.submit(_array, item, channels, bit_depth))
            )
            if len(waiting) > count:
                yield from _result(waiting.popleft(), on_error)
        while waiting:
            yield from _result(waiting.popleft(), on_error)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _sources(images):
    """Tuples (source, path, array or error)."""
    if isinstance(images, str | os.PathLike):
        images = find_images([pathlib.Path(images)])
    for number, item in enumerate(images):
        if not isinstance(item, str | os.PathLike):
            yield number, item
        elif is_video(item):
            yield from _frames(item)
        else:
            yield item, item


def _frames(path):
    """The frames of a video, up to where it is damaged."""
    count = 0
    try:
        for frame in read_frames(path):
            yield (path, count), frame
            count += 1
    except DataError as error:
        yield (path, count), error


def _array(item, channels, bit_depth):
    if isinstance(item, DataError):
        raise item
    if isinstance(item, str | os.PathLike):
        return read_image(item, channels, bit_depth=bit_depth)
    image = np.asarray(item)
    check_image(image)
    return image


def _result(begun, on_error):
    source, reading = begun
    try:
        yield source, reading.result()
    except DataError as error:
        if on_error is None:
            raise
        on_error(error)
