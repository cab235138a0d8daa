"""Networks of one score a pixel, and of labels: from images to scores.

A network of one logit `z` is one of the two logits 0 and `z`.
"""

import keras
import numpy as np
import pytest

from keras_seg import surgery
from keras_seg.applications import UNet
from keras_seg.data import ClassTable
from keras_seg.inference import Tiles
from keras_seg.inference import evaluate
from keras_seg.inference import predict
from keras_seg.inference import predict_turned
from keras_seg.inference import set_threshold
from keras_seg.inference import tune_threshold
from keras_seg.layers.metadata import facts_of
from keras_seg.layers.metadata import note
from keras_seg.metrics import count_labels
from keras_seg.metrics import count_pairs
from keras_seg.metrics import scores
from keras_seg.runs import class_table_of
from keras_seg.runs.model_file import load_model
from keras_seg.runs.model_file import set_class_table
from keras_seg.surgery.tta import without_shrinking
from tests.networks import outputs
from tests.networks import randomize

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 256, (24, 40, 3), dtype="uint8")
LABELS = 3


def network(classes=1, activation=None):
    model = UNet(
        classes=classes, filters=2, depth=1, classifier_activation=activation
    )
    return randomize(model)


def of_two(model):
    """The same network, with the logit 0 of class 0."""
    both = keras.layers.Conv2D(2, 1, use_bias=False)
    twin = keras.Model(model.inputs[0], both(model.outputs[0]))
    both.set_weights([np.array([[[[0.0, 1.0]]]])])
    return twin


@pytest.fixture(scope="module")
def pair():
    one = network()
    return one, of_two(one)


@pytest.fixture(scope="module")
def labels():
    model = network(LABELS)
    note(model, multi_label=True)
    return model


def test_one_score_predicts_what_two_do(pair):
    found, expected = (
        (
            predict(model, IMAGE),
            next(predict(model, [IMAGE], bucket=1, probabilities=True)),
            predict(model, IMAGE, Tiles(16, overlap=8, multiple=8)),
            predict_turned(model, IMAGE),
        )
        for model in pair
    )
    assert found[0].any() and not found[0].all()
    for i in (0, 2):
        np.testing.assert_array_equal(found[i], expected[i])
    np.testing.assert_array_equal(found[1].ids, expected[1].ids)
    np.testing.assert_allclose(
        found[1].probabilities, expected[1].probabilities, atol=1e-3
    )
    np.testing.assert_allclose(found[3], expected[3], atol=1e-6)


def test_one_score_is_evaluated_as_two(pair):
    mask = RNG.integers(0, 2, IMAGE.shape[:2])
    mask[:3] = 255
    found, expected = (
        evaluate(x, [(IMAGE, mask)], trimap="label_change") for x in pair
    )
    np.testing.assert_array_equal(found.matrix, expected.matrix)
    assert found.bands[1].mean_iou == expected.bands[1].mean_iou
    assert len(found.rows()) == 2


def check_change(change, activation):
    """Of one score it gives what it does of two, by the same threshold."""
    one = network(activation=activation)
    two = of_two(keras.Model(one.inputs, one.get_layer("crop").output))
    set_threshold(one, 0.25)
    found, expected = (
        next(predict(change(x), [IMAGE], bucket=1, probabilities=True))
        for x in (one, two)
    )
    p = expected.probabilities[..., 1].astype("float32")
    np.testing.assert_allclose(found.probabilities[..., 1], p, atol=2e-3)
    sure = np.abs(p - 0.25) > 2e-3
    assert (found.ids == (p > 0.25))[sure].all()


@pytest.mark.parametrize("activation", [None, "sigmoid"])
def test_views_of_one_score(activation):
    check_change(lambda x: surgery.average_views(x, mirror=True), activation)


@pytest.mark.once
@pytest.mark.parametrize("activation", [None, "sigmoid"])
def test_surgery_of_one_score(activation):
    check_change(lambda x: surgery.add_crf(x, iterations=2), activation)
    check_change(lambda x: surgery.shrink_input(x, 30), activation)


def test_labels(labels):
    z = outputs(labels, IMAGE[None])[0]
    ids = predict(labels, IMAGE)
    np.testing.assert_array_equal(ids, z > 0)
    whole = next(predict(labels, [IMAGE], bucket=1, probabilities=True))
    np.testing.assert_array_equal(whole.ids, ids)
    p = 1 / (1 + np.exp(-z.astype("float64")))
    np.testing.assert_allclose(whole.probabilities, p, atol=1e-3)
    tiled = predict(labels, IMAGE, Tiles(16, overlap=8, multiple=8))
    assert tiled.shape == ids.shape and (tiled == ids).mean() > 0.9
    views = surgery.average_views(labels, (1.0,))
    np.testing.assert_array_equal(predict(views, IMAGE), ids)
    with pytest.raises(ValueError, match="do not exclude each other"):
        surgery.add_crf(labels)


