"""Cross-entropy against hand-computed numbers, NumPy, Keras and PyTorch."""

import keras
import numpy as np
import pytest

from keras_seg.losses import CrossEntropy
from keras_seg.losses import Focal
from tests.gradients import gradient
from tests.loss_check import CLASSES
from tests.loss_check import check_loss
from tests.loss_check import gradient_of
from tests.loss_check import in_a_batch
from tests.loss_check import masks_and_logits
from tests.loss_check import probabilities
from tests.loss_check import value_of

WEIGHTS = [0.5, 2.0, 3.0]


def in_numpy(masks, logits, reduction, class_weights=None, sample=1.0):
    """The reductions, by their formulas."""
    valid = masks != 255
    ids = np.where(valid, masks, 0)
    p = np.take_along_axis(probabilities(logits), ids[..., None], -1)[..., 0]
    share = valid * np.asarray(class_weights or [1.0] * CLASSES)[ids]
    terms = -np.log(p) * share * sample
    if reduction == "sum":
        return terms.sum()
    if reduction == "mean":
        return terms.sum() / share.sum()
    if reduction == "mean_over_pixels":
        return terms.sum() / valid.sum()
    images = [i for i in range(len(masks)) if valid[i].any()]
    return np.mean([terms[i].sum() / share[i].sum() for i in images])


def test_every_check(parity):
    check_loss(CrossEntropy(class_weights=WEIGHTS), parity)


def test_by_hand():
    """The loss of a pixel is -log of its class's probability."""
    masks, logits = in_a_batch([1, 0], [[0.5, 0.5], [0.25, 0.75]])
    terms = np.log(2), np.log(4)
    for weights, reduction, expected in (
        (None, "mean", sum(terms) / 2),
        (None, "sum", sum(terms)),
        ([1, 3, 9], "sum", 3 * terms[0] + terms[1]),
        ([1, 3, 9], "mean", (3 * terms[0] + terms[1]) / 4),
        ([1, 3, 9], "mean_over_pixels", (3 * terms[0] + terms[1]) / 2),
        ({1: 3}, "mean", (3 * terms[0] + terms[1]) / 4),
    ):
        loss = CrossEntropy(class_weights=weights, reduction=reduction)
        assert value_of(loss, masks, logits) == pytest.approx(
            expected, rel=1e-6
        )


def test_zero_scores():
    """papers.md 8.9: FCN's give ln 21 a pixel, as these of 3 classes ln 3."""
    masks, logits = masks_and_logits()
    logits = 0 * logits
    assert value_of(CrossEntropy(), masks, logits) == pytest.approx(
        np.log(CLASSES), 1e-6
    )
    total = value_of(CrossEntropy(reduction="sum"), masks, logits)
    assert total == pytest.approx(np.log(CLASSES) * (masks != 255).sum(), 1e-6)


@pytest.mark.parametrize("class_weights", [None, WEIGHTS])
@pytest.mark.parametrize(
    "reduction", ["mean", "mean_over_pixels", "per_image", "sum"]
)
def test_reductions_and_sample_weights(reduction, class_weights):
    masks, logits = masks_and_logits()
    loss = CrossEntropy(class_weights=class_weights, reduction=reduction)
    rng = np.random.default_rng(2)
    pixel = rng.random(masks.shape).astype("float32")
    image = np.array([0.25, 2.0], "float32")
    for weights, sample in (
        (None, 1.0),
        (pixel, pixel),
        (pixel[..., None], pixel),
        (image, image[:, None, None]),
        (image[:, None], image[:, None, None]),
    ):
        expected = in_numpy(masks, logits, reduction, class_weights, sample)
        actual = value_of(loss, masks, logits, weights)
        assert actual == pytest.approx(expected, rel=1e-5)


def test_an_image_that_is_void_is_no_image():
    masks, logits = masks_and_logits()
    masks[1] = 255
    expected = in_numpy(masks[:1], logits[:1], "mean")
    loss = CrossEntropy(reduction="per_image")
    assert value_of(loss, masks, logits) == pytest.approx(expected, rel=1e-6)
    assert (gradient_of(loss, masks, logits)[1] == 0).all()


def test_one_weight_an_image_where_images_are_as_wide_as_many():
    """Keras 3.15 takes `(batch,)` for weights of columns there."""
    masks = np.array([[[0, 0], [0, 0]], [[1, 1], [1, 1]]])
    logits = np.zeros((2, 2, 2, 2), "float32")
    logits[1, ..., 1] = 1.0
    only_first = CrossEntropy()(masks, logits, np.array([1.0, 0.0]))
    assert float(only_first) == pytest.approx(np.log(2) / 2, rel=1e-6)


def test_equal_to_keras():
    masks, logits = masks_and_logits()
    weights = np.random.default_rng(0).random(masks.shape).astype("float32")
    theirs = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, ignore_class=255
    )
    for sample in (None, weights):
        losses = [
            lambda x, loss=loss, sample=sample: loss(masks, x, sample)
            for loss in (CrossEntropy(), theirs)
        ]
        values = [float(loss(logits)) for loss in losses]
        assert values[0] == pytest.approx(values[1], rel=1e-6)
        slopes = [gradient(loss, logits, 1.0) for loss in losses]
        np.testing.assert_allclose(*slopes, atol=1e-7)


