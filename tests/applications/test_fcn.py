import inspect

import keras
import numpy as np
import pytest
from keras import layers

from keras_seg.applications import FCN2s
from keras_seg.applications import FCN8s
from keras_seg.applications import FCN16s
from keras_seg.applications import FCN32s
from keras_seg.applications import UNet
from keras_seg.surgery import replace_classes
from keras_seg.surgery import set_output_stride
from keras_seg.surgery import transplant
from keras_seg.training.recipes.common import score_layers
from tests.model_check import check_model
from tests.networks import outputs
from tests.networks import randomize

BUILDERS = [FCN32s, FCN16s, FCN8s]

# papers.md 8.3: what FCN learns on VGG16 for 21 classes; the up-sampling is
# fixed. For few classes, the scores have (4096 + 1), (512 + 1) and (256 + 1)
# weights a class.
LEARNED = {FCN32s: 134346581, FCN16s: 134357354, FCN8s: 134362751}


def tiny_vgg(size=64):
    """VGG's plan with few channels: pools for strides, and a dense head."""
    first = keras.config.image_data_format() == "channels_first"
    image = x = keras.Input((3, size, size) if first else (size, size, 3))
    for block, filters in enumerate((4, 8, 8, 12, 16), start=1):
        x = layers.Conv2D(
            filters,
            3,
            padding="same",
            activation="relu",
            name=f"block{block}_conv1",
        )(x)
        x = layers.MaxPooling2D(2, name=f"block{block}_pool")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(24, activation="relu", name="fc1")(x)
    x = layers.Dense(20, activation="relu", name="fc2")(x)
    x = layers.Dense(10, activation="softmax", name="predictions")(x)
    return keras.Model(image, x, name="tiny_vgg")


@pytest.mark.parametrize("builder", BUILDERS)
def test_model(builder, tmp_path, parity):
    def build(data_format="channels_last", **options):
        keras.config.set_image_data_format(data_format)
        backbone = tiny_vgg()
        keras.config.set_image_data_format("channels_last")
        return builder(backbone, data_format=data_format, **options)

    check_model(build, tmp_path, parity, variants=builder is FCN8s)


@pytest.mark.once
def test_parameters_of_the_paper():
    """Of FCN-8s on VGG16; the coarser ones are without its finer scores."""
    model = FCN8s(weights=None)
    check_scores(model, "fc2_dropout", 512, 256)
    count = model.count_params()
    for builder, finer in (
        (FCN8s, None),
        (FCN16s, "score_pool3"),
        (FCN32s, "score_pool4"),
    ):
        count -= model.get_layer(finer).count_params() if finer else 0
        assert count == LEARNED[builder]


@pytest.mark.once
def test_coarser_networks_are_without_finer_scores():
    """(12 + 1) weights a class are of pool4's scores, (8 + 1) of pool3's."""
    models = [builder(tiny_vgg()) for builder in BUILDERS]
    coarse, fine, finest = [model.count_params() for model in models]
    assert fine - coarse == (12 + 1) * 21
    assert finest - fine == (8 + 1) * 21
    for builder, model in zip(BUILDERS, models, strict=True):
        dropouts = [x for x in model.layers if isinstance(x, layers.Dropout)]
        assert [x.rate for x in dropouts] == [0.5, 0.5]
        backbone = inspect.signature(builder).parameters["backbone"]
        assert backbone.default == "vgg16"


@pytest.mark.once
def test_scores_start_at_zero():
    """Loss ln(21) a pixel before the first step: papers.md 8.9, trap 5."""
    model = FCN8s("mobilenet_v2", weights=None)
    image = np.random.default_rng(0).uniform(0, 255, (1, 33, 40, 3))
    assert np.abs(outputs(model, image)).max() == 0
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    masks = np.zeros((1, 33, 40), "int32")
    value = float(loss(masks, outputs(model, image)))
    assert value == pytest.approx(np.log(21), rel=1e-5)


@pytest.mark.once
@pytest.mark.parametrize(
    ("backbone", "scored"),
    [
        ("mobilenet_v2", ("out_relu", 576, 192)),
        ("ResNet50", ("conv5_block3_out", 1024, 512)),
    ],
)
def test_scores_what_the_paper_scores(backbone, scored):
    check_scores(FCN8s(backbone, weights=None, classes=2), *scored)


def check_scores(model, last, fourth, third):
    source = model.get_layer("score_fr").input._keras_history.operation
    assert source.name == last
    assert model.get_layer("score_pool4").input.shape[-1] == fourth
    assert model.get_layer("score_pool3").input.shape[-1] == third


@pytest.mark.once
def test_finer_scores():
    """Each map that FCN-2s adds has half the stride, and scores of its own."""
    model = FCN2s(tiny_vgg(), classes=2)
    sizes = {4: 4, 3: 8, 2: 16, 1: 32}  # of a 64×64 image
    known = keras.Model(
        model.input,
        [model.get_layer(f"fuse_pool{number}").output for number in sizes],
    )
    found = known(np.zeros((1, 64, 64, 3)))
    assert [x.shape[1] for x in found] == list(sizes.values())
    assert model.count_params() - FCN8s(
        tiny_vgg(), classes=2
    ).count_params() == ((4 + 1) * 2 + (8 + 1) * 2)


