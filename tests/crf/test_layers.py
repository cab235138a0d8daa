import keras
import numpy as np
import pytest
from keras import ops

from keras_seg import dense_crf
from keras_seg.crf import CRFAsRNN
from keras_seg.crf import DenseCRF
from tests.gradients import gradient
from tests.layer_check import assert_close
from tests.layer_check import check_layer

SETTINGS = {
    "iterations": 2,
    "gaussian": {"sxy": 2, "weight": 3.0},
    "bilateral": {"sxy": 9, "srgb": 13, "weight": 4.0},
}


def draw(batch=2, classes=3):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(batch, 6, 8, classes)).astype("float32")
    image = rng.integers(0, 256, size=(batch, 6, 8, 3)).astype("float32")
    image[:, :, 3:] = image[:, :1, :1]
    return logits, image


@pytest.mark.parametrize("normalization", ["after", "symmetric"])
def test_dense_crf(normalization):
    logits, image = draw()
    config = {**SETTINGS, "normalization": normalization}
    expected = dense_crf(image, logits, return_logits=True, **config)
    config["compatibility"] = [[0.0, 1, 1], [1, 0, 1], [1, 1, 0]]
    penalized = dense_crf(image, logits, return_logits=True, **config)
    # Potts' penalties take the same from all classes, besides.
    np.testing.assert_allclose(
        *(ops.convert_to_numpy(ops.softmax(x)) for x in (expected, penalized)),
        atol=1e-5,
    )
    found = DenseCRF(**config)(logits, image)
    assert_close(found, penalized)
    if normalization == "symmetric":
        check_layer(DenseCRF, config, (logits, image))


def test_crf_as_rnn_starts_as_dense_crf():
    logits, image = draw()
    expected = dense_crf(image, logits, return_logits=True, **SETTINGS)
    check_layer(
        CRFAsRNN,
        {**SETTINGS, "training_iterations": 1},
        (logits, image),
        expected_output=expected,
        trainable_weights=3,
    )


def test_training_has_iterations_of_its_own():
    logits, image = draw(batch=1)
    layer = CRFAsRNN(**{**SETTINGS, "iterations": 1}, training_iterations=3)
    for training, iterations in ((False, 1), (True, 3)):
        y = layer(logits, image, training=training)
        settings = {**SETTINGS, "iterations": iterations}
        expected = dense_crf(image, logits, return_logits=True, **settings)
        np.testing.assert_allclose(
            ops.convert_to_numpy(y), ops.convert_to_numpy(expected), atol=1e-5
        )


def test_formula_of_crf_as_rnn():
    """One step, written out: the filters from settings with one kernel."""
    logits, image = draw(batch=1)
    layer = CRFAsRNN(**{**SETTINGS, "iterations": 1})
    layer(logits, image)
    rng = np.random.default_rng(1)
    weights = [rng.normal(size=w.shape) for w in layer.weights]
    layer.set_weights(weights)
    penalties, gaussian, bilateral = weights
    messages = 0
    for name, matrix in (("gaussian", gaussian), ("bilateral", bilateral)):
        alone = {"iterations": 1, "gaussian": None, "bilateral": None}
        alone[name] = {**SETTINGS[name], "weight": 1.0}
        y = dense_crf(image, logits, return_logits=True, **alone)
        filtered = ops.convert_to_numpy(y) - logits
        np.testing.assert_allclose(filtered.sum(axis=-1), 1, atol=1e-5)
        messages = messages + filtered @ matrix.T
    expected = logits - messages @ penalties.T
    np.testing.assert_allclose(
        ops.convert_to_numpy(layer(logits, image)), expected, atol=2e-5
    )


