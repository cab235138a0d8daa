"""Swin and Mix Transformers of keras-hub and zeromodels, of random weights."""

import warnings

import keras
import numpy as np
import pytest

from keras_seg.applications import DeepLabV3
from keras_seg.applications import DeepLabV3Plus
from keras_seg.applications import FCN8s
from keras_seg.applications import UNet
from keras_seg.surgery import fully_convolutional
from keras_seg.surgery import pyramid
from keras_seg.surgery import set_output_stride
from tests.networks import outputs
from tests.networks import randomize
from tests.networks import relative_difference

BACKEND = keras.backend.backend()

hub = pytest.importorskip("keras_hub", exc_type=ImportError)
zero = pytest.importorskip("zeromodels.models", exc_type=ImportError)

# Of keras-hub's Swin, whose attention has an argument named `mask`.
pytestmark = pytest.mark.filterwarnings("ignore:Layer 'attn'")


def hub_swin(height=64, width=64, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return hub.models.SwinTransformerBackbone(
            **{
                "image_shape": (height, width, 3),
                "embed_dim": 4,
                "depths": (2, 1, 1, 2),
                "num_heads": (1, 2, 2, 4),
                "window_size": 2,
                **options,
            }
        )


def hub_mit(height=64, width=64):
    return hub.models.MiTBackbone(
        layerwise_depths=[1, 1, 1, 1],
        num_layers=4,
        layerwise_num_heads=[1, 1, 2, 2],
        layerwise_sr_ratios=[8, 4, 2, 1],
        max_drop_path_rate=0.1,
        layerwise_patch_sizes=[7, 3, 3, 3],
        layerwise_strides=[4, 2, 2, 2],
        image_shape=(height, width, 3),
        hidden_dims=[4, 8, 16, 32],
    )


def zero_swin(of=zero.swin.SwinModel, height=64, width=64, **options):
    return of(
        **{
            "pretrain_size": 64,
            "image_size": (height, width),
            "embed_dim": 4,
            "depths": (2, 1, 1, 2),
            "num_heads": (1, 2, 2, 4),
            "window_size": 2,
            **options,
        }
    )


def zero_mit(of=zero.mit.MiTModel, height=64, width=64, **options):
    return of(
        embed_dim=(4, 8, 10, 16),
        depths=(1, 1, 1, 1),
        image_size=(height, width),
        **options,
    )


# The first layer with weights.
PATCH = {
    hub_swin: "patch",
    hub_mit: "embed_0",
    zero_swin: "patch",
    zero_mit: "embed_0",
}
MODELS = [hub_swin, hub_mit, zero_swin, zero_mit]


def picture(*shape):
    return np.random.default_rng(0).normal(size=(*shape, 3)).astype("float32")


@pytest.mark.once
@pytest.mark.parametrize("make", MODELS)
def test_at_any_size(make, tmp_path):
    """At its own size it is the model, at another a model of that size.

    Both packages' MiT is right for squares only.
    """
    old = randomize(make())
    next(layer for layer in old.layers if layer.weights).trainable = False
    network = fully_convolutional(old)
    larger = (96, 96) if make in (hub_mit, zero_mit) else (128, 192)
    for height, width in ((64, 64), larger):
        sized = old if height == 64 else make(height=height, width=width)
        sized.set_weights(old.get_weights())
        x = picture(2, height, width)
        expected = outputs(sized, x)
        found = outputs(network, x).reshape(expected.shape)
        # Measured: 0 (Swin on PyTorch) to 9e-7.
        assert relative_difference(found, expected) < 1e-5
    frozen = {x.name for x in network.layers if not x.trainable}
    assert PATCH[make] in frozen and len(frozen) < 3
    # Training drops branches, two of each block, at these rates.
    rates = [x.rate for x in network.layers if "drop_path" in x.name]
    blocks = 4 if make in (hub_mit, zero_mit) else 6
    expected = np.linspace(0, 0.1, blocks)[1:].repeat(2)
    np.testing.assert_allclose(rates, expected, rtol=1e-6)
    network.save(tmp_path / "model.keras")
    saved = keras.models.load_model(tmp_path / "model.keras")
    assert not {"keras_hub", "zeromodels"} & {
        type(layer).__module__.split(".")[0] for layer in saved.layers
    }

    # A change of a corner of the image is largest in that corner of a map.
    levels = pyramid(saved)
    assert list(levels) == [4, 8, 16, 32]
    maps = keras.Model(saved.input, list(levels.values()))
    x = picture(1, 62, 95)
    for i, j in ((0, 0), (0, -1), (-1, 0), (-1, -1)):
        y = x.copy()
        y[:, 4 * i :, 4 * j :][:, :4, :4] += 3
        before, after = (
            [keras.ops.convert_to_numpy(z) for z in maps.predict_on_batch(z)]
            for z in (x, y)
        )
        for stride, old_map, new_map in zip(levels, before, after, strict=True):
            rows, columns = -(-62 // stride), -(-95 // stride)
            assert new_map.shape[1:3] == (rows, columns)
            if stride > 4 and make in (hub_mit, zero_mit):
                continue  # It came everywhere, by attention.
            change = np.abs(new_map - old_map).max((0, 3))
            place = np.unravel_index(change.argmax(), change.shape)
            corner = (i * (1 - rows), j * (1 - columns))
            assert np.abs(np.subtract(place, corner)).max() <= 1


TRAINED = [
    (hub_swin, UNet, {"filters": 4}),
    (hub_mit, DeepLabV3, {"output_stride": 32, "atrous_rates": (1, 2)}),
]


# Both on PyTorch, and one where it is compiled.
@pytest.mark.parametrize(
    ("make", "build", "options"),
    {"jax": TRAINED[:1], "tensorflow": TRAINED[1:]}.get(BACKEND, TRAINED),
)
def test_a_segmentation_network_is_trained(make, build, options):
    """One step on images that patches and windows do not divide.

    The backbone's numbers are compared where it is rebuilt, on this backend.
    """
    model = build(randomize(make()), classes=3, **options)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(True))
    x = picture(2, 41, 54)
    before = model.get_layer(PATCH[make]).get_weights()
    history = model.fit(x, np.ones((2, 41, 54), "uint8"), verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    after = model.get_layer(PATCH[make]).get_weights()
    for old, new in zip(before, after, strict=True):
        assert np.abs(new - old).max() > 0


@pytest.mark.once
@pytest.mark.parametrize(
    ("make", "build", "options"),
    [(zero_swin, FCN8s, {}), (zero_mit, DeepLabV3Plus, {"output_stride": 32})],
)
def test_strides_stay(make, build, options):
    backbone = randomize(make())
    model = build(backbone, classes=3, **options)
    assert outputs(model, picture(1, 45, 70)).shape == (1, 45, 70, 3)
    layer = "ReducedAttention" if "mit" in make.__name__ else "PatchMerging"
    with pytest.raises(ValueError, match=rf"\({layer}\) can't be carried"):
        DeepLabV3(backbone, classes=3)
    with pytest.raises(ValueError, match="works on maps of one size"):
        pyramid(backbone)
    with pytest.raises(ValueError, match="works on maps of one size"):
        set_output_stride(backbone, 16)
    with pytest.raises(ValueError, match="no head.*Received: .*dropout=0.5"):
        fully_convolutional(backbone, dropout=0.5)


def classifiers():
    """One of each, by the backbone's maker."""
    of_zero = {"classifier_activation": "softmax", "num_classes": 5}
    models = hub.models
    return {
        hub_swin: models.SwinTransformerImageClassifier(hub_swin(), 5),
        hub_mit: models.MiTImageClassifier(hub_mit(), 5, pooling="max"),
        zero_swin: zero_swin(zero.swin.SwinImageClassify, **of_zero),
        zero_mit: zero_mit(zero.mit.MiTImageClassify, **of_zero),
    }


@pytest.mark.once
def test_classifiers():
    """Their heads slide over the map, as those of other classifiers do."""
    for make, classifier in classifiers().items():
        network = fully_convolutional(
            randomize(classifier),
            classifier_activation="softmax"
            if "zero" in make.__name__
            else None,
        )
        x = picture(2, 64, 64)
        found = outputs(network, x)
        assert found.shape == (2, 1, 1, 5)
        expected = outputs(classifier, x)
        assert relative_difference(found[:, 0, 0], expected) < 1e-5
        assert outputs(network, picture(1, 96, 75)).shape == (1, 2, 2, 5)
    model = UNet(classifier, classes=3, filters=4)
    assert outputs(model, picture(1, 45, 70)).shape == (1, 45, 70, 3)


def refused():
    swin = hub_swin()
    swin.stages[2].blocks[0].mlp.act_layer = keras.activations.relu
    second = zero.swinv2.SwinV2Model(
        image_size=64,
        embed_dim=4,
        depths=(1, 1, 1, 1),
        num_heads=(1, 1, 1, 1),
        window_size=2,
    )
    cut = keras.Model(swin.inputs, swin.stages[1].output)
    return {
        "behind the layer 'stage_2'": swin,
        "'stage_0' .SwinTransformerStage. of .* one size": cut,
        "Fix: take a Swin Transformer of the first version": second,
        "'stage_3'.* maps of 4×5 and windows of 2": hub_swin(128, 160),
        "maps of 2×3 and windows of 2": zero_swin(width=96),
        "biases are for windows of 2": zero_swin(
            pretrain_size=8, image_size=48, window_size=3, depths=(1,)
        ),
        "images of 128×288": hub_mit(128, 288),
        "MiTModel.*images of 64×144": zero_mit(width=144),
        "data_format='channels_first'": hub_swin(data_format="channels_first"),
    }


@pytest.mark.once
def test_refused():
    for message, model in refused().items():
        with pytest.raises(ValueError, match=message):
            fully_convolutional(randomize(model))
