import keras
import numpy as np
import pytest
from PIL import Image

from keras_seg.data import Batches
from keras_seg.data import ClassTable
from keras_seg.data import synthetic
from keras_seg.data.augment import RandomFlip
from keras_seg.metrics import MeanIoU
from keras_seg.runs import RunFolder
from keras_seg.runs import RunWarning
from keras_seg.training import SamplePanels
from keras_seg.training import SaveRun
from keras_seg.training import run_callbacks
from keras_seg.training.callbacks import WatchClasses
from keras_seg.training.callbacks import warn_of_small_batches
from keras_seg.training.save_run import validation_matrix

CLASSES = synthetic.MEMBRANE_CLASSES


def compiled():
    keras.utils.set_random_seed(0)
    image = keras.Input((None, None, 3))
    model = keras.Model(image, keras.layers.Conv2D(2, 3, padding="same")(image))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=[MeanIoU(2)])
    return model


@pytest.mark.once
def test_fit_of_ones_own(tmp_path):
    """Two epochs at once, and one after the other, end alike."""
    images, masks = synthetic.membranes(4, size=32)
    pairs = list(zip(images, masks, strict=True))
    held_out = Batches(pairs[:2], 2)
    ends = []
    for name, parts in (("at once", [2]), ("apart", [1, 2])):
        run = RunFolder.create(tmp_path / name, None, CLASSES)
        for epochs in parts:
            batches = Batches(pairs, 2, [RandomFlip()], shuffle=True)
            model = compiled()
            callbacks = run_callbacks(run, pairs[:2])
            assert isinstance(callbacks[-1], SaveRun)
            begin = callbacks[-1].restore(model, batches)
            model.fit(
                batches,
                epochs=epochs,
                initial_epoch=begin,
                validation_data=held_out,
                callbacks=callbacks,
                verbose=0,
            )
        ends.append(run.load_model(best=False).get_weights())
        assert len(list((run.path / "samples").iterdir())) == 2
    for first, second in zip(*ends, strict=True):
        np.testing.assert_allclose(first, second, atol=1e-6)


def test_the_same_images_every_epoch(tmp_path):
    image = keras.Input((None, None, 3))
    output = keras.layers.Conv2D(2, 1, bias_initializer="ones")(image)
    run = RunFolder.create(tmp_path, None, ClassTable.default(2))
    pairs = [
        (np.full((8, 9, 3), i, "uint8"), np.zeros((8, 9), "uint8"))
        for i in range(12)
    ]
    panels = SamplePanels(run, pairs, count=3)
    assert panels.indices == [2, 6, 10]  # the middles of three parts
    panels.set_model(keras.Model(image, output))
    for epoch in (0, 11):
        panels.on_epoch_end(epoch, {})
    sizes = []
    for name in ("epoch_001.png", "epoch_012.png"):
        with Image.open(tmp_path / "samples" / name) as picture:
            sizes.append(picture.size)
    assert sizes[0] == sizes[1]


def test_fewer_images_than_asked_for(tmp_path):
    panels = SamplePanels(None, [0, 1], count=3)
    assert panels.indices == [0, 1]


STREET = ClassTable(("sky", "road"), ((0, 0, 0), (1, 1, 1)))
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
    watch = WatchClasses(STREET)
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
    watch = WatchClasses(STREET, patience=1)
    watch.set_model(model)
    validate(model, rows=0)
    watch.on_epoch_end(0, LOGS)


def test_two_classes(model):
    watch = WatchClasses(STREET, patience=1)
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
