"""The focal loss against hand-computed numbers and the cross-entropy."""

import numpy as np
import pytest

from keras_seg.losses import CrossEntropy
from keras_seg.losses import Focal
from tests.loss_check import check_loss
from tests.loss_check import gradient_of
from tests.loss_check import in_a_batch
from tests.loss_check import masks_and_logits
from tests.loss_check import probabilities
from tests.loss_check import value_of


def test_every_check(parity):
    check_loss(Focal(class_weights=[0.5, 2.0, 3.0]), parity)


def test_by_hand():
    """(1 - p)^γ · -log p for p = 0.5 and 0.8, α of their classes 1 and 3."""
    masks, logits = in_a_batch([0, 1], [[0.5, 0.5], [0.2, 0.8]])
    easy, hard = 0.2**2 * -np.log(0.8), 0.5**2 * np.log(2)
    assert value_of(Focal(), masks, logits) == pytest.approx(
        (easy + hard) / 2, rel=1e-5
    )
    loss = Focal(class_weights={1: 3})
    assert value_of(loss, masks, logits) == pytest.approx(
        (3 * easy + hard) / 2, rel=1e-5
    )


@pytest.mark.parametrize("gamma", [0.5, 1.0, 5.0])
def test_by_the_formula(gamma):
    masks, logits = masks_and_logits()
    valid = masks != 255
    p = probabilities(logits)[valid, masks[valid]]
    expected = np.mean((1 - p) ** gamma * -np.log(p))
    value = value_of(Focal(gamma), masks, logits)
    assert value == pytest.approx(expected, rel=1e-5)


def test_without_gamma_it_is_the_cross_entropy():
    masks, logits = masks_and_logits()
    expected = CrossEntropy()
    np.testing.assert_allclose(
        gradient_of(Focal(0), masks, logits),
        gradient_of(expected, masks, logits),
        atol=1e-7,
    )
    value = value_of(Focal(0), masks, logits)
    assert value == pytest.approx(value_of(expected, masks, logits), rel=1e-6)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_certain_pixels_have_no_gradient_but_a_finite_one(gamma):
    masks, logits = masks_and_logits(void=0.0)
    logits = np.eye(3, dtype="float32")[masks] * 200
    assert value_of(Focal(gamma), masks, logits) == pytest.approx(0, abs=1e-6)
    slopes = gradient_of(Focal(gamma), masks, logits)
    np.testing.assert_allclose(slopes, 0, atol=1e-6)


def test_bad_gamma():
    with pytest.raises(ValueError, match="Received: gamma=-1"):
        Focal(gamma=-1)
