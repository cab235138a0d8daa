"""Online hard examples against a selection by sorting in NumPy."""

import numpy as np
import pytest

from keras_seg.losses import CrossEntropy
from keras_seg.losses import OnlineHardExamples
from tests.loss_check import check_loss
from tests.loss_check import gradient_of
from tests.loss_check import in_a_batch
from tests.loss_check import masks_and_logits
from tests.loss_check import probabilities
from tests.loss_check import value_of


def in_numpy(masks, logits, threshold, kept):
    """The mean of the `kept` largest, or of all below the threshold."""
    valid = masks != 255
    p = np.sort(probabilities(logits)[valid, masks[valid]])
    if threshold is not None:
        kept = max(kept, (p < threshold).sum())
    return -np.log(p[:kept]).mean()


def test_every_check(parity):
    check_loss(OnlineHardExamples(0.3, 0.25), parity)


def test_by_hand():
    """Probabilities 0.1, 0.6 and 0.9 of the true class."""
    masks, logits = in_a_batch([0] * 3, [[0.1, 0.9], [0.6, 0.4], [0.9, 0.1]])
    terms = -np.log([0.1, 0.6, 0.9])
    for threshold, kept, expected in (
        (0.7, 1, terms[:2].mean()),
        (0.7, 3, terms.mean()),
        (0.5, 1, terms[0]),
        (0.5, 0.34, terms[:2].mean()),  # a third and more: 2 of 3 pixels
        (None, 2, terms[:2].mean()),
        (0.05, 1, terms[0]),
        (None, 100, terms.mean()),
    ):
        loss = OnlineHardExamples(threshold, kept)
        actual = value_of(loss, masks, logits)
        assert actual == pytest.approx(expected, rel=1e-5), (threshold, kept)


@pytest.mark.parametrize("threshold", [None, 0.2, 0.7])
@pytest.mark.parametrize("kept", [1, 7, 1 / 16, 0.5])
def test_by_sorting(threshold, kept):
    masks, logits = masks_and_logits()
    number = kept if kept >= 1 else int(np.ceil(kept * (masks != 255).sum()))
    expected = in_numpy(masks, logits, threshold, number)
    loss = OnlineHardExamples(threshold, kept)
    assert value_of(loss, masks, logits) == pytest.approx(expected, rel=1e-5)


def test_only_the_hard_ones_have_a_gradient():
    masks, logits = masks_and_logits()
    slopes = gradient_of(OnlineHardExamples(None, 5), masks, logits)
    assert (np.abs(slopes).max(-1) > 0).sum() == 5


def test_pixels_alike_are_all_taken():
    """FCN begins with zero scores: all pixels are as hard as any other."""
    masks, logits = masks_and_logits()
    slopes = gradient_of(OnlineHardExamples(None, 1), masks, 0 * logits)
    np.testing.assert_allclose(
        slopes, gradient_of(CrossEntropy(), masks, 0 * logits), atol=1e-7
    )


def test_weights_of_classes_do_not_choose():
    masks, logits = in_a_batch([0, 1], [[0.1, 0.9], [0.6, 0.4]])
    weights = [0.5, 9.0, 1.0]
    loss = OnlineHardExamples(None, 1, class_weights=weights)
    assert value_of(loss, masks, logits) == pytest.approx(
        -np.log(0.1), rel=1e-5
    )
    loss = OnlineHardExamples(None, 2, class_weights=weights)
    expected = CrossEntropy(class_weights=weights)
    assert value_of(loss, masks, logits) == pytest.approx(
        value_of(expected, masks, logits), rel=1e-6
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"threshold": 0}, "Received: threshold=0"),
        ({"threshold": 1.1}, "Received: threshold=1.1"),
        ({"min_kept": 0}, "Received: min_kept=0"),
        ({"min_kept": 1.5}, "Received: min_kept=1.5"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        OnlineHardExamples(**arguments)