def test_scores_are_aligned_with_the_image():
    """A shift of the image by the stride shifts the scores by as much."""
    model = randomize(FCN8s(tiny_vgg(), classes=2))
    rng = np.random.default_rng(0)
    picture = rng.uniform(0, 255, (1, 352, 352, 3))
    logits = outputs(model, picture)
    shifted = outputs(model, picture[:, 32:, 32:])
    np.testing.assert_allclose(
        shifted[:, 144:176, 144:176],
        logits[:, 176:208, 176:208],
        rtol=1e-3,
        atol=1e-3 * np.abs(logits).max(),
    )


def test_model_of_the_paper(tmp_path, parity):
    def build(data_format="channels_last", **options):
        keras.config.set_image_data_format(data_format)
        backbone = tiny_vgg(224)  # 7×7 windows, as VGG16 has.
        keras.config.set_image_data_format("channels_last")
        return FCN8s(
            backbone,
            data_format=data_format,
            geometry="paper",
            name="fcn8s_paper",
            **options,
        )

    # 3 classes would be as many as the scores are wide: see `SIZES` there.
    check_model(build, tmp_path, parity, classes=4)


def test_model_with_transposed_convolutions(tmp_path, parity):
    def build(data_format="channels_last", **options):
        keras.config.set_image_data_format(data_format)
        backbone = tiny_vgg()
        keras.config.set_image_data_format("channels_last")
        return FCN8s(
            backbone,
            data_format=data_format,
            upsampling="transposed_convolution",
            name="fcn8s_transposed",
            **options,
        )

    check_model(build, tmp_path, parity)


# papers.md 8.3: 64² · 21²; (4² + 32²) · 21²; (4² + 4² + 16²) · 21².
ENLARGING = {FCN32s: 1_806_336, FCN16s: 458_640, FCN8s: 127_008}


@pytest.mark.once
@pytest.mark.parametrize("builder", BUILDERS)
def test_transposed_convolutions_begin_bilinear(builder):
    """The lecture's network, 7×7 to 224: inside, the logits of "bilinear"."""
    learned = builder(tiny_vgg(), upsampling="transposed_convolution")
    plain = randomize(builder(tiny_vgg()))
    more = learned.count_params() - plain.count_params()
    assert more == ENLARGING[builder]
    transplant(plain, learned)
    image = np.random.default_rng(0).uniform(0, 255, (1, 224, 224, 3))
    scores = keras.Model(learned.input, learned.get_layer("score_fr").output)
    assert outputs(scores, image).shape == (1, 7, 7, 21)
    expected, logits = outputs(plain, image), outputs(learned, image)
    off = np.abs(logits - expected) > 1e-4 * np.abs(expected).max()
    rows, columns = np.nonzero(off[0].any(-1))
    # Half a stride of each step: 16, and 16 + 8, and 16 + 8 + 4 pixels.
    border = {FCN32s: 16, FCN16s: 24, FCN8s: 28}[builder]
    inside = slice(border, -border)
    assert not off[:, inside, inside].any()
    assert {0, 223} <= {*rows} and {0, 223} <= {*columns}
    if builder is FCN32s:  # Zeros mix in: a quarter is left in a corner.
        np.testing.assert_allclose(
            logits[0, 0, 0], expected[0, 0, 0] * (33 / 64) ** 2, rtol=1e-3
        )


@pytest.mark.once
@pytest.mark.parametrize("geometry", ["aligned", "paper"])
def test_transposed_convolutions_are_handed_on(geometry):
    """FCN-16s's enlargement of the scores of stride 32 is FCN-8s's."""
    options = {
        "geometry": geometry,
        "upsampling": "transposed_convolution",
        "classes": 3,
    }
    coarse, fine, finest = (
        builder(tiny_vgg(224), **options) for builder in BUILDERS
    )
    names = transplant(randomize(coarse), fine)
    assert [x for x in names if x.startswith("upscore")] == []
    assert "upscore_pool4" in transplant(fine, finest)
    model = replace_classes(randomize(finest), 5)
    image = np.random.default_rng(0).uniform(0, 255, (1, 33, 40, 3))
    assert outputs(model, image).shape == (1, 33, 40, 5)
    trained = {layer.name for layer in model.layers if layer.trainable_weights}
    assert {"upscore_pool4", "upscore_pool3", "upscore8"} <= trained
    assert [x.name for x in score_layers(model)] == [
        "score_fr",
        "score_pool4",
        "score_pool3",
    ]
    with pytest.raises(ValueError, match="made for the stride of its map"):
        set_output_stride(model, 8)


# papers.md 8.2, columns 224, 333, 375, 500, 512: pool1 … pool5, score_fr, and
# what the transposed convolutions give.
SIZES = {
    224: (211, 106, 53, 27, 14, 8, 288, 18, 38, 312),
    333: (266, 133, 67, 34, 17, 11, 384, 24, 50, 408),
    375: (287, 144, 72, 36, 18, 12, 416, 26, 54, 440),
    500: (349, 175, 88, 44, 22, 16, 544, 34, 70, 568),
    512: (355, 178, 89, 45, 23, 17, 576, 36, 74, 600),
}


