import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from keras_seg.inference import Calibration

pytestmark = pytest.mark.once

GRID = np.linspace(0, 1, 1001)


def balanced(share, ratio):
    """What a network says that saw a class `ratio` times too often.

    By Bayes: the odds are `ratio` times those of the truth.
    """
    return share * ratio / (share * ratio + 1 - share)


def drawn(ratio, n=40_000, seed=0):
    rng = np.random.default_rng(seed)
    share = rng.beta(0.5, 1, n)  # Sure of most pixels, of which few are 1.
    return share, balanced(share, ratio), (rng.random(n) < share).astype(int)


def brier(p, truth):
    return np.mean((p - truth) ** 2)


def calibration_error(p, truth, bins=10):
    """The expected calibration error (Naeini et al. 2015)."""
    numbers = np.minimum((p * bins).astype(int), bins - 1)
    counts = np.bincount(numbers, minlength=bins)
    gaps = np.bincount(numbers, p - truth, minlength=bins)
    return np.abs(gaps).sum() / counts.sum()


def cross_entropy(p, truth):
    return -np.mean(np.log(np.where(truth, p, 1 - p)))


@given(st.data())
def test_monotone_and_the_best_of_all_that_are(data):
    n = data.draw(st.integers(2, 30))
    elements = st.floats(0.01, 0.99)
    p = data.draw(hnp.arrays("float64", n, elements=elements))
    truth = data.draw(hnp.arrays(bool, n))
    truth[:2] = [False, True]
    calibration = Calibration.fit(p, truth)
    curve = calibration(GRID)
    assert curve.min() >= 0 and curve.max() <= 1
    assert np.diff(curve).min() >= 0
    least = cross_entropy(calibration(p), truth)
    for _ in range(5):
        slope, intercept = (
            data.draw(st.floats(0, 3)),
            data.draw(st.floats(-4, 4)),
        )
        other = cross_entropy(Calibration(slope, intercept)(p), truth)
        assert least <= other + 1e-6


def test_calibrated_data_give_the_identity():
    """Of k in n pixels of the probability k / n, k are true."""
    for n in (3, 10):
        p = np.repeat(np.arange(n + 1) / n, n)
        truth = np.tile(np.arange(n), n + 1) < np.repeat(np.arange(n + 1), n)
        found = Calibration.fit(p, truth)
        # Where 0 is taken for 1e-7.
        np.testing.assert_allclose(found(GRID), GRID, atol=1e-5)


def test_separable_data_give_a_finite_slope():
    p = np.repeat([0.1, 0.2, 0.6, 0.9], 50)
    calibration = Calibration.fit(p, p > 0.5)
    assert calibration.slope <= 100 and calibration(p)[1] < 0.02
    assert Calibration.fit(p, p < 0.5).slope == 0


@pytest.mark.parametrize("ratio", [1 / 3, 1.5, 3, 3.5, 8])
def test_the_bias_of_balanced_classes_is_corrected(ratio):
    """3.5 is that of ISBI 2012, where 22 % are membranes."""
    _, p, truth = drawn(ratio)
    calibration = Calibration.fit(p, truth)
    share, new, answer = drawn(ratio, seed=1)
    calibrated = calibration(new)
    before, after = brier(new, answer), brier(calibrated, answer)
    least = brier(share, answer)
    # Odds that are wrong by a factor: an intercept gains all there is.
    assert calibration.slope == pytest.approx(1, abs=0.05)
    assert calibration.intercept == pytest.approx(-np.log(ratio), abs=0.1)
    assert after - least < 0.05 * (before - least)
    error = calibration_error(new, answer)
    assert calibration_error(calibrated, answer) < error / 3
    assert np.diff(calibrated[np.argsort(new)]).min() >= -1e-12


def test_exact_parameters_are_found():
    """Fractions: as many true as the curve says, of 100,000."""
    expected = Calibration(0.7, -1.2)
    p = np.linspace(0.02, 0.98, 21)
    truth = np.arange(100_000) < np.round(1e5 * expected(p))[:, None]
    found = Calibration.fit(np.repeat(p, 100_000), truth.ravel())
    assert found.slope == pytest.approx(0.7, abs=1e-4)
    assert found.intercept == pytest.approx(-1.2, abs=1e-4)


def test_void_is_left_out_and_shapes_and_dtypes_stay():
    _, p, truth = drawn(3, 400)
    p, truth = p.reshape(20, 20).astype("float32"), truth.reshape(20, 20)
    known = np.ones((20, 20), bool)
    known[3:9] = False
    expected = Calibration.fit(p[known], truth[known])
    found = Calibration.fit(p, np.where(known, truth, 255))
    assert found == expected
    calibrated = found(p)
    assert calibrated.shape == p.shape and calibrated.dtype == np.float32
    assert found([0, 1]).dtype == np.float64
    zero = Calibration.fit(p, np.where(known, truth, 7), ignore_class=7)
    assert zero == expected
    assert Calibration.fit(p, truth == 1) == Calibration.fit(p, truth)


@pytest.mark.parametrize(
    "parameters", [(-0.1, 0), (np.nan, 0), (1, np.inf), (np.inf, 0)]
)
def test_refuses_other_parameters(parameters):
    with pytest.raises(ValueError, match="`slope` must be at least 0.*Rec"):
        Calibration(*parameters)


def test_bad_arrays():
    p = np.array([0.1, 0.9])
    with pytest.raises(ValueError, match=r"one shape. Received: \(2,\) and"):
        Calibration.fit(p, np.zeros((1, 2), int))
    for bad in ([-0.1, 1], [0, 1.1], [0, np.nan]):
        with pytest.raises(ValueError, match="must be in 0 … 1. Received"):
            Calibration.fit(np.array(bad), [0, 1])
    with pytest.raises(ValueError, match=r"numbers from 0.1 to 9"):
        Calibration(1, 0)(np.array([0.1, 9]))
    # A mask of 0 and 255, where 255 is void.
    with pytest.raises(ValueError, match=r"class=255. Received: .* \[0\]"):
        Calibration.fit(p, np.array([0, 255]))
    with pytest.raises(ValueError, match=r"Received: the values \[0, 2\]"):
        Calibration.fit(p, np.array([0, 2]))
