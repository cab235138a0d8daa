"""Requests that are predicted together."""

import threading

import pytest

from keras_seg.deployment.batching import Batcher

pytestmark = pytest.mark.once


class Call:
    """Doubles items, and waits until it may; keeps what it was called with."""

    def __init__(self):
        self.calls = []
        self.go = threading.Event()

    def __call__(self, items):
        self.calls.append(items)
        assert self.go.wait(10)
        return [2 * item for item in items]


def test_what_comes_meanwhile_is_taken_together():
    call = Call()
    batcher = Batcher(call, batch_size=3, window=0, order=abs)
    futures = [batcher.submit(0)]
    while not call.calls:
        pass
    futures += map(batcher.submit, (-3, 2, 1, -5, 4))
    call.go.set()
    assert [future.result(10) for future in futures] == [0, -6, 4, 2, -10, 8]
    assert call.calls == [[0], [1, 2, -3], [4, -5]]
    batcher.close()


def test_the_window_waits_for_others_and_ends():
    call, seen = Call(), []
    call.go.set()
    batcher = Batcher(call, 2, 60, observe=lambda *x: seen.append(x))
    # Of two it is full, and not waited for.
    futures = [batcher.submit(0), batcher.submit(1)]
    assert [future.result(10) for future in futures] == [0, 2]
    alone = batcher.submit(2)
    batcher.close()
    assert alone.result(0) == 4 and not batcher.is_alive
    assert call.calls == [[0, 1], [2]]
    assert [len(waited) for waited, _ in seen] == [2, 1]
    batcher = Batcher(call, 2, 0.01)
    assert batcher.submit(3).result(10) == 6
    batcher.close()


def test_who_went_away_is_not_waited_for():
    call = Call()
    batcher = Batcher(call, window=0)
    first = batcher.submit(0)
    while not call.calls:
        pass
    assert batcher.submit(1).cancel()
    call.go.set()
    batcher.close()
    assert first.result(0) == 0 and call.calls == [[0]]


def test_none_fails_for_another():
    def call(items):
        for item in items:
            if item == "bad":
                raise ValueError(item)
            yield item

    batcher = Batcher(call, batch_size=3, window=60)
    futures = [batcher.submit(item) for item in ("a", "bad", "c")]
    assert futures[0].result(10) == "a" and futures[2].result(10) == "c"
    with pytest.raises(ValueError, match="bad"):
        futures[1].result(10)
    assert batcher.is_alive
    batcher.close()
