import time
import types

import numpy as np
import pytest

from keras_seg import visualization
from keras_seg.training.curves_file import CurvesFile

pytestmark = pytest.mark.once


def test_little_time_is_spent_on_it(monkeypatch):
    """A drawing of 0.5 s: at most one in 10.5 s, and one when asked for."""
    now = [100.0]
    drawn = []

    def draw(rows, best=None):
        now[0] += 0.5
        return np.zeros((1, 1, 3), "uint8")

    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(visualization, "can_plot", lambda: True)
    monkeypatch.setattr(visualization, "curves", draw)
    run = types.SimpleNamespace(
        write_picture=lambda name, picture: drawn.append(round(now[0], 1))
    )
    file = CurvesFile(run)
    for _ in range(25):
        file.draw([])
        now[0] += 1.0
    assert drawn == [100.5, 111.0, 121.5]
    file.draw([], always=True)
    assert len(drawn) == 4
    monkeypatch.setattr(visualization, "can_plot", lambda: False)
    file.draw([], always=True)
    assert len(drawn) == 4
