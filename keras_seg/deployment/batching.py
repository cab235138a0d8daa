"""Concurrent requests, predicted together on one thread."""

import concurrent.futures
import queue
import threading
import time
from collections.abc import Callable
from collections.abc import Iterable
from typing import Any
from typing import NamedTuple

__all__ = ["Batcher"]


class _Job(NamedTuple):
    item: Any
    future: concurrent.futures.Future
    begin: float


class Batcher:
    """Calls a function with all items that came within a short time.

    The time begins with the first item. What comes while the function is at
    work is taken when it is done. If it fails with several items, it is called
    with each alone, so that none fails for another.

    Args:
        call: function of a list of items that returns an iterable of as many
            results. It is called on one thread.
        batch_size: int, most items of a call. Defaults to 8.
        window: float, seconds to wait for others. Defaults to 0.005.
        order: optional function of an item; a call has its items in this order,
            in which neighbors of one size can be stacked.
        observe: optional function of a list of the seconds that the items of a
            call waited for it, and of the seconds that it took.

    Example:

    >>> batcher = Batcher(lambda items: [2 * item for item in items])
    >>> futures = [batcher.submit(item) for item in range(3)]
    >>> [future.result() for future in futures]
    [0, 2, 4]
    >>> batcher.close()
    >>> batcher.is_alive
    False
    """

    def __init__(
        self,
        call: Callable[[list], Iterable],
        batch_size: int = 8,
        window: float = 0.005,
        order: Callable[[Any], Any] | None = None,
        observe: Callable[[list[float], float], object] | None = None,
    ):
        self._call = call
        self._batch_size = batch_size
        self._window = window
        self._order = order
        self._observe = observe
        # None ends the thread.
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether there will be results."""
        return self._thread.is_alive()

    def submit(self, item: Any) -> concurrent.futures.Future:
        """Returns the future of the result for an item."""
        job = _Job(item, concurrent.futures.Future(), time.monotonic())
        self._jobs.put(job)
        return job.future

    def close(self) -> None:
        """Waits for all results, and ends the thread."""
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (first := self._jobs.get()) is not None:
            jobs = [first, *self._others()]
            # A caller that went away is not waited for.
            jobs = [x for x in jobs if x.future.set_running_or_notify_cancel()]
            if self._order is not None:
                order = self._order
                jobs.sort(key=lambda job: order(job.item))
            begin = time.monotonic()
            if jobs:
                self._answer(jobs)
            if jobs and self._observe is not None:
                waited = [begin - job.begin for job in jobs]
                self._observe(waited, time.monotonic() - begin)

    def _others(self) -> list[_Job]:
        """What comes within the window."""
        end = time.monotonic() + self._window
        jobs: list[_Job] = []
        while len(jobs) + 1 < self._batch_size:
            try:
                job = self._jobs.get(timeout=max(0, end - time.monotonic()))
            except queue.Empty:
                break
            if job is None:
                self._jobs.put(None)
                break
            jobs.append(job)
        return jobs

    def _answer(self, jobs: list[_Job]) -> None:
        try:
            results = self._call([job.item for job in jobs])
            for job, result in zip(jobs, results, strict=True):
                job.future.set_result(result)
        except Exception as error:
            if len(jobs) == 1:
                jobs[0].future.set_exception(error)
                return
            for job in jobs:
                if not job.future.done():
                    self._answer([job])
