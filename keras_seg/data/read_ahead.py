"""Batches made on threads, the next ones while one is trained on."""

import concurrent.futures
import os
import threading

__all__ = ["ReadAhead", "cpu_count"]


class ReadAhead:
    """Makes what is asked for, and what will be asked for next.

    Threads live while something is read ahead; they end with the last
    batch, with `close()`, and with the object itself.

    Args:
        begin: callable `(submit, key)` that hands the parts of a batch to
            `submit(function, *arguments)`, and returns the list of what
            `submit` returned, and a function that gives the batch when all
            are done.
        workers: int, number of threads.
    """

    def __init__(self, begin, workers):
        self._begin = begin
        self._workers = workers
        self._lock = threading.Lock()
        self._pool = None
        self._begun: dict = {}

    def get(self, key, following=()):
        """The batch of a key.

        Args:
            key: hashable.
            following: sequence of the keys that are to be begun as well.
                What was begun before and is none of them is given up.

        Returns:
            What the function of `begin` gives.
        """
        with self._lock:
            self._give_up(set(self._begun).difference([key], following))
            if self._pool is None:
                self._pool = concurrent.futures.ThreadPoolExecutor(
                    self._workers, thread_name_prefix="keras_seg_batches"
                )
            for wanted in (key, *following):
                if wanted not in self._begun:
                    self._begun[wanted] = self._begin(self._pool.submit, wanted)
            parts, finish = self._begun.pop(key)
        try:
            # One wait for all: every wake-up takes the GIL from a thread.
            concurrent.futures.wait(parts)
            for part in parts:
                part.result()
        except BaseException:
            for part in parts:
                part.cancel()
            self.close()
            raise
        if not following:
            self.close()
        return finish()

    def close(self):
        """Give up what was begun, and let the threads end."""
        with self._lock:
            self._give_up(list(self._begun))
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False)

    def _give_up(self, keys):
        for key in keys:
            for part in self._begun.pop(key)[0]:
                part.cancel()


def cpu_count():
    """The CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
