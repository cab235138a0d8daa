"""A sum of losses."""

import numpy as np
import pytest

from keras_seg.losses import CrossEntropy
from keras_seg.losses import Dice
from keras_seg.losses import LovaszSoftmax
from keras_seg.losses import Sum
from tests.loss_check import check_loss
from tests.loss_check import masks_and_logits
from tests.loss_check import value_of


def test_every_check(parity):
    check_loss(Sum([CrossEntropy(), LovaszSoftmax()], [1.0, 0.5]), parity)


def test_it_is_the_weighted_sum():
    masks, logits = masks_and_logits()
    weights = np.random.default_rng(0).random(masks.shape).astype("float32")
    parts = CrossEntropy(), Dice()
    for sample in (None, weights):
        values = [value_of(loss, masks, logits, sample) for loss in parts]
        for factors in (None, [2.0, 0.25]):
            expected = np.dot(values, factors or [1.0, 1.0])
            value = value_of(Sum(parts, factors), masks, logits, sample)
            assert value == pytest.approx(expected, rel=1e-6)


def test_as_many_weights_as_losses():
    with pytest.raises(ValueError, match=r"2 losses.*Received: weights=\[1\]"):
        Sum([CrossEntropy(), Dice()], [1])
