import numpy as np
import pytest
from keras import ops

from keras_seg.layers import WindowAttention
from tests.compiled import compiled
from tests.layer_check import check_layer


def softmax(x):
    x = np.exp(x - x.max(-1, keepdims=True))
    return x / x.sum(-1, keepdims=True)


def swin(x, weights, heads, size, shift):
    """The authors' code for segmentation, window by window."""
    table, kernel, bias, projection, projection_bias = weights
    batch, height, width, channels = x.shape
    rows, columns = (-(-n // size) * size for n in (height, width))
    pad = ((0, 0), (0, rows - height), (0, columns - width), (0, 0))
    x = np.roll(np.pad(x, pad), (-shift, -shift), (1, 2))
    region = np.zeros((rows, columns), int)
    slices = (slice(0, -size), slice(-size, -shift), slice(-shift, None))
    if shift:
        for number in range(9):
            region[slices[number // 3], slices[number % 3]] = number
    made = np.empty_like(x)
    at = np.stack(np.mgrid[:size, :size], -1).reshape(-1, 2)
    distance = at[:, None] - at[None] + size - 1
    distance = distance[..., 0] * (2 * size - 1) + distance[..., 1]
    for i in range(0, rows, size):
        for j in range(0, columns, size):
            window = np.s_[i : i + size, j : j + size]
            qkv = x[:, *window].reshape(batch, -1, channels) @ kernel + bias
            qkv = qkv.reshape(batch, -1, 3, heads, channels // heads)
            query, key, value = np.moveaxis(qkv, (2, 3), (0, 2))
            logits = query @ np.swapaxes(key, -1, -2)
            logits = logits / np.sqrt(channels // heads)
            logits = logits + np.moveaxis(table[distance], -1, 0)
            place = region[window].ravel()
            logits = logits - 100.0 * (place[:, None] != place)
            seen = np.moveaxis(softmax(logits) @ value, 1, 2)
            seen = seen.reshape(batch, size, size, channels)
            made[:, *window] = seen @ projection + projection_bias
    made = np.roll(made, (shift, shift), (1, 2))
    return made[:, :height, :width]


@pytest.mark.parametrize(
    ("height", "width", "shift"),
    [(8, 12, 2), (9, 7, 2), (5, 4, 0), (3, 11, 0)],
)
def test_as_the_authors_code(height, width, shift):
    """Sizes that windows divide or not, of one window, smaller than one.

    A map no larger than a window is not shifted, as in the code of the
    classifier.
    """
    rng = np.random.default_rng(height)
    x = rng.normal(size=(2, height, width, 6)).astype("float32")
    layer = WindowAttention(3, window_size=4, shifted=True)
    layer.build(x.shape)
    layer.set_weights([rng.normal(size=w.shape) for w in layer.weights])
    expected = swin(x, layer.get_weights(), 3, 4, shift)
    found = ops.convert_to_numpy(compiled(layer)(x))
    np.testing.assert_allclose(found, expected, atol=2e-5)
    plain = WindowAttention(3, window_size=4)
    plain.build(x.shape)
    plain.set_weights(layer.get_weights())
    expected = swin(x, layer.get_weights(), 3, 4, 0)
    found = ops.convert_to_numpy(compiled(plain)(x))
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_the_layer():
    x = np.random.default_rng(0).normal(size=(2, 5, 7, 4)).astype("float32")
    config = {"num_heads": 2, "window_size": 3, "shifted": True}
    check_layer(WindowAttention, config, x, trainable_weights=5)
    layer = WindowAttention(2, use_bias=False, dropout=0.5)
    once, again = (ops.convert_to_numpy(layer(x)) for _ in range(2))
    np.testing.assert_array_equal(once, again)
    assert len(layer.weights) == 4
    trained = ops.convert_to_numpy(layer(x, training=True))
    assert np.abs(trained - once).max() > 0
    with pytest.raises(ValueError, match="num_heads=3, channels=4"):
        WindowAttention(3)(x)
    with pytest.raises(ValueError, match="Received: window_size=0"):
        WindowAttention(1, window_size=0)
