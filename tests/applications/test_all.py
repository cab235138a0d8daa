"""What every system must do, whichever it is."""

import functools
import inspect
import re
import types

import keras
import numpy as np
import pytest
from hypothesis import example
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from keras import layers

from keras_seg import applications
from keras_seg import receptive_field
from keras_seg.applications.backbones import backbone_layers
from keras_seg.layers.base import nested_layers
from keras_seg.ops import backend
from keras_seg.surgery import graph
from keras_seg.training import recipes
from tests.applications.systems import SYSTEMS
from tests.applications.systems import small
from tests.applications.test_deeplab_v3 import tiny_resnet
from tests.applications.test_fcn import tiny_vgg
from tests.networks import outputs
from tests.networks import randomize
from tests.networks import relative_difference

BACKEND = keras.backend.backend()
every_system = pytest.mark.parametrize("name", SYSTEMS)
built = functools.cache(lambda name: small(name, classes=2))
sizes = st.integers(1, 200)
WITHOUT_BATCH_NORM = (
    "fcn32s",
    "fcn8s",
    "fcn2s",
    "deeplabv1",
    "deeplabv1_base",
    "unet",
    "sliding_window",
)


def picture(height, width, channels=3):
    rng = np.random.default_rng(0)
    shape = (1, height, width, channels)
    return rng.uniform(0, 255, shape).astype("float32")


@pytest.mark.once
@every_system
@settings(max_examples=10)
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


@pytest.mark.parametrize(
    "name", [x for x in SYSTEMS if x not in ("sliding_window", "linear_head")]
)
def test_auxiliary_head(name):
    """A second output of the image's size, trained by the second loss."""
    if BACKEND != "torch" and name != "fcn8s":
        pytest.skip("compiled one by one: the graphs are PyTorch's")
    model = randomize(small(name, classes=2, auxiliary=True))
    assert len(model.weights) > len(built(name).weights)
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
@pytest.mark.once
def test_a_pixel_sees_what_is_around_it(name):
    """The center of what it sees is the pixel, on average, or half a pixel
    off; not so where an even kernel of fc6 pads one side more, nor where
    bilinear interpolation is by half pixels and maps lie on whole ones."""
    seen = receptive_field(built(name), global_pooling=False)
    assert seen.stride == 1
    shifted = name.startswith("fcn") or name == "unet_resnet"
    assert abs(seen.center) <= (16 if shifted else 0.5)


# Most share what they do to other images than RGB: see `begin`.
CHANNELS = [("fcn8s", 4)]
if BACKEND == "torch":
    CHANNELS = [(name, 4) for name in SYSTEMS]
    for name in ("fcn8s", "unet", "segnet", "segnet_basic", "sliding_window"):
        CHANNELS += [(name, 1), (name, 2)]


@pytest.mark.parametrize(("name", "channels"), CHANNELS)
def test_channels(name, channels):
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
    "linear_head": {"classes": 2},
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
        spy = types.SimpleNamespace(**{**vars(keras.ops), "subtract": subtract})
        patch.setattr(backend, "ops", spy)
        for width in (5, 16, 20):
            x = picture(12, width)
            turned = outputs(first, np.moveaxis(x, -1, 1))
            assert relative_difference(turned, outputs(last, x)) < 1e-4
    wide = [tuple(shape)[1::2] for shape in shapes]
    assert any(channels == width for channels, width in wide), wide


@pytest.mark.once
@pytest.mark.parametrize("name", [x for x in SYSTEMS if x != "linear_head"])
def test_frozen_batch_norm(name):
    if name in WITHOUT_BATCH_NORM:
        with pytest.raises(ValueError, match="`freeze_batch_norm` has no"):
            small(name, classes=2, freeze_batch_norm=True)
        return
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


