"""The grid of settings that a search goes through, coarse to fine."""

import itertools
import math
import numbers

from keras_seg.arguments import check_one_of
from keras_seg.crf.potentials import Bilateral

__all__ = ["SPACES", "coarse_to_fine", "search_axes"]

# The ranges of the papers, and their steps.
SPACES = {
    "deeplab_v1": {"weight": (5, 10), "sxy": (50, 100), "srgb": (3, 10)},
    "deeplab_v2": {"weight": (3, 6), "sxy": (30, 100), "srgb": (3, 6)},
}
_STEPS = {"weight": 1, "sxy": 10, "srgb": 1}


def search_axes(space, **given):
    """Returns the values of a space, except for those that are given.

    Args:
        space: str, a name of `SPACES`.
        **given: `weight`, `sxy` and `srgb` of `keras_seg.crf_search`.

    Returns:
        Dictionary from the three names to lists of ascending numbers.

    Raises:
        ValueError: If a value is out of range. The message names it.

    Example:

    >>> search_axes("deeplab_v2", weight=4, sxy=(30, 55), srgb=[3, 6])
    {'weight': [4], 'sxy': [30, 40, 50], 'srgb': [3, 6]}
    """
    check_one_of(SPACES, space=space)
    axes = {}
    for name, default in SPACES[space].items():
        value = given.get(name)
        axes[name] = _values(name, default if value is None else value)
    # Refuse bad values before the network runs.
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
    ascending = all(a < b for a, b in itertools.pairwise(values))
    if not values or not ascending:
        raise ValueError(
            f"`{name}` must be a number, a tuple (lowest, highest) or a list "
            f"of ascending numbers. Received: {name}={given!r}"
        )
    return values


def coarse_to_fine(score, counts, expect=None):
    """Searches the point of a grid with the highest score.

    1. Both ends and the middle of every axis, in all combinations.
    2. Around the best point so far, its `3^d - 1` neighbors at half that
       distance, then at half of this, rounded up, and so on down to 1. A
       neighbor outside of the grid is moved to the end of its axis.
    3. At distance 1 again and again, until no neighbor is better.

    So the point found has no better neighbor; it is the best of the grid if
    only one point has none. No point is scored twice. Of equal points the one
    scored first counts as the best.

    Args:
        score: function of a tuple of ints, a point, to a float.
        counts: sequence of ints, 1 or more: axis `i` is `0 … counts[i] - 1`.
        expect: optional function of the total number of scores expected,
            called before they are computed. The third step may need more.

    Returns:
        Dictionary from point to score, in the order of scoring.

    Example:

    >>> def score(point):
    ...     return -abs(point[0] - 11) - abs(point[1] - 3)
    >>> scores = coarse_to_fine(score, (20, 6))
    >>> max(scores, key=scores.get), len(scores)
    ((11, 3), 36)
    """
    distances = [tuple(-(-(count - 1) // 4) for count in counts)]
    while max(distances[-1]) > 1:
        distances.append(tuple((d + 1) // 2 for d in distances[-1]))
    around = math.prod(min(count, 3) for count in counts) - 1
    scores: dict[tuple[int, ...], float] = {}

    def best_with(points, stages_left):
        new = [point for point in points if point not in scores]
        if expect is not None:
            expected = len(scores) + len(new) + stages_left * around
            expect(min(expected, math.prod(counts)))
        for point in new:
            scores[point] = score(point)
        return max(scores, key=lambda point: scores[point])

    axes = [sorted({0, count // 2, count - 1}) for count in counts]
    best = best_with(itertools.product(*axes), len(distances))
    for number, distance in enumerate(distances, start=1):
        before = best
        near = _neighbors(best, distance, counts)
        best = best_with(near, len(distances) - number)
    while best != before:
        before = best
        best = best_with(_neighbors(best, distance, counts), 0)
    return scores


def _neighbors(point, distance, counts):
    """The box around a point, which it contains, in order."""
    axes = [
        sorted({max(at - d, 0), at, min(at + d, count - 1)})
        for at, d, count in zip(point, distance, counts, strict=True)
    ]
    return itertools.product(*axes)
