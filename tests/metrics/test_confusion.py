"""One exact confusion matrix over a data set, on this run's backend."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics as sklearn_metrics

from keras_seg.metrics import ConfusionMatrix
from keras_seg.metrics import MeanIoU
from keras_seg.metrics.confusion import BASE
from keras_seg.metrics.confusion import count_bins

CLASSES = 4


def draw(seed, shape=(3, 5, 7), classes=CLASSES, void=255):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, shape).astype("uint8")
    if void is not None:
        truth[rng.random(shape) < 0.2] = void
    logits = rng.normal(size=(*shape, classes)).astype("float32")
    return truth, logits


def reference(truth, prediction, classes=CLASSES, void=255):
    """The matrix, pixel by pixel."""
    matrix = np.zeros((classes, classes), "int64")
    for i, j in zip(truth.ravel(), prediction.ravel(), strict=True):
        if i != void:
            matrix[int(i), int(j)] += 1
    return matrix


@settings(max_examples=25, deadline=None)
@given(
    truth=hnp.arrays(
        np.uint8, (2, 3, 8), elements=st.sampled_from([0, 1, 2, 3, 255])
    ),
    prediction=hnp.arrays(np.uint8, (2, 3, 8), elements=st.integers(0, 3)),
)
def test_equal_to_scikit_learn(truth, prediction):
    metric = ConfusionMatrix(CLASSES)
    metric.update_state(truth, prediction)
    valid = truth != 255
    expected = np.zeros((CLASSES, CLASSES), int)
    if valid.any():
        expected = sklearn_metrics.confusion_matrix(
            truth[valid], prediction[valid], labels=np.arange(CLASSES)
        )
    matrix = metric.matrix()
    assert matrix.dtype == np.int64
    np.testing.assert_array_equal(matrix, expected)
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(metric.result()), expected
    )


@pytest.mark.parametrize(
    "dtype", ["uint8", "int16", "int32", "int64", "float32", "float16"]
)
@pytest.mark.parametrize("last_axis", [False, True])
def test_any_dtype_and_a_last_axis_of_one(dtype, last_axis):
    truth, logits = draw(0)
    expected = reference(truth, logits.argmax(-1))
    y_true = truth.astype(dtype)
    if last_axis:
        y_true = y_true[..., None]
    metric = ConfusionMatrix(CLASSES)
    metric.update_state(y_true, logits)
    np.testing.assert_array_equal(metric.matrix(), expected)


@pytest.mark.parametrize("classes", [2, 4, 70])
def test_logits_probabilities_and_ids_are_the_same(classes):
    truth, logits = draw(1, classes=classes)
    expected = reference(truth, logits.argmax(-1), classes)
    ids = logits.argmax(-1)
    exponentials = np.exp(logits)
    predictions = [
        logits,
        exponentials / exponentials.sum(-1, keepdims=True),
        keras.ops.cast(logits * 64, "int32"),
        ids.astype("uint8"),
        ids[..., None].astype("int64"),
    ]
    expected_of_rounded = reference(
        truth, np.trunc(logits * 64).argmax(-1), classes
    )
    for number, prediction in enumerate(predictions):
        metric = ConfusionMatrix(classes)
        metric.update_state(truth, prediction)
        np.testing.assert_array_equal(
            metric.matrix(), expected_of_rounded if number == 2 else expected
        )


def test_batches_are_the_same_as_all_at_once():
    truth, logits = draw(2, (6, 5, 7))
    at_once, batches = ConfusionMatrix(CLASSES), ConfusionMatrix(CLASSES)
    at_once.update_state(truth, logits)
    for part in (slice(0, 2), slice(2, 6)):
        batches.update_state(truth[part], logits[part])
    np.testing.assert_array_equal(at_once.matrix(), batches.matrix())
    np.testing.assert_array_equal(
        at_once.matrix(), reference(truth, logits.argmax(-1))
    )
    at_once.reset_state()
    assert not at_once.matrix().any()


def test_void_is_dropped_whatever_is_predicted():
    metric = ConfusionMatrix(2, ignore_class=-1)
    metric.update_state(np.array([[-1, -1, 1]]), np.array([[0, 77, 1]]))
    np.testing.assert_array_equal(metric.matrix(), [[0, 0], [0, 1]])
    metric.reset_state()
    metric.update_state(np.full((1, 4), -1), np.zeros((1, 4), "int32"))
    assert not metric.matrix().any()


def test_two_to_the_31_pixels_and_beyond():
    metric = ConfusionMatrix(2)
    near = np.array([[2**31 - 3, 0], [2**53, BASE - 1]])
    metric.merge(near)
    np.testing.assert_array_equal(metric.matrix(), near)
    for _ in range(2):
        metric.update_state(
            np.array([[0] * 5 + [1]]), np.array([[0] * 5 + [1]])
        )
    expected = near + [[10, 0], [0, 2]]
    np.testing.assert_array_equal(metric.matrix(), expected)
    metric.merge(expected)
    np.testing.assert_array_equal(metric.matrix(), 2 * expected)


@pytest.mark.parametrize("number", [2**24 + 1, 2**31 - 1])
def test_an_update_is_exact_up_to_two_to_the_31_pixels(number):
    metric = ConfusionMatrix(2)
    metric.merge(np.full((2, 2), BASE - 1))
    metric._add(keras.ops.full((7,), number, dtype="int32"))
    metric._add(keras.ops.convert_to_tensor([0] * 4 + [-number] * 3, "int32"))
    assert (metric.matrix() == BASE - 1 + number).all()


def test_bins_are_counted_beyond_the_24_bits_of_float32():
    number = 2**24 + 3
    counts = count_bins(keras.ops.ones((number,), dtype="int32"), 3)
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(counts), [0, number, 0]
    )


@pytest.mark.parametrize(
    ("truth", "prediction", "where"),
    [
        ([[0, 2, 255]], [[0, 1, 0]], "1 pixels of y_true.* 0 pixels of y_pred"),
        ([[0, -1, -7]], [[0, 1, 0]], "2 pixels of y_true.* 0 pixels of y_pred"),
        ([[0, 1, 1]], [[0, 1, 2]], "0 pixels of y_true.* 1 pixels of y_pred"),
        ([[0, 1, 1]], [[0, 1, -1]], "0 pixels of y_true.* 1 pixels of y_pred"),
        ([[0.0, 0.5, 1.0]], [[0, 1, 1]], "1 pixels of y_true"),
        ([[0.0, np.nan, 1.0]], [[0, 1, 1]], "1 pixels of y_true"),
        ([[0, 1, 2**31 - 1]], [[0, 1, 1]], "1 pixels of y_true"),
    ],
)
def test_an_id_outside_the_classes_is_an_error(truth, prediction, where):
    metric = ConfusionMatrix(2)
    metric.update_state(np.array(truth), np.array(prediction))
    with pytest.raises(ValueError, match=rf"outside 0\.\.\.1.*{where}"):
        metric.matrix()
    with pytest.raises(ValueError, match="Received: num_classes=2"):
        metric.scores()
    assert np.isnan(keras.ops.convert_to_numpy(metric.result())).all()
    metric.reset_state()
    metric.update_state(np.array([[0, 1, 255]]), np.array([[0, 1, 1]]))
    np.testing.assert_array_equal(metric.matrix(), np.eye(2))


def test_masks_of_0_and_255_are_refused():
    # Their mean IoU would be 1.0: every object is void.
    truth = np.array([[0, 255, 255, 0]])
    for metric in ConfusionMatrix(2), MeanIoU(2):
        metric.update_state(truth, np.zeros_like(truth))
        assert np.isnan(keras.ops.convert_to_numpy(metric.result())).all()
        with pytest.raises(ValueError, match="Divide masks of 0 and 255"):
            metric.matrix()
        metric.update_state(truth, np.zeros_like(truth) + 1)
        metric.update_state(truth[:, :1] + 1, truth[:, :1])  # an object
        np.testing.assert_array_equal(metric.matrix(), [[2, 2], [1, 0]])
    metric = ConfusionMatrix(3)  # may lack two classes
    metric.update_state(truth, np.zeros_like(truth))
    assert metric.matrix()[0, 0] == 2


def test_without_an_ignored_class_255_is_an_error():
    metric = ConfusionMatrix(2, ignore_class=None)
    metric.update_state([[0, 255]], [[0, 1]])
    with pytest.raises(ValueError, match="ignore_class=None"):
        metric.matrix()


@pytest.mark.parametrize(
    ("y_true", "y_pred"),
    [
        ((2, 4, 4), (2, 4, 4, 5)),  # another number of classes
        ((2, 4, 4), (2, 4, 5, 3)),  # another width
        ((2, 4, 4, 3), (2, 4, 4, 3)),  # one-hot truth
        ((2, 4, 4), (2, 4, 4, 1)),  # a sigmoid's output
        ((2, 4, 4), (2, 4, 4)),  # ids as float
        ((2, 4, 3), (2, 4, 3)),  # ids as float, as wide as there are classes
    ],
)
def test_shapes_that_do_not_fit(y_true, y_pred):
    metric = ConfusionMatrix(3)
    with pytest.raises(ValueError, match=r"Received: y_true of shape \(2, 4"):
        metric.update_state(
            np.zeros(y_true, "int32"), np.zeros(y_pred, "float32")
        )


def test_weights_are_refused():
    metric = ConfusionMatrix(3)
    with pytest.raises(ValueError, match="takes no weights"):
        metric.update_state([[0]], [[0]], sample_weight=[[1.0]])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_classes": 1}, "Received: num_classes=1"),
        ({"num_classes": 2.5}, "Received: num_classes=2.5"),
        (
            {"num_classes": 21, "ignore_class": 0},
            "Received: ignore_class=0, num_classes=21",
        ),
    ],
)
def test_arguments_that_make_no_sense(arguments, message):
    with pytest.raises(ValueError, match=message):
        ConfusionMatrix(**arguments)


@pytest.mark.parametrize(
    "matrix", [np.zeros((3, 3), int), np.zeros((2, 2), float)]
)
def test_merging_something_else(matrix):
    with pytest.raises(ValueError, match=r"integer array \(2, 2\). Received"):
        ConfusionMatrix(2).merge(matrix)


def test_config_round_trip():
    metric = ConfusionMatrix(5, ignore_class=None, name="pairs")
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(metric)
    )
    assert type(copy) is ConfusionMatrix
    assert copy.get_config() == metric.get_config()
    assert copy.get_config()["ignore_class"] is None
