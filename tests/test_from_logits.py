"""Whether a model gives logits, by the graph and never by the values."""

import keras
import pytest
from keras import layers
from keras import ops

from keras_seg import losses
from keras_seg import surgery
from keras_seg.applications import UNet
from keras_seg.from_logits import gives_logits
from keras_seg.from_logits import resolve_from_logits
from keras_seg.training import recipes


class Normalized(layers.Conv2D):
    """A layer of a user, whose name says nothing of what it does."""

    def call(self, inputs):
        return ops.softmax(super().call(inputs))


def model_of(*parts):
    image = keras.Input((None, None, 3))
    x = image
    for part in parts:
        x = part(x)
    return keras.Model(image, x)


def conv(**options):
    return layers.Conv2D(3, 1, **options)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([conv()], True),
        ([conv(activation="softmax")], False),
        ([conv(), layers.Softmax(), layers.UpSampling2D()], False),
        ([conv(), ops.softmax, layers.Cropping2D()], False),
        ([conv(), layers.Activation("softmax"), ops.log], True),
        ([conv(activation="softmax"), layers.Activation("linear")], False),
        ([conv(), layers.BatchNormalization(), lambda x: x + x], True),
        ([conv(activation="softmax"), lambda x: x + x], None),
        ([conv(activation="sigmoid")], False),
        ([conv(), ops.sigmoid, layers.Cropping2D()], False),
        ([conv(activation="tanh")], None),
        ([Normalized(3, 1)], None),
        ([model_of(conv(activation="softmax")), layers.Cropping2D()], False),
    ],
)
def test_by_the_graph(parts, expected):
    assert gives_logits(model_of(*parts)) is expected


@pytest.mark.parametrize("activation", [None, "softmax"])
def test_what_asks_the_model(activation, tmp_path):
    """Recipes, views and the CRF do, of a model that was read as well."""
    model = UNet(classes=3, filters=4, classifier_activation=activation)
    model.save(tmp_path / "model.keras")
    model = keras.models.load_model(tmp_path / "model.keras")
    logits = activation is None
    assert recipes.unet(model)["loss"].from_logits is logits
    found = recipes.finetune([(0, 0)], model, classes=3, backbone_rate=1)
    assert found["loss"].from_logits is logits
    assert gives_logits(surgery.add_crf(model)) is True
    for operation in (surgery.average_views, surgery.add_crf):
        with pytest.raises(ValueError, match=f"Fix: from_logits={logits}"):
            operation(model, from_logits=not logits)
    unknown = model_of(conv(activation="tanh"))
    with pytest.raises(ValueError, match="cannot be seen"):
        surgery.average_views(unknown)
    assert resolve_from_logits(unknown, False) is False


def test_a_recipe_trains_a_model_with_a_softmax():
    """Its loss is that of the logits."""
    x = keras.random.normal((2, 8, 8, 3), seed=0)
    y = ops.argmax(x, axis=-1)
    ends = model_of(conv(), layers.Softmax())
    logits = keras.Model(ends.inputs, ends.layers[-1].input)
    expected = ops.convert_to_numpy(losses.CrossEntropy()(y, logits(x)))
    ends.compile(**recipes.unet(ends))
    found = ends.test_on_batch(x, y)[0]
    assert float(found) == pytest.approx(float(expected), rel=1e-5)
