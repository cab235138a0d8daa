import functools
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
from keras import ops

from keras_seg.ops.crf import Lattice
from keras_seg.ops.crf import LatticeFilter
from keras_seg.ops.crf.graph_lattice import graph_arrays
from keras_seg.ops.crf.kernel import kernel

BACKEND = keras.backend.backend()

# JAX compiles each of them.
CASES = (
    [(2, "after"), (2, "before"), (3, None), (5, "symmetric")]
    if BACKEND == "jax"
    else [
        (d, normalization)
        for d in (1, 2, 3, 5, 6)
        for normalization in (None, "after", "symmetric", "before")
    ]
)


def filter_both_ways(normalization, features, x):
    arrays = graph_arrays(features, normalization)
    tables = kernel().tables(arrays, x)
    y = kernel().lattice_filter(tables, x)
    return y, kernel().lattice_filter(tables, x, True), arrays


@functools.cache
def compiled(normalization, d):
    function = functools.partial(filter_both_ways, normalization)
    if BACKEND == "jax":
        import jax

        return jax.jit(function)
    if BACKEND == "tensorflow":
        import tensorflow as tf

        shapes = (None, None, d), (None, None)
        return tf.function(function, [tf.TensorSpec(s) for s in shapes])
    return function


def filtered(features, x, normalization=None):
    function = compiled(normalization, features.shape[-1])
    inputs = (ops.convert_to_tensor(a, "float32") for a in (features, x))
    y, back, arrays = function(*inputs)
    return *(ops.convert_to_numpy(a) for a in (y, back)), arrays


def assert_equals_host(features, x, normalization):
    y, back, arrays = filtered(features, x, normalization)
    lattice = Lattice.build(features)
    by_host = LatticeFilter(lattice, normalization)
    x = ops.convert_to_tensor(x)
    for got, reverse in ((y, False), (back, True)):
        expected = ops.convert_to_numpy(by_host(x, reverse))
        tolerance = 1e-5 * np.abs(expected).max()
        np.testing.assert_allclose(got, expected, atol=tolerance)
    assert number_of_vertices(arrays) == lattice.size
    # The adjoint is between this and its inverse.
    assert ("ratio" in arrays) == (normalization in ("after", "before"))
    if "ratio" in arrays:
        ratio = by_host.tables(x)["ratio"]
        np.testing.assert_allclose(arrays["ratio"], ratio, rtol=1e-5)


def number_of_vertices(arrays):
    if BACKEND == "jax":
        return int(arrays["size"])
    if BACKEND == "tensorflow":
        return arrays["neighbours"].shape[1] - 1
    return len(arrays["starts"]) - 1


def draw(d, batch=2, points=90, scale=1.0):
    """Like images: whole numbers of deviations, many of them equal."""
    rng = np.random.default_rng(d)
    features = rng.integers(0, 9, size=(batch, points, d)) / 3 * scale
    x = rng.normal(size=(batch * points, 3))
    return features.astype("float32"), x.astype("float32")


@pytest.mark.parametrize("d, normalization", CASES)
def test_equals_host(d, normalization):
    features, x = draw(d)
    assert_equals_host(features, x, normalization)
    if BACKEND != "jax":
        features, x = draw(d, batch=1, points=400)
        assert_equals_host(features, x, normalization)


def test_long_keys():
    """Digits of more than one word of JAX; and pairs of near points."""
    features, x = draw(3, scale=150)
    features[:, 1::2] = features[:, ::2] + 0.5
    assert_equals_host(features, x, None)


@pytest.mark.parametrize("value", [np.nan, -np.inf, 1e9])
def test_bad_features_give_nan(value):
    features, x = draw(3)
    features[1, 2, 0] = value
    y, back, _ = filtered(features, x)
    assert np.isnan(y).all() and np.isnan(back).all()


def test_keys_too_long_give_nan():
    """Five coordinates of 2^17 values each take 85 bits."""
    features, x = draw(5, scale=1e5)
    y, _, _ = filtered(features, x, "symmetric")
    assert np.isnan(y).all()


@pytest.mark.skipif(BACKEND == "jax", reason="one more to compile")
def test_weight():
    features, x = draw(2, batch=1)
    features = ops.convert_to_tensor(features)
    once, thrice = (
        ops.convert_to_numpy(arrays["slice_weights"])
        for arrays in (
            graph_arrays(features, "after"),
            graph_arrays(features, "after", 3.0),
        )
    )
    np.testing.assert_allclose(thrice, 3 * once, rtol=1e-6)


