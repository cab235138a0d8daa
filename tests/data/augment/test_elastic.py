import numpy as np
import pytest
from scipy import interpolate

from keras_seg.data import augment
from keras_seg.data.augment.elastic import cubic_weights
from tests.data.augment.pairs import coordinates

pytestmark = pytest.mark.once


@pytest.mark.parametrize("nodes", [2, 3, 6])
def test_cubic_weights_are_scipys_hermite_spline(nodes):
    # Keys' slopes are half the difference of the neighbours, the outer nodes
    # repeated.
    values = np.random.default_rng(0).normal(size=nodes)
    padded = np.pad(values, 1, mode="edge")
    spline = interpolate.CubicHermiteSpline(
        np.arange(nodes), values, (padded[2:] - padded[:-2]) / 2
    )
    for count in (1, 2, 13, 64):
        np.testing.assert_allclose(
            cubic_weights(count, nodes) @ values,
            spline(np.linspace(0, nodes - 1, count)),
            atol=1e-12,
        )


def test_cubic_weights_by_hand():
    # Half-way between the first two of three nodes: Keys' -1/16, 9/16, 9/16,
    # -1/16, with the first node standing for the one before it.
    np.testing.assert_allclose(
        cubic_weights(5, 3)[[0, 1, 2]],
        [[1, 0, 0], [8 / 16, 9 / 16, -1 / 16], [0, 1, 0]],
        atol=1e-15,
    )


def test_no_deviation_is_the_identity():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (20, 31, 3), "uint8")
    mask = rng.integers(0, 9, (20, 31))
    bent, ids = augment.ElasticDeformation(sigma=0)(image, mask, rng)
    np.testing.assert_array_equal(bent, image)
    np.testing.assert_array_equal(ids, mask)


def test_displacements_are_those_of_the_grid():
    # 3x3 nodes, deviation 10 pixels: papers.md 7.3. The image tells where
    # every pixel was read.
    image, mask = coordinates(201, 301)
    moves = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        bent, _ = augment.ElasticDeformation()(image, mask, rng)
        moves.append(bent[100, 150] - image[100, 150])
        if seed:
            continue
        drawn = np.random.default_rng(0).normal(0, 10, (2, 3, 3))
        np.testing.assert_allclose(moves[0], drawn[:, 1, 1], atol=1e-3)
        # A quarter of the way along the middle row: 8, 9, -1 of 16.
        expected = drawn[:, 1] @ [8 / 16, 9 / 16, -1 / 16]
        move = bent[100, 75] - image[100, 75]
        np.testing.assert_allclose(move, expected, atol=1e-3)
    # The standard error of 400 draws' deviation is 10 / sqrt(800).
    assert abs(np.std(moves) - 10) < 4 * 0.36


def test_bad_arguments():
    with pytest.raises(ValueError) as caught:
        augment.ElasticDeformation(grid=1)
    assert str(caught.value) == (
        "`grid` must be an int of 2 or more. Received: grid=1"
    )
    with pytest.raises(ValueError) as caught:
        augment.ElasticDeformation(sigma=-1)
    assert str(caught.value) == (
        "`sigma` must be a number of 0 or more. Received: sigma=-1"
    )
