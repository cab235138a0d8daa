"""What every system must do, whichever it is."""

import functools
import types

import keras
import numpy as np
import pytest
from hypothesis import example
from hypothesis import given
from hypothesis import strategies as st
from keras import layers

from keras_seg import applications
from keras_seg import receptive_field
from keras_seg.applications.origin import backbone_layers
from keras_seg.layers.nested import nested_layers
from keras_seg.ops import bias
from keras_seg.surgery import graph
from tests.applications.systems import SYSTEMS
from tests.applications.systems import small
from tests.networks import outputs
from tests.networks import randomize
from tests.networks import relative_difference

BACKEND = keras.backend.backend()
every_system = pytest.mark.parametrize("name", SYSTEMS)
built = functools.cache(lambda name: small(name, classes=2))
sizes = st.integers(1, 200)


def picture(height, width, channels=3):
    rng = np.random.default_rng(0)
    shape = (1, height, width, channels)
    return rng.uniform(0, 255, shape).astype("float32")


@every_system
@given(sizes, sizes)
@example(1, 1)
@example(200, 3)
def test_logits_have_the_size_of_the_image(name, height, width):
    model = built(name)
    if BACKEND == "jax":
        import jax

        # Traced, not compiled: shapes are what it is about.
        image = jax.ShapeDtypeStruct((1, height, width, 3), "float32")
        shape = jax.eval_shape(model, image).shape
    else:
        logits = outputs(model, picture(height, width))
        assert np.isfinite(logits).all()
        shape = logits.shape
    assert tuple(shape) == (1, height, width, 2)
    spec = model.compute_output_shape((1, height, width, 3))
    assert tuple(spec) == (1, height, width, 2)


@pytest.mark.parametrize("name", [x for x in SYSTEMS if x != "sliding_window"])
def test_auxiliary_head(name):
    """A second output of the image's size, trained by the second loss."""
    if BACKEND != "torch" and name not in ("fcn8s", "deeplabv2"):
        pytest.skip("compiled one by one: the graphs are PyTorch's")
    model = randomize(small(name, classes=2, auxiliary=True))
    plain = small(name, classes=2)
    assert len(model.weights) > len(plain.weights)
    x = picture(40, 33)
    first, second = model.predict_on_batch(x)
    assert first.shape == second.shape == (1, 40, 33, 2)
    assert first.dtype == second.dtype == "float32"
    # With no weight on the first loss, its head is left alone.
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", [loss, loss], loss_weights=[0.0, 1.0])
    scores = [
        layer
        for layer in model.layers
        if layer.weights and ("score" in layer.name or layer.name == "fc8")
    ]
    before = [x.get_weights() for x in scores]
    masks = np.zeros((2, 40, 33), "int32")
    model.fit(np.repeat(x, 2, 0), [masks, masks], verbose=0)
    for layer, old in zip(scores, before, strict=True):
        moved = np.abs(layer.get_weights()[0] - old[0]).max() > 0
        assert moved == (layer.name == "auxiliary_score"), layer.name


@every_system
def test_a_pixel_sees_what_is_around_it(name):
    """The centre of what it sees is the pixel, on average, or half a pixel
    off; not so where an even kernel of fc6 pads one side more, nor where
    bilinear interpolation is by half pixels and maps lie on whole ones."""
    if BACKEND != "torch":
        pytest.skip("the graph is the same on every backend")
    seen = receptive_field(built(name), global_pooling=False)
    assert seen.stride == 1
    shifted = name.startswith("fcn") or name == "unet_resnet"
    assert abs(seen.centre) <= (16 if shifted else 0.5)


@pytest.mark.parametrize("channels", [1, 2, 4])
@every_system
def test_channels(name, channels):
    if BACKEND != "torch" and (channels, name) != (4, "fcn8s"):
        pytest.skip("compiled one by one: the graphs are PyTorch's")
    model = randomize(
        small(name, classes=2, input_shape=(None, None, channels))
    )
    x = picture(40, 33, channels)
    logits = outputs(model, x)
    assert logits.shape == (1, 40, 33, 2)
    # Every channel counts.
    for channel in range(channels):
        changed = x.copy()
        changed[..., channel] = 255 - changed[..., channel]
        assert np.abs(outputs(model, changed) - logits).max() > 0


# What gives every system a map as wide as it has channels, for images of 5,
# 16 or 20 columns: as many classes, or filters.
AS_WIDE = {
    "fcn16s": {"classes": 2},
    "deeplabv3": {"classes": 3},
    "deeplabv3_cascade": {"classes": 3},
    "deeplabv3plus": {"classes": 9},
    "deconvnet": {"filters": 14},
    "sliding_window": {"classes": 16},
}


