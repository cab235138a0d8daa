"""Weights of classes, from how often they occur."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

__all__ = ["class_weights", "standardize_class_weights", "weight_vector"]

RULES = ("median_frequency", "balanced")


def class_weights(
    statistics: Any,
    rule: str | dict | Sequence[float],
    names: Sequence[str] | None = None,
    absent: float = 1.0,
) -> list[float]:
    """Computes a weight for each class by a rule, for `CrossEntropy`.

    | rule | weight of class c |
    | --- | --- |
    | `"median_frequency"` | `median(f) / f[c]`, where `f[c]` is the pixels of \
c over the labeled pixels of the images that have c: SegNet's |
    | `"balanced"` | `n / (k · n[c])` for n labeled pixels and k classes that \
occur: scikit-learn's |
    | a dict | its value, 1 for classes that are not in it |
    | a list | its value |

    Reference:

    - [SegNet](https://arxiv.org/abs/1511.00561)

    Args:
        statistics: what `keras_seg.data.ids.class_statistics` returns, or any
            object with its integer arrays `(classes,)`: `pixels` of each
            class, and `pixels_of_images`, the labeled pixels of the images
            that have it.
        rule: str, dict of weights by id or by name, or a list of weights.
        names: list of str, the names of the classes, for a dict by name.
            Defaults to None.
        absent: float, the weight of a class that does not occur, which the
            rules leave out of the median and the count. Defaults to 1.

    Returns:
        A list of floats, one for each class.

    Raises:
        ValueError: If there is no such rule, if a weight is below 0 or
            infinite, or if no class occurs.

    Example:

    >>> from types import SimpleNamespace
    >>> statistics = SimpleNamespace(
    ...     pixels=[60, 30, 10], pixels_of_images=[100, 100, 50])
    >>> class_weights(statistics, "median_frequency")  # f = 0.6, 0.3, 0.2
    [0.5, 1.0, 1.49...]
    >>> class_weights(statistics, {2: 4.0})
    [1.0, 1.0, 4.0]
    """
    pixels = np.asarray(statistics.pixels, "float64")
    if isinstance(rule, dict):
        return _by_class(rule, len(pixels), names)
    if not isinstance(rule, str):
        weights = standardize_class_weights(rule)
        if not isinstance(weights, list) or len(weights) != len(pixels):
            raise ValueError(
                f"A list of weights must have one for each of the "
                f"{len(pixels)} classes. Received: {rule=}"
            )
        return weights
    present = pixels > 0
    if rule not in RULES or not present.any():
        raise ValueError(
            f"`rule` must be one of {', '.join(map(repr, RULES))}, a dict or "
            "a list, and a class must occur. "
            f"Received: {rule=}, {int(pixels.sum())} labeled pixels"
        )
    if rule == "balanced":
        weights = pixels.sum() / (present.sum() * pixels[present])
    else:
        images = np.asarray(statistics.pixels_of_images, "float64")
        frequencies = pixels[present] / images[present]
        weights = np.median(frequencies) / frequencies
    result = np.full(len(pixels), float(absent))
    result[present] = weights
    return result.tolist()


def _by_class(
    weights: dict, classes: int, names: Sequence[str] | None
) -> list[float]:
    """Turns a dict of weights by id or by name into a list."""
    names = list(names) if names is not None else []
    ids = {}
    for key, weight in weights.items():
        if isinstance(key, str):
            if key not in names:
                raise ValueError(
                    "The keys of `rule` must be ids, or names of `names`. "
                    f"Received: {key!r}, names={names}"
                )
            key = names.index(key)
        ids[key] = weight
    checked: Any = standardize_class_weights(ids)
    return _fill(checked, classes)


def standardize_class_weights(
    weights: Any,
) -> dict[int, float] | list[float] | None:
    """Returns checked weights of a loss as a dict by id, a list, or None."""
    if weights is None:
        return None
    result: dict[int, float] | list[float]
    if isinstance(weights, dict):
        # The keys of a saved config are strings.
        result = {int(key): float(value) for key, value in weights.items()}
        values, ids = list(result.values()), list(result)
    else:
        result = values = [float(value) for value in weights]
        ids = []
    if (
        not all(0 <= x < float("inf") for x in values)
        or min(ids, default=0) < 0
    ):
        raise ValueError(
            "`class_weights` must be numbers of at least 0, one a class, or a "
            f"dict of them by id. Received: class_weights={weights!r}"
        )
    return result


def weight_vector(
    weights: dict[int, float] | list[float] | None, classes: int
) -> Any:
    """Returns a tensor `(classes,)` of standardized weights, or None."""
    if weights is None:
        return None
    if isinstance(weights, dict):
        weights = _fill(weights, classes)
    if len(weights) != classes:
        raise ValueError(
            f"`class_weights` must have one weight for each of the {classes} "
            f"classes of the logits. Received: {len(weights)} weights"
        )
    return ops.convert_to_tensor(weights, "float32")


def _fill(weights: dict[int, float], classes: int) -> list[float]:
    if max(weights, default=0) >= classes:
        raise ValueError(
            f"The ids of class weights must lie in 0...{classes - 1}. "
            f"Received: id {max(weights)}"
        )
    return [weights.get(c, 1.0) for c in range(classes)]
