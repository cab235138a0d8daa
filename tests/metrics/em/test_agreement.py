"""V_Rand and V_Info: their formulas, by hand, and against other libraries."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.metrics import adapted_rand_error
from skimage.metrics import variation_of_information
from sklearn.metrics import homogeneity_completeness_v_measure

from keras_seg.metrics import em
from keras_seg.metrics.em.overlap import restrict
from tests.metrics.em.drawings import labels

pytestmark = pytest.mark.once

SCORES = [em.foreground_rand, em.information]
seeds = st.integers(0, 10_000)


def table(truth, segmentation):
    """papers.md 3.3: p[i, j], i >= 1; column 0 is membrane; and n."""
    p = np.zeros((truth.max() + 1, segmentation.max() + 1))
    np.add.at(p, (truth.ravel(), segmentation.ravel()), 1)
    n = p[1:].sum()
    return p[1:] / n, n


def harmonic(precision, recall):
    return 2 * precision * recall / (precision + recall)


@given(seed=seeds, cells=st.integers(1, 6), lowest=st.integers(0, 1))
def test_rand_is_its_formula(seed, cells, lowest):
    """papers.md 3.3, "Foreground-restricted Rand"."""
    truth, segmentation = labels(seed, cells), labels(seed + 1, 5, lowest)
    p, n = table(truth, segmentation)
    alone = p[:, 0].sum() / n
    a = (p.sum(axis=1) ** 2).sum()
    b = (p[:, 1:].sum(axis=0) ** 2).sum() + alone
    ab = (p[:, 1:] ** 2).sum() + alone
    expected = ab / b, ab / a, harmonic(ab / b, ab / a)
    found = em.foreground_rand(truth, segmentation)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@given(seed=seeds, cells=st.integers(2, 6), lowest=st.integers(0, 1))
def test_information_is_its_formula(seed, cells, lowest):
    """papers.md 3.3, "V_Info": of n singletons each has p = 1/n."""
    truth, segmentation = labels(seed, cells), labels(seed + 1, 5, lowest)
    p, n = table(truth, segmentation)

    def plogp(p):
        p = p[p > 0]
        return (p * np.log(p)).sum()

    alone = p[:, 0].sum() * np.log(1 / n)
    of_truth = -plogp(p.sum(axis=1))
    of_found = -plogp(p[:, 1:].sum(axis=0)) - alone
    shared = of_truth + of_found + plogp(p[:, 1:]) + alone
    expected = shared / of_truth, shared / of_found
    found = em.information(truth, segmentation)
    # What random labels share is small, a difference of large entropies.
    np.testing.assert_allclose(found[:2], expected, atol=1e-12)
    np.testing.assert_allclose(found.f_score, harmonic(*expected), atol=1e-12)


def without_membrane(truth, segmentation):
    """Every pixel of membrane is a region of its own."""
    highest = segmentation.max()
    apart = highest + 1 + np.arange(truth.size).reshape(truth.shape)
    return np.where(segmentation == 0, apart, segmentation)


@given(seed=seeds, lowest=st.integers(0, 1))
def test_rand_beside_scikit_image(seed, lowest):
    """It leaves out the n pairs of a pixel with itself: n²·AB - n, ....

    And gives recall before precision, github.com/scikit-image/scikit-image
    issue 6485. By A and B, the sizes of the cells, ours are turned into its.
    """
    truth, segmentation = labels(seed), labels(seed + 1, 5, lowest)
    apart = without_membrane(truth, segmentation)
    p, n = table(truth, apart)
    a, b = (p.sum(axis=1) ** 2).sum(), (p.sum(axis=0) ** 2).sum()
    precision, recall, _ = em.foreground_rand(truth, segmentation)
    error, its_recall, its_precision = adapted_rand_error(truth, apart)
    turned = (precision * b - 1 / n) / (b - 1 / n)
    assert turned == pytest.approx(its_precision)
    assert (recall * a - 1 / n) / (a - 1 / n) == pytest.approx(its_recall)
    assert harmonic(its_precision, its_recall) == pytest.approx(1 - error)


def test_scikit_image_takes_membrane_for_one_region():
    """Two cells of 50 pixels, of each of which 25 are found to be membrane.

    Alone, they are in no pair with another pixel: precision is 1. As one
    region they are merged: of 25·24 · 2 pairs in the two cells found and
    50·49 in the membrane, 25·24 · 4 are right.
    """
    truth = np.repeat([[1], [2]], 50, axis=1)
    segmentation = truth.copy()
    segmentation[:, :25] = 0
    ours = em.foreground_rand(truth, segmentation)
    # A = 2 · .5², B = AB = 2 · .25² + .5 / 100.
    assert ours == pytest.approx((1, 0.13 / 0.5, harmonic(1, 0.26)))
    its_precision = adapted_rand_error(truth, segmentation)[2]
    expected = 4 * 25 * 24 / (2 * 25 * 24 + 50 * 49)
    assert its_precision == pytest.approx(expected)


def test_on_large_cells_scikit_image_gives_the_same():
    """The n pairs are 1 of 10⁴: without membrane nothing else differs."""
    truth = np.kron(labels(0, 4, 1, (2, 2)), np.ones((150, 150), int))
    segmentation = np.roll(truth, 30, axis=1)
    ours = em.foreground_rand(truth, segmentation).f_score
    error = adapted_rand_error(truth, segmentation)[0]
    assert ours == pytest.approx(1 - error, abs=1e-4)


@given(seed=seeds, lowest=st.integers(0, 1))
def test_information_is_scikit_images_variation(seed, lowest):
    """Its two parts are H(S|T) and H(T|S), in bits."""
    truth, segmentation = labels(seed), labels(seed + 1, 5, lowest)
    inside, found = restrict(truth, segmentation)
    one = np.ones_like(inside)
    found_given_truth, truth_given_found = variation_of_information(
        inside, found
    )
    of_truth = variation_of_information(one, inside)[0]
    of_found = variation_of_information(one, found)[0]
    ours = em.information(truth, segmentation)
    assert ours.precision == pytest.approx(1 - truth_given_found / of_truth)
    assert ours.recall == pytest.approx(1 - found_given_truth / of_found)


@given(seed=seeds, cells=st.integers(1, 3), found=st.integers(1, 3))
def test_information_is_the_v_measure(seed, cells, found):
    """scikit-learn's, which also takes what is all one region for known."""
    truth, segmentation = labels(seed, cells, 1), labels(seed + 1, found, 1)
    expected = homogeneity_completeness_v_measure(
        truth.ravel(), segmentation.ravel()
    )
    found = em.information(truth, segmentation)
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("score", SCORES)
@given(seed=seeds)
def test_the_truth_is_perfect(score, seed):
    """Exactly 1, not about; what is found in the membrane does not count."""
    truth = labels(seed)
    anything = np.where(truth == 0, labels(seed + 1), truth)
    assert score(truth, anything) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize("score", SCORES)
