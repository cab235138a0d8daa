"""The Dice loss by hand, and against the F1 score of scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from keras_seg.losses import Dice
from tests.loss_check import CLASSES
from tests.loss_check import check_loss
from tests.loss_check import in_a_batch
from tests.loss_check import masks_and_logits
from tests.loss_check import probabilities
from tests.loss_check import value_of


def test_every_check(parity):
    check_loss(Dice(smooth=1.0), parity)


def test_by_hand():
    """p of class 0: 0.5 and 0.25; truth 0 and 1."""
    masks, logits = in_a_batch([0, 1], [[0.5, 0.5], [0.25, 0.75]])
    for smooth in (0, 1):
        first = (2 * 0.5 + smooth) / (0.75 + 1 + smooth)
        second = (2 * 0.75 + smooth) / (1.25 + 1 + smooth)
        value = value_of(Dice(smooth=smooth), masks, logits)
        assert value == pytest.approx(1 - (first + second) / 2, rel=1e-6)


@pytest.mark.parametrize("per_image", [False, True])
def test_by_the_formula(per_image):
    masks, logits = masks_and_logits()
    sets = masks[:, None] if per_image else masks[None]
    scores = logits[:, None] if per_image else logits[None]
    expected = []
    for ids, x in zip(sets, scores, strict=True):
        p = probabilities(x)[ids != 255]
        g = np.eye(CLASSES)[ids[ids != 255]]
        dice = 2 * (p * g).sum(0) / (p.sum(0) + g.sum(0))
        expected.append(1 - dice[g.sum(0) > 0].mean())
    value = value_of(Dice(per_image), masks, logits)
    assert value == pytest.approx(np.mean(expected), rel=1e-5)


def test_certain_predictions_give_the_f1_score():
    masks, logits = masks_and_logits()
    valid = masks != 255
    f1 = f1_score(masks[valid], logits.argmax(-1)[valid], average="macro")
    value = value_of(Dice(), masks, logits * 1e4)
    assert value == pytest.approx(1 - f1, rel=1e-5)
