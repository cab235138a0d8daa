"""The base of the losses, and the reductions of the papers."""

from typing import Any

import keras
from keras import ops

from keras_seg.losses.pixels import Pixels
from keras_seg.losses.pixels import flatten

__all__ = ["SegmentationLoss", "mean_over_images", "reduce", "safe_divide"]

REDUCTIONS = ("mean", "mean_over_pixels", "per_image", "sum")


class SegmentationLoss(keras.losses.Loss):
    """The base of the losses: a subclass defines `of_pixels(pixels)`.

    It takes integer masks, leaves out void pixels, and computes in float32
    whatever the dtype of the scores. What a pixel can be follows from the
    shapes:

    | logits | masks | |
    | --- | --- | --- |
    | `(batch, height, width, classes)` | `(batch, height, width)` of ids | \
one class a pixel, by a softmax |
    | `(batch, height, width, 1)` | `(batch, height, width)` of 0 and 1 | \
the object or not, by a sigmoid |
    | `(batch, height, width, labels)` | `(batch, height, width, labels)` of 0 \
and 1 | any of several labels, each by a sigmoid |

    A mask may also have a last axis of size 1. Void is marked in each label by
    itself.

    Scores that contradict `from_logits` are refused: probabilities in place of
    logits would cost 2.1 for a perfect prediction of 21 classes. In place of
    one logit, or of labels, they cannot be told: all logits may lie in 0...1.
    A pixel whose id is neither a class nor `ignore_class` makes the loss NaN,
    and its gradient leaves the pixel out, so that the weights stay finite.
    Inside a compiled training step, where nothing can be raised, the loss is
    NaN in both cases, and `keras.callbacks.TerminateOnNaN` stops the training.

    For an epoch, and as `val_loss`, Keras reports the mean over the batches,
    weighted by their numbers of images. If the loss is a mean over the pixels
    of a batch, that depends on the batch size: compare `val_loss` at one batch
    size, take `reduction="per_image"` if every image has a valid pixel, or
    compare the metrics, which count the pixels of the whole data set.

    Args:
        stride: int, every how many rows and columns of masks and logits count,
            from the first on.
        summed: bool, whether the loss is a sum over the batch, not a mean:
            under `tf.distribute` the sums of the replicas are then added.
    """

    def __init__(
        self,
        ignore_class: int | None,
        stride: int,
        name: str,
        summed: bool = False,
        from_logits: bool = True,
    ):
        super().__init__(
            name=name,
            reduction="sum" if summed else "sum_over_batch_size",
            dtype="float32",
        )
        check_stride(stride)
        self.ignore_class = None if ignore_class is None else int(ignore_class)
        self.stride = int(stride)
        self.from_logits = bool(from_logits)

    def __call__(
        self, y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> Any:
        # Keras would multiply the weights into what `call` returns, along
        # the wrong axes for one weight an image.
        if sample_weight is not None:
            y_true = (y_true, sample_weight)
        return super().__call__(y_true, y_pred)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        weighted = isinstance(y_true, tuple)
        masks, weights = y_true if weighted else (y_true, None)
        pixels = flatten(
            masks,
            y_pred,
            weights,
            ignore_class=self.ignore_class,
            stride=self.stride,
            from_logits=self.from_logits,
        )
        loss = self.of_pixels(pixels) + pixels.nan_if_wrong
        return ops.reshape(loss, (1,))

    def of_pixels(self, pixels: Pixels) -> Any:
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "ignore_class": self.ignore_class,
            "stride": self.stride,
            "from_logits": self.from_logits,
        }


def check_stride(stride: int) -> None:
    if stride != int(stride) or stride < 1:
        raise ValueError(
            f"`stride` must be an integer of at least 1. Received: {stride=}"
        )


def reduce(
    values: Any, pixels: Pixels, class_weights: Any, reduction: str
) -> Any:
    """Reduces values `(batch, pixels)` to a scalar, 0 where no pixel is valid.

    With `v` the value of a valid pixel, `c` the weight of its class and `s`
    its sample weight, including that of its image:

    | reduction | |
    | --- | --- |
    | `"sum"` | `Σ s·c·v` |
    | `"mean"` | `Σ s·c·v / Σ c` |
    | `"mean_over_pixels"` | `Σ s·c·v / Σ 1` |
    | `"per_image"` | the mean of each image, then over the images |
    """
    shares = pixels.valid
    if class_weights is not None:
        shares = shares * ops.take(class_weights, pixels.weighted_ids)
    values = values * shares
    if pixels.pixel_weights is not None:
        values = values * pixels.pixel_weights
    if pixels.image_weights is not None:
        values = values * ops.expand_dims(pixels.image_weights, 1)
    if reduction == "sum":
        return ops.sum(values)
    if reduction == "mean_over_pixels":
        return safe_divide(ops.sum(values), ops.sum(pixels.valid))
    if reduction == "mean":
        return safe_divide(ops.sum(values), ops.sum(shares))
    means = safe_divide(ops.sum(values, axis=1), ops.sum(shares, axis=1))
    return mean_over_images(means, None, pixels.valid)


def mean_over_images(losses: Any, weights: Any, valid: Any) -> Any:
    """Averages losses `(batch,)` over the images that have a valid pixel.

    `weights` is `(batch,)` or None; a scalar loss is returned as it is.
    """
    if len(losses.shape) == 0:
        return losses
    labeled = ops.cast(ops.any(valid > 0, axis=1), "float32")
    if weights is not None:
        losses = losses * weights
    return safe_divide(ops.sum(losses * labeled), ops.sum(labeled))


def safe_divide(x: Any, y: Any) -> Any:
    """Returns `x / y`, and 0 with a gradient of 0 where `y` is 0."""
    return ops.where(y == 0, 0.0, x / ops.where(y == 0, 1.0, y))
