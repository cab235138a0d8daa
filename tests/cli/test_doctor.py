"""`keras-seg doctor`; each fault that it names is seen in this Keras.

A fault that is gone fails here: its versions in `FAULTS` end then.
"""

import importlib.metadata
import json
import pathlib

import keras
import numpy as np
import pytest
from keras import ops

from keras_seg.cli import doctor as module
from keras_seg.cli.doctor import FAULTS

BACKEND = keras.backend.backend()


def test_doctor_says_what_is_installed_and_that_it_works(invoke):
    result = invoke("doctor")
    assert result.exit_code == 0
    assert f"Keras {keras.__version__} on {BACKEND}, devices: " in result.stdout
    assert "the installation works." in result.stdout
    for fault in FAULTS:
        shown = fault.fault in result.stdout
        assert shown == (fault.backend in (None, BACKEND))


@pytest.mark.once
def test_missing_extras_are_named_with_what_installs_them(invoke, monkeypatch):
    real = importlib.metadata.version

    def version(name):
        if name == "rasterio":
            raise importlib.metadata.PackageNotFoundError(name)
        return "0.1" if name == "av" else real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    found = json.loads(invoke("doctor", "--json").stdout)
    assert found["extras"]["geo"] == ["rasterio>=1.4"]
    assert found["extras"]["video"] == ["av>=14"]
    assert not {"test", "lint", "jax"} & set(found["extras"])
    lines = invoke("doctor").stdout
    assert 'missing av>=14. Fix: pip install "keras-seg[video]"' in lines


@pytest.mark.once
def test_a_network_that_does_not_work_is_said(invoke, monkeypatch):
    monkeypatch.setattr(
        keras.Model, "train_on_batch", lambda *args: float("nan")
    )
    result = invoke("doctor")
    assert result.exit_code == 1
    assert "does not work here: its loss is nan" in result.stderr


@pytest.mark.once
def test_faults_of_other_versions_are_not_shown(invoke, monkeypatch):
    old = module.Fault("<3", None, "an old fault", "nothing")
    monkeypatch.setattr(module, "FAULTS", (old,))
    assert "old fault" not in invoke("doctor").stdout


def fault(beginning):
    [found] = [f for f in FAULTS if f.fault.startswith(beginning)]
    if found.backend not in (None, BACKEND):
        pytest.skip(f"a fault on {found.backend}")
    return found


def test_fault_resize():
    fault("keras.ops.image.resize")
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec((1, None, None, 3))])
    def double(image):
        return ops.image.resize(image, 2 * ops.shape(image)[1:3])

    with pytest.raises((ValueError, TypeError)):
        double(np.zeros((1, 4, 5, 3), "float32"))


def test_fault_bias():
    fault("Conv2D")
    layer = keras.layers.Conv2D(
        4,
        1,
        data_format="channels_first",
        kernel_initializer="zeros",
        bias_initializer=lambda shape, dtype: ops.cast(range(4), dtype),
    )
    found = ops.convert_to_numpy(layer(np.zeros((1, 3, 2, 4), "float32")))
    right = np.broadcast_to(np.arange(4)[None, :, None, None], (1, 4, 2, 4))
    assert not np.array_equal(found, right)


def test_fault_resizing():
    fault("Resizing")

    class Network(keras.Model):
        def __init__(self):
            super().__init__()
            self.resizing = keras.layers.Resizing(4, 4)
            self.norm = keras.layers.BatchNormalization(momentum=0.0)

        def call(self, x):
            return self.norm(self.resizing(x))

    network = Network()
    network(np.full((1, 8, 8, 3), 7.0, "float32"))
    mean = ops.convert_to_numpy(network.norm.moving_mean)
    assert not np.array_equal(mean, np.zeros(3))


@pytest.mark.filterwarnings("ignore:Explicitly requested dtype int64")
def test_fault_mean_iou():
    fault("keras.metrics.MeanIoU")
    metric = keras.metrics.MeanIoU(num_classes=2)
    metric.update_state([0, 1, 1], [0, 1, -1])
    assert float(metric.result()) == pytest.approx(1.0)


@pytest.mark.once
def test_fault_class_weight():
    fault("fit(class_weight=...)")
    image = keras.Input((2, 3, 1))
    model = keras.Model(image, keras.layers.Conv2D(2, 1)(image))
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(True))
    images = np.zeros((1, 2, 3, 1), "float32")
    weights = {0: 1.0, 1: 10.0}
    with pytest.raises(TypeError):
        model.fit(images, images[..., 0], class_weight=weights, verbose=0)


@pytest.mark.once
def test_fault_backup_and_restore(tmp_path):
    fault("keras.callbacks.BackupAndRestore")
    folder = tmp_path / "backup"
    image = keras.Input((1,))
    model = keras.Model(image, keras.layers.Dense(1)(image))
    model.compile("sgd", "mse")
    data = np.zeros((2, 1), "float32")
    backup = keras.callbacks.BackupAndRestore(folder)
    there = []
    look = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: there.append(folder.exists())
    )
    model.fit(data, data, epochs=2, callbacks=[backup, look], verbose=0)
    assert there[-1] and not pathlib.Path(folder).exists()


def test_fault_probabilities():
    fault("SparseCategoricalCrossentropy")
    image = keras.Input((4, 4, 3))
    scores = keras.layers.Conv2D(2, 1, activation="softmax")(image)
    model = keras.Model(image, scores)
    model.compile("sgd", "sparse_categorical_crossentropy")
    images = np.zeros((2, 4, 4, 3), "float32")
    with pytest.raises(RuntimeError, match="contiguous"):
        model.fit(images, np.zeros((2, 4, 4)), verbose=0)
