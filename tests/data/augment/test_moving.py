import numpy as np
import pytest

from keras_seg.data import augment
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
    _, ids = augment.rotate(image, mask, 45, void=3)
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
