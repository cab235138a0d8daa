"""Masks and logits as flat pixels: void and wrong ids handled once."""

from typing import Any
from typing import NamedTuple

from keras import ops

__all__ = ["Pixels", "flatten"]

# A float32 whose logarithm is finite.
SMALLEST = 1e-37


class Pixels(NamedTuple):
    """The pixels of a batch, those of an image in a row.

    Nothing depends on how many of them are void: the same compiled program
    serves every batch.

    With labels, of which a pixel may have several or none, each label of a
    pixel is a question of its own: `pixels` is then the number of pixels times
    that of labels, those of a pixel side by side, and `ids` are 0 and 1.

    Attributes:
        ids: int32 `(batch, pixels)`, the class; 0 where there is none.
        valid: float32 `(batch, pixels)`, 1 where there is a class, 0 where
            the pixel is void or has a wrong id.
        logits: float32 `(batch, pixels, classes)`; with labels `(batch,
            pixels)`.
        pixel_weights: float32 `(batch, pixels)`, or None.
        image_weights: float32 `(batch,)`, or None.
        nan_if_wrong: float32, 0, or NaN if any pixel has a wrong id, or if the
            scores are not what they are said to be.
    """

    ids: Any
    valid: Any
    logits: Any
    pixel_weights: Any
    image_weights: Any
    nan_if_wrong: Any
    # Their number: 1 for binary masks. None if a pixel has one class.
    labels: int | None = None

    @property
    def classes(self) -> int:
        """The number of classes that have a weight; two of a binary mask."""
        if self.labels is None:
            return self.logits.shape[-1]
        return max(self.labels, 2)

    @property
    def weighted_ids(self) -> Any:
        """The class whose weight counts, `(batch, pixels)` or `(1, pixels)`."""
        if self.labels in (None, 1):
            return self.ids
        number = ops.arange(ops.shape(self.ids)[1], dtype="int32")
        return ops.expand_dims(number % self.labels, 0)

    def by_label(self, x: Any) -> Any:
        """From `(batch, pixels)`, with labels, to `(batch, pixels, labels)`."""
        return ops.reshape(x, (ops.shape(x)[0], -1, self.labels))


def flatten(
    masks: Any,
    scores: Any,
    weights: Any = None,
    *,
    ignore_class: int | None = 255,
    stride: int = 1,
    from_logits: bool = True,
) -> Pixels:
    """Brings masks, scores and weights to one form, and checks them.

    One score a pixel is that of the class 1 of two; masks with a channel for
    each of several scores are of labels. `weights` holds one weight a pixel,
    in a shape of the masks, or one an image, `(batch,)` or with further axes
    of size 1.
    """
    labels = _number_of_labels(masks, scores)
    if labels in (None, 1):
        masks = _without_channel(masks, scores)
    _check_shapes(masks, scores, labels)
    mixed_up = _mixed_up(scores, from_logits, labels)
    logits = scores
    if not from_logits:
        logits = ops.log(ops.maximum(scores, SMALLEST))
        if labels is not None:
            logits = logits - ops.log(ops.maximum(1 - scores, SMALLEST))
    if stride > 1:
        masks = masks[:, ::stride, ::stride]
        logits = logits[:, ::stride, ::stride]
    batch, dtype = ops.shape(logits)[0], logits.dtype
    classes = logits.shape[-1] if labels is None else 2
    _check_void(ignore_class, classes)
    shape = (batch, -1, classes) if labels is None else (batch, -1)
    ids = ops.reshape(masks, (batch, -1))
    # A fraction is no id. In float32, since no other integer than the id
    # itself is rounded to one of 0...255.
    right = (ids >= 0) & (ids < classes) & ops.equal(ids, ops.floor(ids))
    wrong = ops.logical_not(right)
    if ignore_class is not None:
        void = ops.equal(ids, float(ignore_class))
        right = right & ops.logical_not(void)
        wrong = wrong & ops.logical_not(void)
    pixel_weights, image_weights = _weights(weights, masks, stride, labels)
    return Pixels(
        ids=ops.cast(ops.where(right, ids, 0.0), "int32"),
        valid=ops.cast(right, "float32"),
        logits=ops.reshape(logits, shape),
        pixel_weights=pixel_weights,
        image_weights=image_weights,
        # Of two Python floats, `where` would make one of `floatx()`.
        nan_if_wrong=ops.where(
            ops.any(wrong) | mixed_up, float("nan"), ops.zeros((), dtype)
        ),
        labels=labels,
    )


