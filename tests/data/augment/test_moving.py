import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import interpolate

from keras_seg.data import augment
from keras_seg.data.augment.moving import cubic_weights
from keras_seg.data.augment.moving import warp
from tests.data.augment.pairs import coordinates
from tests.data.augment.pairs import repeated

pytestmark = pytest.mark.once


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("side", [6, 7])
@pytest.mark.parametrize("turns", range(-4, 5))
def test_quarter_turns_are_exact(side, turns, dtype):
    rng = np.random.default_rng(0)
    image = rng.uniform(0, 255, (side, side, 3)).astype(dtype)
    mask = rng.integers(0, 9, (side, side))
    turned, ids = augment.rotate(image, mask, 90 * turns)
    np.testing.assert_array_equal(turned, np.rot90(image, turns))
    np.testing.assert_array_equal(ids, np.rot90(mask, turns))


def test_half_turns_of_any_size_are_exact():
    image, mask = coordinates(5, 8)
    for degrees, expected in ((0, mask), (180, mask[::-1, ::-1])):
        _, ids = augment.rotate(image, mask, degrees)
        np.testing.assert_array_equal(ids, expected)


def test_30_degrees():
    # Counter-clockwise: what was 10 pixels to the right of the center lies
    # 10 sin 30 = 5 pixels above it and 10 cos 30 = 8.66 to its right.
    mask = np.zeros((41, 41), "uint8")
    mask[19:22, 29:32] = 1
    _, ids = augment.rotate(repeated(mask), mask, 30)
    center = np.argwhere(ids == 1).mean(axis=0)
    np.testing.assert_allclose(center, [15, 28.66], atol=0.2)


def test_corners_are_void():
    # A square of side 1 turned by 45 degrees covers all of itself but four
    # corners, 2 (sqrt(2) - 1) of it = .8284 [area of the octagon].
    image, mask = coordinates(100, 100)
    _, ids = augment.rotate(image, mask, 45, ignore_class=3)
    np.testing.assert_allclose((ids != 3).mean(), 0.8284, atol=4e-3)


def test_random_rotation_keeps_to_its_degrees():
    mask = np.zeros((61, 61), "uint8")
    mask[30, 58:] = 1
    rng = np.random.default_rng(0)
    rotation = augment.RandomRotation(20)
    angles = []
    for _ in range(60):
        _, ids = rotation(repeated(mask), mask, rng)
        y, x = np.argwhere(ids == 1).mean(axis=0) - 30
        angles.append(np.degrees(np.arctan2(-y, x)))
    assert -21.5 < min(angles) < -15 and 15 < max(angles) < 21.5


def test_random_shift():
    image, mask = coordinates(5, 5)
    rng = np.random.default_rng(0)
    shift = augment.RandomShift(2)
    centers = []
    for _ in range(200):
        _, ids = shift(image, mask, rng)
        centers.append(divmod(int(ids[2, 2]) - 1000, 5))
    assert set(centers) == {(y, x) for y in range(5) for x in range(5)}


MASK = np.arange(6, dtype="uint8").reshape(2, 3)


def results(transform, count=400):
    """How often each result comes, its image checked against its mask."""
    rng = np.random.default_rng(0)
    counts: dict = {}
    for _ in range(count):
        image, mask = transform(repeated(MASK), MASK, rng)
        np.testing.assert_array_equal(image, repeated(mask))
        key = tuple(map(tuple, mask.tolist()))
        counts[key] = counts.get(key, 0) + 1 / count
    return counts


def key(mask):
    return tuple(map(tuple, mask.tolist()))


def test_random_flip():
    counts = results(augment.RandomFlip())
    assert set(counts) == {key(MASK), key(MASK[:, ::-1])}
    assert 0.4 < counts[key(MASK)] < 0.6
    counts = results(augment.RandomFlip(0.5, 0.5))
    both = {MASK[::y, ::x].tobytes() for y in (1, -1) for x in (1, -1)}
    assert {np.array(k, "uint8").tobytes() for k in counts} == both
    assert set(results(augment.RandomFlip(0, 1))) == {key(MASK[::-1])}
    assert set(results(augment.RandomFlip(1))) == {key(MASK[:, ::-1])}
    assert set(results(augment.RandomFlip(0))) == {key(MASK)}


def test_quarter_turns():
    counts = results(augment.RandomQuarterTurns())
    assert set(counts) == {key(np.rot90(MASK, k)) for k in range(4)}
    assert min(counts.values()) > 0.17


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 99))
def test_against_the_definition(height, width, seed):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (height, width, 2), "uint8")
    mask = rng.integers(0, 9, (height, width)).astype("int16")
    rows = rng.uniform(-2, height + 1, (3, 4))
    columns = rng.uniform(-2, width + 1, (3, 4))
    warped, ids = warp(image, mask, rows, columns, color=(8, 9), ignore_class=7)
    for place in np.ndindex(3, 4):
        y, x = rows[place], columns[place]
        inside = -0.5 <= y < height - 0.5 and -0.5 <= x < width - 0.5
        if not inside:
            assert ids[place] == 7 and warped[place].tolist() == [8, 9]
            continue
        assert ids[place] == mask[round(y), round(x)]
        # A tent around every pixel, over the place moved into the image.
        y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
        tents = np.maximum(0, 1 - abs(np.arange(height) - y))[:, None]
        tents = tents * np.maximum(0, 1 - abs(np.arange(width) - x))
        expected = (tents[..., None] * image).sum(axis=(0, 1))
        assert (abs(warped[place] - expected) <= 0.5 + 1e-3).all()


def test_whole_places_are_exact():
    image, mask = coordinates(7, 5)
    rows, columns = np.mgrid[6:-1:-1, 0:5].astype("float64")
    warped, ids = warp(image, mask, rows, columns)
    np.testing.assert_array_equal(warped, image[::-1])
    np.testing.assert_array_equal(ids, mask[::-1])


@pytest.mark.parametrize("nodes", [2, 3, 6])
def test_cubic_weights_are_scipys_hermite_spline(nodes):
    # Keys' slopes are half the difference of the neighbors, the outer nodes
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
