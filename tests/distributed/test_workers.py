"""Work in processes that are killed while they do it."""

import os
import signal
import time

import pytest

from keras_seg.distributed.workers import WorkerError
from keras_seg.distributed.workers import chunks
from keras_seg.distributed.workers import ray_cluster
from keras_seg.distributed.workers import spread

pytestmark = pytest.mark.once


class Noting:
    """Makes a function that notes each call, and dies at some of them."""

    def __init__(self, folder, deaths):
        self.folder = folder
        self.deaths = deaths

    def calls(self, name):
        return len(list(self.folder.glob(f"{name}-*")))

    def __call__(self):
        (self.folder / f"made-{os.getpid()}").touch()

        def run(item):
            before = self.calls(item)
            (self.folder / f"{item}-{before}").touch()
            if before < self.deaths.get(item, 0):
                os.kill(os.getpid(), signal.SIGKILL)
            if item == 9:
                raise OSError("of an item")
            return {"item": item, "list": [item] * item}

        return run


@pytest.mark.slow
def test_a_killed_worker_loses_and_repeats_nothing(cluster, tmp_path):
    """One is killed at the fourth item; its successor begins there."""
    make = Noting(tmp_path, {3: 1})
    found = list(spread(make, range(8)))
    assert found == [{"item": i, "list": [i] * i} for i in range(8)]
    assert [make.calls(i) for i in range(8)] == [1, 1, 1, 2, 1, 1, 1, 1]
    assert make.calls("made") == 3


def test_errors_come_as_they_were_raised(cluster, tmp_path):
    with pytest.raises(OSError, match="of an item"):
        list(spread(Noting(tmp_path, {}), [1, 9], workers=1))
    with pytest.raises(WorkerError, match="3 workers need as many processors"):
        list(spread(Noting(tmp_path, {}), [1] * 3, workers=3))
    with pytest.raises(WorkerError, match="2 workers need .* and 1 GPUs"):
        list(spread(Noting(tmp_path, {}), [1, 2], gpus=0.5))
    assert list(spread(Noting(tmp_path, {}), [])) == []


class Bulky(Noting):
    """Makes a function that returns 8 MiB."""

    def __call__(self):
        run = super().__call__()
        return lambda item: run(item) and os.urandom(2**23)


def test_workers_wait_for_who_reads_what_they_found(cluster, tmp_path):
    """The store has room for 16 of the 40; nothing is written to disk."""
    make, ahead = Bulky(tmp_path, {}), []
    for done, _ in enumerate(spread(make, range(10, 50), workers=1), start=1):
        time.sleep(0.1)
        ahead.append(make.calls("*") - make.calls("made") - done)
    assert done == 40 and 0 < max(ahead) < 10


@pytest.mark.slow
def test_an_item_that_kills_every_worker(cluster, tmp_path):
    with pytest.raises(WorkerError, match="died 4 times at the same work"):
        list(spread(Noting(tmp_path, {1: 100}), [0, 1]))


def test_no_cluster_there(monkeypatch):
    def init(**options):
        raise Exception("The current node timed out during startup.")

    ray = pytest.importorskip("ray")
    # Other tests may be connected to one.
    monkeypatch.setattr(ray, "is_initialized", bool)
    monkeypatch.setattr(ray, "init", init)
    for address, text in {
        "127.0.0.1:9": "no Ray cluster at 127.0.0.1:9",
        "local": "Ray did not start .The current node timed out",
    }.items():
        with pytest.raises(WorkerError, match=text), ray_cluster(address):
            pass


def test_chunks():
    """So few that each worker gets four, so many that Ray's share is small."""
    assert [len(x) for x in chunks(list(range(1000)), 2)] == [16] * 62 + [8]
    assert [len(x) for x in chunks(list(range(7)), 2, multiple=4)] == [4, 3]
    assert chunks([], 2) == []
