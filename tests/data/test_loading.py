import pickle
import threading

import numpy as np
import pytest

from keras_seg.data.loading import PairCache
from keras_seg.data.loading import ReadAhead

pytestmark = pytest.mark.once


class Maker:
    """Batches of two parts each; parts wait where they are told to."""

    def __init__(self):
        self.begun = []
        self.gate = threading.Event()
        self.gate.set()

    def begin(self, submit, key):
        self.begun.append(key)
        done = []
        parts = [submit(self.part, done, key, i) for i in range(2)]
        return parts, lambda: sorted(done)

    def part(self, done, key, i):
        self.gate.wait(10)
        done.append((key, i))


def test_each_is_made_once():
    maker = Maker()
    ahead = ReadAhead(2)
    assert ahead.get(maker.begin, 0, [1, 2]) == [(0, 0), (0, 1)]
    assert maker.begun == [0, 1, 2]
    assert ahead.get(maker.begin, 1, [2, 3]) == [(1, 0), (1, 1)]
    assert ahead.get(maker.begin, 2, [3]) == [(2, 0), (2, 1)]
    assert ahead.get(maker.begin, 3) == [(3, 0), (3, 1)]
    assert maker.begun == [0, 1, 2, 3]


def test_what_is_not_wanted_is_given_up():
    maker = Maker()
    ahead = ReadAhead(1)
    ahead.get(maker.begin, 0, [1, 2])
    ahead.get(maker.begin, 7, [8])
    ahead.get(maker.begin, 1)
    assert maker.begun == [0, 1, 2, 7, 8, 1]


def test_close_cancels_what_has_not_begun():
    maker = Maker()
    ahead = ReadAhead(1)
    ahead.get(maker.begin, 0, [1])
    maker.gate.clear()
    ahead.close()
    ahead.close()
    maker.gate.set()
    assert ahead.get(maker.begin, 1) == [(1, 0), (1, 1)]
    assert maker.begun == [0, 1, 1]


class Dataset(list):
    """A list that remembers what was read."""

    def __init__(self, pairs):
        super().__init__(pairs)
        self.reads = []

    def __getitem__(self, index):
        self.reads.append(index)
        return super().__getitem__(index)


def pairs(count=4):
    return [
        (np.full((12, 10, 3), i, "uint8"), np.full((12, 10), i, "uint8"))
        for i in range(count)
    ]


def test_pairs_are_read_once():
    dataset = Dataset(pairs())
    cache = PairCache(dataset)
    for _ in range(2):
        assert [int(cache[i][1][0, 0]) for i in range(4)] == [0, 1, 2, 3]
    assert dataset.reads == [0, 1, 2, 3]
    cache = PairCache(dataset, keep=False)
    for _ in range(2):
        assert int(cache[2][0][0, 0, 0]) == 2
    assert dataset.reads == [0, 1, 2, 3, 2, 2]


def test_limit(monkeypatch):
    monkeypatch.setattr("keras_seg.data.loading._CACHE_BYTES", 1000)
    dataset = Dataset(pairs())  # 480 bytes a pair
    cache = PairCache(dataset)
    for _ in range(2):
        assert [int(cache[i][1][0, 0]) for i in range(4)] == [0, 1, 2, 3]
    assert dataset.reads == [0, 1, 2, 3, 2, 3]


def test_what_is_kept_cannot_be_written_to():
    dataset = pairs()
    image, mask = PairCache(dataset)[0]
    for array in (image, mask):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    dataset[0][0][...] = 9  # The user's own can.


def test_dtypes():
    mask = np.zeros((4, 4), "int64")
    for dtype, expected in (
        ("uint8", "uint8"),
        ("uint16", "float32"),
        ("float32", "float32"),
        ("float64", "float32"),
    ):
        image, found = PairCache([(np.ones((4, 4, 5), dtype), mask)])[0]
        assert image.dtype == expected and found.dtype == np.int64
        assert (image == 1).all()


def test_sizes():
    dataset = Dataset([*pairs(1), (np.zeros((3, 5, 1)), np.zeros((3, 5), int))])
    assert PairCache(dataset).sizes().tolist() == [[12, 10], [3, 5]]

    class Sized(Dataset):
        def size(self, index):
            return (index, 7)

    dataset = Sized(pairs(3))
    assert PairCache(dataset).sizes().tolist() == [[0, 7], [1, 7], [2, 7]]
    assert dataset.reads == []


def test_copies_start_empty():
    cache = PairCache(pairs(), keep=True)
    cache[0]
    again = pickle.loads(pickle.dumps(cache))  # noqa: S301
    assert len(pickle.dumps(again)) == len(pickle.dumps(PairCache(pairs())))
    np.testing.assert_array_equal(again[3][0], cache[3][0])


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        (np.zeros((4, 4)), np.zeros((4, 4), "uint8")),
        (np.zeros((4, 4, 0)), np.zeros((4, 4), "uint8")),
        (np.zeros((4, 4, 3)), np.zeros((4, 5), "uint8")),
        (np.zeros((4, 4, 3)), np.zeros((4, 4, 1), "uint8")),
        (np.zeros((4, 4, 3)), np.zeros((4, 4), "float32")),
    ],
)
def test_bad_pairs(image, mask):
    with pytest.raises(ValueError) as caught:
        PairCache([(image, mask)])[0]
    assert str(caught.value) == (
        "A pair must be an image (height, width, channels) and an integer "
        "mask (height, width), or (height, width, classes) of several "
        f"labels. Received: pair 0 with an image {image.shape} "
        f"and a mask {mask.shape} of {mask.dtype}"
    )
