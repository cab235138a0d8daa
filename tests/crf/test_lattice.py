import itertools
import math

import numpy as np
import pytest

from keras_seg.crf import Lattice
from keras_seg.crf import LatticeFilter
from keras_seg.crf.filtering import filter_by_numpy
from keras_seg.crf.lattice import _Keys
from keras_seg.crf.simplex import enclosing_simplices

pytestmark = pytest.mark.once


def filter_by_dictionary(features, x):
    """The lattice of Adams et al. 2010, point by point.

    Vertices are tuples in a dictionary, the simplex is found by sorting.
    Only the lift onto the plane is rounded to float32, as in the reference:
    a point far from 0 would else be in another simplex.
    """
    d = features.shape[1]
    scale = float(np.float32(math.sqrt(2 / 3) * (d + 1)))
    vertices, places = {}, []
    for f in features:
        elevated, total = np.zeros(d + 1), np.float32(0)
        for j in range(d, 0, -1):
            scaled = f[j - 1] * np.float32(1 / math.sqrt(j * (j + 1)) * scale)
            elevated[j] = total - np.float32(j) * scaled
            total += scaled
        elevated[0] = total
        nearest = np.rint(elevated / (d + 1)) * (d + 1)
        while (excess := round(nearest.sum() / (d + 1))) != 0:
            apart = elevated - nearest
            move = apart.argmin() if excess > 0 else apart.argmax()
            nearest[move] -= np.sign(excess) * (d + 1)
        apart = elevated - nearest
        falling = np.argsort(-apart, kind="stable")
        place = []
        for color in range(d + 1):
            vertex = nearest + color
            vertex[falling[d + 1 - color :]] -= d + 1
            last = falling[d - color]
            weight = apart[last] - (
                apart[falling[d + 1 - color]]
                if color
                else apart[falling[0]] - (d + 1)
            )
            key = tuple(int(n) for n in vertex)
            number = vertices.setdefault(key, len(vertices))
            place.append((number, weight / (d + 1)))
        places.append(place)
    values = np.zeros((len(vertices), x.shape[1]))
    for place, row in zip(places, x, strict=True):
        for number, weight in place:
            values[number] += weight * row
    for axis in range(d + 1):
        blurred = values.copy()
        for key, number in vertices.items():
            for sign in (-1, 1):
                step = [n + sign for n in key]
                step[axis] -= sign * (d + 1)
                other = vertices.get(tuple(step))
                if other is not None:
                    blurred[number] += values[other] / 2
        values = blurred
    y = [sum(weight * values[n] for n, weight in place) for place in places]
    return np.stack(y), len(vertices)


# Of a deviation: few vertices, many, and keys of more than 63 bits. Much
# further from 0 a float32 has no place in its simplex left to compare.
@pytest.mark.parametrize("scale", [0.3, 2.0, 3000.0])
@pytest.mark.parametrize("d", [1, 2, 3, 5, 6, 8])
def test_equals_dictionary(d, scale):
    rng = np.random.default_rng(d)
    features = rng.normal(size=(60, d)).astype("float32")
    # Pairs of neighbors also where the rest is far away.
    features = np.concatenate([features * scale, features * scale])
    features[60:] += rng.normal(size=(60, d)).astype("float32") * 0.7
    features = features.astype("float32")
    x = rng.normal(size=(120, 2))
    lattice = Lattice.build(features)
    raw = LatticeFilter(lattice, None)
    y = filter_by_numpy(raw, x) / lattice.alpha
    expected, size = filter_by_dictionary(features, x)
    assert lattice.size == size
    np.testing.assert_allclose(y, expected, atol=2e-5)
    if scale > 1e3 and d > 4:
        q, rank, _, _ = enclosing_simplices(features.T)
        assert len(_Keys(q.astype("int32"), rank, 1).words) > 1


def test_weights_and_order():
    """Weights are barycentric, and points are ordered by vertex."""
    features = np.random.default_rng(0).normal(size=(500, 4))
    lattice = Lattice.build(features)
    assert lattice.weights.min() >= -1e-6
    np.testing.assert_allclose(lattice.weights.sum(axis=1), 1, atol=1e-6)
    for vertex, (start, end) in enumerate(itertools.pairwise(lattice.starts)):
        assert start < end
        entries = lattice.entries[start:end]
        assert (lattice.vertices.ravel()[entries] == vertex).all()
        assert (entries // 5 == lattice.order[start:end]).all()
    assert len(np.unique(lattice.entries)) == 2500


def test_neighbors_are_mutual():
    features = np.random.default_rng(0).normal(size=(500, 3))
    lattice = Lattice.build(features)
    numbers = np.arange(lattice.size)
    for pairs in lattice.neighbors:
        assert (pairs[-1] == lattice.size).all()
        for side in (0, 1):
            there = pairs[:-1, side]
            found = there < lattice.size
            assert found.any()
            back = pairs[there[found], 1 - side]
            np.testing.assert_array_equal(back, numbers[found])


def test_batch_is_image_by_image():
    """Images of a batch share no vertex."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(3, 40, 3)).astype("float32")
    x = rng.normal(size=(3, 40, 2)).astype("float32")
    together = LatticeFilter(Lattice.build(features), "after")
    y = filter_by_numpy(together, x.reshape(120, 2)).reshape(3, 40, 2)
    for image, values, got in zip(features, x, y, strict=True):
        alone = LatticeFilter(Lattice.build(image), "after")
        np.testing.assert_allclose(
            got, filter_by_numpy(alone, values), atol=1e-6
        )


@pytest.mark.parametrize(
    "features, message",
    [
        (np.zeros((0, 3)), r"not empty. Received: shape \(0, 3\)"),
        (np.zeros((4, 0)), "not empty"),
        (np.zeros(4), r"\(points, d\)"),
        ([[0.0], [np.nan]], "finite numbers"),
        ([[0.0], [np.inf]], "finite numbers"),
        ([[0.0], [1e9]], "at most about 1048576 deviations"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_bad_features(features, message):
    with pytest.raises(ValueError, match=message):
        Lattice.build(features)
