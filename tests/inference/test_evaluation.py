import math

import numpy as np
import pytest

from keras_seg import metrics
from keras_seg.applications import UNet
from keras_seg.data import ClassTable
from keras_seg.inference import Evaluation
from keras_seg.inference import evaluate
from keras_seg.inference import predict
from keras_seg.runs import set_class_table
from tests import networks
from tests.networks import asked
from tests.networks import randomize

CLASSES = ClassTable(("a", "b", "c"), ((0, 0, 0), (1, 1, 1), (2, 2, 2)))


@pytest.fixture
def echo():
    return networks.echo()


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
    found = evaluate(echo, PAIRS, class_table=CLASSES)
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


def test_masks_of_0_and_255():
    model = UNet(classes=2, filters=4, depth=2)
    pairs = [pair([[0, 1]], [[0, 255]])]
    with pytest.raises(ValueError, match="Divide masks of 0 and 255"):
        evaluate(model, pairs)


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


def test_what_predict_says_is_counted():
    """Filled up to buckets alike: a size of the network for many images."""
    model = randomize(UNet(classes=3, filters=4, depth=2), seed=1)
    rng = np.random.default_rng(0)
    shapes = [(33, 40), (50, 64), (60, 41), (7, 90)]
    pairs = [
        (rng.integers(0, 256, (*shape, 3), "uint8"), rng.integers(0, 3, shape))
        for shape in shapes
    ]
    seen = asked(model)
    found = evaluate(model, pairs, bucket=32)
    assert [x.shape for x in seen] == [(3, 64, 64, 3), (1, 32, 96, 3)]
    predictions = predict(model, [image for image, _ in pairs], batch_size=4)
    expected = sum(
        metrics.count_pairs(mask, one.ids, 3)
        for (_, mask), one in zip(pairs, predictions, strict=True)
    )
    assert np.count_nonzero(expected.sum(axis=0)) > 1
    np.testing.assert_array_equal(found.matrix, expected)
    seen.clear()
    evaluate(model, pairs)
    assert [x.shape for x in seen] == [(1, *shape, 3) for shape in shapes]


def test_images_and_bands(echo):
    """Each image by itself, and the authors' bands, as the metrics say."""
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 3, (2, 6, 9, 11))
    ids[1][rng.random((6, 9, 11)) < 0.2] = 255
    ids[1, 4] = 255
    pairs = [pair(p, t) for p, t in zip(*ids, strict=True)]
    found = evaluate(echo, pairs, 4, trimap="void")
    truth_and_found = list(zip(ids[1], ids[0], strict=True))
    expected = metrics.per_image_iou(truth_and_found, 3)
    np.testing.assert_array_equal(found.per_image, expected)
    assert math.isnan(expected[4])
    assert found.worst(9) == [
        i for i in np.argsort(expected, kind="stable") if i != 4
    ]
    assert found.worst(2) == found.worst(9)[:2]
    bands = metrics.trimap(truth_and_found, 3)
    assert list(found.bands) == list(bands)
    for width, band in bands.items():
        assert found.bands[width].mean_iou == band.mean_iou
    assert evaluate(echo, pairs).bands is None
    with pytest.raises(ValueError, match="Received: kind='edges'"):
        evaluate(echo, pairs, trimap="edges")


def test_only_the_matrix():
    assert Evaluation(np.eye(3, dtype=int), CLASSES, 4).worst() == []


def test_classes(echo):
    assert evaluate(echo, PAIRS).class_table == ClassTable.default(3)
    with pytest.raises(ValueError) as caught:
        evaluate(echo, PAIRS, class_table=ClassTable.default(2))
    assert str(caught.value) == (
        "The model must have the classes of the data. Received: a model of "
        "3 classes, data of 2"
    )


@pytest.mark.once
def test_classes_of_the_model():
    model = UNet(classes=3, filters=2, depth=1)
    set_class_table(model, CLASSES)
    assert evaluate(model, PAIRS).class_table == CLASSES
    other = ClassTable(("b", "a", "c"), CLASSES.colors)
    with pytest.raises(ValueError) as caught:
        evaluate(model, PAIRS, class_table=other)
    assert str(caught.value) == (
        "The model must have the classes of the data, in their order. "
        "Received: a model of a, b, c; data of b, a, c"
    )
    # Numbers alone are no other names.
    evaluate(model, PAIRS, class_table=ClassTable.default(3))


def test_refused(echo):
    with pytest.raises(ValueError, match="at least one pair"):
        evaluate(echo, [])
    with pytest.raises(ValueError) as caught:
        evaluate(echo, [pair([[0, 0]], [[3, 7]])])
    assert str(caught.value) == (
        "Masks must hold ids in 0...2, or 255 for void. Received: ids [3, 7]"
    )
