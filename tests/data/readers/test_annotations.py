import numpy as np
import pytest

from keras_seg.data import ClassTable
from keras_seg.data import DataError
from keras_seg.data.readers.annotations import match_labels
from keras_seg.data.readers.polygons import whole

pytestmark = pytest.mark.once

TABLE = ClassTable(("sky", "background", "cat"), ((0, 0, 0),) * 3)


def message(*arguments, code="KS-D015"):
    with pytest.raises(DataError) as caught:
        match_labels(*arguments)
    assert caught.value.code == code
    return str(caught.value)


def test_without_a_table():
    labels = match_labels(["cat", "dog", "__ignore__"], None, "f")
    assert labels.class_table.names == ("background", "cat", "dog")
    assert labels.ids == {"background": 0, "cat": 1, "dog": 2}
    assert labels.background == 0
    assert [labels.id_of(x, "f", "") for x in ("dog", "void")] == [2, 255]
    assert match_labels(["cat"], 2, "f").class_table.names == (
        "background",
        "cat",
    )


@pytest.mark.parametrize("name", ["background", "_background_"])
def test_a_label_called_background(name):
    labels = match_labels(["cat", name], None, "f")
    assert labels.class_table.names == (name, "cat")
    assert labels.background == 0


def test_other_backgrounds():
    labels = match_labels(["a", "b"], None, "f", "b")
    assert labels.class_table.names == ("b", "a") and labels.background == 0
    labels = match_labels(["a", "b"], None, "f", None)
    assert labels.class_table.names == ("a", "b") and labels.background == 255


def test_a_table():
    labels = match_labels(["cat", "_background_"], TABLE, "f")
    assert labels.class_table is TABLE
    assert labels.id_of("cat", "f", "") == 2
    assert labels.id_of("_background_", "f", "") == 1
    assert labels.background == 1
    assert match_labels(["cat"], TABLE, "f", "sky").background == 0
    assert match_labels(["cat"], TABLE, "f", None).background == 255


def test_errors():
    assert message(["dog"], TABLE, "f") == (
        "KS-D015  f has the label dog; the classes are sky, background, cat. "
        "Fix: correct the label, add it to the class table, or call it "
        "__ignore__ for void."
    )
    table = ClassTable(("sky", "cat"), ((0, 0, 0),) * 2)
    labels = match_labels(["cat"], table, "f")
    covered = whole(np.ones((2, 3), bool))
    assert labels.draw([(covered, 1)], (2, 3)).tolist() == [[1] * 3] * 2
    with pytest.raises(DataError) as caught:
        labels.draw([(covered, 1)], (2, 4))
    assert str(caught.value) == (
        "KS-D015  f has pixels that no shape covers; one of the classes sky, "
        "cat must be called background, to be theirs. Fix: add the class to "
        "the table, or name another one, or None for void, with background= "
        "of the reader."
    )
    assert message(["cat"], 5, "f") == (
        "KS-D015  f has 2 classes, the background included; 5 are asked for. "
        "Fix: correct the number, or leave it out."
    )
    assert "has 256 classes; 1..255" in message(
        [str(i) for i in range(255)], None, "f"
    )
    assert "has 0 classes;" in message([], None, "f", None)
    labels = match_labels(["cat"], None, "f")
    with pytest.raises(DataError, match="f has for shape 3 the label dog;"):
        labels.id_of("dog", "f", "for shape 3 ")
