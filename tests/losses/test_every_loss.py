"""What holds for each of the losses: many pixels, dtypes, probabilities."""

import keras
import numpy as np
import pytest

from keras_seg import losses
from keras_seg import metrics
from tests.loss_check import CLASSES
from tests.loss_check import gradient_of
from tests.loss_check import masks_and_logits
from tests.loss_check import probabilities
from tests.loss_check import value_of

EVERY = {
    "mean": losses.CrossEntropy,
    "weighted": lambda **x: losses.CrossEntropy(class_weights=[1, 2, 3], **x),
    "per_image": lambda **x: losses.CrossEntropy(reduction="per_image", **x),
    "dice": losses.Dice,
    "tversky": lambda **x: losses.Tversky(per_image=True, **x),
    "focal": losses.Focal,
    "lovasz": losses.LovaszSoftmax,
    "hardest": losses.OnlineHardExamples,
    "sum": lambda **x: losses.Sum(
        [losses.Dice(**x), losses.CrossEntropy(**x)], [0.3, 0.7]
    ),
}


@pytest.fixture(params=EVERY)
def loss(request):
    return EVERY[request.param]()


@pytest.fixture(params=EVERY)
def of_probabilities(request):
    return EVERY[request.param](from_logits=True), EVERY[request.param](
        from_logits=False
    )


@pytest.fixture(params=["float64", "bfloat16", "float16"])
def floatx(request):
    keras.config.set_floatx(request.param)
    yield request.param
    keras.config.set_floatx("float32")


def test_many_pixels(loss):
    """An image laid out side by side many times has the loss of one.

    Added one after the other in float32, as TensorFlow adds along another
    axis than the last, two million pixels are off by 5e-4, a hundred
    million by half.
    """
    masks, logits = masks_and_logits()
    expected = value_of(loss, masks, logits)
    masks = np.tile(masks, (1, 100, 100))
    logits = np.tile(logits, (1, 100, 100, 1))
    assert value_of(loss, masks, logits) == pytest.approx(expected, rel=2e-6)


@pytest.mark.slow
def test_more_pixels_than_a_float32_counts():
    """2^24 + 1 is no float32; by formula of the Jaccard loss: of 2^25 pixels
    of class 0, half are found."""
    masks = np.zeros((1, 2**12, 2**13), "uint8")
    logits = np.zeros((*masks.shape, 2), "float32")
    logits[:, ::2, :, 0] = logits[:, 1::2, :, 1] = 99
    assert value_of(losses.LovaszSoftmax(), masks, logits) == 0.5
    assert value_of(losses.Dice(), masks, logits) == pytest.approx(1 / 3)


def test_another_floatx(loss, floatx):
    """Values stay float32, which Keras's `fit` rounds to its `floatx`."""
    masks, logits = masks_and_logits()
    found = loss(masks, logits)
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    keras.config.set_floatx("float32")
    assert float(found) == value_of(loss, masks, logits)


@pytest.mark.filterwarnings("ignore:Explicitly requested dtype float64")
def test_training_with_another_floatx(floatx):
    """Two outputs, weights of pixels, and Keras's own loss beside ours."""
    keras_loss = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, ignore_class=255
    )
    loss = losses.Sum([losses.Dice(), keras_loss])
    inputs = keras.Input((None, None, CLASSES))
    heads = [keras.layers.Conv2D(CLASSES, 1)(inputs) for _ in range(2)]
    model = keras.Model(inputs, heads)
    found = [metrics.MeanIoU(CLASSES), metrics.PixelAccuracy(CLASSES)]
    model.compile(
        "sgd",
        **losses.deep_supervision(
            model, [loss, losses.CrossEntropy()], metrics=found
        ),
    )
    masks, logits = masks_and_logits()
    weights = np.ones(masks.shape, "float32")
    logs = model.train_on_batch(
        logits, [masks] * 2, [None, weights], return_dict=True
    )
    assert all(np.isfinite(float(value)) for value in logs.values())
    # The share of whole pixels, which half precision would round.
    counts = found[1].matrix()
    right = found[1].result()
    assert keras.backend.standardize_dtype(right.dtype) == "float32"
    assert float(right) == pytest.approx(
        np.trace(counts) / counts.sum(), rel=1e-6
    )


def test_probabilities_are_understood(of_probabilities):
    """The same value, and the same slope as through the softmax."""
    of_logits, loss = of_probabilities
    masks, logits = masks_and_logits()
    p = probabilities(logits).astype("float32")
    expected = value_of(of_logits, masks, logits)
    assert value_of(loss, masks, p) == pytest.approx(expected, rel=1e-5)
    # Of log p, of which p is the slope by p.
    np.testing.assert_allclose(
        gradient_of(loss, masks, p) * p,
        gradient_of(of_logits, masks, logits),
        rtol=1e-3,
        atol=1e-6,
    )
    sure = np.eye(CLASSES, dtype="float32")[masks % CLASSES]
    masks = np.where(masks == 255, 255, masks % CLASSES)
    assert value_of(loss, masks, sure) == pytest.approx(0, abs=1e-6)


def test_probabilities_are_no_logits(of_probabilities):
    """Nor the other way round."""
    masks, logits = masks_and_logits()
    p = probabilities(logits).astype("float32")
    half = keras.ops.cast(p, "bfloat16")
    for loss, wrong, match in (
        (of_probabilities[0], p, "from_logits=False for the loss"),
        (of_probabilities[0], half, "classifier_activation=None"),
        (of_probabilities[1], logits, "from_logits=True for the loss"),
    ):
        with pytest.raises(ValueError, match=match):
            value_of(loss, masks, wrong)


def test_probabilities_in_a_compiled_step():
    masks, logits = masks_and_logits()
    inputs = keras.Input((None, None, CLASSES))
    model = keras.Model(inputs, keras.layers.Softmax()(inputs))
    model.compile("sgd", losses.CrossEntropy())
    try:
        assert np.isnan(model.test_on_batch(logits, masks))
    except ValueError as error:  # PyTorch compiles nothing.
        assert "from_logits=False" in str(error)


def test_more_classes_than_the_void_leaves():
    """As the metrics refuse; class 255 would count for nothing."""
    masks = np.full((1, 2, 2), 255)
    logits = np.zeros((1, 2, 2, 300), "float32")
    with pytest.raises(ValueError, match="255 would be left out as void"):
        losses.CrossEntropy()(masks, logits)
    for void in (-1, None):
        value = value_of(losses.CrossEntropy(void), masks, logits)
        assert value == pytest.approx(np.log(300), rel=1e-6)
