"""Prediction of single images, and of streams of images."""

import contextlib
import dataclasses
import itertools
from collections.abc import Callable
from collections.abc import Generator
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_seg.arguments import check_positive
from keras_seg.arguments import check_share
from keras_seg.arguments import unmasked
from keras_seg.data import VOID
from keras_seg.data import ClassTable
from keras_seg.data import DataError
from keras_seg.data.bands import check_bands
from keras_seg.data.images import check_bit_depth
from keras_seg.inference.one_size import check_takes_tiles
from keras_seg.inference.one_size import one_size_of
from keras_seg.inference.one_size import padded
from keras_seg.inference.one_size import predict_ids
from keras_seg.inference.one_size import predict_one_size
from keras_seg.inference.predictions import Prediction
from keras_seg.inference.predictions import Predictions
from keras_seg.inference.reading import read_ahead
from keras_seg.inference.scores import Model
from keras_seg.inference.scores import check_image
from keras_seg.inference.scores import image_shape
from keras_seg.inference.scores import is_keras
from keras_seg.inference.scores import longest_side_of
from keras_seg.inference.scores import predict_batch
from keras_seg.inference.scores import predict_scores
from keras_seg.inference.scores import warn_of_weights
from keras_seg.inference.tiles import Tiles
from keras_seg.inference.tiles import predict_tiled
from keras_seg.score_form import ScoreForm
from keras_seg.score_form import how_read

__all__ = ["bucket_of", "buckets", "predict"]


def _class_table(model: Model) -> ClassTable | None:
    known = getattr(model, "class_table", None)  # Of an ExportedModel.
    if known is None and is_keras(model):
        from keras_seg.runs.model_file import class_table_of

        return class_table_of(model)
    return known


