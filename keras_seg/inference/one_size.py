"""Networks that take images of one size, on images of any size."""

from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_seg.arguments import fitted_size
from keras_seg.data.augment import pad_to
from keras_seg.data.augment.scaling import resize_image
from keras_seg.inference.scores import Model
from keras_seg.inference.scores import image_shape
from keras_seg.inference.scores import longest_side_of
from keras_seg.inference.scores import predict_batch
from keras_seg.inference.scores import predict_scores
from keras_seg.inference.scores import warn_of_range
from keras_seg.inference.tiles import Tiles
from keras_seg.inference.tiles import blend
from keras_seg.inference.tiles import join
from keras_seg.score_form import ScoreForm

__all__ = [
    "check_takes_tiles",
    "one_size_of",
    "padded",
    "predict_ids",
    "predict_one_size",
]

# Rows of scores that are enlarged at once.
_ROWS = 256


def one_size_of(model: Model) -> tuple[int, int] | None:
    """The `(height, width)` of the only images a model takes; None for any."""
    height, width, _ = image_shape(model)
    return None if height is None or width is None else (height, width)


def check_takes_tiles(model: Model) -> None:
    """Refuses a model that takes images of one size, or shrinks them."""
    size = one_size_of(model)
    if size is not None:
        raise ValueError(
            "`tiles` is for models that take images of any size. This one "
            f"takes {size[0]}×{size[1]} pixels, and gets tiles of that size "
            "without it. Fix: leave it out."
        )
    side = longest_side_of(model)
    if side is not None:
        raise ValueError(
            f"`tiles` would be shrunk each by itself by a model that shrinks "
            f"images to {side} pixels. It needs no tiles: leave them out."
        )


def padded(model: Model, image: NDArray, size: tuple[int, int]) -> NDArray:
    """An image, filled with the mean color at the right and at the bottom.

    Its range is told before: the mean color would hide one of 0...1.
    """
    if image.shape[:2] != size:
        warn_of_range(model, image)
    mask = np.broadcast_to(np.uint8(0), image.shape[:2])
    return pad_to(image, mask, size)[0]


def predict_ids(model: Model, images: NDArray, form: ScoreForm) -> NDArray:
    """The class ids of a batch of images of one size, which may be any size."""
    size = one_size_of(model)
    if size is None or images.shape[1:3] == size:
        return predict_batch(model, images, form)
    return np.stack([predict_one_size(model, x, form)[0] for x in images])


def predict_one_size(
    model: Model,
    image: NDArray,
    form: ScoreForm | None = None,
    out: Any = None,
    keep: Callable[[NDArray], NDArray] | None = None,
) -> tuple[Any, NDArray[np.float16] | None]:
    """Predicts an image of any size by a model that takes one size.

    The image is cut into tiles of exactly that size, which overlap by a
    quarter, 128 pixels at most, and are blended as by `Tiles`; where it is
    smaller, it is padded with the mean color. A model that shrinks its images
    would shrink each tile by itself, so the image is first brought to the size
    at which its tiles are shrunk as all of it would have been, and the scores
    are enlarged.

    Returns `out` or a new array of the ids, and the probabilities that `keep`
    makes of the scores, if it is given.
    """
    form = form or ScoreForm.of(model)
    height, width, _ = image_shape(model)
    tile = height or 0, width or 0
    shape = image.shape[:2]
    side = longest_side_of(model)
    seen = shape
    if side is not None:
        factor = max(max(tile) / side, 1)
        seen = tuple(
            max(1, round(factor * n)) for n in fitted_size(shape, side)
        )
    pixels = np.asarray(image)
    if seen != shape:
        pixels = resize_image(pixels, seen)

    def score(part: NDArray) -> NDArray:
        scores = predict_scores(model, padded(model, part, tile)[None])[0]
        return scores[: part.shape[0], : part.shape[1]]

    down, across = (
        Tiles(n, overlap=min(128, n // 4), multiple=1).along(length)
        for n, length in zip(tile, seen, strict=True)
    )
    blocks = blend(down, across, score, pixels)
    if seen != shape:
        blocks = _enlarged(blocks, seen, shape)
    return join(blocks, shape, form, out, keep)


def _enlarged(
    blocks: Iterator[tuple[slice, slice, NDArray]],
    size: tuple[int, int],
    shape: tuple[int, int],
) -> Iterator[tuple[slice, slice, NDArray]]:
    """Bilinear, as `keras_seg.layers.ResizeLike`, some rows at a time."""
    scores = np.empty(0)
    for rows, columns, block in blocks:
        if not scores.size:
            scores = np.empty((*size, block.shape[-1]), "float32")
        scores[rows, columns] = block
    height, width = shape
    for top in range(0, height, _ROWS):
        count = min(_ROWS, height - top)
        window = (top, 0, count, width)
        yield (
            slice(top, top + count),
            slice(0, width),
            resize_image(scores, shape, window=window),
        )
