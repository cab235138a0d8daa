"""Losses of one logit a pixel, and of several labels that may overlap.

Against a softmax of two logits, Keras, NumPy, and the authors' definitions.
"""

import keras
import numpy as np
import pytest

from keras_seg import losses
from tests.loss_check import check_loss
from tests.loss_check import gradient_of
from tests.loss_check import masks_and_logits
from tests.loss_check import value_of

LABELS = 3
EVERY = {
    "cross_entropy": losses.CrossEntropy,
    "weighted": lambda **x: losses.CrossEntropy(class_weights={0: 3.0}, **x),
    "focal": losses.Focal,
    "dice": losses.Dice,
    "tversky": lambda **x: losses.Tversky(per_image=True, **x),
    "lovasz": losses.LovaszSoftmax,
    "hardest": losses.OnlineHardExamples,
}
# One logit for every second of them, to save time.
EACH = [(name, (1, LABELS)[i % 2]) for i, name in enumerate(EVERY)]


def sigmoid(x):
    return 1 / (1 + np.exp(-x.astype("float64")))


@pytest.mark.parametrize(("name", "labels"), EACH)
def test_every_check(name, labels, parity):
    check_loss(EVERY[name](name=name), parity, labels)


SOFTMAX = {
    **{
        reduction: lambda reduction=reduction: losses.CrossEntropy(
            class_weights=[0.5, 3.0], reduction=reduction
        )
        for reduction in ("mean", "mean_over_pixels", "per_image", "sum")
    },
    "stride": lambda: losses.CrossEntropy(stride=2),
    "focal": lambda: losses.Focal(class_weights=[0.75, 0.25]),
    "hardest": lambda: losses.OnlineHardExamples(0.5, 0.1, [1.0, 2.0]),
}


@pytest.mark.parametrize("name", SOFTMAX)
def test_one_logit_is_a_softmax_of_0_and_it(name):
    """`sigmoid(z)` is the second of `softmax([0, z])`: so are the losses of
    pixels, and the slopes for `z`."""
    loss = SOFTMAX[name]()
    masks, logits = masks_and_logits(labels=1)
    two = np.concatenate([0 * logits, logits], axis=-1)
    weights = np.random.default_rng(1).random(masks.shape).astype("float32")
    for sample in (None, weights, np.array([0.5, 2.0])):
        expected = value_of(loss, masks, two, sample)
        assert value_of(loss, masks, logits, sample) == pytest.approx(
            expected, rel=1e-5
        )
    np.testing.assert_allclose(
        gradient_of(loss, masks, logits)[..., 0],
        gradient_of(loss, masks, two)[..., 1],
        atol=1e-6,
    )


@pytest.mark.parametrize("labels", [1, LABELS])
def test_equal_to_keras(labels):
    """Keras has no void here, but weights of 0."""
    masks, logits = masks_and_logits(void=0, labels=labels)
    theirs = keras.losses.BinaryCrossentropy(from_logits=True)
    truth = masks.reshape(logits.shape)
    expected = value_of(theirs, truth, logits)
    assert value_of(losses.CrossEntropy(), masks, logits) == pytest.approx(
        expected, rel=1e-6
    )
    weights = np.random.default_rng(1).random(masks.shape[:3])
    expected = value_of(theirs, truth, logits, weights[..., None])
    found = value_of(losses.CrossEntropy(), masks, logits, weights)
    assert found == pytest.approx(expected, rel=1e-5)


def test_focal_by_the_paper():
    """`-α_t (1 - p_t)^γ log p_t`, as torchvision's `sigmoid_focal_loss`."""
    masks, logits = masks_and_logits(void=0, labels=1)
    p = sigmoid(logits[..., 0])
    p_t = np.where(masks == 1, p, 1 - p)
    alpha = np.where(masks == 1, 0.25, 0.75)
    expected = (-alpha * (1 - p_t) ** 2 * np.log(p_t)).mean()
    loss = losses.Focal(gamma=2.0, class_weights=[0.75, 0.25])
    assert value_of(loss, masks, logits) == pytest.approx(expected, rel=1e-5)


def tversky_in_numpy(truth, p, alpha=0.5, beta=0.5):
    hit = (p * truth).sum()
    false = (p * (1 - truth)).sum(), ((1 - p) * truth).sum()
    return 1 - hit / (hit + alpha * false[0] + beta * false[1])


def hinge_in_numpy(truth, logits):
    """The authors' `lovasz_hinge_flat`, in the paper's words: each error times
    what it adds to the Jaccard loss of the errors before it."""
    errors = 1 - logits * (2.0 * truth - 1)
    wrong, total, before = truth == 2, 0.0, 0.0
    for index in np.argsort(-errors):
        wrong[index] = True
        union = (truth == 1) | wrong
        jaccard = 1 - ((truth == 1) & ~wrong).sum() / union.sum()
        total += max(errors[index], 0) * (jaccard - before)
        before = jaccard
    return total


