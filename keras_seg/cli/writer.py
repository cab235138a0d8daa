"""Files written on a thread while the next image is predicted."""

import collections
import concurrent.futures

__all__ = ["Writer"]

# What waits to be written is kept in memory.
WAITING = 4


class Writer:
    """Calls a function on a thread, in order; an error of it comes back.

    Args:
        write: function of what is submitted.

    Example:

    >>> with Writer(print) as writer:
    ...     writer.submit("first")
    ...     writer.submit("second")
    first
    second
    """

    def __init__(self, write):
        self._write = write
        self._pool = concurrent.futures.ThreadPoolExecutor(1)
        self._waiting: collections.deque = collections.deque()

    def submit(self, item):
        """Hands an item over; waits while four others are to be written."""
        self._waiting.append(self._pool.submit(self._write, item))
        while len(self._waiting) > WAITING:
            self._waiting.popleft().result()

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self._pool.shutdown(wait=True)
        if kind is None:
            for written in self._waiting:
                written.result()
