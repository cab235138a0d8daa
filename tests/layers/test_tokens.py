import keras
import numpy as np
import pytest
from keras import ops

from keras_seg.layers import PatchTokens
from keras_seg.layers import RotaryAttention
from keras_seg.layers import RotaryPositions
from keras_seg.layers import TokensToMap
from tests.compiled import compiled
from tests.layer_check import check_layer
from tests.networks import randomize

RNG = np.random.default_rng(0)


def images(height, width, channels=3, batch=2):
    shape = (batch, height, width, channels)
    return RNG.normal(size=shape).astype("float32")


@pytest.mark.parametrize(
    ("options", "weights"),
    [
        ({"prefix_tokens": 2, "grid": (2, 3)}, 4),
        ({"grid": (2, 2), "interpolation": "bicubic", "grids": 2}, 3),
        ({"stride": 5, "use_bias": False}, 1),
    ],
)
def test_patch_tokens(options, weights):
    config = {"filters": 5, "patch_size": 4, **options}
    x = images(9, 14)
    check_layer(
        PatchTokens,
        config,
        x,
        trainable_weights=weights,
        # Tokens have no data format: see `test_formats`. What is a batch of
        # several images for each is not trained on alone.
        formats=False,
        train="grids" not in options,
    )


def test_tokens_are_scalar_products():
    """Of patches and kernels, plus bias and position, with NumPy alone."""
    layer = PatchTokens(5, 4, prefix_tokens=2, grid=(2, 3))
    x = images(8, 12)
    layer.build(x.shape)
    positions, prefix, kernel, bias = map(
        ops.convert_to_numpy, randomize(layer).weights
    )
    patches = x.reshape(2, 2, 4, 3, 4, 3).transpose(0, 1, 3, 2, 4, 5)
    expected = patches.reshape(2, 6, 48) @ kernel.reshape(48, 5) + bias
    expected += positions.reshape(6, 5)
    expected = np.concatenate([np.repeat(prefix, 2, 0), expected], 1)
    np.testing.assert_allclose(
        ops.convert_to_numpy(layer(x)), expected, rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("size", [(6, 2), (3, 7), (5, 5)])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_positions_are_interpolated_as_by_the_authors(size, interpolation):
    """ViT's code has `scipy.ndimage.zoom(order=1)`, DINO's PyTorch's
    `interpolate(mode="bicubic")`."""
    layer = PatchTokens(3, 2, grid=(4, 5), interpolation=interpolation)
    layer.build((None, None, None, 1))
    randomize(layer)
    positions = ops.convert_to_numpy(layer.positions)[0]
    image = np.zeros((1, 2 * size[0], 2 * size[1], 1), "float32")
    tokens = compiled(layer)(image)
    found = ops.convert_to_numpy(tokens)
    found = found - ops.convert_to_numpy(layer.project.bias)
    if interpolation == "bilinear":
        ndimage = pytest.importorskip("scipy.ndimage")
        zoom = (size[0] / 4, size[1] / 5, 1)
        expected = ndimage.zoom(positions, zoom, order=1)
    else:
        torch = pytest.importorskip("torch")
        map_ = torch.tensor(positions.transpose(2, 0, 1)[None])
        expected = torch.nn.functional.interpolate(
            map_, size, mode="bicubic", align_corners=False
        )[0].permute(1, 2, 0)
    np.testing.assert_allclose(
        found.reshape(*size, 3), expected, rtol=1e-4, atol=1e-5
    )


def test_grids_are_those_of_shifted_images():
    """k² copies, each shifted by a part of the stride; zeros follow."""
    config = {"filters": 4, "patch_size": 6, "prefix_tokens": 1, "grid": (2, 2)}
    x = images(13, 17)
    plain, shifted = PatchTokens(**config), PatchTokens(**config, grids=3)
    plain.build(x.shape)
    shifted.build(x.shape)
    shifted.set_weights(randomize(plain).get_weights())
    # All sides are padded to a multiple of 6 before they are shifted.
    padded = np.pad(x, ((0, 0), (0, 5), (0, 1), (0, 0)))
    maps = np.zeros((2, 9, 9, 4))
    for row in range(3):
        for column in range(3):
            moved = np.zeros_like(padded)
            seen = padded[:, 2 * row :, 2 * column :]
            moved[:, : seen.shape[1], : seen.shape[2]] = seen
            tokens = ops.convert_to_numpy(plain(moved))[:, 1:]
            maps[:, row::3, column::3] = tokens.reshape(2, 3, 3, 4)
    tokens = compiled(shifted)(x)
    assert tuple(tokens.shape) == (18, 10, 4)
    to_map = TokensToMap(6, grids=3, prefix_tokens=1)
    np.testing.assert_allclose(
        ops.convert_to_numpy(to_map(tokens, x)), maps, rtol=1e-4, atol=1e-5
    )


def test_tokens_to_map():
    x = images(9, 14)
    tokens = RNG.normal(size=(2, 1 + 3 * 4, 5)).astype("float32")
    expected = tokens[:, 1:].reshape(2, 3, 4, 5)
    to_map = TokensToMap(4, prefix_tokens=1)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(to_map(tokens, x)), expected
    )
    symbols = keras.KerasTensor((None, None, 5)), keras.KerasTensor(x.shape)
    assert to_map(*symbols).shape == (2, 3, 4, 5)
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(to_map)
    )
    assert again.get_config() == to_map.get_config()


