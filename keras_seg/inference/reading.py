"""Reading of the images of a stream, ahead of their prediction."""

import collections
import concurrent.futures
import os
import pathlib
from collections.abc import Callable
from collections.abc import Generator
from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray

from keras_seg.arguments import unmasked
from keras_seg.data import DataError
from keras_seg.data import find_images
from keras_seg.data.images import read_pixels
from keras_seg.data.video import is_video
from keras_seg.data.video import read_frames
from keras_seg.inference.scores import check_image

__all__ = ["read_ahead"]


def read_ahead(
    images: Any, how: tuple, count: int, on_error: Callable | None
) -> Generator[tuple[tuple, NDArray]]:
    """Yields arrays while a thread reads the next files.

    Each comes behind its source and which of its pixels have data.
    """
    pool = concurrent.futures.ThreadPoolExecutor(1, "keras_seg_images")
    waiting: collections.deque = collections.deque()
    try:
        for source, item in _sources(images, how[-1]):
            waiting.append((source, pool.submit(_array, item, how)))
            if len(waiting) > count:
                yield from _result(waiting.popleft(), on_error)
        while waiting:
            yield from _result(waiting.popleft(), on_error)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _sources(images: Any, bands: Any) -> Iterator[tuple[Any, Any]]:
    """Yields each source with its path, its array, or the error in it."""
    if isinstance(images, str | os.PathLike):
        images = find_images([pathlib.Path(images)])
    for number, item in enumerate(images):
        if not isinstance(item, str | os.PathLike):
            yield number, item
        elif is_video(item):
            yield from _frames(item, bands)
        else:
            yield item, item


def _frames(path: str | os.PathLike, bands: Any) -> Iterator[tuple[tuple, Any]]:
    """Yields the frames of a video, and the error where it is damaged."""
    count = 0
    try:
        for frame in read_frames(path, bands):
            yield (path, count), frame
            count += 1
    except DataError as error:
        yield (path, count), error


def _array(item: Any, how: tuple) -> tuple[NDArray, NDArray | None]:
    if isinstance(item, DataError):
        raise item
    if isinstance(item, str | os.PathLike):
        return read_pixels(item, *how)
    image = unmasked(item)
    check_image(image)
    return image, None


def _result(
    begun: tuple[Any, concurrent.futures.Future], on_error: Callable | None
) -> Iterator[tuple[tuple, NDArray]]:
    source, reading = begun
    try:
        image, valid = reading.result()
        yield (source, valid), image
    except DataError as error:
        if on_error is None:
            raise
        on_error(error)
