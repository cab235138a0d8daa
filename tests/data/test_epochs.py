import threading

import pytest

from keras_seg.data.epochs import ReadAhead

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
        if key == "broken" and i == 1:
            raise OSError("broken")
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


def test_errors_come_through_and_the_rest_goes_on():
    maker = Maker()
    ahead = ReadAhead(2)
    ahead.get(maker.begin, 0, ["broken"])
    with pytest.raises(OSError, match="broken"):
        ahead.get(maker.begin, "broken", [2])
    assert ahead.get(maker.begin, 2) == [(2, 0), (2, 1)]


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
