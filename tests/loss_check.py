"""One check that every loss passes, on every backend."""

import json

import keras
import numpy as np

from tests.gradients import gradient

__all__ = [
    "CLASSES",
    "check_loss",
    "gradient_of",
    "in_a_batch",
    "masks_and_logits",
    "probabilities",
    "value_of",
]

# One shape for all: JAX compiles for each.
SHAPE = (2, 4, 5)
CLASSES = 3


def masks_and_logits(seed=0, void=0.2, labels=None):
    """Masks of all classes with void pixels, and logits.

    With `labels`, masks of 0 and 1: of one label for one logit a pixel, or of
    several in their last axis.
    """
    rng = np.random.default_rng(seed)
    shape = SHAPE if labels in (None, 1) else (*SHAPE, labels)
    count = 2 if labels else CLASSES
    masks = rng.integers(0, count, shape).astype("uint8")
    masks[rng.random(shape) < void] = 255
    logits = rng.normal(size=(*SHAPE, labels or CLASSES))
    return masks, logits.astype("float32")


def in_a_batch(ids, probabilities):
    """A few pixels with these probabilities, in a batch that is void else.

    Args:
        ids: list of classes.
        probabilities: list of lists, the probabilities of a pixel; those of
            the classes that are not there are 0.

    Returns:
        Masks and logits of the shape of all tests.
    """
    masks = np.full(SHAPE, 255, "uint8")
    logits = np.zeros((*SHAPE, CLASSES), "float32")
    probabilities = np.array(probabilities)
    size, classes = probabilities.shape
    masks[0].flat[:size] = ids
    pixels = logits[0].reshape(-1, CLASSES)
    pixels[:size] = -200
    pixels[:size, :classes] = np.log(np.maximum(probabilities, 1e-80))
    return masks, logits


def probabilities(logits):
    """The softmax, in float64."""
    powers = np.exp(logits.astype("float64"))
    return powers / powers.sum(-1, keepdims=True)


def value_of(loss, masks, logits, weights=None):
    """The value of a loss, as a float."""
    return float(loss(masks, logits, weights))


def gradient_of(loss, masks, logits):
    """The gradient for the logits, as an array."""
    return gradient(lambda x: loss(masks, x), logits, 1.0)


def check_loss(loss, parity, labels=None):
    """Checks types, void, wrong ids, gradients, saving and training.

    Args:
        loss: of `keras_seg.losses`, with `ignore_class=255`.
        parity: the fixture, to compare values and gradients of the backends.
        labels: int or None, see `masks_and_logits`.
    """
    masks, logits = masks_and_logits(labels=labels)
    name = loss.name if labels is None else f"{loss.name}_{labels}_labels"
    void = masks == 255
    value = value_of(loss, masks, logits)
    result = loss(masks, logits)
    assert tuple(result.shape) == ()
    assert keras.backend.standardize_dtype(result.dtype) == "float32"
    assert np.isfinite(value) and value > 0
    slopes = gradient_of(loss, masks, logits)
    parity(f"loss_{name}", np.array(value))
    parity(f"loss_{name}_gradient", slopes)

    # The gradient is the slope of the value.
    way = np.random.default_rng(1).normal(size=logits.shape) * 1e-3
    ahead, behind = (value_of(loss, masks, logits + s * way) for s in (1, -1))
    expected = 2 * (slopes * way).sum()
    np.testing.assert_allclose(ahead - behind, expected, rtol=0.02, atol=2e-6)

    # Void pixels have no part in it.
    assert (slopes[void] == 0).all() and np.abs(slopes[~void]).max() > 0
    others = logits.copy()
    others[void] = 50.0
    assert value_of(loss, masks, others) == value
    nothing = np.full_like(masks, 255)
    assert value_of(loss, nothing, logits) == 0.0
    assert (gradient_of(loss, nothing, logits) == 0).all()

    # The forms of a mask, and of logits.
    whole = masks.astype("int32")
    column = whole if (labels or 1) > 1 else whole[..., None]
    for form in (column, masks.astype("float32")):
        np.testing.assert_allclose(
            value_of(loss, form, logits), value, rtol=1e-6
        )
    half = keras.ops.cast(logits, "bfloat16")
    result = loss(masks, half)
    assert keras.backend.standardize_dtype(result.dtype) == "float32"
    exact = keras.ops.convert_to_numpy(keras.ops.cast(half, "float32"))
    np.testing.assert_allclose(
        float(result), value_of(loss, masks, exact), rtol=1e-6
    )

    # A wrong id is not dropped; weights stay finite.
    count = 2 if labels else CLASSES
    for wrong in (count, -1, 254, 0.5, 2**24 + 1, np.nan):
        bad = whole.astype("float64")
        bad[0, 0, 0] = wrong
        assert np.isnan(value_of(loss, bad, logits)), wrong
    assert np.isfinite(gradient_of(loss, bad, logits)).all()

    # Saved and loaded.
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(loss)))
    copy = keras.saving.deserialize_keras_object(config)
    assert type(copy) is type(loss)
    assert copy.get_config() == loss.get_config()
    assert value_of(copy, masks, logits) == value

    # Compiled: the same value, and a step that lowers it.
    scores = logits.shape[-1]
    inputs = keras.Input((None, None, scores))
    outputs = keras.layers.Dense(scores, kernel_initializer="identity")
    model = keras.Model(inputs, outputs(inputs))
    model.compile(keras.optimizers.SGD(1e-2), loss)
    first, second = (model.train_on_batch(logits, masks) for _ in range(2))
    np.testing.assert_allclose(first, value, rtol=1e-5)
    assert second < first