def test_equal_to_pytorch():
    if keras.backend.backend() != "torch":
        pytest.skip("PyTorch is the oracle")
    import torch

    masks, logits = masks_and_logits()
    for reduction in ("mean", "sum"):
        loss = CrossEntropy(class_weights=WEIGHTS, reduction=reduction)
        x = torch.tensor(np.moveaxis(logits, -1, 1), requires_grad=True)
        expected = torch.nn.functional.cross_entropy(
            x,
            torch.tensor(masks.astype("int64")),
            torch.tensor(WEIGHTS),
            ignore_index=255,
            reduction=reduction,
        )
        expected.backward()
        value = value_of(loss, masks, logits)
        assert value == pytest.approx(expected.item(), rel=1e-6)
        np.testing.assert_allclose(
            gradient_of(loss, masks, logits),
            np.moveaxis(x.grad.numpy(), 1, -1),
            atol=1e-6,
        )


def test_stride():
    """papers.md 2.4: label shrink by 8 is `labels[::8, ::8]`."""
    rng = np.random.default_rng(0)
    small = rng.normal(size=(1, 3, 4, CLASSES)).astype("float32")
    masks = rng.integers(0, CLASSES, (1, 17, 25)).astype("uint8")
    masks[0, 8, 8] = 255
    large = keras.ops.convert_to_numpy(_enlarge(small, (17, 25)))
    weights = rng.random(masks.shape).astype("float32")
    for sample, decimated in ((None, None), (weights, weights[:, ::8, ::8])):
        expected = CrossEntropy()(masks[:, ::8, ::8], small, decimated)
        actual = CrossEntropy(stride=8)(masks, large, sample)
        assert float(actual) == pytest.approx(float(expected), rel=1e-5)


def _enlarge(x, size):
    from keras_seg.ops import resize

    return resize(x, size, align_corners=True)


def test_other_void_labels():
    masks, logits = masks_and_logits()
    expected = value_of(CrossEntropy(), masks, logits)
    for void in (-1, 1000):
        renamed = np.where(masks == 255, void, masks.astype("int32"))
        loss = CrossEntropy(ignore_class=void)
        assert value_of(loss, renamed, logits) == pytest.approx(expected, 1e-6)
    assert np.isnan(value_of(CrossEntropy(ignore_class=None), masks, logits))
    # A class can be the one that is left out.
    renamed = np.where(masks == 255, 0, masks)
    expected = in_numpy(np.where(renamed == 0, 255, renamed), logits, "mean")
    loss = CrossEntropy(ignore_class=0)
    assert value_of(loss, renamed, logits) == pytest.approx(expected, 1e-6)


def test_sizes_known_only_when_run():
    """Weights for pixels in `fit`, and sizes that differ from step to step."""
    inputs = keras.Input((None, None, CLASSES))
    outputs = keras.layers.Dense(CLASSES, kernel_initializer="identity")
    model = keras.Model(inputs, outputs(inputs))
    model.compile(keras.optimizers.SGD(0.0), CrossEntropy(stride=2))
    masks, logits = masks_and_logits()
    weights = np.random.default_rng(0).random(masks.shape).astype("float32")
    for rows in (4, 3):
        part = (x[:, :rows] for x in (logits, masks, weights))
        x, y, w = (np.ascontiguousarray(a) for a in part)
        expected = in_numpy(
            *(a[:, ::2, ::2] for a in (y, x)), "mean", None, w[:, ::2, ::2]
        )
        actual = model.train_on_batch(x, y, w)
        assert float(actual) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"reduction": "none"}, "Received: reduction='none'"),
        ({"stride": 0}, "Received: stride=0"),
        ({"stride": 1.5}, "Received: stride=1.5"),
        ({"class_weights": [1, -1]}, r"Received: class_weights=\[1, -1\]"),
        ({"class_weights": {-1: 1}}, "Received: class_weights="),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        CrossEntropy(**arguments)


@pytest.mark.parametrize(
    ("masks", "classes", "message"),
    [
        ((2, 4, 4), 3, r"y_true of shape \(2, 4, 4\)"),
        ((2, 4, 5, 2), 3, r"y_true of shape \(2, 4, 5, 2\)"),
        ((2, 4, 5, 3), 1, r"y_pred of shape \(2, 4, 5, 1\)"),
    ],
)
def test_bad_shapes(masks, classes, message):
    with pytest.raises(ValueError, match=message):
        CrossEntropy()(np.zeros(masks), np.zeros((2, 4, 5, classes)))


def test_bad_weights():
    masks, logits = masks_and_logits()
    with pytest.raises(ValueError, match="Received: 2 weights"):
        CrossEntropy(class_weights=[1, 2])(masks, logits)
    with pytest.raises(ValueError, match="Received: id 3"):
        CrossEntropy(class_weights={3: 1})(masks, logits)
    with pytest.raises(ValueError, match=r"sample_weight of shape \(2, 5\)"):
        CrossEntropy()(masks, logits, np.ones((2, 5)))


def test_focal_every_check(parity):
    check_loss(Focal(class_weights=[0.5, 2.0, 3.0]), parity)


def test_focal_by_hand():
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
def test_focal_by_the_formula(gamma):
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
