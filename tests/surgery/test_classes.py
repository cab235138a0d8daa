import keras
import numpy as np
import pytest
from keras import layers

from keras_seg.applications import DeepLabV2
from keras_seg.applications import DeepLabV3
from keras_seg.applications import FCN8s
from keras_seg.applications import UNet
from keras_seg.surgery import replace_classes
from tests.applications.test_deeplab_v3 import tiny_resnet
from tests.applications.test_fcn import tiny_vgg
from tests.networks import randomize

SCORES = {"score_fr", "score_pool4", "score_pool3", "auxiliary_score"}


def layers_with_weights(model):
    return {layer.name: layer for layer in model.layers if layer.weights}


@pytest.mark.parametrize(
    "build",
    [
        lambda: FCN8s(tiny_vgg(), classes=4),
        lambda: UNet(classes=4, filters=4, depth=2),
        lambda: DeepLabV3(tiny_resnet(), classes=4, auxiliary=True),
    ],
)
def test_all_other_weights_are_kept(build):
    model = randomize(build())
    changed = replace_classes(model, 7)
    for output in keras.tree.flatten(changed.outputs):
        assert output.shape == (None, None, None, 7)
    old, new = map(layers_with_weights, (model, changed))
    assert old.keys() == new.keys()
    assert old.keys() & SCORES
    for name in old:
        pairs = zip(
            old[name].get_weights(), new[name].get_weights(), strict=True
        )
        for before, after in pairs:
            if name in SCORES:
                assert after.shape == (*before.shape[:-1], 7)
            else:
                np.testing.assert_array_equal(before, after)


def test_scores_inside_the_pyramid():
    model = randomize(DeepLabV2(tiny_vgg(96), hidden_filters=8, classes=4))
    changed = replace_classes(model, 3)
    branches = (m.get_layer("aspp").form.branches for m in (model, changed))
    for old, new in zip(*branches, strict=True):
        assert new[-1].kernel.shape[-1] == 3
        for before, after in zip(old[:-1], new[:-1], strict=True):
            for x, y in zip(
                before.get_weights(), after.get_weights(), strict=True
            ):
                np.testing.assert_array_equal(x, y)


def test_a_classifier():
    model = randomize(tiny_vgg())
    changed = replace_classes(model, 3)
    assert changed.output_shape == (None, 3)
    x = np.random.default_rng(0).normal(size=(1, 64, 64, 3))
    probabilities = changed.predict_on_batch(x)
    np.testing.assert_allclose(probabilities.sum(), 1.0, rtol=1e-5)
    np.testing.assert_array_equal(
        changed.get_layer("fc2").get_weights()[0],
        model.get_layer("fc2").get_weights()[0],
    )


def test_bad_arguments():
    with pytest.raises(ValueError, match="Received: classes=0"):
        replace_classes(tiny_vgg(), 0)
    image = keras.Input((8, 8, 3))
    with pytest.raises(ValueError, match="No layer of the model 'pool'"):
        replace_classes(
            keras.Model(image, layers.MaxPooling2D()(image), name="pool"), 2
        )
