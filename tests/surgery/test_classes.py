import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

from keras_seg.applications import DeepLabV2
from keras_seg.applications import DeepLabV3
from keras_seg.applications import FCN8s
from keras_seg.applications import UNet
from keras_seg.crf import CRFAsRNN
from keras_seg.crf import DenseCRF
from keras_seg.layers import AtrousConv
from keras_seg.layers import BilinearConvTranspose
from keras_seg.layers.metadata import facts_of
from keras_seg.layers.metadata import note
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
        pytest.param(
            lambda: FCN8s(tiny_vgg(), classes=4), marks=pytest.mark.once
        ),
        pytest.param(
            lambda: UNet(classes=4, filters=4, depth=2), marks=pytest.mark.once
        ),
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


@pytest.mark.once
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


@pytest.mark.once
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


@pytest.mark.once
def test_what_was_found_on_the_old_classes_is_gone():
    model = UNet(classes=1, filters=2, depth=1)
    note(model, threshold=0.25, temperature=4.0, bands=["nir"])
    facts = facts_of(replace_classes(model, 1))
    assert facts["threshold"] is facts["temperature"] is None
    assert facts["bands"] == ["nir"]


def score(name="score", filters=4, **options):
    return layers.Conv2D(filters, 1, name=name, **options)


def network(end):
    """As many features in front of the scores as there are classes."""
    image = keras.Input((None, None, 3))
    features = layers.Conv2D(4, 3, padding="same", name="features")(image)
    return randomize(keras.Model(image, end(features, image)))


def gate(x):
    return layers.Conv2D(1, 1, activation="sigmoid", name="gate")(x)


shared = layers.ReLU(name="shared")

# What ends a network, and the layers that depend on the classes in it.
ENDS = {
    "atrous": (lambda x, _: AtrousConv(4, 3, 2, name="score")(x), {"score"}),
    "separable": (
        lambda x, _: layers.SeparableConv2D(4, 3, name="score")(x),
        {"score"},
    ),
    "batch norm": (
        lambda x, _: layers.BatchNormalization(name="behind")(score()(x)),
        {"score", "behind"},
    ),
    "group norm": (
        lambda x, _: layers.GroupNormalization(-1, name="behind")(score()(x)),
        {"score", "behind"},
    ),
    "PReLU": (
        lambda x, _: layers.PReLU(shared_axes=(1, 2), name="behind")(
            score()(x)
        ),
        {"score", "behind"},
    ),
    "depthwise": (
        lambda x, _: layers.DepthwiseConv2D(3, name="behind")(score()(x)),
        {"score", "behind"},
    ),
    "learned enlarging": (
        lambda x, _: BilinearConvTranspose(4, trainable=True, name="behind")(
            score()(x)
        ),
        {"score", "behind"},
    ),
    "fixed enlarging": (
        lambda x, _: BilinearConvTranspose(name="fixed")(score()(x)),
        {"score"},
    ),
    "CRF as RNN": (
        lambda x, image: CRFAsRNN(name="behind")(score()(x), image),
        {"score", "behind"},
    ),
    "gate": (lambda x, _: score()(x) * gate(x), {"score"}),
    "mean": (
        lambda x, _: (score("one")(x) + score("two")(x)) / 2.0,
        {"one", "two"},
    ),
    "vector": (
        lambda x, _: layers.Reshape((-1, 4))(
            layers.Permute((2, 1, 3))(score()(x))
        ),
        {"score"},
    ),
    "shared activation": (lambda x, _: shared(score()(shared(x))), {"score"}),
    "several outputs": (
        lambda x, _: {"a": score("one")(x), "b": ops.softmax(score("two")(x))},
        {"one", "two"},
    ),
}


@pytest.mark.once
@pytest.mark.parametrize("classes", [7, 4])
@pytest.mark.parametrize("name", ENDS)
def test_what_makes_the_scores_and_nothing_else(name, classes):
    end, expected = ENDS[name]
    model = network(end)
    changed = replace_classes(model, classes)
    for output in keras.tree.flatten(changed.output):
        assert output.shape[-1] == classes
    old, new = map(layers_with_weights, (model, changed))
    assert old.keys() == new.keys()
    different = {
        name
        for name in old
        if any(
            not np.array_equal(x, y)
            for x, y in zip(
                old[name].get_weights(), new[name].get_weights(), strict=True
            )
        )
    }
    assert different == expected


@pytest.mark.once
@pytest.mark.parametrize(
    ("end", "layer"),
    [
        (
            lambda x, _: layers.Concatenate(name="joined")(
                [score("one", 2)(x), score("two", 2)(x)]
            ),
            "joined",
        ),
        (lambda x, _: layers.Add()([x, score()(x)]), "score"),
        (lambda x, _: keras.Sequential([score()], name="inner")(x), "inner"),
        (lambda x, _: score()(x) + np.arange(4, dtype="float32"), "add"),
        (lambda x, _: ops.multiply(score("a", 1)(x), gate(x)), "multiply"),
        (
            lambda x, image: DenseCRF(compatibility=np.eye(4), name="crf")(
                score()(x), image
            ),
            "crf",
        ),
        (
            lambda x, _: layers.Conv2D(4, 1, groups=2, name="groups")(x),
            "groups",
        ),
    ],
)
def test_what_is_refused_by_name(end, layer):
    with pytest.raises(ValueError, match=f"The layer '{layer}"):
        replace_classes(network(end), 7)


@pytest.mark.once
def test_outputs_of_different_numbers():
    model = network(lambda x, _: [score()(x), gate(x)])
    with pytest.raises(ValueError, match="one number of classes. Received"):
        replace_classes(model, 7)


@pytest.mark.once
def test_channels_first():
    """Scores in second place, and logits that a permutation puts last."""
    data_format = {"data_format": "channels_first"}
    image = keras.Input((3, None, None))
    x = layers.Conv2D(4, 3, name="features", **data_format)(image)
    x = score(**data_format)(layers.ReLU()(x))
    for outputs, axis in ((x, 1), (layers.Permute((2, 3, 1))(x), -1)):
        changed = replace_classes(keras.Model(image, outputs), 7)
        assert changed.output.shape[axis] == 7
        assert changed.get_layer("features").filters == 4


@pytest.mark.once
def test_bad_arguments():
    with pytest.raises(ValueError, match="Received: classes=0"):
        replace_classes(tiny_vgg(), 0)
    image = keras.Input((8, 8, 3))
    with pytest.raises(ValueError, match="No layer of the model 'pool'"):
        replace_classes(
            keras.Model(image, layers.MaxPooling2D()(image), name="pool"), 2
        )