def predict(
    model: Model,
    images: Any,
    tiles: Tiles | None = None,
    out: Any = None,
    *,
    batch_size: int = 1,
    bucket: int = 32,
    probabilities: bool = False,
    least: float | None = None,
    from_logits: bool | None = None,
    on_error: Callable[[DataError], object] | None = None,
    bit_depth: int | None = None,
    strip: tuple[int, int] | None = None,
    bands: Sequence[int | str] | None = None,
) -> Any:
    """Predicts the class of every pixel of an image, or of many.

    A model of one score a pixel gives the ids 0 and 1 by its threshold, one of
    labels 0 and 1 for each of them: `keras_seg.inference.tune_threshold` sets
    thresholds other than one half.

    A single array is predicted at once. Anything else is a stream, whose
    predictions come image by image, in the order and the sizes of the images.
    Memory does not grow with their number. The next files are read while a
    batch is predicted.

    Some networks are compiled for each size of images. To keep their number
    small, images of a stream are padded with the mean color, at the right and
    at the bottom, up to multiples of `bucket` pixels; predictions are cropped
    to the image. The networks of this package pad to multiples of 32 by
    themselves. A larger bucket adds more padding, which changes predictions
    near the borders (FCN-8s on CamVid, 360×480: a mean IoU of 0.628 at 1 and
    at 32, of 0.622 at 64).

    A model that takes images of one size, such as a file exported for it, gets
    tiles of exactly that size, which overlap by a quarter, 128 pixels at most;
    smaller images are padded with the mean color.

    Weights that are NaN or infinite are warned of by name. If memory does not
    suffice for a tile, a warning says so, and tiles of half the size are used
    from there on.

    Args:
        model: `keras.Model`, images to scores of the same size, or a
            `keras_seg.deployment.ExportedModel`. For several scales, mirrored
            images, another output stride or a CRF, apply
            `keras_seg.surgery.average_views`, `set_output_stride` or
            `add_crf` to the model first.
        images: an array `(height, width, channels)` or a `PIL.Image.Image`,
            RGB in 0...255, of any size. With `tiles` also anything that has a
            `shape` and gives arrays for `image[rows, columns]`, such as
            `numpy.memmap`. Or a stream: the path of an image, of a video or of
            a folder, whose images `keras_seg.data.find_images` lists, or an
            iterable of paths, arrays and `PIL.Image.Image`.
        tiles: `keras_seg.inference.Tiles`, for images whose scores do not fit
            into memory. Defaults to None: images are predicted whole.
        out: what the ids of a single array are written to, by
            `out[rows, columns] = ids`, such as a `numpy.memmap`. Defaults to
            a new array.
        batch_size: int, how many consecutive images of a stream are predicted
            together, if they fall into one bucket. Defaults to 1.
        bucket: int, pixels; with 1 images are not padded. Defaults to 32.
        probabilities: bool, whether the predictions of a stream hold the
            probabilities of all classes beside the ids. Defaults to False.
        least: optional float, the smallest probability of an id: pixels that
            are less sure become void, 255. Of labels each by itself. For
            masks to train on, such as 0.9. Defaults to None: all have ids.
        from_logits: bool, for `probabilities` and thresholds: whether the
            model returns logits or probabilities. Defaults to None: found in
            its graph.
        on_error: optional function of a `keras_seg.data.DataError`, called
            for each file of a stream that cannot be read; the others are
            predicted. By default the error is raised.
        bit_depth: optional int, of images of 16 bits as in training, see
            `keras_seg.data.read_image`. Defaults to what the model knows of
            its training, else 16.
        strip: optional tuple `(top, bottom)` of `tiles.strips`, rows of a
            single array that are predicted alone, as on one of several
            machines: to the last bit as in the whole image. Defaults to all.
        bands: optional sequence of the bands of files that the model sees,
            see `keras_seg.data.read_image`. Defaults to those that the model
            was trained on, as far as it knows.

    Returns:
        For a single array `out`, or a uint8 array `(height, width)` of class
        ids; uint16 for more than 256 classes; of a model of labels `(height,
        width, labels)` of 0 and 1. For a stream, in which pixels of a TIFF
        without data are void, 255,
        `keras_seg.inference.Predictions`, an iterator of
        `keras_seg.inference.Prediction` with a method `show`.

    Raises:
        ValueError: If an array is not an image, the model returns scores of
            another size, an argument does not apply to this kind of images,
            or it is not known whether the model returns probabilities.
        DataError: If a file cannot be read and there is no `on_error`.
        MemoryError: Or the backend's own error, if memory does not suffice
            for the smallest tiles either.

    Example:

    >>> import numpy as np
    >>> from keras_seg.applications import UNet
    >>> from keras_seg.inference import Tiles, predict
    >>> model = UNet(classes=3, filters=4, depth=2)
    >>> ids = predict(model, np.zeros((35, 50, 3), "uint8"))
    >>> ids.shape, ids.dtype
    ((35, 50), dtype('uint8'))
    >>> image = np.zeros((35, 90, 3), "uint8")
    >>> predict(model, image, Tiles(64, overlap=32)).shape
    (35, 90)
    >>> for found in predict(model, [image, image[:30]]):
    ...     print(found.source, found.ids.shape)
    0 (35, 90)
    1 (30, 90)
    """
    check_positive(batch_size=batch_size, bucket=bucket)
    check_bit_depth(bit_depth)
    check_bands(bands)
    if least is not None:
        check_share(least=least)
    if tiles is not None:
        check_takes_tiles(model)
    if strip is not None and tiles is None:
        raise ValueError(
            f"`strip` is one of `tiles.strips`. Received: strip={strip}, no "
            "`tiles`"
        )
    bit_depth, bands = how_read(model, bit_depth, bands)
    if hasattr(images, "__array_interface__"):  # Such as Pillow's.
        images = unmasked(images)
    if not hasattr(images, "shape") or len(images.shape) == 4:
        if out is not None or strip is not None:
            name = "out" if strip is None else "strip"
            raise ValueError(
                f"`{name}` is for one image. Received: many images"
            )
        warn_of_weights(model)
        form = _form(model, from_logits, least, certain=probabilities)
        keep = form.probabilities_of if probabilities else None
        stream = _predict_stream(
            model,
            images,
            tiles,
            batch_size,
            bucket,
            form,
            keep,
            on_error,
            bit_depth,
            bands,
        )
        table = _class_table(model)
        return Predictions(stream, table, has_void=form.scores <= VOID)
    check_image(images)
    warn_of_weights(model, again=False)
    if probabilities:
        raise ValueError(
            "`probabilities` come with a stream: pass [image] for one array."
        )
    form = _form(model, from_logits, least)
    if tiles is not None:
        return predict_tiled(model, images, tiles, form, out, None, strip)[0]
    ids = predict_ids(model, np.asarray(images)[None], form)[0]
    if out is None:
        return ids
    out[:] = ids
    return out


