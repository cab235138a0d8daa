import itertools

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from keras_seg.crf.grid import coarse_to_fine

pytestmark = pytest.mark.once

GRIDS = st.lists(st.integers(1, 9), min_size=1, max_size=3)


def best_of(scores):
    return max(scores, key=lambda point: scores[point])


def neighbors(point, counts):
    steps = itertools.product(*[(-1, 0, 1)] * len(counts))
    moved = [tuple(map(sum, zip(point, step, strict=True))) for step in steps]
    return [
        to
        for to in moved
        if all(0 <= at < n for at, n in zip(to, counts, strict=True))
    ]


@hypothesis.given(GRIDS, st.data())
def test_finds_the_top_of_one_hill(counts, data):
    """A sum of concave functions has no other point without better ones."""
    top = tuple(data.draw(st.integers(0, n - 1)) for n in counts)
    slopes = data.draw(
        st.lists(st.floats(0.1, 10), min_size=len(counts), max_size=len(counts))
    )

    def score(point):
        terms = zip(slopes, point, top, strict=True)
        return -sum(slope * abs(x - y) for slope, x, y in terms)

    grid = itertools.product(*map(range, counts))
    assert best_of(coarse_to_fine(score, counts)) == max(grid, key=score)


@hypothesis.given(GRIDS, st.integers(0, 1000), st.integers(1, 5))
def test_any_score(counts, seed, levels):
    values = np.random.default_rng(seed).integers(0, levels, counts)
    asked, foreseen = [], []

    def score(point):
        asked.append(point)
        return int(values[point])

    def expect(total):
        foreseen.append((len(asked), total))

    scores = coarse_to_fine(score, counts, expect)
    assert list(scores) == asked
    assert len(set(asked)) == len(asked) <= values.size
    best = best_of(scores)
    near = neighbors(best, counts)
    assert set(near) <= set(scores)
    assert scores[best] == max(scores.values())
    assert all(scores[point] <= scores[best] for point in near)
    # What is foreseen is never more than the grid, and right in the end.
    assert all(done <= total <= values.size for done, total in foreseen)
    assert foreseen[-1][1] == len(scores)


def test_order():
    """By hand, eight values: the ends and the middle, 4 ± 2, 4 ± 1, 5 ± 1."""
    asked = []

    def score(point):
        asked.append(point[0])
        return -abs(point[0] - 5)

    coarse_to_fine(score, (8,))
    assert asked == [0, 4, 7, 2, 6, 3, 5]


def test_fewer_than_the_papers_grids():
    """The 288 settings of DeepLab v1 and the 128 of v2 (papers.md 12.5)."""
    for counts in ((6, 6, 8), (4, 8, 4)):
        top = tuple(n // 3 for n in counts)

        def score(point, top=top):
            return -sum((x - y) ** 2 for x, y in zip(point, top, strict=True))

        scores = coarse_to_fine(score, counts)
        assert best_of(scores) == top
        assert len(scores) < 0.6 * np.prod(counts)
