"""The numbers of each recipe against papers.md, section by section."""

import keras
import numpy as np
import pytest

from keras_seg.applications import DeepLabV2
from keras_seg.applications import DeepLabV3
from keras_seg.applications import FCN8s
from keras_seg.applications import FCN16s
from keras_seg.applications import FCN32s
from keras_seg.applications import SegNet
from keras_seg.applications import SegNetBasic
from keras_seg.applications import UNet
from keras_seg.layers import ResizeLike
from keras_seg.layers.base import nested_layers
from keras_seg.losses import CrossEntropy
from keras_seg.training import recipes
from tests.applications.systems import small
from tests.applications.test_deeplab_v3 import tiny_resnet
from tests.applications.test_fcn import tiny_vgg
from tests.networks import randomize

pytestmark = pytest.mark.once


def rate_at(arguments, update):
    rate = arguments["optimizer"]._learning_rate
    batches = update * (arguments["optimizer"].gradient_accumulation_steps or 1)
    return float(rate(batches) if callable(rate) else rate)


def decay_of(model):
    """The factor of Σ w² / 2 on kernels; nothing else may have one."""
    factors = set()
    for variable in model.trainable_variables:
        regularizer = variable.regularizer
        if "kernel" in variable.path.split("/")[-1] and regularizer:
            factors.add(round(2 * float(regularizer.l2), 10))
        else:
            assert regularizer is None, variable.path
    return factors


def check(arguments, model, *, rates, momentum, decay, accumulation=None):
    optimizer = arguments["optimizer"]
    for update, rate in rates.items():
        assert rate_at(arguments, update) == pytest.approx(rate, rel=1e-4)
    assert optimizer.momentum == momentum
    assert not optimizer.nesterov and optimizer.weight_decay is None
    assert optimizer.gradient_accumulation_steps == accumulation
    assert decay_of(model) == decay
    assert optimizer.multiplier("x/bias") == 2.0
    (metric,) = arguments["metrics"]
    assert metric.name == "mean_iou" and metric.ignore_class == 255
    return arguments["loss"]


@pytest.mark.parametrize(
    ("builder", "options", "rate"),
    [
        (FCN32s, {}, 1e-10),
        (FCN16s, {}, 1e-12),
        (FCN8s, {}, 1e-14),
        (FCN8s, {"at_once": True}, 1e-10),
    ],
)
def test_fcn_heavy(builder, options, rate):
    """papers.md 8.6: summed loss, momentum .99, decay 5e-4, fixed rates."""
    model = builder(tiny_vgg(), classes=3, **options)
    loss = check(
        recipes.fcn_heavy(model),
        model,
        rates={0: rate, 99_999: rate},
        momentum=0.99,
        decay={5e-4},
    )
    assert loss.pixel_reduction == "sum" and loss.stride == 1


@pytest.mark.parametrize(("builder", "rate"), [(FCN32s, 1e-4), (FCN16s, 1e-6)])
def test_fcn_cvpr(builder, rate):
    """papers.md 8.6: momentum .9, 1e-4 on VGG16, 16s a hundredth; 20 images."""
    model = builder(tiny_vgg(), classes=3)
    loss = check(
        recipes.fcn_cvpr(model, accumulation=20),
        model,
        rates={0: rate, 1000: rate},
        momentum=0.9,
        decay={5e-4},
        accumulation=20,
    )
    assert loss.pixel_reduction == "mean"


@pytest.mark.parametrize(
    ("model", "rate"), [(SegNet, 0.001), (SegNetBasic, 0.1)]
)
def test_segnet(model, rate):
    """papers.md 9.3: .001 and .1 fixed, .9, 5e-4; the weighted loss is
    divided by the number of pixels."""
    options = {"weights": None} if model is SegNet else {}
    built = model(classes=3, filters=2, **options)
    loss = check(
        recipes.segnet(built, class_weights=[0.5, 1, 2]),
        built,
        rates={0: rate, 39_999: rate},
        momentum=0.9,
        decay={5e-4},
    )
    assert loss.pixel_reduction == "mean_over_pixels"
    assert loss.class_weights == [0.5, 1.0, 2.0]