def test_gradients_of_weights_by_finite_differences():
    """Within 1 % of central differences."""
    logits, image = draw(batch=1)
    upstream = np.random.default_rng(1).normal(size=logits.shape)
    upstream = upstream.astype("float32")
    layer = CRFAsRNN(**SETTINGS)
    layer(logits, image)
    start = layer.get_weights()
    for number in range(3):

        def run(values, number=number):
            state = [*map(ops.convert_to_tensor, start)]
            state[number] = values
            return layer.stateless_call(state, [], logits, image)[0]

        got = gradient(run, start[number], upstream)
        direction = np.sign(got).astype("float32")
        step = 1e-2

        def loss(values, run=run):
            y = ops.convert_to_numpy(run(ops.convert_to_tensor(values)))
            return (y.astype(np.float64) * upstream).sum()

        ahead = loss(start[number] + step * direction)
        behind = loss(start[number] - step * direction)
        expected = (ahead - behind) / (2 * step)
        assert abs((got * direction).sum() - expected) < 0.01 * abs(expected)


def test_fit_learns_weights(parity):
    """A network in front and the CRF's own weights, trained together."""
    labels = np.zeros((4, 6, 8), "int32")
    labels[:, :, 5:] = labels[:2, 3:] = 1
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(*labels.shape, 3)) * 40
    image = (90 + 60 * labels[..., None] + noise).astype("float32")
    inputs = keras.Input((6, 8, 3))
    x = keras.layers.Rescaling(1 / 127.5, -1)(inputs)
    scores = keras.layers.Conv2D(2, 1)
    crf = CRFAsRNN(
        iterations=3,
        gaussian={"sxy": 2, "weight": 0.5},
        bilateral={"sxy": 9, "srgb": 60, "weight": 0.5},
    )
    model = keras.Model(inputs, crf(scores(x), inputs))
    model.compile(
        keras.optimizers.Adam(0.02),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    kernel = np.array([[-1, 1]] * 3) / 3
    scores.set_weights([kernel[None, None], np.zeros(2)])
    before = model.get_weights()
    losses = model.fit(image, labels, epochs=10, batch_size=4, verbose=0)
    losses = losses.history["loss"]
    assert losses[-1] < 0.7 * losses[0], losses
    parity("crf_as_rnn_losses", losses)
    for old, new in zip(before, model.get_weights(), strict=True):
        assert np.abs(old - new).max() > 1e-3


@pytest.mark.parametrize("kind", [DenseCRF, CRFAsRNN])
def test_one_logit_is_that_of_two_classes(kind):
    """Beside it the other is 0: the softmax knows only the difference."""
    logits, image = draw()
    two = np.concatenate([0 * logits[..., :1], logits[..., :1]], axis=-1)
    expected = ops.convert_to_numpy(kind(**SETTINGS)(two, image))
    found = ops.convert_to_numpy(kind(**SETTINGS)(two[..., 1:], image))
    assert found.shape == (*two.shape[:-1], 1)
    np.testing.assert_allclose(
        found[..., 0], expected[..., 1] - expected[..., 0], atol=1e-3
    )
    inputs = keras.Input((None, None, 1)), keras.Input((None, None, 3))
    assert kind(**SETTINGS)(*inputs).shape == (None, None, None, 1)


def test_bad_input():
    logits, image = draw()
    with pytest.raises(ValueError, match="of one size"):
        DenseCRF()(logits, image[:, 1:])
    with pytest.raises(ValueError, match="two classes"):
        DenseCRF()(logits[..., :0], image)
    with pytest.raises(ValueError, match="one for each channel"):
        DenseCRF(bilateral={"srgb": (3, 4)})(logits, image)
    with pytest.raises(ValueError, match="matrix of penalties"):
        DenseCRF(compatibility=np.eye(2))(logits, image)
    with pytest.raises(ValueError, match="training_iterations=0"):
        CRFAsRNN(training_iterations=0)


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="a format of TensorFlow"
)
def test_saved_model_of_any_size(tmp_path):
    """The lattice is part of the graph: no Python when it is served."""
    import tensorflow as tf

    inputs = keras.Input((None, None, 3)), keras.Input((None, None, 3))
    model = keras.Model(inputs, DenseCRF(**SETTINGS)(*inputs))
    model.export(tmp_path, verbose=False)
    served = tf.saved_model.load(tmp_path).serve
    logits, image = draw()
    for rows in (6, 4):
        part = [x[:, :rows] for x in (logits, image)]
        np.testing.assert_allclose(
            served(tuple(map(tf.constant, part))),
            model.predict(part, verbose=0),
            atol=1e-5,
        )
