import math

import keras
import numpy as np
import pytest

from keras_seg.data import ClassTable
from keras_seg.inference import evaluate

CLASSES = ClassTable(("a", "b", "c"), ((0, 0, 0), (1, 1, 1), (2, 2, 2)))


@pytest.fixture
def echo():
    """A model whose class is the largest of red, green and blue."""
    image = keras.Input((None, None, 3))
    return keras.Model(image, keras.layers.Activation("linear")(image))


def pair(prediction, truth):
    image = (np.eye(3, dtype="uint8") * 200)[np.asarray(prediction)]
    return image, np.asarray(truth, "uint8")


# By hand: class a 2 of 3, class b 2 of 3, class c nowhere.
PAIRS = [
    pair([[0, 1]], [[0, 1]]),
    pair([[0, 1, 1]], [[0, 0, 255]]),
    pair([[1]], [[1]]),
]


def test_by_hand(echo):
    found = evaluate(echo, PAIRS, classes=CLASSES)
    np.testing.assert_array_equal(
        found.matrix, [[2, 1, 0], [0, 2, 0], [0, 0, 0]]
    )
    assert found.images == 3
    assert found.scores.mean_iou == pytest.approx(2 / 3)
    a, b, c = found.rows()
    assert a == {
        "id": 0,
        "name": "a",
        "iou": pytest.approx(2 / 3),
        "accuracy": pytest.approx(2 / 3),
        "pixels": 3,
    }
    assert (b["iou"], b["accuracy"]) == (pytest.approx(2 / 3), 1.0)
    assert math.isnan(c["iou"]) and c["pixels"] == 0


def test_batches_do_not_matter(echo):
    rng = np.random.default_rng(0)
    pairs = []
    for size in ((4, 5), (4, 5), (4, 5), (5, 4), (4, 5)):
        ids = rng.integers(0, 3, (2, *size))
        pairs.append(pair(*ids))
    steps = []
    whole = evaluate(echo, pairs, 2, progress=steps.append).matrix
    assert steps == [2, 3, 4, 5]
    single = evaluate(echo, pairs, 1).matrix
    np.testing.assert_array_equal(whole, single)
    assert whole.sum() == 100


def test_classes(echo):
    assert evaluate(echo, PAIRS).classes == ClassTable.default(3)
    with pytest.raises(ValueError) as caught:
        evaluate(echo, PAIRS, classes=ClassTable.default(2))
    assert str(caught.value) == (
        "The model must have the classes of the data. Received: a model of "
        "3 classes, data of 2"
    )


def test_refused(echo):
    with pytest.raises(ValueError, match="at least one pair"):
        evaluate(echo, [])
    with pytest.raises(ValueError) as caught:
        evaluate(echo, [pair([[0, 0]], [[3, 7]])])
    assert str(caught.value) == (
        "Masks must hold ids in 0...2, or 255 for void. Received: ids [3, 7]"
    )
