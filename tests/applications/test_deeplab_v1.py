import keras
import numpy as np
import pytest
from keras import layers

from keras_seg.applications import DeepLabV1
from tests.applications.test_fcn import tiny_vgg
from tests.model_check import check_model
from tests.networks import outputs
from tests.networks import randomize
from tests.networks import relative_difference

BACKEND = keras.backend.backend()


def backbone(data_format="channels_last"):
    keras.config.set_image_data_format(data_format)
    model = tiny_vgg()
    keras.config.set_image_data_format("channels_last")
    return model


@pytest.mark.parametrize(
    "geometry, multi_scale", [("largefov", False), ("base", True)]
)
def test_model(geometry, multi_scale, tmp_path, parity):
    def build(data_format="channels_last", **options):
        return DeepLabV1(
            backbone(data_format),
            data_format=data_format,
            kernel_size=2,
            dilation_rate=4,
            filters=14,
            multi_scale=multi_scale,
            geometry=geometry,
            name=f"deeplabv1_{geometry}",
            **options,
        )

    check_model(build, tmp_path, parity)


# papers.md 11.3 and 11.7: kernel, rate, filters and parameters.
VARIANTS = [
    (3, 3, 1024, 20_505_429),
    (4, 8, 4096, 65_140_565),
    (7, 4, 4096, 134_346_581),
]


@pytest.fixture(scope="module")
def vgg16():
    return keras.applications.VGG16(weights=None)


@pytest.mark.slow
@pytest.mark.parametrize("kernel_size, rate, filters, parameters", VARIANTS)
def test_parameters_of_the_variants(
    vgg16, kernel_size, rate, filters, parameters
):
    model = DeepLabV1(
        vgg16, kernel_size=kernel_size, dilation_rate=rate, filters=filters
    )
    assert model.count_params() == parameters


@pytest.mark.once
def test_parameters_of_the_paper(vgg16):
    """LargeFOV has 20,505,429; (1,024 + 1) · 21 of them are its scores'.

    MSc's scores have (1,024 + 5 · 128 + 1) · 21."""
    model = DeepLabV1(vgg16, multi_scale=True)
    scales = [x for x in model.layers if x.name.startswith("scale")]
    joined = sum(layer.count_params() for layer in scales)
    scores = model.get_layer("fc8").count_params()
    assert (joined, scores) == (1_192_576, 34_965)
    rest = model.count_params() - joined - scores
    assert rest + (1_024 + 1) * 21 == 20_505_429
    # DeepLab-4x4's, of fully connected layers of other sizes.
    for name in ("fc1", "fc2"):
        rest -= model.get_layer(name).count_params()
    fc6, fc7 = (4 * 4 * 512 + 1) * 4096, (4096 + 1) * 4096
    assert rest + fc6 + fc7 + (4096 + 1) * 21 == 65_140_565


@pytest.mark.once
def test_sizes_of_the_released_network():
    """papers.md 11.2: 321 → 161, 81, 41, 41, 41 and 513 → 65."""
    for size, sizes in ((321, [161, 81, 41, 41, 41]), (513, [257, 129, 65])):
        model = DeepLabV1(
            backbone(),
            kernel_size=2,
            dilation_rate=4,
            filters=8,
            input_shape=(size, size, 3),
        )
        pools = [x for x in model.layers if isinstance(x, layers.MaxPooling2D)]
        found = [pool.output.shape[1] for pool in pools]
        assert found[: len(sizes)] == sizes
        assert model.get_layer("fc8").output.shape[1] == sizes[-1]


