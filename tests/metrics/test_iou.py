"""MeanIoU by hand, and inside `fit`, on this run's backend."""

import keras
import numpy as np
import pytest

from keras_seg.metrics import MeanIoU
from keras_seg.metrics import scores

GOLDEN = np.array([[50, 5, 0], [4, 30, 1], [0, 10, 0]])
CLASSES = 3


def pixels_of(matrix):
    """Truth and prediction with this confusion matrix."""
    rows, columns = np.indices(matrix.shape).reshape(2, -1)
    repeats = matrix.ravel()
    return np.repeat(rows, repeats)[None], np.repeat(columns, repeats)[None]


def data(seed=0, images=6):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(images, 8, 10, 4)).astype("float32")
    y = x[..., :CLASSES].argmax(-1).astype("uint8")
    y[rng.random(y.shape) < 0.1] = 255
    return x, y


def network(seed=0):
    inputs = keras.Input((None, None, 4))
    outputs = keras.layers.Conv2D(
        CLASSES,
        1,
        kernel_initializer=keras.initializers.GlorotUniform(seed),
    )(inputs)
    return keras.Model(inputs, outputs)


def compiled(metric, learning_rate=0.5, **arguments):
    model = network()
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, ignore_class=255
        ),
        metrics=[metric],
        **arguments,
    )
    return model


def in_numpy(model, x, y):
    """The scores of the whole set, by the formulas in NumPy."""
    prediction = keras.ops.convert_to_numpy(model(x)).argmax(-1)
    valid = y != 255
    pairs = CLASSES * y[valid].astype(int) + prediction[valid]
    matrix = np.bincount(pairs, minlength=CLASSES**2)
    return scores(matrix.reshape(CLASSES, CLASSES))


def test_golden_example():
    metric = MeanIoU(3)
    metric.update_state(*pixels_of(GOLDEN))
    result = metric.result()
    assert keras.backend.standardize_dtype(result.dtype) == "float32"
    assert tuple(result.shape) == ()
    assert float(result) == pytest.approx(0.48249, abs=5e-6)
    np.testing.assert_allclose(
        metric.per_class(), [0.84746, 0.60000, 0.00000], atol=5e-6
    )


@pytest.mark.parametrize("absent_classes", ["union", "truth"])
@pytest.mark.parametrize("scale", [1, 10**6, 10**13])
def test_the_tensor_and_the_array_agree(absent_classes, scale):
    rng = np.random.default_rng(scale % 97)
    matrix = rng.integers(0, 40, (7, 7)) * scale
    matrix[2] = 0  # predicted, not in the truth
    matrix[:, 4] = 0  # in the truth, never predicted
    matrix[5] = matrix[:, 5] = 0  # in neither
    metric = MeanIoU(7, absent_classes=absent_classes)
    metric.merge(matrix)
    expected = scores(matrix, absent_classes)
    assert float(metric.result()) == pytest.approx(expected.mean_iou, 1e-6)
    np.testing.assert_array_equal(metric.per_class(), expected.per_class_iou)
    assert np.isnan(metric.per_class()[5])
    assert np.isnan(metric.per_class()[2]) == (absent_classes == "truth")


def test_it_is_not_the_mean_over_images():
    # One image right (1 pixel of class 1), one wrong (3 of 4 pixels).
    truth = np.array([[0, 0, 0, 1], [1, 1, 1, 0]])
    prediction = np.array([[0, 0, 0, 1], [0, 0, 0, 0]])
    metric = MeanIoU(2)
    for y_true, y_pred in zip(truth, prediction, strict=True):
        metric.update_state(y_true[None], y_pred[None])
    # Class 0: 4 of 4 + 3; class 1: 1 of 4.
    assert float(metric.result()) == pytest.approx((4 / 7 + 1 / 4) / 2)


def test_no_pixel_and_a_wrong_id_are_nan():
    metric = MeanIoU(2)
    assert np.isnan(float(metric.result()))
    assert np.isnan(metric.per_class()).all()
    metric.update_state([[0, 1, 3]], [[0, 1, 1]])
    assert np.isnan(float(metric.result()))
    with pytest.raises(ValueError, match="1 pixels of y_true"):
        metric.per_class()
    metric.reset_state()
    metric.update_state([[0, 1, 1]], [[0, 1, 1]])
    assert float(metric.result()) == 1.0


def test_fit_and_evaluate_give_the_value_of_the_whole_set():
    x, y = data()
    x_val, y_val = data(seed=1, images=4)
    metric = MeanIoU(CLASSES)
    model = compiled(metric)
    before = in_numpy(model, x_val, y_val).mean_iou
    history = model.fit(
        x,
        y[..., None],
        batch_size=2,
        epochs=3,
        validation_data=(x_val, y_val[..., None]),
        verbose=0,
    ).history
    expected = in_numpy(model, x_val, y_val)
    assert history["val_mean_iou"][-1] == pytest.approx(
        expected.mean_iou, abs=1e-6
    )
    assert expected.mean_iou > before
    # Batches of 3 and 1.
    logs = model.evaluate(
        x_val, y_val[..., None], batch_size=3, verbose=0, return_dict=True
    )
    assert logs["mean_iou"] == pytest.approx(expected.mean_iou, abs=1e-6)
    np.testing.assert_allclose(metric.per_class(), expected.per_class_iou)
    assert metric.matrix().sum() == (y_val != 255).sum()


