import numpy as np
import pytest

from keras_seg.data import augment
from tests.data.augment.pairs import repeated

pytestmark = pytest.mark.once

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


def test_bad_arguments():
    for name in ("horizontal", "vertical"):
        with pytest.raises(ValueError) as caught:
            augment.RandomFlip(**{name: 1.5})
        assert str(caught.value) == (
            f"`{name}` must be a number of 0..1. Received: {name}=1.5"
        )
