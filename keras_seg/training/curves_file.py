"""The picture of the history, drawn again and again while it grows."""

import time

from keras_seg import visualization

__all__ = ["CurvesFile"]


class CurvesFile:
    """Writes `curves.png`, but spends little time on it.

    Drawing takes half a second: where epochs are short it is left out until
    20 times as long has passed, so that it is a twentieth of the run at most.

    Args:
        run: `keras_seg.training.RunFolder`.
    """

    def __init__(self, run):
        self.run = run
        self.next = 0.0

    def draw(self, rows, best=None, always=False):
        """Draws, if it is time and matplotlib is installed.

        Args:
            rows: dictionaries, see `keras_seg.visualization.curves`.
            best: optional int, the epoch of the best model.
            always: bool, draw now.
        """
        begin = time.monotonic()
        if not visualization.can_plot() or not (always or begin >= self.next):
            return
        picture = visualization.curves(rows, best=best)
        self.run.write_picture("curves.png", picture)
        end = time.monotonic()
        self.next = end + 20 * (end - begin)
