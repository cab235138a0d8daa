"""The best point of a grid, coarse to fine."""

import itertools
import math

__all__ = ["coarse_to_fine"]


def coarse_to_fine(score, counts, expect=None):
    """Looks for the point of a grid with the highest score.

    1. Both ends and the middle of every axis, in all combinations.
    2. Around the best point so far, its `3^d - 1` neighbours at half that
       distance, then at half of this, rounded up, and so on down to 1. What
       would be outside is brought to the end of its axis.
    3. At distance 1 again and again, until no neighbour is better.

    The point found has thus no better neighbour; it is the best of the grid
    if there is one such point only. None is scored twice. Of equal points
    the one scored first counts as the best.

    Args:
        score: function of a tuple of ints, a point, to a float.
        counts: sequence of ints, 1 or more: axis `i` is `0 … counts[i] - 1`.
        expect: optional function of the number of scores foreseen in all,
            called before they are asked for. There are more if the third
            step goes on.

    Returns:
        Dictionary from point to score, in the order of asking.

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
            foreseen = len(scores) + len(new) + stages_left * around
            expect(min(foreseen, math.prod(counts)))
        for point in new:
            scores[point] = score(point)
        return max(scores, key=lambda point: scores[point])

    axes = [sorted({0, count // 2, count - 1}) for count in counts]
    best = best_with(itertools.product(*axes), len(distances))
    for number, distance in enumerate(distances, start=1):
        before = best
        near = _neighbours(best, distance, counts)
        best = best_with(near, len(distances) - number)
    while best != before:
        before = best
        best = best_with(_neighbours(best, distance, counts), 0)
    return scores


def _neighbours(point, distance, counts):
    """The box around a point, itself among it, in order."""
    axes = [
        sorted({max(at - d, 0), at, min(at + d, count - 1)})
        for at, d, count in zip(point, distance, counts, strict=True)
    ]
    return itertools.product(*axes)
