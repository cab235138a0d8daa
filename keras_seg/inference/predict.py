"""Images to class ids: one at once, many as a stream."""

import numpy as np

from keras_seg.arguments import check_positive
from keras_seg.data.images import check_bit_depth
from keras_seg.inference.scores import check_image
from keras_seg.inference.scores import keeper_of
from keras_seg.inference.scores import predict_batch
from keras_seg.inference.stream import predict_stream
from keras_seg.inference.tiled import predict_tiled
from keras_seg.inference.weights import warn_of_weights

__all__ = ["predict"]


def predict(
    model,
    images,
    tiles=None,
    out=None,
    *,
    batch_size=1,
    bucket=32,
    probabilities=False,
    from_logits=None,
    on_error=None,
    bit_depth=None,
):
    """Finds the class of every pixel of an image, or of many.

    One array is predicted at once. Everything else is a stream: what is
    found comes image by image, in the order of the images and in their own
    sizes, and nothing is kept, so that memory does not grow with their
    number. The next files are read while a batch is predicted.

    A compiled network is compiled for each size. So that there are few, the
    images of a stream are filled with the mean colour, at the right and at
    the bottom, up to multiples of `bucket` pixels, and nothing is returned of
    what lies there. The networks of this package fill an image up to 32 by
    themselves; with more, they look at more that is no image, and say
    something else at its borders (FCN-8s on CamVid, 360×480: a mean IoU of
    0.628 at 1 and at 32, of 0.622 at 64).

    Weights that are NaN or infinite are warned of, by name.

    Where memory does not suffice for a tile, tiles are halved, with a
    warning, for this image and those that follow.

    Args:
        model: `keras.Model`, images to scores of the same size, or a
            `keras_seg.deployment.ExportedModel`. For several scales, mirrored
            images, another output stride or a CRF, make a model of it first:
            `keras_seg.surgery.average_views`, `set_output_stride`, `add_crf`.
        images: an array `(height, width, channels)`, RGB in 0...255, of any
            size. With `tiles` anything that has a `shape` and gives arrays of
            `image[rows, columns]`, such as `numpy.memmap`. Or, as a stream:
            the path of an image, of a video or of a folder of images, or an
            iterable of paths and arrays.
        tiles: `keras_seg.inference.Tiles`, for images whose scores the
            memory does not hold. Defaults to None: images as a whole.
        out: what the ids of one array are written to, `out[rows, columns] =
            ids`, such as a `numpy.memmap`. Defaults to a new array.
        batch_size: int, how many neighbours of a stream that fall into one
            bucket are predicted together. Defaults to 1.
        bucket: int, pixels; 1 leaves every image as it is. Defaults to 32.
        probabilities: bool, whether a stream gives those of all classes
            beside the ids, in half precision. Defaults to False.
        from_logits: bool, for `probabilities`: whether the model gives
            logits, or probabilities already. Defaults to None: its graph says
            so, by what it ends in.
        on_error: optional function of a `keras_seg.data.DataError`, called
            for a file of a stream that cannot be read; the others are
            predicted. Without it the error is raised.
        bit_depth: optional int, of files of 16 bits, see
            `keras_seg.data.read_image`: what the images of the training had.
            Defaults to what an `ExportedModel` was exported with, else 16.

    Returns:
        Of one array: `out`, or a uint8 array `(height, width)` of class ids;
        uint16 for more than 256 classes. Else an iterator of
        `keras_seg.inference.Prediction`.

    Raises:
        ValueError: if an image is none, the model gives scores of another
            size, an argument goes with the other kind of images, or it is
            not known whether the model gives probabilities.
        DataError: a file cannot be read, and there is no `on_error`.
        MemoryError: or the backend's own, where it does not suffice for the
            smallest tiles either.

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
    if bit_depth is None:
        facts = getattr(model, "facts", None)  # Of an `ExportedModel`.
        bit_depth = getattr(facts, "bit_depth", None)
    if not hasattr(images, "shape") or len(images.shape) == 4:
        if out is not None:
            raise ValueError("`out` is for one image. Received: many images")
        warn_of_weights(model)
        keep = keeper_of(model, from_logits) if probabilities else None
        return predict_stream(
            model, images, tiles, batch_size, bucket, keep, on_error, bit_depth
        )
    check_image(images)
    warn_of_weights(model, again=False)
    if probabilities:
        raise ValueError(
            "`probabilities` come with a stream: pass [image] for one array."
        )
    if tiles is not None:
        return predict_tiled(model, images, tiles, out)[0]
    ids = predict_batch(model, np.asarray(images)[None])[0]
    if out is None:
        return ids
    out[:] = ids
    return out