def _number_of_labels(masks: Any, scores: Any) -> int | None:
    """Returns the number of labels, by the shapes; None for classes."""
    count = scores.shape[-1]
    several = len(masks.shape) == 4 and masks.shape[-1] == count
    return count if count == 1 or (several and count is not None) else None


def _without_channel(x: Any, logits: Any) -> Any:
    """Removes the axis of size 1 for channels of masks."""
    if len(x.shape) == len(logits.shape) and x.shape[-1] == 1:
        return ops.squeeze(x, axis=-1)
    return x


def _check_shapes(masks: Any, logits: Any, labels: int | None) -> None:
    shape, expected = tuple(masks.shape), tuple(logits.shape)[:-1]
    fits = len(expected) == 3 and all(
        a == b or a is None or b is None
        for a, b in zip(shape, expected, strict=False)
    )
    fits = fits and len(shape) == (3 if labels in (None, 1) else 4)
    if not fits or logits.shape[-1] is None:
        raise ValueError(
            "`y_true` must hold class ids, (batch, height, width) or (batch, "
            "height, width, 1), or 0 and 1 for each label, (batch, height, "
            "width, labels); and `y_pred` logits (batch, height, width, "
            "classes or labels). Received: y_true of shape "
            f"{shape}, y_pred of shape {tuple(logits.shape)}"
        )


def _check_void(ignore_class: int | None, classes: int) -> None:
    """Refuses the default, 255, where it is a class.

    Another class may be left out by its id.
    """
    if ignore_class == 255 < classes:
        raise ValueError(
            "`ignore_class` must lie outside 0...num_classes - 1, or class "
            "255 would be left out as void. Fix: ignore_class=-1, or another "
            "id that is no class, for masks whose void pixels have it; "
            "ignore_class=None for masks without void. Received: "
            f"ignore_class=255, {classes} classes"
        )


def _mixed_up(scores: Any, from_logits: bool, labels: int | None) -> Any:
    """Returns whether scores contradict `from_logits`, a bool tensor.

    It looks at a few pixels: logits of many pixels do not all happen to be
    positive and add up to 1. Logits of labels may all lie in 0...1, so that
    probabilities in their place cannot be told. Outside of a compiled step it
    raises a `ValueError`.
    """
    some = scores[:, :8, :8]
    sums = ops.sum(some, axis=-1)
    # A softmax in bfloat16 is off by 2^-9.
    sum_to_one = ops.all(ops.abs(sums - 1) < 0.01)
    if labels is not None:
        mixed_up = ops.any((some < 0) | (some > 1)) & (not from_logits)
    elif from_logits:
        mixed_up = ops.all(some >= 0) & sum_to_one & ops.any(some > 0)
    else:
        mixed_up = ops.any(some < 0) | ops.logical_not(sum_to_one)
    try:
        raised = bool(mixed_up)
    except (TypeError, RuntimeError):  # The values are not known yet.
        raised = False
    if raised and from_logits:
        raise ValueError(
            "`y_pred` must hold logits, what goes into the softmax. Received: "
            "values of at least 0 that add up to 1 at every pixel, as "
            "probabilities do. Fix: from_logits=False for the loss, or a "
            "model without the softmax (classifier_activation=None), which "
            "trains better"
        )
    if raised:
        raise ValueError(
            "`y_pred` must hold probabilities with from_logits=False. "
            "Received: values outside of 0...1, or that do not add up to 1 at "
            "a pixel that has one class. Fix: from_logits=True for the loss, "
            "or a model that ends in a softmax, or for labels in a sigmoid"
        )
    return mixed_up


def _weights(
    weights: Any, masks: Any, stride: int, labels: int | None
) -> tuple[Any, Any]:
    """Returns the weights of pixels and of images; both may be None."""
    if weights is None:
        return None, None
    batch = ops.shape(masks)[0]
    shape = tuple(weights.shape)
    if len(shape) <= 4 and all(size == 1 for size in shape[1:]):
        return None, ops.broadcast_to(ops.reshape(weights, (-1,)), (batch,))
    if len(shape) == 3:
        weights = ops.expand_dims(weights, -1)
    if len(weights.shape) != 4 or weights.shape[-1] not in (1, labels or 1):
        raise ValueError(
            "`sample_weight` must hold one weight a pixel, (batch, height, "
            "width), or one a label of it, or one an image, (batch,). "
            f"Received: sample_weight of shape {shape}"
        )
    weights = weights[:, ::stride, ::stride]
    if len(masks.shape) == 4:
        weights = ops.broadcast_to(weights, ops.shape(masks))
    return ops.reshape(weights, (batch, -1)), None