@pytest.mark.parametrize(("stage", "every"), [(1, 9_000), (2, 10_000)])
def test_deconvnet(stage, every):
    """papers.md 10.2: .01, a tenth every 9,000 or 10,000; 8 accumulated."""
    model = FCN32s(tiny_vgg(), classes=3)  # Any network: the numbers count.
    check(
        recipes.deconvnet(model, stage),
        model,
        rates={0: 0.01, every - 1: 0.01, every: 0.001, 2 * every: 1e-4},
        momentum=0.9,
        decay={5e-4},
        accumulation=8,
    )


def test_unet():
    """papers.md 7.3: momentum .99; no decay is printed."""
    model = UNet(classes=2, filters=4, depth=2)
    check(
        recipes.unet(model),
        model,
        rates={0: 0.001},
        momentum=0.99,
        decay=set(),
    )


def test_deeplab_v1():
    """papers.md 11.6: .001, a tenth every 2,000; fc8 ×10, its bias ×20."""
    model = small("deeplabv1", classes=3)
    arguments = recipes.deeplab_v1(model)
    loss = check(
        arguments,
        model,
        rates={0: 1e-3, 1999: 1e-3, 2000: 1e-4, 4000: 1e-5},
        momentum=0.9,
        decay={5e-4},
    )
    assert loss.stride == 8 and loss.pixel_reduction == "mean"
    (score,) = recipes.score_layers(model)
    multiplier = arguments["optimizer"].multiplier
    assert multiplier(score.kernel.path) == 10
    assert multiplier(score.bias.path) == 20


@pytest.mark.parametrize(
    ("backbone", "rate"), [(tiny_resnet, 2.5e-4), (lambda: tiny_vgg(96), 0.001)]
)
def test_deeplab_v2(backbone, rate):
    """papers.md 13.4: 2.5e-4 on ResNet-101, .001 on VGG16, poly .9."""
    options = {} if backbone is tiny_resnet else {"hidden_filters": 14}
    model = DeepLabV2(backbone(), classes=3, **options)
    arguments = recipes.deeplab_v2(model, accumulation=10)
    loss = check(
        arguments,
        model,
        rates={0: rate, 10_000: rate * 0.5359, 20_000: 0},
        momentum=0.9,
        decay={5e-4},
        accumulation=10,
    )
    assert loss.stride == 8
    scores = recipes.score_layers(model)
    assert len(scores) == 4  # One a rate: 6, 12, 18, 24.
    for layer in scores:
        assert arguments["optimizer"].multiplier(layer.kernel.path) == 10
        assert arguments["optimizer"].multiplier(layer.bias.path) == 20
    assert not any(norm.trainable for norm in norms_of(model))


def test_losses_of_msc():
    """papers.md 13.3: four losses of equal weight, at strides 8 and, of
    scale .5, 16."""
    model = DeepLabV2(
        tiny_resnet(), classes=3, scales=(1, 0.75, 0.5), auxiliary="scales"
    )
    arguments = recipes.deeplab_v2(model)
    assert [loss.stride for loss in arguments["loss"]] == [8, 8, 8, 16]
    assert arguments["loss_weights"] == [1.0] * 4


@pytest.mark.parametrize(("stage", "rate"), [(1, 0.007), (2, 0.001)])
def test_deeplab_v3(stage, rate):
    """papers.md 14.3: .007 with batch norm trained, .001 with it frozen;
    poly .9 over 30,000; decay 1e-4."""
    model = DeepLabV3(tiny_resnet(), classes=3)
    loss = check(
        recipes.deeplab_v3(model, stage=stage),
        model,
        rates={0: rate, 15_000: rate * 0.5359},
        momentum=0.9,
        decay={1e-4},
    )
    assert loss.stride == 1 and loss.pixel_reduction == "mean"
    trained = {v.path.split("/")[-1] for v in model.trainable_variables}
    assert ("gamma" in trained) == (stage == 1)
    with pytest.raises(ValueError, match="Received: stage=3"):
        recipes.deeplab_v3(model, stage=3)