def test_labels_are_evaluated(labels):
    mask = RNG.integers(0, 2, (*IMAGE.shape[:2], LABELS))
    mask[:3, :, 1] = 255
    found = evaluate(labels, [(IMAGE, mask), (IMAGE, mask)])
    expected = 2 * count_labels(mask, predict(labels, IMAGE))
    np.testing.assert_array_equal(found.matrix, expected)
    assert found.per_image[0] == found.scores.mean_iou
    assert [row["pixels"] for row in found.rows()] == [
        2 * int((mask[..., i] == 1).sum()) for i in range(LABELS)
    ]
    with pytest.raises(ValueError, match="multi_label=True"):
        evaluate(labels, [(IMAGE, mask[..., 0])])
    with pytest.raises(ValueError, match="leave it out"):
        evaluate(labels, [(IMAGE, mask)], trimap="void")


def brute_force(p, truth, score):
    """The best of all thresholds that make a difference."""
    levels = np.arange(1000) / 1000
    values = [score(count_pairs(truth, (p > t).astype(int), 2)) for t in levels]
    best = np.flatnonzero(np.array(values) == max(values))
    return levels[best[np.abs(levels[best] - 0.5).argmin()]]


METRICS = {
    "iou": lambda m: scores(m).per_class_iou[1],
    "mean_iou": lambda m: scores(m).mean_iou,
    "accuracy": lambda m: scores(m).pixel_accuracy,
}


@pytest.mark.once
@pytest.mark.parametrize("metric", METRICS)
def test_threshold_of_one_score(metric, tmp_path):
    model = network(activation="sigmoid")
    mask = (RNG.random(IMAGE.shape[:2]) < 0.3).astype("uint8")
    mask[:2] = 255
    pairs = [(IMAGE, mask), (IMAGE[:9], mask[:9])]
    p = [outputs(model, x[None])[0, ..., 0].ravel() for x, _ in pairs]
    truth = np.concatenate([y.ravel() for _, y in pairs])
    expected = brute_force(np.concatenate(p), truth, METRICS[metric])
    before = evaluate(model, pairs).matrix
    found = tune_threshold(model, pairs, metric)
    assert found == pytest.approx(expected)
    after = evaluate(model, pairs).matrix
    assert METRICS[metric](after) >= METRICS[metric](before)
    assert METRICS[metric](after) == pytest.approx(
        METRICS[metric](
            count_pairs(truth, (np.concatenate(p) > found).astype(int), 2)
        )
    )
    ids = predict(model, IMAGE)
    model.save(tmp_path / "model.keras")
    model = load_model(tmp_path / "model.keras", classes=2)
    np.testing.assert_array_equal(predict(model, IMAGE), ids)


def test_thresholds_of_labels(labels):
    """One for each, by itself; none for a label that is nowhere."""
    z = outputs(labels, IMAGE[None])[0]
    mask = RNG.integers(0, 2, z.shape)
    mask[..., 2] = 0
    p = 1 / (1 + np.exp(-z.astype("float64")))
    model = keras.models.clone_model(labels)
    model.set_weights(labels.get_weights())
    with pytest.warns(UserWarning, match=r"\[2\] are not in the data"):
        found = tune_threshold(model, [(IMAGE, mask)])
    expected = [
        brute_force(p[..., i], mask[..., i], METRICS["iou"]) for i in range(2)
    ]
    assert found == pytest.approx([*expected, 0.5])
    limits = np.log(found) - np.log1p(-np.array(found))
    np.testing.assert_array_equal(
        predict(model, IMAGE), z > limits.astype("float32")
    )


@pytest.mark.once
def test_what_a_threshold_is_not_for(pair):
    one, two = pair
    mask = np.zeros(IMAGE.shape[:2], "uint8")
    with pytest.raises(ValueError, match="the largest score decides"):
        set_threshold(network(2), 0.5)
    with pytest.raises(ValueError, match="no pixel of class 1"):
        tune_threshold(one, [(IMAGE, mask)])
    with pytest.raises(ValueError, match="a number"):
        set_threshold(one, [0.5, 0.5])
    with pytest.raises(ValueError, match="must be one of 'iou'"):
        tune_threshold(one, [(IMAGE, mask)], "dice")
    foreign = keras.Sequential(
        [keras.Input((None, None, 3)), keras.layers.Conv2D(1, 1)]
    )
    with pytest.raises(ValueError, match="carry its threshold"):
        set_threshold(foreign, 0.5)


@pytest.mark.once
def test_a_threshold_is_known_inside_of_what_shrinks(pair):
    model = surgery.shrink_input(network(), 30)
    set_threshold(model, 0.25)
    inner, side = without_shrinking(model)
    assert side == 30 and facts_of(inner)["threshold"] == 0.25


@pytest.mark.once
def test_one_score_has_the_table_of_two_classes(tmp_path):
    one = network()
    set_class_table(one, ClassTable(("not", "it"), ((0, 0, 0), (9, 9, 9))))
    one.save(tmp_path / "model.keras")
    table = class_table_of(load_model(tmp_path / "model.keras", classes=2))
    assert table.names == ("not", "it")
    changed = surgery.replace_classes(one, 4)
    assert class_table_of(changed) is None
    with pytest.raises(ValueError, match="1 everywhere"):
        surgery.replace_classes(network(3, "softmax"), 1)
    with pytest.raises(ValueError, match="1 everywhere"):
        network(1, "softmax")
