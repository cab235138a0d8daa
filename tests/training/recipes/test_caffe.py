"""Steps of the recipes against Caffe's rule in NumPy."""

import keras
import numpy as np
import pytest

from keras_seg import optimizers
from keras_seg.applications import DeepLabV2
from keras_seg.losses import CrossEntropy
from keras_seg.training import recipes
from tests.networks import randomize

# Larger than the paper's, which `test_numbers.py` asserts: in float32 a decay
# of 5e-4 would be lost beside the gradient.
RATE, STEPS, DECAY, MOMENTUM = 0.01, 10, 0.5, 0.9
CLASSES = 3


def backbone():
    """Stride 8, with batch norm; far less to compile than a ResNet."""
    layers = [keras.Input((None, None, 3))]
    for width in (4, 6, 8):
        layers.append(keras.layers.Conv2D(width, 3, 2, "same"))
        layers.append(keras.layers.BatchNormalization())
        layers.append(keras.layers.ReLU())
    return keras.Sequential(layers)


def batches(count):
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 255, (count, 1, 33, 41, 3)).astype("float32")
    masks = rng.integers(0, CLASSES, (count, 1, 33, 41)).astype("int32")
    masks[:, :, :9] = 255
    return images, masks


def plain_copy(model):
    """The network with the plain loss, and steps that are its gradients."""
    copy = keras.models.clone_model(model)
    for layer in copy.layers:
        layer.trainable = model.get_layer(layer.name).trainable
    for variable in copy.trainable_variables:
        variable.regularizer = None
    copy.compile(keras.optimizers.SGD(1.0), CrossEntropy(stride=8))
    return copy


def gradients(copy, model, images, masks):
    """Of the plain loss, without decay, by a step of SGD with the rate 1."""
    copy.set_weights(model.get_weights())
    before = values(copy)
    copy.train_on_batch(images, masks)
    return [b - a for a, b in zip(values(copy), before, strict=True)]


def values(model):
    return [
        keras.ops.convert_to_numpy(v).astype("float64")
        for v in model.trainable_variables
    ]


def test_steps_of_deeplab_v2_are_caffes():
    """papers.md 2.4: V ← μV + λ·m·(g + d·w), w ← w - V; 13.4: poly 0.9, d on
    kernels alone, m = 10 and 20 for the scores, 2 for other biases; batch
    norm is frozen."""
    options = {"classes": CLASSES, "atrous_rates": (6, 12), "dropout": 0.0}
    model = randomize(DeepLabV2(backbone(), **options))
    arguments = recipes.deeplab_v2(
        model, STEPS, learning_rate=RATE, weight_decay=DECAY
    )
    model.compile(**arguments)
    names = [v.path for v in model.trainable_variables]
    assert not any("gamma" in name or "beta" in name for name in names)
    scores = [v for x in recipes.score_layers(model) for v in x.weights]
    assert len(scores) == 4  # Two rates, a kernel and biases each.
    multipliers, decays = [], []
    for variable in model.trainable_variables:
        is_bias = variable.path.split("/")[-1] == "bias"
        is_score = any(variable is v for v in scores)
        multipliers.append((10 if is_score else 1) * (2 if is_bias else 1))
        decays.append(0.0 if is_bias else DECAY)
    expected = values(model)
    velocities = [np.zeros_like(w) for w in expected]
    plain = plain_copy(model)
    for step, (image, mask) in enumerate(zip(*batches(3), strict=True)):
        rate = RATE * (1 - step / STEPS) ** 0.9
        slopes = gradients(plain, model, image, mask)
        start = values(model)
        for i, (w, g) in enumerate(zip(start, slopes, strict=True)):
            velocities[i] = MOMENTUM * velocities[i] + rate * multipliers[i] * (
                g + decays[i] * w
            )
            expected[i] = w - velocities[i]
        model.train_on_batch(image, mask)
        for name, w, new, old in zip(
            names, expected, values(model), start, strict=True
        ):
            # As a share of the step: float32 keeps 1e-7 of the weight.
            allowed = 1e-3 * np.abs(w - old).max() + 2e-7 * np.abs(w).max()
            assert np.abs(new - w).max() <= allowed, name


def test_accumulated_batches_are_averaged():
    """Caffe's iter_size: the gradient of an update is their mean."""
    image = keras.Input((2,))
    model = keras.Model(image, keras.layers.Dense(1, name="fc8")(image))
    start = [np.array([[1.0], [2.0]]), np.array([0.5])]
    results = []
    x = np.array([[[1.0, 2.0]], [[-3.0, 0.5]]])
    y = np.array([[[1.0]], [[0.0]]])
    for accumulation in (1, 2):
        model.set_weights(start)
        optimizer = optimizers.CaffeSGD(
            0.1,
            multipliers={"bias$": 2.0},
            gradient_accumulation_steps=2 if accumulation == 2 else None,
        )
        model.compile(optimizer, "mse")
        if accumulation == 1:
            model.train_on_batch(x.reshape(2, 2), y.reshape(2, 1))
        else:
            for i in range(2):
                model.train_on_batch(x[i], y[i])
        results.append(model.get_weights())
    for one, two in zip(*results, strict=True):
        np.testing.assert_allclose(two, one, rtol=1e-6)
    # d mse / d bias = mean of 2·(prediction - y) = 2·((5.5 - 1) + (-1.5))/2.
    assert results[0][1][0] == pytest.approx(0.5 - 0.1 * 2 * 3.0, rel=1e-5)


def test_a_multiplier_of_no_weight():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(optimizers.CaffeSGD(multipliers={"^fc9": 10.0}), "mse")
    with pytest.warns(UserWarning, match=r"'\^fc9' is that of no weight"):
        model.train_on_batch(np.ones((1, 2)), np.ones((1, 1)))
    with pytest.raises(ValueError, match="Received: multipliers="):
        optimizers.CaffeSGD(multipliers={"bias": -1})


def test_saved_with_its_state(tmp_path):
    image = keras.Input((2,))
    model = keras.Model(image, keras.layers.Dense(1, name="fc8")(image))
    recipes.add_weight_decay(model, 0.5)
    schedule = keras.optimizers.schedules.PolynomialDecay(0.1, 10)
    optimizer = optimizers.CaffeSGD(schedule, multipliers={"^fc8": 3.0})
    model.compile(optimizer, "mse")
    x, y = np.ones((1, 2)), np.zeros((1, 1))
    model.train_on_batch(x, y)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    assert loaded.optimizer.multipliers == {"^fc8": 3.0}
    assert len(loaded.losses) == 1
    for trained in (model, loaded):
        trained.train_on_batch(x, y)
    for one, two in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_allclose(two, one, rtol=1e-6)
