"""The lattice in a graph of TensorFlow beside that of NumPy."""

import functools
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest

from keras_seg.crf import Lattice
from keras_seg.crf import LatticeFilter
from keras_seg.crf.simplex import enclosing_simplices

if keras.backend.backend() != "tensorflow":
    pytest.skip("graphs of TensorFlow", allow_module_level=True)

import tensorflow as tf

from keras_seg.crf.tensorflow_filter import _matrices
from keras_seg.crf.tensorflow_filter import filter_points
from keras_seg.crf.tensorflow_lattice import graph_arrays


def filter_both_ways(normalization, features, x):
    arrays = graph_arrays(features, normalization)
    tables = _matrices(arrays)
    y = filter_points(tables, x)
    return y, filter_points(tables, x, True), arrays


@functools.cache
def compiled(normalization, d):
    function = functools.partial(filter_both_ways, normalization)
    shapes = (None, None, d), (None, None)
    return tf.function(function, [tf.TensorSpec(shape) for shape in shapes])


def assert_equals_host(features, x, normalization):
    y, back, arrays = compiled(normalization, features.shape[-1])(features, x)
    by_host = LatticeFilter(Lattice.build(features), normalization)
    for got, reverse in ((y, False), (back, True)):
        expected = by_host(x, reverse).numpy()
        tolerance = 1e-5 * np.abs(expected).max()
        np.testing.assert_allclose(got, expected, atol=tolerance)
    assert arrays["neighbors"].shape[1] - 1 == by_host.lattice.size
    # The adjoint is between this and its inverse.
    if by_host.ratio is None:
        assert arrays["ratio"] is None
    else:
        np.testing.assert_allclose(arrays["ratio"], by_host.ratio, rtol=1e-5)


def draw(d, batch=2, points=90, scale=1.0):
    """Like images: whole numbers of deviations, many of them equal."""
    rng = np.random.default_rng(d)
    features = rng.integers(0, 9, size=(batch, points, d)) / 3 * scale
    x = rng.normal(size=(batch * points, 3))
    return features.astype("float32"), x.astype("float32")


@pytest.mark.parametrize("d", [1, 5])
def test_simplices_equal_host(d):
    """Bit by bit: where coordinates are equal, as in images, the last bit
    decides which simplex a point is in."""
    rng = np.random.default_rng(d)
    features = [
        rng.integers(0, 256, size=(d, 2000)) / 3,
        rng.normal(size=(d, 2000)) * 3000,
    ]
    features = np.concatenate(features, axis=1).astype("float32")
    find = tf.function(lambda x: enclosing_simplices(x, keras.ops))
    *got, valid = find(tf.constant(features))
    for array, expected in zip(
        got, enclosing_simplices(features), strict=False
    ):
        np.testing.assert_array_equal(array, expected)
    assert valid


@pytest.mark.parametrize(
    ("d", "normalization"),
    [
        (1, "after"),
        (2, "symmetric"),
        (3, None),
        (6, "before"),
        *((5, name) for name in (None, "after", "symmetric", "before")),
    ],
)
def test_equals_host(d, normalization):
    assert_equals_host(*draw(d), normalization)
    assert_equals_host(*draw(d, batch=1, points=400), normalization)


def test_long_keys():
    """And pairs of near points that are far from the others."""
    features, x = draw(3, scale=150)
    features[:, 1::2] = features[:, ::2] + 0.5
    assert_equals_host(features, x, None)


@pytest.mark.parametrize("value", [np.nan, -np.inf, 1e9])
def test_bad_features_give_nan(value):
    features, x = draw(3)
    features[1, 2, 0] = value
    y, back, _ = compiled(None, 3)(features, x)
    assert np.isnan(y).all() and np.isnan(back).all()


def test_keys_too_long_give_nan():
    """Five coordinates of 2^17 values each take 85 bits."""
    y, _, _ = compiled("symmetric", 5)(*draw(5, scale=1e5))
    assert np.isnan(y).all()


def test_weight_and_gradient():
    features, x = draw(2, batch=1)
    once, thrice = (
        graph_arrays(features, "after", weight)["slice_weights"]
        for weight in (1.0, 3.0)
    )
    np.testing.assert_allclose(thrice, 3 * once, rtol=1e-6)
    features = tf.constant(features)
    with tf.GradientTape() as tape:
        tape.watch(features)
        y, _, _ = filter_both_ways("after", features, x)
    assert tape.gradient(y, features) is None


def test_saved_model(tmp_path):
    """A graph for images of any size runs, forwards and backwards, where
    this package is not."""

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
