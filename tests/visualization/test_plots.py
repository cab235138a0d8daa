"""curves and confusion: matplotlib draws them, and may not be there."""

import sys
import warnings

import numpy as np
import pytest

from keras_seg.metrics import trimap
from keras_seg.visualization import can_plot
from keras_seg.visualization import class_shares
from keras_seg.visualization import confusion
from keras_seg.visualization import curves
from keras_seg.visualization import legend
from keras_seg.visualization import reliability
from keras_seg.visualization import trimap_curve
from keras_seg.visualization.fonts import plotted
from keras_seg.visualization.fonts import text_font

pytestmark = pytest.mark.once

ROWS = [
    {"epoch": 1, "loss": 1.0, "val_loss": 1.2, "mean_iou": 0.2},
    {"epoch": 2, "loss": float("nan"), "val_loss": "", "mean_iou": 0.4},
    {"epoch": 3, "loss": 0.5, "val_loss": 0.7, "mean_iou": 0.6},
]

needs_matplotlib = pytest.mark.skipif(
    not can_plot(), reason="matplotlib is not installed"
)


@needs_matplotlib
def test_curves():
    one = curves(ROWS, names=("loss",))
    two = curves(ROWS, best=3)
    assert one.dtype == np.uint8 and one.shape[2] == 3
    assert two.shape[1] == 2 * one.shape[1]
    assert not np.array_equal(curves(ROWS), two)  # the best epoch is marked


@needs_matplotlib
def test_nothing_to_draw():
    with pytest.raises(ValueError, match="one of `names`"):
        curves(ROWS, names=("accuracy",))
    with pytest.raises(ValueError, match="one of `names`"):
        curves([])


@needs_matplotlib
@pytest.mark.parametrize("count", [2, 21, 60])
def test_confusion(count):
    matrix = np.diag(np.arange(count))  # the first class is not there
    picture = confusion(matrix, [f"class {i}" for i in range(count)])
    assert picture.dtype == np.uint8 and picture.shape[2] == 3
    assert max(picture.shape) < 4000
    darkest = picture[picture.sum(axis=2) < 200]
    assert len(darkest) > 100


@needs_matplotlib
def test_malformed_matrix():
    with pytest.raises(ValueError, match="shape .2, 2., 3 names"):
        confusion(np.eye(2, dtype=int), ["a", "b", "c"])


def test_without_matplotlib(monkeypatch):
    for name in [n for n in sys.modules if n.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert not can_plot()
    with pytest.raises(ImportError, match=r"pip install 'keras-seg\[viz\]'"):
        curves(ROWS)


@needs_matplotlib
@pytest.mark.parametrize("name", ["Straße Łódź", "дорога", "道路", "طريق"])
def test_no_letter_is_a_box(name):
    """With a font of the system, or by numbers; another name looks other."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        font, text = text_font(name, 24)
        plot, _ = plotted(name)
        shown = legend([name], [[0, 0, 0]])
        other = legend([name[:-1] + name[0]], [[0, 0, 0]])
        confusion(np.eye(2, dtype=int), [name, "b"])
    box = bytes(font.getmask("\U0010fffe"))
    assert all(bytes(font.getmask(letter)) != box for letter in text)
    # Itself, or in ASCII by the numbers of the letters.
    assert (text == name or text.isascii()) and (plot == name or plot.isascii())
    assert shown.shape != other.shape or (shown != other).any()


@needs_matplotlib
def test_trimap_curve():
    truth = np.zeros((40, 60), int)
    truth[:, 30:] = 1
    found = np.roll(truth, 2, axis=1)
    bands = trimap([(truth, found)], 2, (1, 2, 5, 20), "label_change")
    picture = trimap_curve(bands)
    assert picture.dtype == np.uint8 and picture.ndim == 3
    # The line is blue, and stands on white.
    blue = (picture == (0, 114, 178)).all(axis=-1)
    assert blue.sum() > 100
    # It rises to the right: narrow bands are wrong.
    columns = np.flatnonzero(blue.any(axis=0))
    heights = [np.flatnonzero(blue[:, c]).mean() for c in columns[[0, -1]]]
    assert heights[0] > heights[1]


@needs_matplotlib
def test_bands_without_pixels():
    truth = np.zeros((5, 5), int)
    bands = trimap([(truth, truth)], 2, (1, 3), "label_change")
    assert trimap_curve(bands).shape[2] == 3


def test_no_bands():
    with pytest.raises(ValueError, match="Received: none"):
        trimap_curve({})


@needs_matplotlib
def test_reliability():
    rows = [
        {"from": 0, "to": 0.5, "pixels": 0, "confidence": np.nan},
        {"from": 0.5, "to": 1, "pixels": 9, "confidence": 0.8},
    ]
    low, high = (
        reliability([{**row, "accuracy": x} for row in rows])
        for x in (0.2, 0.9)
    )
    blue = [(p == (0, 0x72, 0xB2)).all(axis=-1).sum() for p in (low, high)]
    assert blue[1] > 3 * blue[0] > 0


@needs_matplotlib
@pytest.mark.parametrize("frames", [1, 2, 2500])
def test_class_shares(frames):
    """The areas have the shares and the colors of the classes."""
    shares = np.tile([0.25, 0.75, 0.0], (frames, 1))
    colors = [(200, 0, 0), (0, 200, 0), (0, 0, 200)]
    names = ["a", "b", "absent"]
    picture = class_shares(np.arange(frames) / 25, shares, names, colors)
    areas = [(picture == color).all(axis=-1)[:, :400].sum() for color in colors]
    assert areas[2] == 0
    assert areas[0] / sum(areas) == pytest.approx(0.25, abs=0.01)
    with pytest.raises(ValueError, match="one frame or more"):
        class_shares([], np.empty((0, 3)), names, colors)