@pytest.mark.once
@pytest.mark.parametrize("size", SIZES)
def test_sizes_of_the_paper(size):
    options = {"geometry": "paper", "input_shape": (size, size, 3)}
    backbone = tiny_vgg(224)
    fine = FCN8s(backbone, classes=2, **options)
    names = [f"block{n}_pool" for n in range(1, 6)]
    names += ["score_fr", "upscore_pool4", "upscore_pool3", "upscore8"]
    found = [fine.get_layer(name).output.shape[1] for name in names]
    coarse = FCN32s(backbone, classes=2, **options)
    found.insert(6, coarse.get_layer("upscore32").output.shape[1])
    assert tuple(found) == SIZES[size]
    offsets = [
        fine.get_layer(name).offset
        for name in ("crop_pool4", "crop_pool3", "crop")
    ]
    assert offsets == [5, 9, 31]
    assert coarse.get_layer("crop").offset == 19
    assert FCN16s(backbone, geometry="paper").get_layer("crop").offset == 27
    assert fine.output_shape == (None, size, size, 2)


@pytest.mark.once
def test_each_stage_begins_from_the_one_before():
    """Zero scores of the new skip: FCN-16s gives what FCN-32s gave, but for
    bilinear interpolation in two steps; the kernels are the same to the bit."""
    coarse = randomize(FCN32s(tiny_vgg(), classes=3))
    fine = FCN16s(tiny_vgg(), classes=3)
    names = transplant(coarse, fine)
    assert "score_fr" in names and "score_pool4" not in names
    for name in names:
        for old, new in zip(
            coarse.get_layer(name).get_weights(),
            fine.get_layer(name).get_weights(),
            strict=True,
        ):
            np.testing.assert_array_equal(old, new)
    assert not fine.get_layer("score_pool4").get_weights()[0].any()
    other = FCN16s(tiny_vgg(), classes=4)
    with pytest.raises(ValueError, match="'score_fr' has weights of shapes"):
        transplant(coarse, other)
    with pytest.raises(ValueError, match="share no names"):
        transplant(coarse, keras.Sequential([keras.Input((2,))]))


@pytest.mark.once
def test_at_once_scales_the_maps():
    """papers.md 8.9, trap 7: what is pooled, not its score."""
    plain = randomize(FCN8s(tiny_vgg(), classes=2))
    scaled = FCN8s(tiny_vgg(), classes=2, at_once=True)
    scaled.set_weights(plain.get_weights())
    for pool, factor in (("pool4", 0.01), ("pool3", 0.0001)):
        layer = scaled.get_layer(f"score_{pool}")
        kernel, bias = layer.get_weights()
        layer.set_weights([kernel / factor, bias])
    x = np.random.default_rng(0).uniform(0, 255, (1, 33, 40, 3))
    np.testing.assert_allclose(
        outputs(scaled, x), outputs(plain, x), rtol=1e-3, atol=1e-3
    )


@pytest.mark.once
def test_small_images_of_unpadded_encoders():
    """InceptionV3 takes no image below 75 pixels; here it is padded."""
    model = UNet("inception_v3", weights=None, classes=2)
    for size in ((1, 1), (70, 50)):
        x = np.random.default_rng(0).uniform(0, 255, (1, *size, 3))
        assert outputs(model, x).shape == (1, *size, 2)


@pytest.mark.once
def test_input_tensor():
    image = keras.Input((None, None, 3))
    model = FCN32s("mobilenet_v2", None, input_tensor=image * 255.0)
    assert model.input is image
    assert model.predict_on_batch(np.ones((1, 33, 40, 3))).shape[-1] == 21


@pytest.mark.once
def test_bad_arguments():
    with pytest.raises(ValueError, match="Received: classes=0"):
        FCN32s(weights=None, classes=0)
    with pytest.raises(ValueError, match="Received: backbone='vgg15'"):
        FCN32s("vgg15", weights=None)
    with pytest.raises(ValueError, match="weights='no.h5', which does not"):
        FCN32s(weights="no.h5")
    with pytest.raises(ValueError, match="Received: geometry='caffe'"):
        FCN32s(weights=None, geometry="caffe")
    with pytest.raises(ValueError, match="Received: upsampling='nearest'"):
        FCN32s(weights=None, upsampling="nearest")
    with pytest.raises(ValueError, match="they need upsampling='bilinear'"):
        FCN32s("xception", None, upsampling="transposed_convolution")
    for backbone in ("mobilenet_v2", tiny_vgg()):
        with pytest.raises(ValueError, match="' has another plan"):
            FCN32s(backbone, weights=None, geometry="paper")
    image = keras.Input((None, None, 3))
    shallow = keras.Model(image, layers.Conv2D(4, 3, 4)(image), name="shallow")
    with pytest.raises(ValueError, match="'shallow' has no maps of stride 16"):
        FCN16s(shallow)
