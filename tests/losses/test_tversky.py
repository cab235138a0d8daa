"""The Tversky loss by hand and by its formula, class by class."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from keras_seg.losses import Dice
from keras_seg.losses import Tversky
from tests.loss_check import CLASSES
from tests.loss_check import check_loss
from tests.loss_check import in_a_batch
from tests.loss_check import masks_and_logits
from tests.loss_check import probabilities
from tests.loss_check import value_of


def in_numpy(masks, logits, alpha, beta, smooth=0.0, sample=None):
    """One set of pixels, in loops over the classes."""
    sample = np.ones(masks.shape) if sample is None else sample
    valid = masks != 255
    p, ids, w = probabilities(logits)[valid], masks[valid], sample[valid]
    losses = []
    for c in range(CLASSES):
        g = ids == c
        if not g.any():
            continue
        hits = (w * p[:, c] * g).sum()
        false_positives = (w * p[:, c] * ~g).sum()
        false_negatives = (w * (1 - p[:, c]) * g).sum()
        below = hits + alpha * false_positives + beta * false_negatives
        losses.append(1 - (hits + smooth) / (below + smooth))
    return np.mean(losses)


def test_every_check(parity):
    check_loss(Tversky(), parity)


def test_alpha_weighs_false_positives():
    """Truth 0, 0, 1, 1, 1; the last three are taken for 0, surely.

    Class 0: TP 2, FP 3, FN 0. Class 1: TP 0, FP 0, FN 3. So the index of
    class 0 is 2 / (2 + 3·alpha), and that of class 1 is 0.
    """
    zero, one = [1.0, 0.0], [0.0, 1.0]
    masks, logits = in_a_batch([0, 0, 1, 1, 1], [zero] * 5)
    for alpha, beta in ((0.3, 0.7), (0.7, 0.3)):
        expected = 1 - (2 / (2 + 3 * alpha) + 0) / 2
        value = value_of(Tversky(alpha, beta), masks, logits)
        assert value == pytest.approx(expected, rel=1e-6)
    # One found of the three: class 1 has TP 1, FN 2; class 0 has FP 2.
    masks, logits = in_a_batch([0, 0, 1, 1, 1], [zero, zero, one, zero, zero])
    expected = 1 - (2 / (2 + 2 * 0.3) + 1 / (1 + 2 * 0.7)) / 2
    value = value_of(Tversky(0.3, 0.7), masks, logits)
    assert value == pytest.approx(expected, rel=1e-6)


def test_by_the_formula():
    masks, logits = masks_and_logits()
    weights = np.random.default_rng(0).random(masks.shape).astype("float32")
    for alpha, beta, smooth, sample in (
        (0.3, 0.7, 0.0, None),
        (1.0, 1.0, 1.0, None),
        (0.0, 2.0, 0.5, weights),
    ):
        expected = in_numpy(masks, logits, alpha, beta, smooth, sample)
        loss = Tversky(alpha, beta, smooth=smooth)
        value = value_of(loss, masks, logits, sample)
        assert value == pytest.approx(expected, rel=1e-5)


def test_each_image_by_itself():
    masks, logits = masks_and_logits()
    losses = [
        in_numpy(masks[i], logits[i], alpha=0.3, beta=0.7) for i in range(2)
    ]
    loss = Tversky(per_image=True)
    assert value_of(loss, masks, logits) == pytest.approx(np.mean(losses), 1e-5)
    weights = np.array([3.0, 0.5])
    value = value_of(loss, masks, logits, weights)
    assert value == pytest.approx(np.mean(losses * weights), 1e-5)
    # Weights of images count in sums over the batch as well.
    sample = np.broadcast_to(weights[:, None, None], masks.shape)
    value = value_of(Tversky(), masks, logits, weights)
    expected = in_numpy(masks, logits, 0.3, 0.7, sample=sample)
    assert value == pytest.approx(expected, 1e-5)
    masks[1] = 255
    assert value_of(loss, masks, logits) == pytest.approx(losses[0], 1e-5)


def test_absent_classes_are_left_out():
    masks, logits = masks_and_logits()
    masks[masks == 2] = 1
    value = value_of(Tversky(), masks, logits)
    assert value == pytest.approx(in_numpy(masks, logits, 0.3, 0.7), 1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"alpha": -1}, "Received: alpha=-1, beta=0.7"),
        ({"alpha": 0, "beta": 0}, "Received: alpha=0, beta=0"),
        ({"smooth": -1}, "Received: smooth=-1"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        Tversky(**arguments)


def test_dice_every_check(parity):
    check_loss(Dice(smooth=1.0), parity)


def test_dice_by_hand():
    """p of class 0: 0.5 and 0.25; truth 0 and 1."""
    masks, logits = in_a_batch([0, 1], [[0.5, 0.5], [0.25, 0.75]])
    for smooth in (0, 1):
        first = (2 * 0.5 + smooth) / (0.75 + 1 + smooth)
        second = (2 * 0.75 + smooth) / (1.25 + 1 + smooth)
        value = value_of(Dice(smooth=smooth), masks, logits)
        assert value == pytest.approx(1 - (first + second) / 2, rel=1e-6)


@pytest.mark.parametrize("per_image", [False, True])
def test_dice_by_the_formula(per_image):
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