def test_the_training_metric_is_that_of_the_epoch():
    x, y = data()
    model = compiled(MeanIoU(CLASSES), learning_rate=0.0)
    history = model.fit(x, y, batch_size=4, epochs=2, verbose=0).history
    expected = in_numpy(model, x, y).mean_iou
    np.testing.assert_allclose(history["mean_iou"], [expected] * 2, atol=1e-6)


def test_a_wrong_id_is_seen_in_fit():
    x, y = data()
    y[0, 0, 0] = CLASSES
    metric = MeanIoU(CLASSES)
    model = network()
    # A loss that takes any id, so that only the metric can see it.
    model.compile(
        "sgd", loss=lambda y_true, y_pred: y_pred[..., 0], metrics=[metric]
    )
    history = model.fit(x, y, batch_size=2, epochs=1, verbose=0).history
    assert np.isnan(history["mean_iou"][0])
    with pytest.raises(ValueError, match="1 pixels of y_true"):
        metric.per_class()


def test_jit_compiled():
    if keras.config.backend() != "tensorflow":
        pytest.skip("JAX always compiles; torch.compile takes a minute")
    x, y = data()
    metric = MeanIoU(CLASSES)
    model = compiled(metric, jit_compile=True)
    model.fit(x, y, batch_size=2, epochs=1, verbose=0)
    value = model.evaluate(x, y, batch_size=2, verbose=0, return_dict=True)
    assert value["mean_iou"] == pytest.approx(
        in_numpy(model, x, y).mean_iou, abs=1e-6
    )


def test_callbacks_know_that_more_is_better(tmp_path):
    x, y = data()
    model = compiled(MeanIoU(CLASSES), learning_rate=0.05)
    path = str(tmp_path / "best.keras")
    stopping = keras.callbacks.EarlyStopping(
        monitor="val_mean_iou", patience=2, restore_best_weights=True
    )
    checkpoint = keras.callbacks.ModelCheckpoint(
        path, monitor="val_mean_iou", save_best_only=True
    )
    history = model.fit(
        x,
        y,
        epochs=4,
        validation_data=(x, y),
        callbacks=[stopping, checkpoint],
        verbose=0,
    ).history["val_mean_iou"]
    assert stopping.best == pytest.approx(max(history))
    assert checkpoint.best == pytest.approx(max(history))
    assert len(history) == 4


def test_a_saved_model_keeps_its_metric(tmp_path):
    x, y = data()
    metric = MeanIoU(CLASSES, ignore_class=255, absent_classes="truth")
    model = compiled(metric)
    model.fit(x, y, epochs=1, verbose=0)
    path = tmp_path / "model.keras"
    model.save(path)
    loaded = keras.saving.load_model(path, safe_mode=True)
    expected = model.evaluate(x, y, verbose=0, return_dict=True)
    logs = loaded.evaluate(x, y, verbose=0, return_dict=True)
    assert logs["mean_iou"] == pytest.approx(expected["mean_iou"], abs=1e-6)


def test_config_round_trip():
    metric = MeanIoU(5, -1, absent_classes="truth", name="iou")
    config = metric.get_config()
    assert config == {
        "name": "iou",
        "dtype": "float32",
        "num_classes": 5,
        "ignore_class": -1,
        "absent_classes": "truth",
        "multi_label": False,
        "threshold": 0.5,
        "from_logits": True,
    }
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(metric)
    )
    assert type(copy) is MeanIoU
    assert copy.get_config() == config


def test_unknown_rule():
    with pytest.raises(ValueError, match="Received: absent_classes='all'"):
        MeanIoU(3, absent_classes="all")


def test_half_precision_logits_under_a_mixed_policy():
    x, y = data()
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = compiled(MeanIoU(CLASSES))
        logits = model(x)
        assert keras.backend.standardize_dtype(logits.dtype) == "bfloat16"
        logits = keras.ops.convert_to_numpy(keras.ops.cast(logits, "float32"))
        logs = model.evaluate(x, y, batch_size=2, verbose=0, return_dict=True)
    finally:
        keras.config.set_dtype_policy(policy)
    metric = MeanIoU(CLASSES)
    metric.update_state(y, logits)
    # A bfloat16 has 8 bits: compiled and eager may round a few logits apart.
    assert logs["mean_iou"] == pytest.approx(float(metric.result()), abs=0.02)
