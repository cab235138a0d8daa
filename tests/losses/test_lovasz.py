"""The Lovász loss against the definition of the extension, in NumPy."""

import numpy as np
import pytest
from sklearn.metrics import jaccard_score

from keras_seg.losses import LovaszSoftmax
from tests.loss_check import CLASSES
from tests.loss_check import check_loss
from tests.loss_check import in_a_batch
from tests.loss_check import masks_and_logits
from tests.loss_check import probabilities
from tests.loss_check import value_of


def jaccard_loss(wrong, truth):
    """The paper's set function, equation 6: |M| / |{truth} ∪ M|."""
    union = (truth | wrong).sum()
    return wrong.sum() / union if union else 0.0


def extension(errors, truth):
    """The paper's definition 1, set by set: quadratic, and plain."""
    total, wrong = 0.0, np.zeros(len(errors), bool)
    for i in np.argsort(-errors, kind="stable"):
        before = jaccard_loss(wrong, truth)
        wrong[i] = True
        total += errors[i] * (jaccard_loss(wrong, truth) - before)
    return total


def in_numpy(masks, logits, absent="truth"):
    valid = masks != 255
    p, ids = probabilities(logits)[valid], masks[valid]
    losses = [
        extension(np.abs((ids == c) - p[:, c]), ids == c)
        for c in range(CLASSES)
        if absent is None or (ids == c).any()
    ]
    return np.mean(losses)


def test_every_check(parity):
    check_loss(LovaszSoftmax(), parity)


def test_by_hand():
    """Two pixels of class 0 with p 0.8 and 0.4, and one of class 1.

    Class 0: errors 0.6 (its own), 0.3 (the other's), 0.2 (its own); the
    Jaccard losses of the growing sets are 1/2, 2/3, 1. Class 1: errors 0.6
    and 0.2 of others, 0.3 of its own: 1/2, 1, 1.
    """
    p = np.array([0.8, 0.4, 0.3])
    masks, logits = in_a_batch([0, 0, 1], np.stack([p, 1 - p], -1))
    first = 0.6 / 2 + 0.3 * (2 / 3 - 1 / 2) + 0.2 * (1 - 2 / 3)
    second = 0.6 / 2 + 0.3 * (1 - 1 / 2) + 0.2 * 0
    value = value_of(LovaszSoftmax(), masks, logits)
    assert value == pytest.approx((first + second) / 2, rel=1e-6)


@pytest.mark.parametrize("absent", ["truth", None])
@pytest.mark.parametrize("missing", [False, True])
def test_by_the_definition(absent, missing):
    masks, logits = masks_and_logits()
    if missing:
        masks[masks == 1] = 0
    expected = in_numpy(masks, logits, absent)
    value = value_of(LovaszSoftmax(absent), masks, logits)
    assert value == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("absent", ["truth", None])
def test_each_image_by_itself(absent):
    masks, logits = masks_and_logits()
    masks[0][masks[0] == 2] = 0
    losses = [in_numpy(masks[i], logits[i], absent) for i in range(2)]
    loss = LovaszSoftmax(absent, per_image=True)
    assert value_of(loss, masks, logits) == pytest.approx(np.mean(losses), 1e-5)
    weights = np.array([3.0, 0.5])
    value = value_of(loss, masks, logits, weights)
    assert value == pytest.approx(np.mean(losses * weights), 1e-5)
    masks[1] = 255
    assert value_of(loss, masks, logits) == pytest.approx(losses[0], 1e-5)


def test_certain_predictions_give_the_iou():
    """Its defining property: on 0 and 1 it is the Jaccard loss."""
    for seed in range(5):
        masks, logits = masks_and_logits(seed)
        valid = masks != 255
        iou = jaccard_score(
            masks[valid], logits.argmax(-1)[valid], average="macro"
        )
        value = value_of(LovaszSoftmax(), masks, logits * 1e5)
        assert value == pytest.approx(1 - iou, rel=1e-5)


def test_weights_of_pixels_are_refused():
    masks, logits = masks_and_logits()
    for loss, weights in (
        (LovaszSoftmax(), np.ones(2)),
        (LovaszSoftmax(per_image=True), np.ones(masks.shape)),
    ):
        with pytest.raises(ValueError, match="Received: a `sample_weight`"):
            loss(masks, logits, weights)


def test_bad_classes():
    with pytest.raises(ValueError, match="Received: absent_classes='some'"):
        LovaszSoftmax("some")