def test_formats():
    """Channels first is the same, from the image to the map."""
    x = images(9, 14)
    turned = np.moveaxis(x, -1, 1)
    maps = []
    for data_format, image in (
        ("channels_last", x),
        ("channels_first", turned),
    ):
        options = {"data_format": data_format}
        patches = PatchTokens(5, 4, grid=(2, 2), **options)
        patches.build(image.shape)
        tokens = randomize(patches)(image)
        maps.append(
            ops.convert_to_numpy(TokensToMap(4, **options)(tokens, image))
        )
        angles = RotaryPositions(8, 4, **options)(image)
        assert [tuple(a.shape) for a in angles] == [(12, 8)] * 2
    np.testing.assert_allclose(
        np.moveaxis(maps[1], 1, -1), maps[0], rtol=1e-5, atol=1e-6
    )


def test_rotary_positions():
    """Angles of the formula, one number at a time."""
    rows, columns, size = 2, 3, 8
    expected = np.zeros((rows, columns, size))
    for i in range(rows):
        for j in range(columns):
            y, x = 2 * (i + 0.5) / rows - 1, 2 * (j + 0.5) / columns - 1
            angles = [
                2 * np.pi * place * 100 ** (-4 * n / size)
                for place in (y, x)
                for n in range(size // 4)
            ]
            expected[i, j] = angles * 2
    expected = expected.reshape(-1, size)
    check_layer(
        RotaryPositions,
        {"size": 8, "stride": 4},
        images(8, 11),
        expected_output=(np.cos(expected), np.sin(expected)),
        formats=False,
        train=False,
    )


@pytest.mark.once
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patch_size": 0}, "patch_size"),
        ({"prefix_tokens": -1}, "prefix_tokens"),
        ({"grids": 3}, "`grids` must divide `stride`"),
        ({"interpolation": "nearest"}, "interpolation"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        PatchTokens(**{"filters": 4, "patch_size": 4, **options})


def test_rotary_attention():
    """Queries and keys as complex numbers, which the angles turn."""
    config = {"num_heads": 2, "prefix_tokens": 1}
    tokens = RNG.normal(size=(2, 7, 8)).astype("float32")
    angles = np.tile(RNG.uniform(-3, 3, (6, 2)), 2).astype("float32")
    layer = RotaryAttention(**config)
    layer.build(tokens.shape)
    weights = [ops.convert_to_numpy(w) for w in randomize(layer).weights]
    (wq, bq), (wk,), (wv, bv), (wp, bp) = (
        weights[:2],
        weights[2:3],
        weights[3:5],
        weights[5:],
    )

    def heads(x):
        return x.reshape(2, 7, 2, 4)

    def turned(x):
        numbers = x[..., :2] + 1j * x[..., 2:]
        numbers[:, 1:] *= np.exp(1j * angles[:, None, :2])
        return numbers

    query, key = turned(heads(tokens @ wq + bq)), turned(heads(tokens @ wk))
    scores = np.einsum("bqhd,bkhd->bhqk", query, key.conj()).real / 2
    share = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    x = np.einsum("bhqk,bkhd->bqhd", share, heads(tokens @ wv + bv))
    expected = x.reshape(2, 7, 8) @ wp + bp
    found = layer(tokens, np.cos(angles), np.sin(angles))
    np.testing.assert_allclose(
        ops.convert_to_numpy(found), expected, rtol=1e-4, atol=1e-5
    )
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(layer)
    )
    assert again.get_config() == layer.get_config()
    with pytest.raises(ValueError, match="num_heads=3, channels=8"):
        RotaryAttention(3)(tokens, angles, angles)
