import numpy as np
import pytest
from keras import ops

from keras_seg.layers import PatchMerging
from keras_seg.layers import ReducedAttention
from tests.compiled import compiled
from tests.layer_check import check_layer


def normalized(x, gamma, beta, epsilon=1e-5):
    x = x - x.mean(-1, keepdims=True)
    variance = np.square(x).mean(-1, keepdims=True)
    return x / np.sqrt(variance + epsilon) * gamma + beta


def randomized(layer, x, seed=0):
    rng = np.random.default_rng(seed)
    layer.build(x.shape)
    layer.set_weights([rng.normal(size=w.shape) for w in layer.weights])
    return layer


def test_reduced_attention():
    """Windows of 2×2 are reduced to one key; the last column is left over."""
    x = np.random.default_rng(0).normal(size=(2, 4, 7, 6)).astype("float32")
    layer = randomized(ReducedAttention(2, reduction=2), x)
    kernel, bias, gamma, beta, *weights = layer.get_weights()
    patches = x[:, :, :6].reshape(2, 2, 2, 3, 2, 6).transpose(0, 1, 3, 2, 4, 5)
    key = patches.reshape(2, 6, -1) @ kernel.reshape(-1, 6) + bias
    key = normalized(key, gamma, beta)
    (q, k, v), (q0, k0, v0) = weights[:6:2], weights[1:6:2]
    queries = np.einsum("byxc,chd->bhyxd", x, q) + q0[:, None, None]
    keys, values = (
        np.einsum("bnc,chd->bhnd", key, w) + w0[:, None]
        for w, w0 in ((k, k0), (v, v0))
    )
    logits = np.einsum("bhyxd,bhnd->bhyxn", queries, keys) / np.sqrt(3)
    seen = np.exp(logits - logits.max(-1, keepdims=True))
    seen = seen / seen.sum(-1, keepdims=True)
    expected = np.einsum("bhyxn,bhnd,hdc->byxc", seen, values, weights[6])
    expected = expected + weights[7]
    found = ops.convert_to_numpy(compiled(layer)(x))
    np.testing.assert_allclose(found, expected, atol=2e-5)

    config = {"num_heads": 3, "reduction": 3, "padding": "same"}
    check_layer(ReducedAttention, config, x, trainable_weights=12)
    assert len(randomized(ReducedAttention(2, use_bias=False), x).weights) == 4
    with pytest.raises(ValueError, match="reduces a map by 5"):
        ReducedAttention(2, reduction=5).compute_output_shape((1, 4, 9, 6))
    with pytest.raises(ValueError, match="num_heads=4, channels=6"):
        ReducedAttention(4)(x)
    with pytest.raises(ValueError, match="Received: padding='full'"):
        ReducedAttention(1, padding="full")


def test_patch_merging():
    x = np.random.default_rng(0).normal(size=(2, 5, 6, 3)).astype("float32")
    layer = randomized(PatchMerging(4), x)
    gamma, beta, kernel = layer.get_weights()
    padded = np.pad(x, ((0, 0), (0, 1), (0, 0), (0, 0)))
    joined = [
        padded[:, i::2, j::2] for i, j in ((0, 0), (1, 0), (0, 1), (1, 1))
    ]
    expected = normalized(np.concatenate(joined, -1), gamma, beta) @ kernel
    found = ops.convert_to_numpy(compiled(layer)(x))
    np.testing.assert_allclose(found, expected, atol=2e-5)
    check_layer(PatchMerging, {"filters": 4}, x, trainable_weights=3)
    with pytest.raises(ValueError, match="Received: filters=0"):
        PatchMerging(0)