@pytest.mark.skipif(BACKEND != "jax", reason="sizes are known to JAX alone")
def test_room_for_any_lattice():
    """Of the host's arrays with that room, and no vertex is without."""
    import jax

    from keras_seg.ops.crf import jax_rows

    features, _ = draw(2)
    for name in (None, "after"):
        build = functools.partial(graph_arrays, normalization=name)
        arrays = jax.eval_shape(build, features)
        expected = jax_rows.shapes(180, 3, has_ratio=name == "after")
        assert {k: (v.shape, v.dtype) for k, v in arrays.items()} == expected


@pytest.mark.skipif(BACKEND != "torch", reason="others place by themselves")
def test_device_of_features():
    """Tensors are made where the features are, not where Keras is told."""
    features, _ = draw(2)
    features = ops.convert_to_tensor(features)
    with keras.device("meta"):
        arrays = graph_arrays(features, "symmetric")
    assert {array.device.type for array in arrays.values()} == {"cpu"}


@pytest.mark.skipif(BACKEND == "jax", reason="one more to compile")
def test_no_gradient_into_features():
    features, x = draw(2)
    features = ops.convert_to_tensor(features)
    if BACKEND == "torch":
        features.requires_grad_()
        y, _, _ = filter_both_ways("after", features, ops.array(x))
        assert not y.requires_grad
        return
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(features)
        y, _, _ = filter_both_ways("after", features, ops.array(x))
    assert tape.gradient(y, features) is None


@pytest.mark.skipif(BACKEND != "tensorflow", reason="a format of TensorFlow")
def test_saved_model(tmp_path):
    """A graph for images of any size runs, forwards and backwards, where
    this package is not."""
    import tensorflow as tf

    class Smoothing(tf.Module):
        @tf.function(
            input_signature=[
                tf.TensorSpec((None, None, None, 3)),
                tf.TensorSpec((None, None, None, 2)),
            ]
        )
        def __call__(self, images, x):
            shape = tf.shape(images)
            place = tf.meshgrid(
                tf.range(shape[1]), tf.range(shape[2]), indexing="ij"
            )
            place = tf.cast(tf.stack(place, axis=-1), tf.float32)[None]
            place = tf.tile(place, [shape[0], 1, 1, 1])
            features = tf.concat([place / 4, images / 30], axis=-1)
            features = tf.reshape(features, [shape[0], -1, 5])
            flat = tf.reshape(x, [-1, 2])
            y, _, _ = filter_both_ways("symmetric", features, flat)
            return tf.reshape(y, tf.shape(x))

    def value_and_gradient(function, images, x):
        x = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = function(images, x)
        return y.numpy(), tape.gradient(y, x, y).numpy()

    module = Smoothing()
    tf.saved_model.save(module, str(tmp_path / "model"))
    rng = np.random.default_rng(0)
    arrays = {}
    for name, shape in {"a": (1, 9, 14), "b": (2, 12, 5)}.items():
        images = rng.integers(0, 256, (*shape, 3)).astype("float32")
        x = rng.normal(size=(*shape, 2)).astype("float32")
        y, gradient = value_and_gradient(module, images, x)
        arrays |= {name + "_images": images, name + "_x": x}
        arrays |= {name + "_y": y, name + "_gradient": gradient}
    np.savez(tmp_path / "arrays.npz", **arrays)
    script = """
        import sys

        import numpy as np
        import tensorflow as tf

        model = tf.saved_model.load(sys.argv[1] + "/model")
        arrays = np.load(sys.argv[1] + "/arrays.npz")
        for name in "ab":
            x = tf.constant(arrays[name + "_x"])
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = model(arrays[name + "_images"], x)
            gradient = tape.gradient(y, x, y)
            for key, got in {"_y": y, "_gradient": gradient}.items():
                expected = arrays[name + key]
                np.testing.assert_allclose(got, expected, atol=1e-6)
        assert "keras_seg" not in sys.modules
        print("equal")
    """
    out = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)],
        capture_output=True,
        text=True,
    )
    assert out.stdout.strip() == "equal", out.stderr


@pytest.mark.parametrize(
    "shape, normalization, message",
    [
        ((1, 4, 2), "mean", "normalization='mean'"),
        ((4, 2), None, r"Received: shape \(4, 2\)"),
        ((1, 0, 2), None, "not empty"),
    ],
)
def test_bad_arguments(shape, normalization, message):
    with pytest.raises(ValueError, match=message):
        graph_arrays(ops.zeros(shape), normalization)