@pytest.mark.once
def test_sizes_of_the_base_network():
    """papers.md 11.2: 306 → 154, 78, 40, 39, 39 by pools, 39 by fc6. Ours
    pads an image of 305 by the row and the column that make it 306."""
    model = DeepLabV1(
        tiny_vgg(224),
        geometry="base",
        kernel_size=4,
        dilation_rate=4,
        filters=8,
        input_shape=(305, 305, 3),
    )
    assert model.get_layer("base_pad").output.shape[1:3] == (306, 306)
    pools = [x for x in model.layers if isinstance(x, layers.MaxPooling2D)]
    found = [pool.output.shape[1] for pool in pools]
    assert found == [154, 78, 40, 39, 39]
    assert [pool.pool_size[0] for pool in pools] == [2, 2, 2, 2, 3]
    fc6 = model.get_layer("fc1")
    assert fc6.kernel_size == fc6.dilation_rate == (4, 4)
    assert fc6.count_params() == (4 * 4 * 16 + 1) * 8
    assert model.get_layer("fc2").count_params() == (8 + 1) * 8
    assert model.get_layer("fc8").output.shape[1] == 39
    assert not [
        x for x in model.layers if isinstance(x, layers.AveragePooling2D)
    ]
    with pytest.raises(ValueError, match="Received: geometry='paper'"):
        DeepLabV1(backbone(), geometry="paper")


@pytest.mark.once
def test_the_base_network_is_centred():
    """Mirrored images have mirrored logits: position i of the scores lies on
    pixel 8i, but for half a pixel, which is on the other side in the mirror.
    Here with symmetric kernels, and on a picture as smooth as that is small.
    """
    model = DeepLabV1(
        tiny_vgg(224),
        geometry="base",
        kernel_size=4,
        dilation_rate=4,
        filters=8,
    )
    randomize(model)
    for layer in model.layers:
        if isinstance(layer, layers.Conv2D):
            kernel, *bias = layer.get_weights()
            layer.set_weights([kernel + kernel[:, ::-1], *bias])
    rows, columns = np.mgrid[:97, :145] / 97.0
    wave = np.stack([np.sin(k * columns + rows) for k in (2, 3, 4)], -1)
    x = 100 * wave[None].astype("float32")
    logits = outputs(model, x)
    mirrored = outputs(model, x[:, :, ::-1])[:, :, ::-1]
    middle = (slice(None), slice(32, 65), slice(48, 97))
    gap = np.abs(mirrored[middle] - logits[middle]).max()
    eight = np.abs(logits[:, 32:65, 56:105] - logits[middle]).max()
    assert gap < eight / 4


def released(model, x):
    """The released network by hand, from the weights of ours."""
    conv = keras.ops.conv

    def weights(name):
        return [
            keras.ops.convert_to_tensor(w)
            for w in model.get_layer(name).get_weights()
        ]

    def apply(x, name, rate=1, activation=True):
        kernel, bias = weights(name)
        reach = (kernel.shape[0] - 1) * rate
        pad = (reach // 2, reach - reach // 2)
        x = keras.ops.pad(x, ((0, 0), pad, pad, (0, 0)))
        x = conv(x, kernel, dilation_rate=rate) + bias
        return keras.ops.relu(x) if activation else x

    for block in range(1, 6):
        x = apply(x, f"block{block}_conv1", 2 if block == 5 else 1)
        x = keras.ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        # After a ReLU zeros are as good as nothing.
        x = keras.ops.max_pool(x, 3, 2 if block < 4 else 1, "valid")
    x = keras.ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    x = (
        sum(
            x[:, i : x.shape[1] - 2 + i, j : x.shape[2] - 2 + j]
            for i in range(3)
            for j in range(3)
        )
        / 9
    )
    x = apply(x, "fc1", 4)
    x = apply(x, "fc2")
    return keras.ops.convert_to_numpy(apply(x, "fc8", activation=False))


def test_computes_what_the_released_network_does():
    if BACKEND == "jax":
        pytest.skip("by hand, operation by operation: slow there")
    model = randomize(
        DeepLabV1(
            backbone(), kernel_size=2, dilation_rate=4, filters=10, classes=3
        )
    )
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1, 41, 57, 3)).astype("float32")
    scores = keras.Model(model.input, model.get_layer("fc8").output)
    assert relative_difference(outputs(scores, x), released(model, x)) < 1e-5


@pytest.mark.once
def test_other_plans_are_refused():
    with pytest.raises(ValueError, match="five 2×2 max pools.*has 0 and"):
        DeepLabV1("mobilenet_v2", weights=None)
    with pytest.raises(ValueError, match="Received: kernel_size=5"):
        DeepLabV1(backbone(), kernel_size=5, dilation_rate=4)
