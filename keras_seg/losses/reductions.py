"""From the values of the pixels to one number."""

from keras import ops

__all__ = ["REDUCTIONS", "check_reduction", "reduce", "safe_divide"]

REDUCTIONS = ("mean", "mean_over_pixels", "per_image", "sum")


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
    labelled = ops.any(pixels.valid > 0, axis=1)
    return safe_divide(ops.sum(means), ops.sum(ops.cast(labelled, "float32")))


def safe_divide(x, y):
    """`x / y`, and 0 with a gradient of 0 where `y` is 0."""
    return ops.where(y == 0, 0.0, x / ops.where(y == 0, 1.0, y))


def check_reduction(reduction):
    if reduction not in REDUCTIONS:
        raise ValueError(
            f"`reduction` must be one of {', '.join(map(repr, REDUCTIONS))}. "
            f"Received: {reduction=}"
        )
