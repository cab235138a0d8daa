import keras
import numpy as np
import pytest

from keras_seg.data import ClassTable
from keras_seg.metrics import MeanIoU
from keras_seg.training import RunWarning
from keras_seg.training.watch import StopAtNaN
from keras_seg.training.watch import WatchClasses
from keras_seg.training.watch import validation_matrix
from keras_seg.training.watch import warn_of_small_batches

CLASSES = ClassTable(("sky", "road"), ((0, 0, 0), (1, 1, 1)))
LOGS = {"val_loss": 1.0}


@pytest.fixture
def model():
    image = keras.Input((4, 4, 3))
    output = keras.layers.Conv2D(2, 1, kernel_initializer="zeros")(image)
    model = keras.Model(image, output)
    model.compile(
        "sgd",
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[MeanIoU(2)],
    )
    return model


def validate(model, rows=1):
    """Every pixel is predicted to be sky; so many rows of 4 are road."""
    masks = np.zeros((1, 4, 4), "int32")
    masks[:, :rows] = 1
    model.evaluate(np.zeros((1, 4, 4, 3), "float32"), masks, verbose=0)


def test_one_class(model):
    watch = WatchClasses(CLASSES)
    watch.set_model(model)
    validate(model)
    assert validation_matrix(model, LOGS).tolist() == [[12, 0], [4, 0]]
    watch.on_epoch_end(0, LOGS)
    with pytest.warns(RunWarning) as caught:
        watch.on_epoch_end(1, LOGS)
    (message,) = (w.message for w in caught if w.category is RunWarning)
    assert str(message).startswith(
        "Only 'sky' is predicted on the validation images, for 2 epochs; the "
        "shares of their pixels are sky 75.0 %, road 25.0 %."
    )
    watch.on_epoch_end(2, LOGS)  # once is enough


def test_where_there_is_one_class(model):
    watch = WatchClasses(CLASSES, patience=1)
    watch.set_model(model)
    validate(model, rows=0)
    watch.on_epoch_end(0, LOGS)


def test_two_classes(model):
    watch = WatchClasses(CLASSES, patience=1)
    watch.set_model(model)
    model.layers[-1].bias.assign([0.0, 1.0])
    validate(model, rows=4)
    watch.on_epoch_end(0, {})  # those of training do not count
    validate(model, rows=2)
    model.layers[-1].bias.assign([1.0, 0.0])
    images, masks = np.zeros((1, 4, 4, 3)), np.zeros((1, 4, 4), "int32")
    model.test_on_batch(images.astype("float32"), masks)
    watch.on_epoch_end(0, LOGS)


def test_no_matrix(model):
    assert validation_matrix(model, {"loss": 1.0}) is None
    model.compile("sgd", "mse")
    assert validation_matrix(model, LOGS) is None


def test_small_batches():
    image = keras.Input((4, 4, 3))
    inner = keras.Sequential([keras.layers.BatchNormalization()])
    model = keras.Model(image, inner(image))
    with pytest.warns(RunWarning, match="1 layers of batch normalization are"):
        warn_of_small_batches(model, 3)
    warn_of_small_batches(model, 4)
    inner.trainable = False
    warn_of_small_batches(model, 1)


def test_stop_at_nan(model):
    stop = StopAtNaN()
    stop.set_model(model)
    model.stop_training = False
    stop.on_train_batch_end(0, {"loss": 1.0})
    assert not model.stop_training
    stop.on_train_batch_end(0, {"loss": np.float32("nan")})
    assert model.stop_training
