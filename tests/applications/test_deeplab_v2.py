import keras
import numpy as np
import pytest

from keras_seg.applications import DeepLabV2
from keras_seg.ops import resize
from keras_seg.surgery import drop_biases
from tests.applications.test_deeplab_v3 import learned
from tests.applications.test_deeplab_v3 import tiny_resnet
from tests.applications.test_fcn import tiny_vgg
from tests.model_check import check_model
from tests.networks import outputs
from tests.networks import randomize
from tests.networks import relative_difference


def vgg(data_format="channels_last"):
    keras.config.set_image_data_format(data_format)
    model = tiny_vgg(96)
    keras.config.set_image_data_format("channels_last")
    return model


@pytest.mark.parametrize(
    "backbone, options",
    [(vgg, {"hidden_filters": 14}), (tiny_resnet, {"scales": (1.0, 0.5)})],
)
def test_model(backbone, options, tmp_path, parity):
    def build(data_format="channels_last", **others):
        return DeepLabV2(
            backbone(data_format),
            data_format=data_format,
            atrous_rates=(2, 4),
            name=f"deeplabv2_{backbone.__name__}",
            **options,
            **others,
        )

    check_model(build, tmp_path, parity)


@pytest.mark.once
def test_parameters_of_the_paper():
    """papers.md 13.1: with four branches and, as LargeFOV, with one."""
    model = DeepLabV2("vgg16", None)
    aspp = model.get_layer("aspp")
    assert aspp.atrous_rates == (6, 12, 18, 24)
    assert learned(model) == 37_877_652
    branches = aspp.count_params()
    assert 37_877_652 - branches + branches // 4 == 20_505_429


@pytest.fixture(scope="module")
def resnet101():
    return DeepLabV2("resnet101", None)


@pytest.mark.once
def test_parameters_on_resnet101(resnet101):
    """papers.md 13.2. That of keras.applications has 52,672 biases."""
    assert learned(resnet101) == 44_048_532 + 52_672
    assert learned(drop_biases(resnet101)) == 44_048_532


@pytest.mark.once
@pytest.mark.parametrize(
    "size, sizes", [(321, (161, 81, 41)), (513, (257, 129, 65))]
)
def test_sizes_and_rates_of_the_paper(resnet101, size, sizes):
    """papers.md 13.2: res4 at rate 2 and res5 at 4, the 3×3 of the first unit
    too; every later map has the last size."""
    names = ("conv1_relu", "pool1_pool", "conv3_block4_out", "conv5_block3_out")
    maps = [resnet101.get_layer(name).output for name in names]
    model = keras.Model(resnet101.input, [*maps, resnet101.output])
    *found, scores = model.compute_output_shape((None, size, size, 3))
    assert [shape[1] for shape in found] == [*sizes, sizes[-1]]
    for block, rate in (("conv4_block1", 2), ("conv5_block1", 4)):
        for suffix in (block, block.replace("1", "3")):
            layer = model.get_layer(f"{suffix}_2_conv")
            assert layer.dilation_rate == (rate, rate)
    assert scores == (None, size, size, 21)


@pytest.mark.once
def test_every_branch_begins_from_the_decimated_classifier():
    """The hidden units drawn for fc6 are the inputs that fc7 keeps."""
    classifier = randomize(vgg())
    model = DeepLabV2(
        classifier, atrous_rates=(2, 4), hidden_filters=14, classes=2
    )
    kernel, bias = classifier.get_layer("fc1").get_weights()
    kernel = kernel.reshape(3, 3, 16, 24)
    branches = model.get_layer("aspp").form.branches
    for fc6, _, fc7, *_ in branches:
        own, own_bias = fc6.get_weights()
        kept = [int(np.nonzero(bias == value)[0][0]) for value in own_bias]
        np.testing.assert_array_equal(own, kernel[..., kept])
        own, own_bias = fc7.get_weights()
        dense, bias7 = classifier.get_layer("fc2").get_weights()
        outs = [int(np.nonzero(bias7 == value)[0][0]) for value in own_bias]
        np.testing.assert_array_equal(own[0, 0], dense[np.ix_(kept, outs)])


@pytest.mark.once
def test_the_largest_score_of_several_sizes():
    """papers.md 13.3: maximum of the scores, brought to the first's size."""
    several = randomize(
        DeepLabV2(tiny_resnet(), scales=(1.0, 0.75, 0.5), classes=3)
    )
    single = DeepLabV2(tiny_resnet(), classes=3)
    single.set_weights(several.get_weights())
    rng = np.random.default_rng(0)
    # Sizes of which each scale is a multiple of 32 plus 1: none is padded.
    x = rng.uniform(-1, 1, (1, 129, 257, 3)).astype("float32")
    network = keras.Model(single.input, single.get_layer("aspp").output)
    scores = [
        np.asarray(outputs(network, _scaled(x, size)))
        for size in ((129, 257), (97, 193), (65, 129))
    ]
    largest = np.max([_scaled(s, scores[0].shape[1:3]) for s in scores], 0)
    expected = _scaled(largest, (129, 257))
    assert relative_difference(outputs(several, x), expected) < 1e-5
    assert relative_difference(outputs(single, x), expected) > 1e-3


def _scaled(x, size):
    y = resize(x, size, align_corners=True)
    return keras.ops.convert_to_numpy(y)


@pytest.mark.once
def test_bad_arguments():
    for scales in ((), 1.0, (0.5, 1.0), (1.0, 0)):
        with pytest.raises(ValueError, match="Received: scales="):
            DeepLabV2(tiny_resnet(), scales=scales)
    with pytest.raises(ValueError, match="Received: atrous_rates="):
        DeepLabV2(tiny_resnet(), atrous_rates=())
    for auxiliary, scales in (("scales", (1.0,)), ("heads", (1.0, 0.5))):
        with pytest.raises(ValueError, match=f"auxiliary='{auxiliary}'"):
            DeepLabV2(tiny_resnet(), scales=scales, auxiliary=auxiliary)