def _form(
    model: Model,
    from_logits: bool | None,
    least: float | None,
    certain: bool = False,
) -> ScoreForm:
    certain = certain or least is not None
    form = ScoreForm.of(model, from_logits, certain)
    if least is not None and form.scores > VOID:
        raise ValueError(
            f"`least` makes pixels void, {VOID}, which is a class here. "
            f"Received: a model of {form.scores} classes"
        )
    return dataclasses.replace(form, least=least)


def buckets(
    model: Model,
    pairs: Iterable[tuple[Any, NDArray]],
    batch_size: int,
    bucket: int,
) -> Iterator[tuple[list[tuple[Any, NDArray]], NDArray]]:
    """Batches consecutive images whose sides, rounded up, are equal.

    Images, the second of each pair, are padded with the mean color, at the
    right and at the bottom, to multiples of `bucket`, unless the model takes
    only one size. Yields lists of pairs and arrays of their padded images.
    """
    bucket = bucket_of(model, bucket)

    def kind(pair: tuple[Any, NDArray]) -> tuple:
        image = pair[1]
        size = tuple(-(-n // bucket) * bucket for n in image.shape[:2])
        return size, image.dtype

    for (size, _), neighbors in itertools.groupby(pairs, kind):
        while batch := list(itertools.islice(neighbors, batch_size)):
            filled = [padded(model, image, size) for _, image in batch]
            yield batch, np.stack(filled)


def bucket_of(model: Model, bucket: int) -> int:
    """The pixels to whose multiples images are padded for a model."""
    # Padding would change how far an image is shrunk.
    fixed = None not in image_shape(model) or longest_side_of(model)
    return 1 if fixed else bucket


def _predict_stream(
    model: Model,
    images: Any,
    tiles: Tiles | None,
    batch_size: int,
    bucket: int,
    form: ScoreForm,
    keep: Callable[[NDArray], NDArray] | None,
    on_error: Callable | None,
    bit_depth: int | None,
    bands: Sequence[int | str] | None,
) -> Generator[Prediction]:
    how = image_shape(model)[-1], None, bit_depth, bands
    # Closed explicitly, as a traceback may keep the generator alive.
    with contextlib.closing(
        read_ahead(images, how, batch_size + 1, on_error)
    ) as arrays:
        predict_each = _predict_in_tiles(model, arrays, tiles, form, keep)
        if tiles is None:
            predict_each = _predict_whole(
                model, arrays, batch_size, bucket, form, keep
            )
        for found in predict_each:
            source, valid = found.source
            if valid is not None and form.scores <= VOID:
                found.ids[~valid] = VOID
            yield found._replace(source=source, valid=valid)


def _predict_in_tiles(
    model: Model,
    arrays: Iterable[tuple[Any, NDArray]],
    tiles: Any,
    form: ScoreForm,
    keep: Callable[[NDArray], NDArray] | None,
) -> Iterator[Prediction]:
    for source, image in arrays:
        ids, kept, tiles = predict_tiled(model, image, tiles, form, keep=keep)
        yield Prediction(source, image, ids, kept)


def _predict_whole(
    model: Model,
    arrays: Iterable[tuple[Any, NDArray]],
    batch_size: int,
    bucket: int,
    form: ScoreForm,
    keep: Callable[[NDArray], NDArray] | None,
) -> Iterator[Prediction]:
    size = one_size_of(model)
    for batch, filled in buckets(model, arrays, batch_size, bucket):
        if size not in (None, filled.shape[1:3]):
            for source, image in batch:
                ids, kept = predict_one_size(model, image, form, keep=keep)
                yield Prediction(source, image, ids, kept)
            continue
        scores = predict_scores(model, filled) if keep else None
        if scores is None:
            ids = predict_batch(model, filled, form)
        else:
            ids = form.ids_of(scores)
        for number, (source, image) in enumerate(batch):
            inside: tuple = (number, *map(slice, image.shape[:2]))
            kept = None
            if keep and scores is not None:
                kept = keep(scores[inside]).astype("float16")
            # A view would keep the whole batch alive.
            yield Prediction(source, image, ids[inside].copy(), kept)
