"""The settings of a CRF that are searched through."""

import numbers

from keras_seg.ops.crf import Bilateral

__all__ = ["SPACES", "search_axes"]

# What the papers searched through, and in which steps.
SPACES = {
    "deeplab_v1": {"weight": (5, 10), "sxy": (50, 100), "srgb": (3, 10)},
    "deeplab_v2": {"weight": (3, 6), "sxy": (30, 100), "srgb": (3, 6)},
}
_STEPS = {"weight": 1, "sxy": 10, "srgb": 1}


def search_axes(space, **given):
    """The values of a space, but for those that are given.

    Args:
        space: str, a name of `SPACES`.
        **given: `weight`, `sxy` and `srgb` of `keras_seg.crf_search`.

    Returns:
        Dictionary from the three names to lists of ascending numbers.

    Raises:
        ValueError: for what can't be, naming it.

    Example:

    >>> search_axes("deeplab_v2", weight=4, sxy=(30, 55), srgb=[3, 6])
    {'weight': [4], 'sxy': [30, 40, 50], 'srgb': [3, 6]}
    """
    if space not in SPACES:
        raise ValueError(
            f"`space` must be one of {', '.join(map(repr, SPACES))}. "
            f"Received: space={space!r}"
        )
    axes = {}
    for name, default in SPACES[space].items():
        value = given.get(name)
        axes[name] = _values(name, default if value is None else value)
    # What a kernel refuses is refused before the network runs.
    Bilateral(**{name: values[0] for name, values in axes.items()})
    return axes


def _values(name, given):
    if isinstance(given, numbers.Real):
        values = [given]
    elif isinstance(given, tuple) and len(given) == 2:
        low, high = given
        count = int((high - low) // _STEPS[name]) + 1
        values = [low + _STEPS[name] * number for number in range(count)]
    else:
        values = [] if isinstance(given, tuple) else list(given)
    ascending = all(a < b for a, b in zip(values, values[1:], strict=False))
    if not values or not ascending:
        raise ValueError(
            f"`{name}` must be a number, a tuple (lowest, highest) or a list "
            f"of ascending numbers. Received: {name}={given!r}"
        )
    return values
