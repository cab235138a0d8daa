"""Layers that extend Keras's with a `call` of their own, in every surgery."""

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

from keras_seg.applications import DeepLabV3
from keras_seg.applications import UNet
from keras_seg.surgery import cascade
from keras_seg.surgery import decimate
from keras_seg.surgery import drop_biases
from keras_seg.surgery import fold_batch_norm
from keras_seg.surgery import inflate_input
from keras_seg.surgery import multi_grid
from keras_seg.surgery import receptive_field
from keras_seg.surgery import set_output_stride
from keras_seg.surgery.graph import has_own_call
from tests.networks import outputs
from tests.networks import randomize
from tests.networks import relative_difference


class Named(layers.Conv2D):
    """Computes what a convolution does."""

    def __init__(self, *args, note="", **kwargs):
        super().__init__(*args, **kwargs)
        self.note = note


class Reflecting(layers.Conv2D):
    """Pads by what is there, in place of zeros."""

    def call(self, x):
        pads = [
            (rate * (size - 1) // 2, rate * (size - 1) // 2)
            for size, rate in zip(
                self.kernel_size, self.dilation_rate, strict=True
            )
        ]
        x = ops.pad(x, [(0, 0), *pads, (0, 0)], "reflect")
        options = {"dilation_rate": self.dilation_rate}
        x = ops.conv(x, self.kernel, self.strides, "valid", **options)
        return x + self.bias


class Standardized(layers.Conv2D):
    """Each filter has mean 0 and deviation 1, as in BiT's ResNets."""

    def call(self, x):
        mean = ops.mean(self.kernel, (0, 1, 2), keepdims=True)
        deviation = ops.std(self.kernel, (0, 1, 2), keepdims=True)
        kernel = (self.kernel - mean) / (deviation + 1e-5)
        options = {"dilation_rate": self.dilation_rate}
        x = ops.conv(x, kernel, self.strides, self.padding, **options)
        return x + self.bias if self.use_bias else x


class Activated(layers.BatchNormalization):
    """A norm with a built-in activation."""

    def call(self, x, training=None, mask=None):
        return ops.relu(super().call(x, training=training, mask=mask))


def network(conv, norm=layers.BatchNormalization, strides=2):
    """Two strides, and two of the layers in question behind them."""
    image = keras.Input((None, None, 3))
    x = layers.Conv2D(4, 3, 2, padding="same", name="stem")(image)
    x = layers.Conv2D(4, 3, strides, padding="same", name="down")(x)
    x = conv(4, 3, padding="same", name="asked")(x)
    x = norm(name="norm")(x)
    x = layers.ReLU(name="relu")(x)
    x = layers.Conv2D(5, 3, padding="same", name="last")(x)
    return randomize(keras.Model(image, x, name="net"))


def picture(channels=3):
    rng = np.random.default_rng(3)
    return rng.normal(size=(1, 33, 42, channels)).astype("float32")


@pytest.mark.once
def test_which_classes_add_nothing():
    assert not has_own_call(layers.Conv2D(4, 3))
    assert not has_own_call(Named(4, 3))
    assert has_own_call(Reflecting(4, 3))
    assert has_own_call(Activated())


def test_set_output_stride():
    """The stride in front of the layer is removed, or it is not."""
    with pytest.raises(ValueError, match="behind the layer 'asked' .Reflect"):
        set_output_stride(network(Reflecting), 2)
    x = picture()
    for conv, stride in ((Reflecting, 4), (Standardized, 2), (Named, 2)):
        model = network(conv)
        dense = set_output_stride(model, stride)
        step = 4 // stride
        old, new = outputs(model, x), outputs(dense, x)[:, ::step, ::step]
        assert relative_difference(new, old) < 1e-5
    with pytest.raises(ValueError, match="'asked' .*only `verify=True`"):
        set_output_stride(network(Standardized), 2, verify=False)
    set_output_stride(network(Named), 2, verify=False)


@pytest.mark.once
@pytest.mark.parametrize(
    "conv, norm",
    [
        (Standardized, layers.BatchNormalization),
        (Reflecting, Activated),
        (layers.Conv2D, Activated),
    ],
)
def test_norms_are_left_where_they_are(conv, norm):
    model = network(conv, norm)
    x = picture()
    for operation in (fold_batch_norm, drop_biases):
        kept = operation(model)
        assert kept.count_params() == model.count_params()
        assert relative_difference(outputs(kept, x), outputs(model, x)) < 1e-5


@pytest.mark.once
def test_norms_in_training_mode_are_left():
    image = keras.Input((None, None, 3))
    norm = layers.BatchNormalization()
    x = norm(layers.Conv2D(4, 3)(image), training=True)
    model = randomize(keras.Model(image, x))
    assert fold_batch_norm(model).count_params() == model.count_params()


@pytest.mark.once
def test_inflate_input():
    def first(conv):
        image = keras.Input((None, None, 3))
        x = conv(4, 3, padding="same", name="asked")(image)
        return randomize(keras.Model(image, layers.ReLU()(x)))

    with pytest.raises(ValueError, match="behind the layer 'asked' .Standard"):
        inflate_input(first(Standardized), 4)
    with pytest.raises(ValueError, match="'asked' .* has a `call` of its own"):
        inflate_input(first(Standardized), 2)
    model = first(Reflecting)
    wide = inflate_input(model, 5)
    x = picture(5)
    actual, expected = outputs(wide, x), outputs(model, x[..., :3])
    assert relative_difference(actual, expected) < 1e-5


@pytest.mark.once
def test_multi_grid_and_decimate():
    with pytest.raises(ValueError, match="'asked' .Reflecting. can't be spr"):
        multi_grid(network(Reflecting), (1, 2, 1))
    spread = multi_grid(network(Standardized), (1, 2, 1))
    assert spread.get_layer("asked").dilation_rate == (2, 2)
    with pytest.raises(ValueError, match="'asked' .* has a `call` of its own"):
        decimate(network(Standardized), "asked", filters=2)
    with pytest.raises(ValueError, match="'asked' .* has a `call` of its own"):
        decimate(network(Standardized, strides=1), "down", filters=2)


@pytest.mark.once
def test_what_a_layer_does_not_say_of_itself_is_seen():
    """A copy that `get_config` makes is another layer."""

    class Shifted(layers.Layer):
        def __init__(self, shift=0.0, **kwargs):
            super().__init__(**kwargs)
            self.shift = shift

        def call(self, x):
            return x + self.shift

        def get_config(self):
            return {"name": self.name}

    image = keras.Input((None, None, 3))
    x = layers.Conv2D(4, 3, 2, padding="same")(image)
    x = Shifted(3.0, name="shifted")(x)
    x = layers.Conv2D(4, 3, 2, padding="same")(x)
    model = randomize(keras.Model(image, x))
    for operation in (
        fold_batch_norm,
        lambda m: cascade(m, 1),
        lambda m: UNet(m, classes=2, filters=2),
    ):
        with pytest.raises(ValueError, match="behind the layer 'shifted'"):
            operation(model)


@pytest.mark.once
def test_receptive_field():
    with pytest.raises(ValueError, match="'asked' .* has a `call` of its own"):
        receptive_field(network(Reflecting))
    plain = receptive_field(network(layers.Conv2D))
    assert receptive_field(network(Named)) == plain


@pytest.mark.once
@pytest.mark.parametrize("value", [0.0, np.nan])
def test_what_shows_nothing_is_not_verified(value):
    model = network(layers.Conv2D)
    blind = model.get_layer("down")
    blind.set_weights([np.full_like(w, value) for w in blind.get_weights()])
    with pytest.warns(UserWarning, match="not be verified .*'down'") as said:
        set_output_stride(model, 2)
    assert sum(x.category is UserWarning for x in said) == 1


def test_nothing_is_left_behind():
    """Weights, statistics and seeds are those from before."""
    image = keras.Input((None, None, 3))
    x = layers.Conv2D(4, 3, 2, padding="same")(image)
    x = layers.BatchNormalization()(x, training=True)
    x = layers.Dropout(0.5)(x, training=True)
    x = layers.ActivityRegularization(0.1)(x)
    model = randomize(
        keras.Model(image, layers.Conv2D(3, 3, 2, padding="same")(x))
    )
    before = [ops.convert_to_numpy(v) for v in model.variables]
    set_output_stride(model, 2)
    for old, new in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(old, ops.convert_to_numpy(new))


@pytest.mark.once
def test_low_rank_and_quantized_layers_are_refused():
    image = keras.Input((None, None, 3))
    x = layers.Conv2D(4, 3, 2, padding="same", name="first")(image)
    model = keras.Model(image, layers.Conv2D(4, 3, 2, name="second")(x))
    model.get_layer("second").enable_lora(2)
    for operation in (fold_batch_norm, lambda m: set_output_stride(m, 2)):
        with pytest.raises(ValueError, match="'second' .*low rank .LoRA"):
            operation(model)
    model = keras.Model(image, layers.Dense(4, name="dense")(x))
    model.get_layer("dense").quantize("int8")
    with pytest.raises(ValueError, match="'dense' .Dense. is quantized"):
        set_output_stride(model, 1)


@pytest.mark.once
def test_builders_verify_their_encoder():
    image = keras.Input((None, None, 3))
    x = image
    for _ in range(5):
        x = layers.Conv2D(4, 3, 2, padding="same")(x)
    x = Reflecting(4, 3, padding="same", name="asked")(x)
    backbone = randomize(keras.Model(image, x))
    with pytest.raises(ValueError, match="'asked' .Reflecting."):
        DeepLabV3(backbone, classes=2)
    # No stride is removed.
    UNet(backbone, classes=2, filters=2)


@pytest.mark.once
def test_inputs_keep_their_structure():
    """A dictionary of two images stays one; what takes one image says so."""
    one, two = (keras.Input((32, 32, 3), name=name) for name in "ab")
    x = layers.Concatenate()([one, two])
    for _ in range(2):
        x = layers.Conv2D(4, 3, 2, padding="same")(x)
    model = randomize(keras.Model({"a": one, "b": two}, x))
    image = picture()[:, :32, :32]
    images = {"a": image, "b": -image}
    old = model.predict_on_batch(images)
    for operation, step in (
        (lambda m: set_output_stride(m, 2), 2),
        (fold_batch_norm, 1),
    ):
        network = operation(model)
        new = network.predict_on_batch(images)
        assert relative_difference(new[:, ::step, ::step], old) < 1e-5
    for operation in (
        lambda m: inflate_input(m, 4),
        lambda m: UNet(m, classes=2),
    ):
        with pytest.raises(ValueError, match="one input.*[Rr]eceived|2 inputs"):
            operation(model)


def test_average_pooling_with_a_stride_and_padding():
    """Keras's border is another on PyTorch (keras#23233): it is refused."""
    image = keras.Input((None, None, 3))
    x = layers.Conv2D(4, 3, padding="same")(image)
    x = layers.AveragePooling2D(3, 2, padding="same", name="pool")(x)
    x = layers.Conv2D(4, 3, padding="same")(x)
    model = randomize(keras.Model(image, x))
    set_output_stride(model, 2)
    if keras.backend.backend() == "torch":
        with pytest.raises(ValueError, match="'pool' .*on PyTorch"):
            set_output_stride(model, 1)
        return
    dense = set_output_stride(model, 1)
    x = picture()
    new, old = outputs(dense, x)[:, ::2, ::2], outputs(model, x)
    assert relative_difference(new, old) < 1e-5
