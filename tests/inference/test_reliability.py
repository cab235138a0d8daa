"""Calibration error and temperature, on truths drawn by known probabilities."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from keras_seg import surgery
from keras_seg.applications import UNet
from keras_seg.inference import Reliability
from keras_seg.inference import evaluate
from keras_seg.inference import fit_temperature
from keras_seg.inference import predict
from keras_seg.inference import set_temperature
from keras_seg.score_form import ScoreForm
from keras_seg.score_form import known_facts
from keras_seg.surgery.tta import without_shrinking
from tests.networks import randomize


def drawn(classes, count=10_000, seed=0):
    """Logits, and a class for each by their softmax (Gumbel-max)."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (count, classes))
    return logits, (logits + rng.gumbel(size=logits.shape)).argmax(axis=-1)


@pytest.mark.once
@settings(max_examples=8)
@given(st.integers(2, 6), st.floats(0.3, 4))
def test_the_temperature_that_logits_were_multiplied_by(classes, factor):
    logits, truth = drawn(classes)
    found = Reliability.of(factor * logits, truth)
    assert found.temperature == pytest.approx(factor, rel=0.1)
    assert found.error_after < 0.02
    again = Reliability.of(factor * logits, truth, found.temperature)
    assert again.error == pytest.approx(found.error_after, abs=1e-6)


@pytest.mark.once
def test_the_error_by_hand():
    # Two pixels of 0.9, one of them right; two of 0.6, both right.
    p = np.array([0.9, 0.9, 0.6, 0.6])
    logits = np.log(np.stack([p, 1 - p], axis=-1))
    found = Reliability.of(logits, [0, 1, 0, 0])
    assert found.error == pytest.approx((0.4 + 0.4) / 2, abs=1e-6)
    rows = [row for row in found.rows() if row["pixels"]]
    assert [row["accuracy"] for row in rows] == [1, 0.5]
    assert [row["confidence"] for row in rows] == pytest.approx([0.6, 0.9])
    assert rows[1]["from"] <= 0.9 <= rows[1]["to"]
    # What is always right cannot be too sure.
    assert fit_temperature(logits, [0, 0, 0, 0]) == pytest.approx(
        0.05, rel=1e-4
    )
    with pytest.raises(ValueError, match=r"\(4, 2\) and \(3,\)"):
        Reliability.of(logits, [0, 1, 0])


@pytest.mark.parametrize(
    "classes, activation",
    [(3, None), (3, "softmax"), (1, None), (1, "sigmoid")],
)
def test_probabilities_follow_the_temperature(classes, activation):
    model = UNet(
        classes=classes, filters=2, depth=1, classifier_activation=activation
    )
    randomize(model)
    image = np.random.default_rng(0).integers(0, 256, (1, 16, 16, 3), "uint8")
    before = next(predict(model, image, probabilities=True))
    set_temperature(model, 2.0)
    after = next(predict(model, image, probabilities=True))
    np.testing.assert_array_equal(before.ids, after.ids)
    # The softmax of half the logits is the root, normalized.
    roots = np.sqrt(before.probabilities.astype("float32"))
    roots /= roots.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(after.probabilities, roots, atol=5e-3)
    with pytest.raises(ValueError, match="temperature=0"):
        set_temperature(model, 0)


@pytest.mark.once
def test_labels_follow_it_each_by_itself():
    form = ScoreForm(2, multi_label=True, temperature=2.0)
    found = form.probabilities_of(np.array([[4.0, -2.0]]))
    np.testing.assert_allclose(found, [[1 / (1 + np.exp(-2)), 1 / (1 + np.e)]])


@pytest.mark.once
def test_which_surgery_keeps_it():
    model = UNet(classes=2, filters=2, depth=1)
    set_temperature(model, 2.0)
    kept = [
        surgery.fold_batch_norm(model),
        surgery.shrink_input(model, 64),
        without_shrinking(surgery.shrink_input(model, 64))[0],
    ]
    assert [known_facts(x)["temperature"] for x in kept] == [2, 2, 2]
    for other in (surgery.average_views(model), surgery.add_crf(model)):
        assert known_facts(other).get("temperature") is None


@pytest.mark.parametrize("classes", [3, 1])
def test_evaluate(classes):
    """Of all pixels where they are few, in any batches, without void."""
    model = UNet(classes=classes, filters=2, depth=1)
    randomize(model)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (3, 16, 24, 3), "uint8")
    masks = rng.integers(0, max(classes, 2), (3, 16, 24), "uint8")
    masks[:, :, :5] = 255
    pairs = list(zip(images, masks, strict=True))
    found = evaluate(model, pairs, 2, calibration=True)
    plain = evaluate(model, pairs)
    np.testing.assert_array_equal(found.matrix, plain.matrix)
    assert plain.reliability is None
    assert found.reliability.pixels.sum() == (masks < 255).sum()
    stream = list(predict(model, images, bucket=1, probabilities=True))
    largest = np.max([x.probabilities for x in stream], axis=-1)[masks < 255]
    right = (np.stack([x.ids for x in stream]) == masks)[masks < 255]
    gap = abs(largest.mean(dtype="float64") - right.mean())
    assert found.reliability.error >= gap - 1e-3  # Of the mean over all bins.
    set_temperature(model, found.reliability.temperature)
    again = evaluate(model, pairs, calibration=True).reliability
    assert again.error == pytest.approx(found.reliability.error_after, abs=1e-5)
