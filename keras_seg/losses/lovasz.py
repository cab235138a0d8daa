"""The Lovász-softmax loss and the Lovász hinge: the IoU, extended."""

from typing import Any
from typing import Self

import keras
from keras import ops

from keras_seg.arguments import check_one_of
from keras_seg.losses.base import SegmentationLoss
from keras_seg.losses.base import mean_over_images
from keras_seg.losses.base import safe_divide
from keras_seg.losses.pixels import Pixels

__all__ = ["LovaszSoftmax"]


@keras.saving.register_keras_serializable(package="keras_seg")
class LovaszSoftmax(SegmentationLoss):
    """The Lovász extension of the Jaccard loss, the mean over classes.

    If every probability is 0 or 1 it is one minus the intersection over union
    of the classes; in between, it is the convex continuation of that. The
    errors `|g - p|` of a class are sorted in descending order and weighted by
    the increase of the Jaccard loss as each pixel in turn is added to the set
    of errors.

    With one logit `z` a pixel, or one a label, it is the paper's Lovász hinge:
    the errors are `max(0, 1 - z)` where the label is there and `max(0, 1 + z)`
    where it is not. The object, or each label, is a class. Without a pixel of
    the class its loss is the largest error, which `absent_classes=None`
    counts, as the authors do.

    Reference:

    - [The Lovász-Softmax loss](https://arxiv.org/abs/1705.08790)

    Args:
        absent_classes: which classes the mean leaves out, as for
            `keras_seg.metrics.MeanIoU`: `"truth"`, those that are not in the
            truth, or None, none of them. Defaults to `"truth"`.
        per_image: bool, whether to take the loss of each image and average
            over the images that count, or to take the batch as one set of
            pixels. Defaults to False.
        ignore_class, stride, name, from_logits: see `CrossEntropy`.

    Call arguments:
        y_true, y_pred: see `CrossEntropy`.
        sample_weight: None; with `per_image`, also one weight for each image.
            The loss of a set has no weights of pixels.

    Returns:
        A float32 scalar, 0 for a batch that is void.

    Raises:
        ValueError: For weights of pixels.

    Example: two pixels of class 0, one of which is found

    >>> import numpy as np
    >>> logits = np.array([[[[99.0, 0.0], [0.0, 99.0]]]])
    >>> round(float(LovaszSoftmax()(np.array([[[0, 0]]]), logits)), 4)
    0.5
    """

    def __init__(
        self,
        absent_classes: str | None = "truth",
        per_image: bool = False,
        ignore_class: int | None = 255,
        stride: int = 1,
        name: str = "lovasz_softmax",
        from_logits: bool = True,
    ):
        super().__init__(ignore_class, stride, name, from_logits=from_logits)
        check_one_of(("truth", None), absent_classes=absent_classes)
        self.absent_classes = absent_classes
        self.per_image = bool(per_image)

    def of_pixels(self, pixels: Pixels) -> Any:
        weights = pixels.image_weights
        if pixels.pixel_weights is not None or (
            weights is not None and not self.per_image
        ):
            raise ValueError(
                "The Lovász loss of a set of pixels has no weights of pixels; "
                "it takes one weight an image with per_image=True. Received: "
                f"a `sample_weight`, per_image={self.per_image}"
            )
        if pixels.labels is None:
            valid = ops.expand_dims(pixels.valid, -1)
            truth = ops.one_hot(pixels.ids, pixels.classes, dtype="float32")
            truth = truth * valid
            errors = ops.abs(truth - ops.softmax(pixels.logits))
        else:
            valid = pixels.by_label(pixels.valid)
            truth = pixels.by_label(ops.cast(pixels.ids, "float32"))
            signs = 1 - 2 * truth
            errors = ops.relu(1 + signs * pixels.by_label(pixels.logits))
        # Void pixels come last, and are no errors.
        errors = ops.where(valid > 0, errors, -1.0)
        truth, errors = self._sets(truth), self._sets(errors)
        losses = _extension(errors, truth)
        counted = ops.any(truth > 0, axis=-1)
        if self.absent_classes is None:
            # A set without a valid pixel has no class at all.
            counted = counted | ops.any(errors >= 0, axis=-1)
        counted = ops.cast(counted, "float32")
        losses = safe_divide(
            ops.sum(losses * counted, axis=-1), ops.sum(counted, axis=-1)
        )
        if not self.per_image:
            return losses[0]
        labeled = pixels.valid if pixels.labels is None else counted
        return mean_over_images(losses, weights, labeled)

    def _sets(self, x: Any) -> Any:
        """From `(batch, pixels, classes)` to `(sets, classes, pixels)`.

        By way of one row, so that the axis to be sorted is contiguous: PyTorch
        sorts a transposed view twice as slowly.
        """
        axes = (0, 2, 1) if self.per_image else (2, 0, 1)
        sets = ops.shape(x)[0] if self.per_image else 1
        row = ops.reshape(ops.transpose(x, axes), (-1,))
        return ops.reshape(row, (sets, x.shape[-1], -1))

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        if "classes" in config:  # Saved before the argument was renamed.
            classes = config.pop("classes")
            config["absent_classes"] = None if classes == "all" else "truth"
        return cls(**config)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "absent_classes": self.absent_classes,
            "per_image": self.per_image,
        }


def _extension(errors: Any, truth: Any) -> Any:
    """Sums the sorted errors, each times its step of the Jaccard loss.

    With `I` the pixels of the class that are not yet errors and `U` the union,
    a pixel of the class lowers `I` by 1, any other raises `U` by 1: the steps
    are `1 / U` and `I / (U · (U - 1))`, exact where a difference of losses is
    not.
    """
    order = ops.argsort(-ops.stop_gradient(errors), axis=-1)
    errors = ops.take_along_axis(errors, order, axis=-1)
    truth = ops.take_along_axis(truth, order, axis=-1)
    # Counted in integers: a float32 of 2^24 no longer grows by 1.
    taken = ops.cumsum(ops.cast(truth, "int32"), axis=-1)
    total = taken[..., -1:]
    pixels = ops.arange(1, ops.shape(truth)[-1] + 1, dtype="int32")
    intersection = ops.cast(total - taken, "float32")
    union = ops.cast(total + pixels - taken, "float32")
    others = ops.maximum(union - 1, 1.0)
    steps = ops.where(truth > 0, 1 / union, intersection / (union * others))
    # Without a pixel of the class, the first error is the whole loss.
    first = ops.cast(union == 1, "float32")
    steps = ops.where(total > 0, steps, first)
    return ops.sum(ops.maximum(errors, 0.0) * steps, axis=-1)
