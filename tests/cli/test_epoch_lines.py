import pytest

from keras_seg.cli import epoch_lines
from keras_seg.data import ClassTable


@pytest.fixture
def lines(monkeypatch):
    """The lines for three classes, of which only two may be shown."""
    matrix = [[8, 2, 0, 0], [0, 10, 0, 0], [5, 0, 5, 0], [0, 0, 0, 0]]
    rows = [
        {"name": f"c{i}", "iou": row[i] / 10 if sum(row) else float("nan")}
        for i, row in enumerate(matrix)
    ]
    monkeypatch.setattr(epoch_lines, "_rows", lambda *args: rows)
    return epoch_lines.ClassLines(ClassTable.default(4), most=2)


def test_the_lowest_after_the_bar_of_keras(lines, capsys):
    lines.on_epoch_end(0, {})
    assert capsys.readouterr().out == ""
    lines.on_epoch_begin(1, {})
    text = "IoU, the lowest: c0 0.800, c2 0.500\n"
    assert capsys.readouterr().out == text
    lines.on_epoch_end(1, {})
    lines.on_train_end({})
    lines.on_train_end({})
    assert capsys.readouterr().out == text
