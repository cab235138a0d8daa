"""Checks of what `Batches` is given."""

from keras_seg.data import augment

__all__ = ["check_transformed", "checked_transforms"]


def checked_transforms(transforms):
    """A tuple of transforms that leave one size for a batch."""
    if callable(transforms):
        raise ValueError(
            "`transforms` must be a sequence of transforms. "
            f"Received: transforms={transforms}"
        )
    transforms = tuple(transforms)
    for transform in transforms:
        if not callable(transform):
            raise ValueError(
                "`transforms` must be callables (image, mask, rng). "
                f"Received: {transform!r}"
            )
    if augment.size_after(transforms) is None:
        raise ValueError(
            "`transforms` must leave one size: put a RandomCrop or a "
            "BalancedCrop behind what changes sizes, a square one before "
            f"quarter turns. Received: transforms={transforms}"
        )
    return transforms


def check_transformed(image, mask, weights, size):
    """Refuse what transforms or weights of a user made of a pair."""
    if image.shape[:2] != size or mask.shape != size:
        raise ValueError(
            f"`transforms` must give an image and a mask of {size}. "
            f"Received: an image {image.shape} and a mask {mask.shape}"
        )
    if weights is not None and weights.shape != size:
        raise ValueError(
            f"`pixel_weights` must give an array of {size}. "
            f"Received: {weights.shape}"
        )
