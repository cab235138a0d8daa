"""A network that learns from another one, too."""

import dataclasses

import keras
import numpy as np
import pytest

from keras_seg.applications import UNet
from keras_seg.data import ClassTable
from keras_seg.data import Folder
from keras_seg.data import synthetic
from keras_seg.layers.metadata import note
from keras_seg.losses import CrossEntropy
from keras_seg.runs import RunError
from keras_seg.runs import RunFolder
from keras_seg.runs import RunWarning
from keras_seg.runs import Settings
from keras_seg.runs import set_class_table
from keras_seg.training import distill
from keras_seg.training import resume
from keras_seg.training import train
from keras_seg.training.distillation import read_teacher


def network(kernel):
    """Logits that are mixed from the channels of the image."""
    image = keras.Input((None, None, len(kernel)))
    conv = keras.layers.Conv2D(kernel.shape[1], 1)
    model = keras.Model(image, conv(image))
    conv.set_weights([kernel[None, None], np.zeros(kernel.shape[1])])
    return model


@pytest.mark.parametrize("labels", [1, 3])
@pytest.mark.parametrize(("temperature", "weight"), [(1, 0.25), (3, 1.0)])
def test_loss(labels, temperature, weight):
    """The formula in NumPy; void counts nothing; the teacher stays."""
    rng = np.random.default_rng(0)
    s, t = rng.normal(0, 2, (2, 2, 4, 5, labels))
    masks = rng.integers(0, max(labels, 2), (2, 4, 5))
    masks[0, 1:] = 255
    one, none = np.eye(labels), np.zeros((labels, labels))
    student = network(np.concatenate([one, none]))
    teacher = network(np.concatenate([none, one]))
    student.compile("sgd", CrossEntropy())
    distill(student, teacher, temperature=temperature, weight=weight)
    images = np.concatenate([s, t], axis=-1).astype("float32")
    found = student.train_on_batch(images, masks)

    def log_softmax(x):
        x = np.concatenate([0 * x, x], -1) if labels == 1 else x
        return x - np.log(np.exp(x).sum(-1, keepdims=True))

    valid = masks != 255
    ids = np.where(valid, masks, 0)[..., None]
    entropy = -np.take_along_axis(log_softmax(s), ids, -1)[..., 0][valid].mean()
    of_s, of_t = log_softmax(s / temperature), log_softmax(t / temperature)
    divergence = (np.exp(of_t) * (of_t - of_s)).sum(-1)[valid].mean()
    expected = (1 - weight) * entropy + weight * temperature**2 * divergence
    assert float(found) == pytest.approx(expected, rel=1e-4)
    kernel = teacher.get_weights()[0][0, 0]
    np.testing.assert_array_equal(kernel, np.concatenate([none, one]))
    kernel = student.get_weights()[0][0, 0]
    assert np.abs(kernel - np.concatenate([one, none])).max() > 0


SETTINGS = Settings(
    model="unet",
    backbone=None,
    weights=None,
    options={"filters": 2, "depth": 1},
    epochs=1,
    batch_size=2,
    crop=32,
)


@pytest.mark.once
@pytest.mark.filterwarnings("ignore:Only:keras_seg.runs.RunWarning")
def test_a_run_with_a_teacher(tmp_path):
    """It goes on with its teacher, and its models are plain ones."""
    pairs = list(zip(*synthetic.membranes(4, size=32), strict=True))
    classes = synthetic.MEMBRANE_CLASSES
    train(SETTINGS, pairs, None, tmp_path / "a", class_table=classes, verbose=0)
    settings = dataclasses.replace(
        SETTINGS, teacher=str(tmp_path / "a"), epochs=2
    )

    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(
            settings,
            pairs,
            pairs,
            tmp_path / "b",
            class_table=classes,
            callbacks=[Stop()],
            verbose=0,
        )
    file = RunFolder.open(tmp_path / "a").model_path()
    kept = file.read_bytes()
    file.write_bytes(kept[:-1])
    with pytest.raises(RunError, match="a has changed since .*b began"):
        resume(tmp_path / "b", pairs, pairs, verbose=0)
    file.write_bytes(kept)
    resume(tmp_path / "b", pairs, pairs, verbose=0)
    card = (tmp_path / "b" / "README.md").read_text("utf-8")
    assert f"It was taught by `{tmp_path / 'a'}` (SHA-256 " in card
    model = RunFolder.open(tmp_path / "b").load_model()
    assert type(model) is type(keras.Model(model.input, model.output))
    # U-Net of two filters and depth 1, and no teacher in its file.
    assert (
        model.count_params()
        == RunFolder.open(tmp_path / "a").load_model().count_params()
    )


@pytest.mark.once
def test_refused(tmp_path):
    with pytest.raises(RunError, match="does not exist"):
        read_teacher(str(tmp_path / "no"))
    teacher, student = network(np.zeros((3, 3))), network(np.zeros((3, 2)))
    with pytest.raises(ValueError, match="3 scores a pixel, and 2"):
        distill(student, teacher)
    student = network(np.zeros((4, 3)))
    with pytest.raises(ValueError, match="None, 3., and .*None, 4.$"):
        distill(student, teacher)
    student, teacher = (UNet(classes=2, filters=2, depth=1) for _ in range(2))
    note(teacher, multi_label=True)
    with pytest.raises(ValueError, match="overlap, and a model of classes"):
        distill(student, teacher)


@pytest.mark.once
def test_data_of_the_teacher(tmp_path):
    model = UNet(classes=2, filters=2, depth=1)
    classes = synthetic.MEMBRANE_CLASSES
    set_class_table(model, classes)
    note(model, bands=["nir", "red", "green"], bit_depth=12)
    model.save(tmp_path / "a.keras")
    path = str(tmp_path / "a.keras")
    data = Folder([], classes, bit_depth=12)
    data.bands = ("nir", "red", "green")
    assert read_teacher(path, data).count_params() == model.count_params()
    data.bit_depth = 16
    with pytest.raises(ValueError, match="bit_depth.*12 for 16"):
        read_teacher(path, data)
    data.bands = None
    with pytest.raises(ValueError, match=r"bands.*'nir'.* for None"):
        read_teacher(path, data)
    data.class_table = ClassTable.default(2)
    with pytest.raises(ValueError, match="cell, membrane for class 0, "):
        read_teacher(path, data)
    with pytest.warns(RunWarning, match="was as it is, and here it is 512"):
        read_teacher(path, size=512)
