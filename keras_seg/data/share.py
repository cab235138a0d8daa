"""The part of every batch that one of several processes takes."""

from keras_seg.arguments import check_integer
from keras_seg.arguments import check_positive

__all__ = ["Share"]


class Share:
    """Which images of a batch one of several processes takes.

    A batch of a multiple of `devices` is cut into consecutive parts of equal
    size, one for each process. Any other, such as an incomplete last one,
    every process takes whole, and every device computes all of it: nothing is
    left out, nothing counts twice.

    Args:
        process: int, the number of this process, from 0.
        processes: int, how many there are.
        devices: int, how many devices all of them have together.

    Example:

    >>> share = Share(process=1, processes=2, devices=4)
    >>> share.places(8), share.places(6)
    (range(4, 8), range(0, 6))
    """

    def __init__(self, process: int, processes: int, devices: int):
        check_positive(processes=processes, devices=devices)
        check_integer(0, process=process)
        if process >= processes or devices % processes:
            raise ValueError(
                "`process` must be below `processes`, each of which has as "
                f"many of the `devices`. Received: process={process}, "
                f"processes={processes}, devices={devices}"
            )
        self.process = process
        self.processes = processes
        self.devices = devices
        # Whether the batch that was read last was taken whole.
        self.whole = True

    def is_whole(self, count: int) -> bool:
        """Whether every process takes all images of a batch of `count`."""
        return count % self.devices != 0

    def places(self, count: int) -> range:
        """The places in a batch of `count` images that this process takes."""
        if self.is_whole(count):
            return range(count)
        size = count // self.processes
        return range(self.process * size, (self.process + 1) * size)
