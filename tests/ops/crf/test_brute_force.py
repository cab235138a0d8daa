import numpy as np
import pytest

from keras_seg.ops.crf import exact

pytestmark = pytest.mark.once


def test_chunks():
    """One kernel matrix, written out; more points than one chunk takes."""
    rng = np.random.default_rng(0)
    f, x = rng.normal(size=(2500, 3)), rng.normal(size=(2500, 2))
    kernel = np.exp(-0.5 * ((f[:, None] - f) ** 2).sum(axis=-1))
    np.testing.assert_allclose(exact(f, x), kernel @ x, rtol=1e-9)
    np.fill_diagonal(kernel, 0)
    n = kernel.sum(axis=1)
    for name, matrix in (
        ("after", kernel / n[:, None]),
        ("before", kernel / n),
        ("symmetric", kernel / np.sqrt(n[:, None] * n)),
    ):
        got = exact(f, x, name, self_term=False)
        np.testing.assert_allclose(got, matrix @ x, atol=1e-9)


def test_bad_arguments():
    with pytest.raises(ValueError, match="at most 16384 points"):
        exact(np.zeros((16385, 1)), np.zeros((16385, 1)))
    with pytest.raises(ValueError, match="normalization='mean'"):
        exact(np.zeros((2, 1)), np.zeros((2, 1)), "mean")
    with pytest.raises(ValueError, match="values"):
        exact(np.zeros((2, 1)), np.zeros((3, 1)))