def test_deeplab_v3_on_mobilenet():
    """papers.md 14.3: 4e-5; the authors spare depthwise kernels."""
    backbone = keras.Sequential(
        [
            keras.Input((None, None, 3)),
            keras.layers.Conv2D(4, 3, 2, "same"),
            keras.layers.DepthwiseConv2D(3, 2, "same"),
            keras.layers.Conv2D(4, 1),
        ]
    )
    model = DeepLabV3(backbone, classes=3, output_stride=4)
    recipes.deeplab_v3(model, steps=1000)
    assert decay_of(model) == {4e-5}
    (depthwise,) = [
        x for x in model.layers if isinstance(x, keras.layers.DepthwiseConv2D)
    ]
    assert depthwise.kernel.regularizer is None
    assert depthwise.depthwise_regularizer is None


def norms_of(model):
    kinds = keras.layers.BatchNormalization
    return [x for x in nested_layers(model) if isinstance(x, kinds)]


@pytest.mark.parametrize(
    ("steps", "momentum"), [(30_000, 0.9997), (1000, 0.991), (20, 0.9)]
)
def test_momentum_of_batch_norm(steps, momentum):
    """papers.md 14.3 and trap 14.6.8, the norms of the pyramid included."""
    model = DeepLabV3(tiny_resnet(), classes=3)
    recipes.deeplab_v3(model, steps)
    copy = keras.models.clone_model(model)
    for norms in (norms_of(model), norms_of(copy)):
        assert len(norms) > 6
        assert {norm.momentum for norm in norms} == {momentum}
    recipes.deeplab_v3(model, steps, batch_norm_momentum=0.5)
    assert {norm.momentum for norm in norms_of(model)} == {0.5}


def test_frozen_batch_norm_stays_so_in_the_file(tmp_path):
    """papers.md 14.3: stage 2; the statistics do not move, loaded either."""
    model = DeepLabV3(tiny_resnet(), classes=3)
    model.compile(**recipes.deeplab_v3(model, 10, stage=2))
    images = np.random.default_rng(0).uniform(0, 255, (2, 33, 33, 3))
    masks = np.zeros((2, 33, 33), "int32")
    model.train_on_batch(images, masks)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    for trained in (model, loaded):
        norms = norms_of(trained)
        assert len(norms) > 6
        assert not any(norm.trainable_weights for norm in norms)
        before = [norm.get_weights() for norm in norms]
        trained.train_on_batch(images, masks)
        after = [norm.get_weights() for norm in norms]
        for old, new in zip(sum(before, []), sum(after, []), strict=True):
            np.testing.assert_array_equal(new, old)


@pytest.mark.parametrize("name", ["deeplabv1", "deeplabv1_base", "resnet"])
def test_every_eighth_logit_is_one_of_the_small_map(name):
    """papers.md 11.6, 13.4: the loss at stride 8, on labels of 8k + 1."""
    if name == "resnet":
        model = DeepLabV2(tiny_resnet(), classes=3)
    else:
        model = small(name, classes=3)
    randomize(model)
    image = np.random.default_rng(0).uniform(0, 255, (1, 65, 97, 3))
    (resize,) = [x for x in model.layers if isinstance(x, ResizeLike)]
    head = keras.Model(model.input, resize.input[0])
    scores = head.predict_on_batch(image)
    logits = model.predict_on_batch(image)
    assert scores.shape == (1, 9, 13, 3)
    np.testing.assert_allclose(
        logits[:, ::8, ::8], scores, rtol=1e-4, atol=1e-5
    )
    assert head.compute_output_shape((1, 321, 321, 3)) == (1, 41, 41, 3)
    masks = np.random.default_rng(1).integers(0, 3, (1, 65, 97))
    assert float(CrossEntropy(stride=8)(masks, logits)) == pytest.approx(
        float(CrossEntropy()(masks[:, ::8, ::8], scores)), rel=1e-5
    )


def test_auxiliary_heads_are_trained_too():
    model = DeepLabV3(tiny_resnet(), classes=3, auxiliary=True)
    arguments = recipes.deeplab_v3(model, steps=10)
    assert len(arguments["loss"]) == 2
    assert arguments["loss_weights"] == [1.0, 0.5]
