"""The base of the losses, and the reductions of the papers."""

import keras
from keras import ops

from keras_seg.losses.pixels import flatten

__all__ = ["SegmentationLoss", "mean_over_images", "reduce", "safe_divide"]

REDUCTIONS = ("mean", "mean_over_pixels", "per_image", "sum")


class SegmentationLoss(keras.losses.Loss):
    """The base of the losses: a subclass gives `of_pixels(pixels)`.

    A `keras.losses.Loss` for `compile`, which takes integer masks, leaves out
    void pixels, and works in float32 whatever the dtype of the logits.

    Scores are logits, or with `from_logits=False` probabilities, whose
    logarithm is taken for logits. What is not what it is said to be is
    refused: probabilities in place of logits would cost 2.1 for a perfect
    prediction of 21 classes. Where nothing can be raised, inside a compiled
    training step, the loss is NaN.

    A pixel whose id is neither a class nor `ignore_class` is a mistake in the
    masks. It is not dropped in silence: the loss is NaN, also where nothing
    can be raised (inside a compiled training step), and
    `keras.callbacks.TerminateOnNaN` stops the training. The gradient leaves
    such a pixel out, so that the weights stay finite.

    Keras reports for an epoch, and as `val_loss`, the mean over the batches,
    weighted by their numbers of images. Where images differ in their numbers
    of valid pixels and the loss is a mean over the pixels of a batch, that
    depends on the batch size: compare `val_loss` at one batch size, take
    `reduction="per_image"` if every image has a valid pixel, or compare the
    metrics, which count the pixels of the whole data set.

    Args:
        ignore_class: int, the label of void pixels, or None for none.
        stride: int, every how many rows and columns of masks and logits
            count, from the first on.
        name: str.
        summed: bool, whether the loss is a sum over the batch, not a mean:
            under `tf.distribute` the sums of the replicas are then added.
        from_logits: bool, whether the scores are logits, or probabilities.
    """

    def __init__(
        self, ignore_class, stride, name, summed=False, from_logits=True
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

    def __call__(self, y_true, y_pred, sample_weight=None):
        # Keras would multiply the weights into what `call` returns, along
        # the wrong axes for one weight an image.
        if sample_weight is not None:
            y_true = (y_true, sample_weight)
        return super().__call__(y_true, y_pred)

    def call(self, y_true, y_pred):
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

    def of_pixels(self, pixels):
        raise NotImplementedError

    def get_config(self):
        return {
            "name": self.name,
            "ignore_class": self.ignore_class,
            "stride": self.stride,
            "from_logits": self.from_logits,
        }


def check_stride(stride):
    if stride != int(stride) or stride < 1:
        raise ValueError(
            f"`stride` must be an integer of at least 1. Received: {stride=}"
        )


def reduce(values, pixels, class_weights, reduction):
    """Reduces values of pixels as one of the papers does.

    With `v` the value of a valid pixel, `c` the weight of its class and `s`
    its sample weight, that of its image included:

    | reduction | |
    | --- | --- |
    | `"sum"` | `Σ s·c·v` |
    | `"mean"` | `Σ s·c·v / Σ c` |
    | `"mean_over_pixels"` | `Σ s·c·v / Σ 1` |
    | `"per_image"` | the mean of each image, then over the images |

    Args:
        values: float32 tensor `(batch, pixels)`.
        pixels: `Pixels`.
        class_weights: float32 tensor `(classes,)`, or None.
        reduction: str, one of `REDUCTIONS`.

    Returns:
        A scalar tensor, 0 where no pixel is valid.
    """
    shares = pixels.valid
    if class_weights is not None:
        shares = shares * ops.take(class_weights, pixels.ids)
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


def mean_over_images(losses, weights, valid):
    """The mean of losses of images, of those that have a valid pixel.

    Args:
        losses: tensor `(batch,)`, or a scalar, which is returned.
        weights: tensor `(batch,)`, or None.
        valid: tensor `(batch, pixels)` of 0 and 1.
    """
    if len(losses.shape) == 0:
        return losses
    labeled = ops.cast(ops.any(valid > 0, axis=1), "float32")
    if weights is not None:
        losses = losses * weights
    return safe_divide(ops.sum(losses * labeled), ops.sum(labeled))


def safe_divide(x, y):
    """`x / y`, and 0 with a gradient of 0 where `y` is 0."""
    return ops.where(y == 0, 0.0, x / ops.where(y == 0, 1.0, y))


def check_reduction(reduction):
    if reduction not in REDUCTIONS:
        raise ValueError(
            f"`reduction` must be one of {', '.join(map(repr, REDUCTIONS))}. "
            f"Received: {reduction=}"
        )
