"""A sum of losses."""

import keras
import numpy as np
import pytest

from keras_seg.applications import DeepLabV2
from keras_seg.losses import CrossEntropy
from keras_seg.losses import Dice
from keras_seg.losses import LovaszSoftmax
from keras_seg.losses import Sum
from keras_seg.losses import deep_supervision
from keras_seg.metrics import MeanIoU
from tests.applications.test_deeplab_v3 import tiny_resnet
from tests.loss_check import CLASSES
from tests.loss_check import check_loss
from tests.loss_check import masks_and_logits
from tests.loss_check import value_of
from tests.networks import randomize


def test_every_check(parity):
    check_loss(Sum([CrossEntropy(), LovaszSoftmax()], [1.0, 0.5]), parity)


def test_it_is_the_weighted_sum():
    masks, logits = masks_and_logits()
    weights = np.random.default_rng(0).random(masks.shape).astype("float32")
    parts = CrossEntropy(), Dice()
    for sample in (None, weights):
        values = [value_of(loss, masks, logits, sample) for loss in parts]
        for factors in (None, [2.0, 0.25]):
            expected = np.dot(values, factors or [1.0, 1.0])
            value = value_of(Sum(parts, factors), masks, logits, sample)
            assert value == pytest.approx(expected, rel=1e-6)


def test_as_many_weights_as_losses():
    with pytest.raises(ValueError, match=r"2 losses.*Received: weights=\[1\]"):
        Sum([CrossEntropy(), Dice()], [1])


def network(outputs=2):
    image = keras.Input((None, None, CLASSES), name="image")
    heads = [
        keras.layers.Conv2D(CLASSES, 1, name=f"head_{n}")(image)
        for n in range(outputs)
    ]
    return randomize(keras.Model(image, heads))


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 1

    def __getitem__(self, index):
        masks, images = masks_and_logits()
        return images, (masks, masks)


def expected_loss(model, losses, weights, sample=None):
    masks, images = masks_and_logits()
    outputs = model(keras.ops.convert_to_tensor(images))
    return sum(
        weight * keras.ops.convert_to_numpy(loss(masks, logits, sample))
        for loss, weight, logits in zip(losses, weights, outputs, strict=True)
    )


def test_two_outputs():
    """A PyDataset, sample weights and a metric, in one model."""
    masks, images = masks_and_logits()
    model = network()
    losses, weights = [CrossEntropy(), Dice()], [1.0, 0.4]
    model.compile(
        keras.optimizers.SGD(0.0),
        **deep_supervision(model, losses, weights, [MeanIoU(CLASSES)]),
    )
    expected = expected_loss(model, losses, weights)
    history = model.fit(Batches(workers=1), verbose=0).history
    assert history["loss"] == [pytest.approx(expected, rel=1e-5)]
    metric = MeanIoU(CLASSES)
    metric.update_state(masks, model(keras.ops.convert_to_tensor(images))[0])
    (name,) = [x for x in history if x.endswith("iou")]
    assert history[name] == [pytest.approx(float(metric.result()))]
    sample = np.array([0.5, 2.0])
    loss = model.train_on_batch(images, [masks] * 2, [sample] * 2)
    expected = expected_loss(model, losses, weights, sample)
    assert float(np.ravel(loss)[0]) == pytest.approx(expected, 1e-5)


def test_every_output_is_trained_and_the_loss_is_saved(tmp_path):
    masks, images = masks_and_logits()
    model = network()
    model.compile("sgd", **deep_supervision(model, CrossEntropy()))
    before = model.get_weights()
    model.fit(images, [masks] * 2, verbose=0)
    for old, new in zip(before, model.get_weights(), strict=True):
        assert np.abs(old - new).max() > 0
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    expected = expected_loss(model, [CrossEntropy()] * 2, [1, 1])
    value = loaded.evaluate(images, [masks] * 2, verbose=0)
    assert float(np.ravel(value)[0]) == pytest.approx(expected, rel=1e-5)


def test_one_output():
    masks, images = masks_and_logits()
    image = keras.Input((None, None, CLASSES))
    head = keras.layers.Conv2D(CLASSES, 1)(image)
    model = keras.Model(image, head)
    model.compile(
        "sgd",
        **deep_supervision(
            model, CrossEntropy(), [2.0], metrics=[MeanIoU(CLASSES)]
        ),
    )
    expected = 2 * value_of(
        CrossEntropy(), masks, model.predict_on_batch(images)
    )
    value = model.evaluate(images, masks, verbose=0, return_dict=True)
    assert value["loss"] == pytest.approx(expected, rel=1e-5)
    assert set(value) == {"loss", "mean_iou"}


@pytest.mark.once
def test_the_four_losses_of_msc():
    """papers.md 13.3: scale 1 and .75 at the map's size, .5 at its own with
    labels shrunk by 16, the largest of them at the map's size."""
    model = randomize(
        DeepLabV2(
            tiny_resnet(),
            scales=(1.0, 0.75, 0.5),
            classes=CLASSES,
            auxiliary="scales",
        )
    )
    rng = np.random.default_rng(0)
    image = rng.uniform(0, 255, (1, 65, 97, 3)).astype("float32")
    masks = rng.integers(0, CLASSES, (1, 65, 97)).astype("uint8")
    masks[:, :20] = 255
    largest, *others = model.predict_on_batch(image)
    np.testing.assert_array_equal(
        largest.argmax(-1)[:, ::8, ::8],
        np.max(others, 0).argmax(-1)[:, ::8, ::8],
    )
    # The network's own maps: 9x13 for the image, 5x7 for half of it.
    network = model.get_layer("network")
    padded = keras.Model(model.input, model.get_layer("pad").output)(image)
    maps = network(model.get_layer("scale_3")(padded))
    half = keras.ops.convert_to_numpy(keras.tree.flatten(maps)[0])
    assert half.shape == (1, 5, 7, CLASSES)
    own = CrossEntropy()(masks[:, ::16, ::16], half)
    at_16 = CrossEntropy(stride=16)(masks, others[2])
    assert float(at_16) == pytest.approx(float(own), rel=1e-5)
    losses = [CrossEntropy(stride=8)] * 3 + [CrossEntropy(stride=16)]
    model.compile("sgd", **deep_supervision(model, losses))
    expected = sum(
        value_of(loss, masks, x)
        for loss, x in zip(losses, [largest, *others], strict=True)
    )
    value = model.evaluate(image, [masks] * 4, verbose=0)
    assert value[0] == pytest.approx(expected, rel=1e-4)


def test_as_many_losses_as_outputs():
    model = network()
    with pytest.raises(ValueError, match="2 outputs. Received: 3 losses"):
        deep_supervision(model, [CrossEntropy()] * 3)
    with pytest.raises(ValueError, match="Received: weights="):
        deep_supervision(model, CrossEntropy(), [1.0])
