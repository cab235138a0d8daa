import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from keras import ops

from keras_seg.fast import atrous
from keras_seg.fast import atrous_conv
from keras_seg.fast import atrous_depthwise_conv
from tests.compiled import compiled


def convolve(x, kernel, pads):
    """Plain convolution at stride 1, written out."""
    x = np.pad(x.astype("float64"), ((0, 0), *pads, (0, 0)))
    rows, columns = kernel.shape[:2]
    height, width = x.shape[1] - rows + 1, x.shape[2] - columns + 1
    y = np.zeros((x.shape[0], height, width, kernel.shape[-1]))
    for i in range(rows):
        for j in range(columns):
            y += x[:, i : i + height, j : j + width] @ kernel[i, j]
    return y


def with_zeros(kernel, rate):
    """The kernel with zeros between its taps."""
    rows, columns = [(k - 1) * rate + 1 for k in kernel.shape[:2]]
    spread = np.zeros((rows, columns, *kernel.shape[2:]))
    spread[::rate, ::rate] = kernel
    return spread


def space_to_batch(x, kernel, rate):
    """Sub-sampled in rate² phases, convolved, interleaved: "valid"."""
    height, width = [
        n - (k - 1) * rate
        for n, k in zip(x.shape[1:3], kernel.shape[:2], strict=True)
    ]
    y = np.zeros((len(x), height, width, kernel.shape[-1]))
    for i in range(min(rate, height)):
        for j in range(min(rate, width)):
            phase = x[:, i::rate, j::rate]
            y[:, i::rate, j::rate] = convolve(phase, kernel, ((0, 0), (0, 0)))
    return y


def draw(height, width, kernel_size, channels=2, filters=3):
    rng = np.random.default_rng(height * 100 + width)
    x = rng.normal(size=(2, height, width, channels)).astype("float32")
    kernel = rng.normal(size=(*kernel_size, channels, filters))
    return x, kernel.astype("float32")


def close(y, expected):
    np.testing.assert_allclose(
        ops.convert_to_numpy(y), expected, rtol=1e-5, atol=1e-5
    )


# JAX compiles every shape anew.
@settings(max_examples=10 if keras.backend.backend() == "jax" else 40)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    rows=st.integers(1, 5),
    columns=st.integers(1, 5),
    rate=st.integers(1, 24),
)
def test_is_convolution_with_zeros_in_the_kernel(
    height, width, rows, columns, rate
):
    x, kernel = draw(height, width, (rows, columns))
    pads = atrous.atrous_padding((rows, columns), rate, "same")
    expected = convolve(x, with_zeros(kernel, rate), pads)
    y = compiled(lambda *arrays: atrous_conv(*arrays, rate))(x, kernel)
    close(y, expected)


@pytest.mark.parametrize(
    ("rate", "data_format"),
    [(1, "channels_last"), (3, "channels_first"), (8, "channels_last")],
)
def test_is_space_to_batch(rate, data_format):
    x, kernel = draw(19, 20, (3, 2))
    expected = space_to_batch(x, kernel, rate)
    if data_format == "channels_first":
        x, expected = np.moveaxis(x, 3, 1), np.moveaxis(expected, 3, 1)
    y = atrous_conv(x, kernel, rate, padding="valid", data_format=data_format)
    close(y, expected)


@pytest.mark.parametrize("products", [False, True])
@pytest.mark.parametrize(
    ("data_format", "rate", "padding"),
    [
        ("channels_last", 1, "same"),
        ("channels_first", 4, (30, 31)),
        ("channels_last", 9, (30, 31)),
        ("channels_first", 30, "same"),
    ],
)
def test_both_forms_are_equal(
    products, data_format, rate, padding, monkeypatch
):
    monkeypatch.setattr(atrous, "_products_are_faster", lambda *_: products)
    x, kernel = draw(41, 7, (3, 3))
    pads = atrous.atrous_padding((3, 3), rate, padding)
    expected = convolve(x, with_zeros(kernel, rate), pads)
    if data_format == "channels_first":
        x, expected = np.moveaxis(x, 3, 1), np.moveaxis(expected, 3, 1)
    y = compiled(
        lambda *arrays: atrous_conv(
            *arrays, rate, padding=padding, data_format=data_format
        )
    )(x, kernel)
    close(y, expected)


@pytest.mark.parametrize(
    ("data_format", "rate", "kernel_size"),
    [
        ("channels_last", 1, (3, 3)),
        ("channels_first", 3, (2, 5)),
        ("channels_last", 12, (3, 3)),
        ("channels_first", 12, (2, 5)),
    ],
)
def test_depthwise(data_format, rate, kernel_size):
    x, kernel = draw(9, 13, kernel_size, channels=3, filters=1)
    pads = atrous.atrous_padding(kernel_size, rate, "same")
    spread = with_zeros(kernel, rate)
    expected = np.concatenate(
        [
            convolve(x[..., c : c + 1], spread[:, :, c : c + 1], pads)
            for c in range(3)
        ],
        axis=-1,
    )
    if data_format == "channels_first":
        x, expected = np.moveaxis(x, 3, 1), np.moveaxis(expected, 3, 1)
    y = compiled(
        lambda *arrays: atrous_depthwise_conv(
            *arrays, rate, data_format=data_format
        )
    )(x, kernel)
    close(y, expected)


def test_every_tap_outside():
    """An even kernel has no center: on a small map, nothing is left."""
    x, kernel = draw(3, 3, (2, 2))
    y = atrous_conv(x, kernel, 24)
    assert tuple(y.shape) == (2, 3, 3, 3)
    assert not ops.convert_to_numpy(y).any()


def test_kernel_that_does_not_fit():
    x, kernel = draw(24, 30, (3, 3))
    with pytest.raises(
        ValueError, match="does not fit.*Received: dilation_rate=12"
    ):
        atrous_conv(x, kernel, 12, padding="valid")
    assert atrous_conv(x, kernel, 11, padding="valid").shape[1:3] == (2, 8)


def test_mixed_types():
    x, kernel = draw(5, 5, (3, 3))
    counts = np.ones(x.shape, "int32")
    y = atrous_conv(counts, kernel, 2)
    assert keras.backend.standardize_dtype(y.dtype) == "float32"


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="sizes are always known"
)
@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("rate", [2, 20])
def test_sizes_known_at_run_time(jit_compile, rate):
    import tensorflow as tf

    _, kernel = draw(1, 1, (3, 3))

    @tf.function(
        jit_compile=jit_compile,
        input_signature=[tf.TensorSpec((None, None, None, 2))],
    )
    def run(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = atrous_conv(x, kernel, rate)
            loss = tf.reduce_sum(y)
        return y, tape.gradient(loss, x)

    for height, width in [(5, 33), (21, 8)]:
        x, _ = draw(height, width, (3, 3))
        y, gradient = run(x)
        pads = ((rate, rate), (rate, rate))
        close(y, convolve(x, with_zeros(kernel, rate), pads))
        # The gradient of a sum is the convolution of ones with the kernel
        # turned around.
        turned = kernel[::-1, ::-1].swapaxes(2, 3)
        ones = np.ones((*x.shape[:3], 3))
        close(gradient, convolve(ones, with_zeros(turned, rate), pads))
