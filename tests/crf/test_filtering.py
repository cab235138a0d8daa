import pathlib
import weakref

import keras
import numpy as np
import pytest
from keras import ops

from keras_seg.crf import PRESETS
from keras_seg.crf import Lattice
from keras_seg.crf import LatticeFilter
from keras_seg.crf import permutohedral_filter
from keras_seg.crf.filtering import filter_by_numpy
from keras_seg.crf.filtering import pixel_filters
from keras_seg.crf.filtering import pixel_tables
from tests.densecrf_oracle import NORMALIZATIONS
from tests.densecrf_oracle import reference_filter
from tests.exact_crf import exact_filter
from tests.gradients import gradient

GOLDENS = pathlib.Path(__file__).parents[1] / "goldens" / "crf.npz"


def draw(d, points=400, channels=4, seed=0):
    rng = np.random.default_rng(seed)
    features = (2 * rng.normal(size=(points, d))).astype("float32")
    features[0] = 0
    x = rng.dirichlet(np.ones(channels), size=points).astype("float32")
    return features, x


def assert_equals_reference(y, expected, normalization):
    """The project's bound: 2e-6, of the largest where sums are not one."""
    largest = np.abs(expected).max() if normalization is None else 1
    difference = np.abs(ops.convert_to_numpy(y) - expected).max()
    assert difference <= 2e-6 * largest


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("d", [1, 2, 3, 5, 6])
def test_equals_golden(d, normalization):
    """What pydensecrf2 1.1 computed: `tests/goldens/make_crf.py`."""
    golden = np.load(GOLDENS)
    y = permutohedral_filter(
        golden[f"features_{d}"], golden[f"x_{d}"], normalization
    )
    expected = golden[f"y_{d}_{normalization}"]
    assert_equals_reference(y, expected, normalization)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("d", [1, 2, 3, 5, 6])
def test_equals_reference(d, normalization):
    features, x = draw(d, points=4000)
    x, expected = reference_filter(features, x, normalization)
    y = permutohedral_filter(features, x, normalization)
    assert_equals_reference(y, expected, normalization)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_adjoint(normalization):
    """`<w, F x> = <F' w, x>`: the gradient is the transposed filter."""
    features, x = draw(5)
    w = np.random.default_rng(1).normal(size=x.shape).astype("float32")
    lattice = Lattice.build(features)
    filtered = LatticeFilter(lattice, normalization)
    y = ops.convert_to_numpy(filtered(ops.convert_to_tensor(x)))
    back = gradient(filtered, x, w)
    one, other = (
        np.vdot(a.astype(np.float64), b) for a, b in ((w, y), (back, x))
    )
    assert abs(one - other) <= 1e-5 * np.abs(w * y).sum()
    # And entry by entry that of NumPy, whose order of axes is another.
    matrix = filter_by_numpy(filtered, np.eye(len(x)))
    np.testing.assert_allclose(back, matrix.T @ w, atol=1e-5 * matrix.max())
    assert np.abs(matrix - matrix.T).max() > 1e-4


def test_batch_and_many_points_at_a_vertex():
    """Vertices of more points than a row holds, and none shared by images."""
    rng = np.random.default_rng(0)
    features = (rng.normal(size=(2, 300, 2)) / 3).astype("float32")
    x = rng.normal(size=(2, 300, 5)).astype("float32")
    y = ops.convert_to_numpy(permutohedral_filter(features, x, "symmetric"))
    for image, values, got in zip(features, x, y, strict=True):
        lattice = Lattice.build(image)
        assert np.diff(lattice.starts).max() > 20
        by_numpy = LatticeFilter(lattice, "symmetric")
        expected = filter_by_numpy(by_numpy, values.astype(np.float64))
        np.testing.assert_allclose(got, expected, atol=5e-6)


def test_normalized_rows_sum_to_one():
    features, _ = draw(3)
    ones = np.ones((len(features), 1), "float32")
    y = ops.convert_to_numpy(permutohedral_filter(features, ones, "after"))
    np.testing.assert_allclose(y, 1, atol=1e-6)


def test_approximates_exact():
    """papers.md 12.4: a few per cent of the Gaussian itself."""
    features = np.stack(np.mgrid[:24, :24], -1).reshape(-1, 2) / 3
    _, x = draw(2, points=24 * 24)
    for normalization in ("after", "symmetric"):
        y = permutohedral_filter(features, x, normalization)
        expected = exact_filter(features, x, normalization)
        difference = np.abs(ops.convert_to_numpy(y) - expected)
        assert difference.max() < 0.04
        assert difference.mean() < 0.01


def test_tables_of_positions_are_made_once():
    """Two images of a size share the Gaussian's tables, and nothing else."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2, 1, 6, 8, 3)).astype("uint8")
    one, two = (
        pixel_tables(ops.convert_to_tensor(image), PRESETS["deeplab_v1"])
        for image in images
    )
    assert len(one) == len(two) == 2
    assert one[0] is two[0]
    assert one[1] is not two[1]


@pytest.mark.once
def test_positions_of_one_size_are_kept():
    """Images of many sizes do not fill the memory."""
    kept = []
    for side in (6, 7, 8):
        images = np.zeros((1, side, 8, 3), "float32")
        first, _ = pixel_filters(images, PRESETS["deeplab_v1"])
        kept.append(weakref.ref(first))
    del first
    assert [each() is not None for each in kept] == [False, False, True]


def test_bad_arguments():
    features, x = draw(2)
    with pytest.raises(ValueError, match="normalization='mean'"):
        permutohedral_filter(features, x, "mean")
    with pytest.raises(ValueError, match="values for each point"):
        permutohedral_filter(features[1:], x)


def test_parity(parity):
    features, x = draw(5, points=1000)
    parity("crf_filter", permutohedral_filter(features, x, "symmetric"))
    assert keras.backend.backend() in ("tensorflow", "jax", "torch")