REGIONS = {
    "dice": (losses.Dice, lambda t, z: tversky_in_numpy(t, sigmoid(z))),
    "tversky": (
        losses.Tversky,
        lambda t, z: tversky_in_numpy(t, sigmoid(z), 0.3, 0.7),
    ),
    "hinge": (losses.LovaszSoftmax, hinge_in_numpy),
}


@pytest.mark.parametrize("per_image", [False, True])
@pytest.mark.parametrize("labels", [1, LABELS])
@pytest.mark.parametrize("name", REGIONS)
def test_regions_by_their_definitions(name, labels, per_image):
    """The mean over the labels, each by itself, of the pixels not void."""
    loss, oracle = REGIONS[name]
    masks, logits = masks_and_logits(labels=labels)
    truth = masks.reshape(logits.shape)
    sets = [slice(i, i + 1) for i in range(2)] if per_image else [slice(None)]
    expected = []
    for part in sets:
        pairs = [
            (t[t != 255], z[t != 255])
            for t, z in (
                (truth[part, ..., i], logits[part, ..., i])
                for i in range(labels)
            )
        ]
        expected.append(np.mean([oracle(t, z) for t, z in pairs]))
    found = value_of(loss(per_image=per_image), masks, logits)
    assert found == pytest.approx(np.mean(expected), rel=1e-5)


def test_where_there_is_no_object():
    """Nothing of the Dice loss; of the hinge the largest error, if asked."""
    masks, logits = masks_and_logits(void=0, labels=1)
    masks[:] = 0
    largest = 1 + logits.max()
    for loss, expected in (
        (losses.Dice(), 0.0),
        (losses.LovaszSoftmax(), 0.0),
        (losses.LovaszSoftmax(absent_classes=None), largest),
    ):
        assert value_of(loss, masks, logits) == pytest.approx(expected)


def test_an_image_without_the_object_is_no_image_of_a_mean():
    masks, logits = masks_and_logits(void=0, labels=1)
    masks[1] = 0
    for kind in (losses.Dice, losses.LovaszSoftmax):
        one = value_of(kind(), masks[:1], logits[:1])
        both = value_of(kind(per_image=True), masks, logits)
        assert both == pytest.approx(one, rel=1e-5)


def test_weights_of_labels():
    """One for each: `Σ c·v / Σ c` over all labels of all pixels."""
    masks, logits = masks_and_logits(labels=LABELS)
    weights = np.array([1.0, 2.0, 5.0])
    valid = masks != 255
    p = sigmoid(logits)
    values = -np.log(np.where(masks == 1, p, 1 - p))
    expected = (values * valid * weights).sum() / (valid * weights).sum()
    loss = losses.CrossEntropy(class_weights=weights)
    assert value_of(loss, masks, logits) == pytest.approx(expected, rel=1e-5)
    sample = np.random.default_rng(2).random(masks.shape)
    expected = (values * valid * sample).sum() / valid.sum()
    loss = losses.CrossEntropy()
    found = value_of(loss, masks, logits, sample.astype("float32"))
    assert found == pytest.approx(expected, rel=1e-5)
    with pytest.raises(ValueError, match="one a label of it"):
        value_of(loss, masks, logits, sample[..., :2])


@pytest.mark.parametrize(("name", "labels"), EACH)
def test_probabilities_are_understood(name, labels):
    masks, logits = masks_and_logits(labels=labels)
    p = sigmoid(logits).astype("float32")
    loss = EVERY[name](from_logits=False)
    expected = value_of(EVERY[name](), masks, logits)
    assert value_of(loss, masks, p) == pytest.approx(expected, rel=1e-4)
    np.testing.assert_allclose(
        gradient_of(loss, masks, p) * p * (1 - p),
        gradient_of(EVERY[name](), masks, logits),
        rtol=1e-3,
        atol=1e-6,
    )
    with pytest.raises(ValueError, match="outside of 0...1"):
        value_of(loss, masks, logits)


@pytest.mark.once
def test_a_mask_of_other_labels_is_refused():
    masks, logits = masks_and_logits(labels=LABELS)
    for wrong in (masks[..., :2], masks[:, :2]):
        with pytest.raises(ValueError, match="0 and 1 for each label"):
            value_of(losses.CrossEntropy(), wrong, logits)
    with pytest.raises(ValueError, match="each of the 3"):
        value_of(losses.CrossEntropy(class_weights=[1, 2]), masks, logits)