# The systems that are built on a model.
ON_MODELS = [name for name, (_, backbone, _) in SYSTEMS.items() if backbone]


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
@pytest.mark.parametrize(
    "name",
    # The others have the layers of those.
    [
        name
        for name in ON_MODELS
        if name not in ("fcn32s", "fcn16s", "fcn8s", "deeplabv1")
    ],
)
def test_a_backbone_with_names_of_ours(name):
    """Whatever its layers are called, the network is the same."""
    backbone = randomize(graph.functional(SYSTEMS[name][1]()))
    plain = build_on(name, backbone, classes=2)
    theirs = {operation.name for operation in backbone.operations}
    ours = [x.name for x in plain.operations if x.name not in theirs]
    # Three of them: the network is built again for each.
    named_alike = renamed(backbone, ours[:: -(-len(ours) // 3)])
    model = build_on(name, named_alike, classes=2)
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
@pytest.mark.parametrize("name", ON_MODELS)
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


# For every argument of a builder a value that is not the default.
OTHERS = {
    "weights": "nowhere.h5",
    "input_tensor": keras.Input((None, None, 4)),
    "input_shape": (None, None, 4),
    "classes": 3,
    "classifier_activation": "softmax",
    "include_preprocessing": False,
    "data_format": "channels_first",
    "name": "other",
    "dropout": 0.25,
    "freeze_batch_norm": True,
    "freeze_backbone": False,
    "auxiliary": True,
    "geometry": "paper",
    "upsampling": "transposed_convolution",
    "at_once": True,
    "kernel_size": 1,
    "dilation_rate": 5,
    "filters": 6,
    "hidden_filters": 6,
    "multi_scale": True,
    "crf": True,
    "seed": 1,
    "atrous_rates": (1, 3),
    "scales": (1.0, 0.75),
    "output_stride": 8,
    "multi_grid": (1, 1, 2),
    "cascade": 1,
    "normalization": "group",
    "decoder_filters": 5,
    "depth": 2,
    "padding": "valid",
}


def drawn(builder, options):
    """What a network is, and the weights that one seed gives it."""
    keras.utils.set_random_seed(0)
    model = builder(**options)
    config = str(keras.saving.serialize_keras_object(model))
    # Names that Keras counts say nothing.
    return re.sub(r"\w+_\d+'", "", config), model.get_weights()


@pytest.mark.once
@pytest.mark.parametrize("name", SYSTEMS)
def test_no_argument_is_without_effect(name):
    """Another value gives another network, or is refused by its name."""
    builder, backbone, own = SYSTEMS[name]
    if backbone is not None:
        backbone = randomize(backbone())
        key = "classifier" if name == "sliding_window" else "backbone"
        own = {key: backbone, **own}
    before = drawn(builder, own)
    parameters = inspect.signature(builder).parameters
    arguments = parameters.keys() - {"backbone", "classifier"}
    if name in ("deeplabv1_base", "deeplabv3_cascade"):
        # The builder's other system has shown those that all builders have.
        shared = inspect.signature(applications.SlidingWindow).parameters
        arguments -= shared.keys()
    for argument in arguments:
        value = OTHERS[argument]
        if own.get(argument) == value:
            value = parameters[argument].default
        try:
            after = drawn(builder, {**own, argument: value})
        except ValueError as error:
            assert argument in str(error)
            continue
        different = after[0] != before[0] or any(
            not np.array_equal(x, y)
            for x, y in zip(after[1], before[1], strict=True)
        )
        assert different, argument


@pytest.mark.once
@pytest.mark.parametrize(
    ("builder", "options"),
    [
        (applications.UNet, {"backbone": tiny_resnet, "weights": "imagenet"}),
        (applications.UNet, {"backbone": "mobilenet_v2", "depth": 4}),
        (applications.FCN8s, {"backbone": tiny_resnet, "dropout": 0.2}),
        (applications.DeepLabV2, {"backbone": tiny_resnet, "seed": 1}),
        (
            applications.SegNet,
            {
                "weights": None,
                "input_shape": (9, 9, 2),
                "include_preprocessing": False,
            },
        ),
        (
            applications.FCN32s,
            {"backbone": "efficientnet_b0", "include_preprocessing": False},
        ),
    ],
)
def test_what_a_backbone_does_not_use(builder, options):
    """The last one is named and refused; weights are asked for after it."""
    backbone = options.get("backbone")
    given = dict(options)
    if callable(backbone):
        given["backbone"] = backbone()
    elif backbone:
        given["weights"] = None
    *_, name = options
    with pytest.raises(ValueError, match=f"Received: {name}="):
        builder(**given)


@pytest.mark.once
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("backbone", 3),
        ("backbone", keras.applications.MobileNetV2),
        ("weights", (64, 64, 3)),
        ("input_tensor", (64, 64, 3)),
        ("input_shape", 64),
        ("classes", "5"),
        ("include_preprocessing", "no"),
        ("output_stride", "16"),
        ("multi_grid", 2),
        ("atrous_rates", 6),
        ("cascade", "3"),
        ("normalization", "bn"),
        ("dropout", "x"),
        ("freeze_batch_norm", 2),
        ("auxiliary", "yes"),
        ("data_format", "nchw"),
    ],
)
def test_wrong_kinds_of_arguments(name, value):
    """One sentence, which names the argument."""
    given = {"backbone": tiny_resnet(), "weights": None, name: value}
    with pytest.raises(
        ValueError, match=rf"`{name}` must.*Received: .*{name}="
    ):
        applications.DeepLabV3(**given)


@pytest.mark.once
@pytest.mark.parametrize(
    ("positional", "named", "found"),
    [
        (("mobilenet_v2", None, 5), {}, "too many positional arguments"),
        ((), {"num_classes": 5}, "unexpected keyword argument 'num_classes'"),
    ],
)
def test_arguments_that_builders_do_not_have(positional, named, found):
    with pytest.raises(
        TypeError, match=rf"^DeepLabV3\(\) .*{found}.*classes, "
    ):
        applications.DeepLabV3(*positional, **named)


@pytest.mark.once
def test_backbones_that_cannot_be_carried():
    """LoRA, int8, two images, and the other data format."""
    lora, quantized = tiny_resnet(), tiny_vgg()
    lora.get_layer("stem").enable_lora(2)
    quantized.get_layer("fc1").quantize("int8")
    images = [keras.Input((32, 32, 3)) for _ in range(2)]
    two = keras.Model(images, layers.Conv2D(4, 3, 2)(layers.Add()(images)))
    for backbone, found in (
        (lora, "'stem' .*LoRA"),
        (quantized, "'fc1' .* is quantized"),
        (two, "`backbone` must have one input"),
    ):
        with pytest.raises(ValueError, match=found):
            applications.FCN32s(backbone)
    with pytest.raises(ValueError, match="Received: data_format='channels_f"):
        applications.UNet(tiny_resnet(), data_format="channels_first")
    with pytest.raises(ValueError, match="'stem' .*LoRA"):
        recipes.score_layers(lora)
    with pytest.raises(ValueError, match="'stem' .*LoRA"):
        recipes.add_weight_decay(lora, 0.1)


@pytest.mark.once
@pytest.mark.parametrize(
    ("builder", "backbone", "options"),
    [
        (
            applications.DeepLabV2,
            lambda: tiny_vgg(96),
            {"hidden_filters": 1024},
        ),
        (applications.DeepLabV2, tiny_vgg, {"backbone": "a last map of 2×2"}),
        (applications.DeepLabV3, tiny_resnet, {"multi_grid": (1, 2)}),
        (applications.DeepLabV3, tiny_resnet, {"cascade": -1}),
        (applications.FCN8s, tiny_vgg, {"dropout": 1.5}),
        (applications.FCN8s, tiny_vgg, {"input_shape": (3, None, None)}),
    ],
)
def test_errors_name_the_callers_arguments(builder, backbone, options):
    given = {"backbone": backbone(), **options}
    if "backbone" in options:
        given["backbone"] = backbone()
    (name,) = options
    with pytest.raises(ValueError, match=f"Received: {name}"):
        builder(**given)
