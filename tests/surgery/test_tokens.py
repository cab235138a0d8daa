"""Vision Transformers of keras-hub and zeromodels, where they are installed."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_seg.surgery import fully_convolutional
from keras_seg.surgery import pyramid
from keras_seg.surgery import set_output_stride
from tests.networks import outputs
from tests.networks import randomize
from tests.networks import relative_difference

SMALL = {"num_layers": 2, "num_heads": 2, "hidden_dim": 8}


def vit():
    hub = pytest.importorskip("keras_hub", exc_type=ImportError)
    return hub.models.ViTBackbone((64, 96, 3), 16, mlp_dim=12, **SMALL)


def dinov2():
    hub = pytest.importorskip("keras_hub", exc_type=ImportError)
    return hub.models.DINOV2Backbone(
        patch_size=14,
        intermediate_dim=12,
        image_shape=(56, 56, 3),
        position_embedding_shape=(56, 56),
        num_register_tokens=2,
        **SMALL,
    )


def dinov3():
    hub = pytest.importorskip("keras_hub", exc_type=ImportError)
    return hub.models.DINOV3Backbone(
        16, intermediate_dim=12, image_shape=(64, 96, 3), **SMALL
    )


def other_vit():
    pytest.importorskip("zeromodels", exc_type=ImportError)
    from zeromodels.models.vit import ViTModel

    return ViTModel(
        image_size=(64, 96), embed_dim=8, depth=2, num_heads=2, name="vit"
    )


def other_dinov2():
    pytest.importorskip("zeromodels", exc_type=ImportError)
    from zeromodels.models.dino_v2 import DinoV2Model

    return DinoV2Model(image_size=56, embed_dim=8, depth=2, num_heads=2)


def other_dinov3():
    pytest.importorskip("zeromodels", exc_type=ImportError)
    from zeromodels.models.dino_v3 import DinoV3ViTModel

    return DinoV3ViTModel(image_size=64, embed_dim=8, depth=2, num_heads=2)


TRANSFORMERS = {
    x.__name__: x
    for x in (vit, dinov2, dinov3, other_vit, other_dinov2, other_dinov3)
}
every_transformer = pytest.mark.parametrize("name", TRANSFORMERS)


def pictures(height, width):
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, (2, height, width, 3)).astype("float32")


@every_transformer
def test_map_and_its_shifted_grids(name):
    """At its own size the map holds the tokens, at every size the dense map
    holds the strided one; between are the maps of shifted images."""
    if keras.backend.backend() != "torch" and name != "dinov3":
        pytest.skip("compiled one by one: the graphs are PyTorch's")
    model = randomize(TRANSFORMERS[name]())
    network = fully_convolutional(model)
    x = pictures(*model.inputs[0].shape[1:3])
    tokens = outputs(model, keras.tree.pack_sequence_as(model.input, [x]))
    found = outputs(network, x)
    expected = tokens[:, -found.shape[1] * found.shape[2] :]
    assert relative_difference(found, expected.reshape(found.shape)) < 1e-5

    (stride,) = pyramid(network)
    dense = set_output_stride(network, 8)
    assert list(pyramid(dense)) == [stride // 2]
    x = pictures(3 * stride - 3, 2 * stride + 1)
    strided, maps = outputs(network, x), outputs(dense, x)
    assert strided.shape[1:3] == (3, 3)
    assert relative_difference(maps[:, ::2, ::2], strided) < 1e-5
    if keras.backend.backend() == "torch":
        # The image is padded first: to the right of the 6 rows are zeros.
        moved = np.pad(x, ((0, 0), (0, 3), (0, stride - 1), (0, 0)))
        moved = np.roll(moved, -(stride // 2), 1)
        moved[:, -(stride // 2) :] = 0
        assert (
            relative_difference(maps[:, 1::2, ::2], outputs(network, moved))
            < 1e-5
        )


@pytest.mark.once
def test_back_to_the_stride_of_the_patches():
    network = fully_convolutional(randomize(vit()))
    dense = set_output_stride(network, 4)
    assert list(pyramid(dense)) == [4]
    again = set_output_stride(dense, 16)
    x = pictures(40, 33)
    np.testing.assert_allclose(
        outputs(again, x), outputs(network, x), rtol=1e-4, atol=1e-5
    )


class Neighbors(layers.Layer):
    """Adds to each token the one before it: a sequence, not a set."""

    def call(self, x):
        return x + keras.ops.roll(x, 1, axis=1)


class Scaled(layers.Layer):
    """Depends on how many tokens there are when it is built."""

    def build(self, input_shape):
        self.scale = self.add_weight((1, *input_shape[1:]), name="scale")

    def call(self, x):
        return x * self.scale


def sequence(*between, patch=8, size=32, overlap=0):
    image = keras.Input((size, size, 3))
    x = layers.Conv2D(6, patch + overlap, strides=patch)(image)
    x = layers.Reshape((-1, 6))(x)
    for layer in between:
        x = layer(x)
    return keras.Model(image, x)


@pytest.mark.once
@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            lambda: sequence(Neighbors(name="neighbors")),
            "'neighbors' .* takes its tokens for a sequence",
        ),
        (
            lambda: sequence(
                layers.Activation("relu"), layers.GRU(6, return_sequences=True)
            ),
            "'gru.*' .* takes its tokens for a sequence",
        ),
        (
            lambda: sequence(layers.Activation("relu"), Scaled()),
            "built for one number of patches",
        ),
        (lambda: sequence(overlap=1), "next to each other"),
        (
            lambda: fully_convolutional(
                keras.Model(
                    (x := keras.Input((None, None, 3))),
                    layers.Reshape((-1, 4))(layers.Conv2D(4, 8, 8)(x)),
                )
            ),
            "of a known size",
        ),
    ],
)
def test_what_no_map_is_made_of(model, message):
    """Refused by name: at another size it would be something else."""
    with pytest.raises(ValueError, match=message):
        fully_convolutional(randomize(model()))


@pytest.mark.once
def test_a_set_of_patches_needs_no_package():
    """What Keras's own layers make of patches is proven by running it."""
    positions = layers.Embedding(16, 6)

    class Place(layers.Layer):
        def call(self, x):
            return x + positions(keras.ops.arange(16))

    attention = layers.MultiHeadAttention(2, 3)
    model = randomize(
        sequence(Place(), lambda x: attention(x, x), layers.Dense(5, "gelu"))
    )
    network = fully_convolutional(model)
    x = pictures(32, 32)
    assert (
        relative_difference(
            outputs(network, x), outputs(model, x).reshape(2, 4, 4, 5)
        )
        < 1e-5
    )
    assert outputs(network, pictures(17, 65)).shape == (2, 3, 9, 5)


