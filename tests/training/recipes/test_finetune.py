import keras
import numpy as np
import pytest

from keras_seg.applications import FCN32s
from keras_seg.applications import UNet
from keras_seg.data import ClassTable
from keras_seg.metrics import MeanIoU
from keras_seg.training.recipes import finetune

pytestmark = pytest.mark.once


class Pairs(list):
    class_table = ClassTable.default(3)


def pairs(count=20, size=(4, 5)):
    """Half of the images are class 0, half 0 and 1; nothing is class 2."""
    image = np.zeros((*size, 3), "uint8")
    one = np.zeros(size, "uint8")
    two = one.copy()
    two[:, 0] = 1
    return Pairs([(image, one), (image, two)] * (count // 2))


def test_optimizer_and_metrics():
    given = finetune(
        pairs(20), epochs=5, batch_size=8, learning_rate=0.5, weight_decay=0.25
    )
    optimizer = given["optimizer"]
    assert isinstance(optimizer, keras.optimizers.AdamW)
    assert optimizer.weight_decay == 0.25
    schedule = optimizer._learning_rate
    # 3 batches of 20 images, 5 epochs.
    for step, rate in ((0, 0.5), (5, 0.5 * (2 / 3) ** 0.9), (15, 0.0)):
        assert float(schedule(step)) == pytest.approx(rate, abs=1e-6)
    assert isinstance(given["metrics"][0], MeanIoU)
    assert [metric.num_classes for metric in given["metrics"]] == [3, 3]
    assert given["loss"].class_weights is None


def test_schedule_of_accumulated_and_repeated_batches():
    """20 images three times in batches of 8 are 8 steps, 4 updates of 2."""
    given = finetune(
        pairs(20),
        epochs=2,
        batch_size=8,
        learning_rate=0.5,
        accumulation=2,
        repeat=3,
        optimizer="sgd",
        ema=0.9,
    )
    optimizer = given["optimizer"]
    assert isinstance(optimizer, keras.optimizers.SGD)
    assert optimizer.gradient_accumulation_steps == 2
    assert (optimizer.momentum, optimizer.ema_momentum) == (0.9, 0.9)
    schedule = optimizer._learning_rate
    for step, rate in ((0, 0.5), (1, 0.5), (8, 0.5 * 0.5**0.9), (16, 0.0)):
        assert float(schedule(step)) == pytest.approx(rate, abs=1e-6)


def test_loss_by_name():
    given = finetune(pairs(), loss="focal+lovasz", class_weights="balanced")
    names = [loss.name for loss in given["loss"].losses]
    assert names == ["focal", "lovasz_softmax"]
    assert len(given["loss"].losses[0].class_weights) == 3
    with pytest.raises(ValueError, match="weights of cross_entropy, focal"):
        finetune(pairs(), loss="dice", class_weights="balanced")


def test_the_backbone_learns_at_a_tenth():
    image = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 3, 2, "same", name="conv-1")(image)
    x = keras.layers.Conv2D(4, 3, 2, "same", name="fixed")(x)
    x = keras.layers.Conv2D(4, 3, 8, "same", name="last")(x)
    model = FCN32s(keras.Model(image, x), classes=3)
    model.get_layer("fixed").trainable = False
    optimizer = finetune(pairs(), model)["optimizer"]
    assert optimizer.multipliers == {r"^(conv\-1|last)/": 0.1}
    before = [weight.numpy() for weight in model.trainable_weights]
    for weight in model.trainable_weights:
        weight.assign(weight + 1)
    ones = [keras.ops.ones_like(w) for w in model.trainable_weights]
    optimizer.weight_decay = None
    optimizer.apply(ones, model.trainable_weights)
    # Adam's first update is the rate: bias-corrected moments are 1.
    for weight, old in zip(model.trainable_weights, before, strict=True):
        rate = 1e-3 if weight.path.startswith("score") else 1e-4
        moved = old + 1 - weight.numpy()
        np.testing.assert_allclose(moved, rate, rtol=2e-3)


def test_a_backbone_with_a_model_inside():
    """Its weights have paths without the name of the model around them."""
    image = keras.Input((None, None, 3))
    inner = keras.Sequential(
        [image, keras.layers.Conv2D(4, 3, 8, "same", name="deep")]
    )
    x = keras.layers.Conv2D(4, 3, 4, "same", name="last")(inner(image))
    model = FCN32s(keras.Model(image, x), classes=3)
    optimizer = finetune(pairs(), model)["optimizer"]
    rates = {w.path: optimizer.multiplier(w.path) for w in model.weights}
    assert [k for k, v in rates.items() if v == 1] == [
        "score_fr/kernel",
        "score_fr/bias",
    ]


def test_a_rate_of_no_backbone():
    with pytest.raises(ValueError, match="backbone_rate=0.5"):
        finetune(pairs(), backbone_rate=0.5)
    with pytest.raises(ValueError, match="backbone_rate=0.5"):
        finetune(pairs(), UNet(filters=2, depth=1), backbone_rate=0.5)
    own = finetune(pairs(), UNet(filters=2, depth=1))["optimizer"]
    assert own.multipliers == {}


def test_class_weights():
    """Median frequency, papers.md 9.3; class 2 does not occur."""
    loss = finetune(pairs(), class_weights="median_frequency")["loss"]
    f = np.array([1 - 0.1, 0.2])  # Of all pixels, of its images.
    np.testing.assert_allclose(
        loss.class_weights, [*np.median(f) / f, 1.0], rtol=1e-6
    )
    by_name = finetune(pairs(), class_weights={"class 1": 4.0})["loss"]
    assert by_name.class_weights == [1.0, 4.0, 1.0]


def test_classes_must_be_known():
    with pytest.raises(ValueError, match="Received: classes=None"):
        finetune(list(pairs()))
    assert finetune(list(pairs()), classes=4)["metrics"][0].num_classes == 4


def test_class_weights_of_one_label():
    """Its weight counts where it is, and where it is not."""

    class Labels(list):
        multi_label = True
        class_table = ClassTable.default(1)

    mask = np.zeros((4, 5, 1), "uint8")
    mask[:2] = 1
    data = Labels([(np.zeros((4, 5, 3)), mask)])
    losses = [
        finetune(data, class_weights=weights)["loss"](
            mask[None].astype("float32"), np.ones((1, 4, 5, 1), "float32")
        )
        for weights in (None, [3.0])
    ]
    assert float(losses[1]) == pytest.approx(float(losses[0]))
