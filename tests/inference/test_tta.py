import keras
import numpy as np
import pytest
from keras import layers

from keras_seg.inference import predict_turned
from tests.networks import outputs
from tests.networks import randomize


def echo(scale=1.0):
    """A model whose scores are the channels."""
    image = keras.Input((None, None, 3))
    return keras.Model(image, scale * image)


def uneven(classes=3, seed=0, activation=None):
    """A network that sees left, right, above and below differently."""
    image = keras.Input((None, None, 3))
    x = layers.Conv2D(classes, 3, padding="same", activation=activation)(image)
    return randomize(keras.Model(image, x), seed)


def picture(*size, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(0, 2, (*size, 3)).astype("float32")


def softmax(x):
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


# Of the eight, as of the group they are, any two make one of the eight.
EIGHT = [
    lambda x, turns=turns, flip=flip: np.rot90(x[::flip], turns)
    for turns in range(4)
    for flip in (1, -1)
]


@pytest.mark.parametrize("size", [(1, 1), (4, 7), (6, 6)])
def test_what_a_pixel_says_survives_exactly(size):
    rng = np.random.default_rng(0)
    p = rng.dirichlet([1, 1, 1], size).astype("float32")
    found = predict_turned(echo(), p, from_logits=False)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, p)


def test_logits_go_through_a_softmax():
    image = picture(4, 7) - 1
    np.testing.assert_allclose(
        predict_turned(echo(3.0), image, from_logits=True),
        softmax(3 * image),
        rtol=1e-5,
    )


@pytest.mark.parametrize("turn", EIGHT[1:])
def test_turning_the_image_turns_the_prediction(turn):
    """It does not turn that of the network alone."""
    model, image = uneven(), picture(4, 7)
    found = predict_turned(model, image)
    turned = turn(image)
    np.testing.assert_allclose(
        predict_turned(model, turned), turn(found), atol=1e-6
    )
    alone = softmax(outputs(model, np.stack([image]))[0])
    gap = softmax(outputs(model, turned[None].copy())[0]) - turn(alone)
    assert np.abs(gap).max() > 1e-3


def test_the_mean_of_all_versions_and_models():
    """Written out: a convolution turned is one of the turned kernel."""
    models = [uneven(seed=0), uneven(seed=1)]
    image = picture(5, 6)
    versions = []
    for model in models:
        kernel, bias = model.get_weights()
        for turn in EIGHT:
            other = uneven()
            other.set_weights([turn(kernel), bias])
            versions.append(softmax(outputs(other, image[None])[0]))
    np.testing.assert_allclose(
        predict_turned(models, image), np.mean(versions, axis=0), atol=1e-6
    )


def test_refused():
    image = picture(4, 5)
    with pytest.raises(ValueError, match=r"Received: shape \(4, 5\)"):
        predict_turned(echo(), image[..., 0])
    with pytest.raises(ValueError, match="at least one. Received: model="):
        predict_turned([], image)
    with pytest.raises(ValueError, match=r"same classes.*of \[3, 4\]"):
        predict_turned([uneven(), uneven(4)], image)
    with pytest.raises(ValueError, match="Received: from_logits=False"):
        predict_turned(uneven(), image, from_logits=False)
    with pytest.raises(ValueError, match="ends in a softmax.*=True"):
        predict_turned(uneven(activation="softmax"), image, from_logits=True)
    inputs = keras.Input((None, None, 3))
    coarse = keras.Model(inputs, layers.Conv2D(2, 1, strides=2)(inputs))
    with pytest.raises(ValueError, match="at the size of the image"):
        predict_turned(coarse, image)