class JoinedBy(layers.Layer):
    """A token in front of the patches, as CaiT's class token joins late."""

    def build(self, input_shape):
        self.token = self.add_weight((1, 1, input_shape[-1]), name="token")

    def call(self, x):
        token = keras.ops.repeat(self.token, keras.ops.shape(x)[0], 0)
        return keras.ops.concatenate([token, x], 1)


@pytest.mark.once
def test_a_class_token_may_join_late():
    attention = layers.MultiHeadAttention(2, 3)
    model = randomize(
        sequence(layers.Dense(6, "gelu"), JoinedBy(), lambda x: attention(x, x))
    )
    network = fully_convolutional(model)
    x = pictures(32, 32)
    tokens = outputs(model, x)[:, 1:].reshape(2, 4, 4, 6)
    assert relative_difference(outputs(network, x), tokens) < 1e-5
    with pytest.raises(ValueError, match="there are 4 of them for 16 patches"):
        pooled = layers.AveragePooling1D(4)
        fully_convolutional(randomize(sequence(pooled)))


@pytest.mark.once
def test_scores_of_a_class_token_are_refused():
    tokens = vit()
    scores = layers.Dense(3)(tokens.output[:, 0])
    with pytest.raises(ValueError, match="the model that ends in its tokens"):
        fully_convolutional(keras.Model(tokens.input, scores))
    with pytest.raises(ValueError, match="padding='same'"):
        fully_convolutional(vit(), padding="same")


@pytest.mark.once
def test_frozen_stays_frozen():
    """Keras thaws the parts of a copied layer that `build` makes."""
    model = vit()
    model.trainable = False
    assert not fully_convolutional(model).trainable_variables