@given(seed=seeds)
def test_names_of_labels_do_not_count(score, seed):
    truth, segmentation = labels(seed), labels(seed + 1)
    names = np.random.default_rng(seed).permutation(50)[:5] + 1
    names[0] = 0
    expected = score(truth, segmentation)
    found = score(names[truth], names[segmentation])
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@given(seed=seeds)
def test_one_big_region(seed):
    """Nothing is split, recall 1; Rand's precision is sum a², as AB = A."""
    truth = labels(seed)
    p, _ = table(truth, truth)
    rand = em.foreground_rand(truth, np.ones_like(truth))
    assert rand.recall == 1.0
    assert rand.precision == pytest.approx((p.sum(axis=1) ** 2).sum())
    assert em.information(truth, np.ones_like(truth)) == (0.0, 1.0, 0.0)


@given(seed=seeds)
def test_nothing_but_membrane(seed):
    """Nothing is merged: precision 1. AB = 1/n, so recall is 1/(n·A)."""
    truth = labels(seed)
    p, n = table(truth, truth)
    rand = em.foreground_rand(truth, np.zeros_like(truth))
    assert rand.precision == 1.0
    assert rand.recall == pytest.approx(1 / n / (p.sum(axis=1) ** 2).sum())
    # H(S) = log n, all of it unknown but H(T).
    info = em.information(truth, np.zeros_like(truth))
    of_truth = -(p.sum(1) * np.log(p.sum(1))).sum()
    assert info.precision == pytest.approx(1.0)
    assert info.recall == pytest.approx(of_truth / np.log(n))


def test_by_hand():
    """10 pixels: cells of 6 and 4; found 5 of the one, 1 + 3, and membrane.

    A = .6² + .4² = .52; B = .5² + .4² + .1/10 = .42;
    AB = .5² + .1² + .3² + .1/10 = .36.
    """
    truth = np.array([[1, 1, 1, 1, 1, 1, 0, 2, 2, 2, 2]])
    found = np.array([[1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 0]])
    expected = 0.36 / 0.42, 0.36 / 0.52, 2 * 0.36 / (0.42 + 0.52)
    assert em.foreground_rand(truth, found) == pytest.approx(expected)


@pytest.mark.parametrize("score", SCORES)
def test_a_stack_is_the_mean_of_its_slices(score):
    truth = np.stack([labels(seed) for seed in range(3)])
    found = np.stack([labels(seed) for seed in range(3, 6)])
    each = [score(*pair) for pair in zip(truth, found, strict=True)]
    np.testing.assert_allclose(score(truth, found), np.mean(each, axis=0))
    truth[1] = 0
    np.testing.assert_allclose(
        score(truth, found), np.mean([each[0], each[2]], axis=0)
    )
    assert np.isnan(score(truth[1], found[1])).all()