@pytest.mark.skipif(BACKEND != "tensorflow", reason="Keras on TensorFlow")
@every_system
def test_maps_as_wide_as_they_have_channels(name, monkeypatch):
    """There Keras adds a channels-first bias along the width."""
    options = {"classes": 5, **AS_WIDE.get(name, {})}
    last = randomize(small(name, **options))
    keras.config.set_image_data_format("channels_first")
    try:
        first = small(name, data_format="channels_first", **options)
    finally:
        keras.config.set_image_data_format("channels_last")
    first.set_weights(last.get_weights())
    shapes = []

    def subtract(x, negative_bias):
        shapes.append(x.shape)
        return keras.ops.subtract(x, negative_bias)

    with monkeypatch.context() as patch:
        spy = types.SimpleNamespace(
            add=keras.ops.add, subtract=subtract, reshape=keras.ops.reshape
        )
        patch.setattr(bias, "ops", spy)
        for width in (5, 16, 20):
            x = picture(12, width)
            turned = outputs(first, np.moveaxis(x, -1, 1))
            assert relative_difference(turned, outputs(last, x)) < 1e-4
    wide = [tuple(shape)[1::2] for shape in shapes]
    assert any(channels == width for channels, width in wide), wide


@every_system
def test_frozen_batch_norm(name):
    model = small(name, classes=2, freeze_batch_norm=True)
    norms = [
        x
        for x in model._flatten_layers()
        if isinstance(x, layers.BatchNormalization)
    ]
    # The heads' trains; all of a network's that is one piece is frozen.
    heads = ("aspp", "low_level", "decoder", "auxiliary")
    if name.startswith(("segnet", "deconvnet")):
        heads = ()
    for norm in norms:
        assert norm.trainable == norm.path.startswith(heads), norm.path


@pytest.mark.parametrize(
    "builder, options",
    [
        (applications.FCN8s, {"geometry": "paper"}),
        (applications.UNet, {"padding": "valid"}),
    ],
)
def test_networks_that_have_no_auxiliary_head(builder, options):
    with pytest.raises(ValueError, match="Received: auxiliary=True"):
        builder(**options, weights=None, auxiliary=True)


def on_models():
    """The systems that are built on a model."""
    return [name for name, (_, backbone, _) in SYSTEMS.items() if backbone]


def build_on(name, model, **options):
    builder, _, own = SYSTEMS[name]
    key = "classifier" if name == "sliding_window" else "backbone"
    return builder(**{key: model}, **own, **options)


def renamed(model, names):
    """A copy, the first layers of which have other names."""
    operations = [
        x for x in model.operations if not isinstance(x, layers.InputLayer)
    ]
    new = dict(zip(operations, names, strict=False))
    copier = graph.Copier()

    def call(operation, *args, **kwargs):
        name = new.get(operation, operation.name)
        return copier.copy(operation, name=name)(*args, **kwargs)

    return graph.rebuild(model, lambda x: x, call, copier, any_size=False)


@pytest.mark.once
@pytest.mark.parametrize("name", on_models())
def test_a_backbone_with_names_of_ours(name):
    """Whatever its layers are called, the network is the same."""
    backbone = randomize(graph.functional(SYSTEMS[name][1]()))
    plain = build_on(name, backbone, classes=2)
    theirs = {operation.name for operation in backbone.operations}
    ours = [x.name for x in plain.operations if x.name not in theirs]
    keras.utils.set_random_seed(0)
    plain = build_on(name, backbone, classes=2)
    named_alike = renamed(backbone, ours[::-1])
    keras.utils.set_random_seed(0)
    model = build_on(name, named_alike, classes=2)
    # What has been drawn before is not drawn again.
    for new, old in zip(model.weights, plain.weights, strict=True):
        new.assign(old)
    x = picture(40, 33)
    np.testing.assert_array_equal(outputs(model, x), outputs(plain, x))
    assert {"image", "score"} <= {layer.name for layer in model.operations}
    if name != "sliding_window":
        found = backbone_layers(model, named_alike)
        assert found == backbone_layers(model)


@pytest.mark.once
def test_a_name_in_front_of_the_input_tensor():
    image = keras.Input((None, None, 3))
    x = layers.Rescaling(2.0, name="pad")(image)
    with pytest.raises(ValueError, match="has the name 'pad' of a layer"):
        small("fcn8s", input_tensor=x)


@pytest.mark.once
@pytest.mark.parametrize("name", on_models())
def test_layers_on_a_model_have_its_dtype_policy(name):
    plain = SYSTEMS[name][1]()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = SYSTEMS[name][1]()
        models = {"float32": build_on(name, plain)}
    finally:
        keras.config.set_dtype_policy("float32")
    models["mixed_bfloat16"] = build_on(name, mixed)
    for policy, model in models.items():
        found = {
            layer.dtype_policy.name
            for layer in nested_layers(model)
            if layer.weights and not isinstance(layer, keras.Model)
        }
        assert found == {policy}
        assert model.outputs[0].dtype == "float32"
