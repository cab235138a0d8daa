"""V_Rand and V_Info: their formulas, other libraries, and a real slice."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage
from skimage.measure import label
from skimage.metrics import adapted_rand_error
from skimage.metrics import variation_of_information
from sklearn.metrics import homogeneity_completeness_v_measure

from keras_seg.metrics import em

pytestmark = pytest.mark.once

seeds = st.integers(0, 10_000)


def labels(seed, highest=4, lowest=0):
    rng = np.random.default_rng(seed)
    return rng.integers(lowest, highest + 1, (9, 11))


def spots(seed, share=0.5, shape=(13, 17)):
    """A binary map of single pixels and squares, with many small cells."""
    rng = np.random.default_rng(seed)
    coarse = rng.random((shape[0] // 3 + 1, shape[1] // 3 + 1)) < share
    coarse = np.kron(coarse, np.ones((3, 3), bool))[: shape[0], : shape[1]]
    return np.where(rng.random(shape) < 0.3, rng.random(shape) < share, coarse)


def maps(seed):
    """A random mask, and a probability that has something to do with it."""
    rng = np.random.default_rng(seed)
    truth = spots(seed, 0.6)
    near = np.where(rng.random(truth.shape) < 0.2, rng.random(), truth)
    return truth, near * 0.8 + rng.random(truth.shape) * 0.2


def table(truth, segmentation):
    """papers.md 3.3: p[i, j], i >= 1; column 0 is membrane; and n."""
    p = np.zeros((truth.max() + 1, segmentation.max() + 1))
    np.add.at(p, (truth.ravel(), segmentation.ravel()), 1)
    n = p[1:].sum()
    return p[1:] / n, n


def harmonic(precision, recall):
    return 2 * precision * recall / (precision + recall)


@given(seed=seeds, cells=st.integers(2, 6), lowest=st.integers(0, 1))
def test_both_are_their_formulas(seed, cells, lowest):
    """papers.md 3.3: membrane is in n singletons, each of p = 1/n."""
    truth, segmentation = labels(seed, cells), labels(seed + 1, 5, lowest)
    p, n = table(truth, segmentation)
    alone = p[:, 0].sum()
    a = (p.sum(axis=1) ** 2).sum()
    b = (p[:, 1:].sum(axis=0) ** 2).sum() + alone / n
    ab = (p[:, 1:] ** 2).sum() + alone / n
    rand = ab / b, ab / a, harmonic(ab / b, ab / a)

    def entropy(p):
        p = p[p > 0]
        return -(p * np.log(p)).sum()

    of_truth = entropy(p.sum(axis=1))
    of_found = entropy(p[:, 1:].sum(axis=0)) + alone * np.log(n)
    shared = of_truth + of_found - entropy(p[:, 1:]) - alone * np.log(n)
    info = shared / of_truth, shared / of_found
    found = em.foreground_scores(truth, segmentation)
    np.testing.assert_allclose(found[0], rand, rtol=1e-12)
    # What random labels share is small, a difference of large entropies.
    np.testing.assert_allclose(found[1][:2], info, atol=1e-12)
    np.testing.assert_allclose(found[1].f_score, harmonic(*info), atol=1e-12)


@given(seed=seeds, lowest=st.integers(0, 1))
def test_beside_scikit_image(seed, lowest):
    """Its Rand error leaves out the n pairs of a pixel with itself.

    It gives recall before precision, github.com/scikit-image/scikit-image
    issue 6485. By the sizes of the cells, ours are turned into its. The two
    parts of its variation of information are H(S|T) and H(T|S), in bits.
    """
    truth, segmentation = labels(seed), labels(seed + 1, 5, lowest)
    singles = 6 + np.arange(truth.size).reshape(truth.shape)
    apart = np.where(segmentation == 0, singles, segmentation)
    rand, info = em.foreground_scores(truth, segmentation)

    p, n = table(truth, apart)
    a, b = (p.sum(axis=1) ** 2).sum(), (p.sum(axis=0) ** 2).sum()
    error, recall, precision = adapted_rand_error(truth, apart)
    turned = (rand.precision * b - 1 / n) / (b - 1 / n)
    assert turned == pytest.approx(precision)
    assert (rand.recall * a - 1 / n) / (a - 1 / n) == pytest.approx(recall)
    assert harmonic(precision, recall) == pytest.approx(1 - error)

    inside, found = truth[truth > 0], apart[truth > 0]
    one = np.ones_like(inside)
    split, merged = variation_of_information(inside, found)
    of_truth = variation_of_information(one, inside)[0]
    of_found = variation_of_information(one, found)[0]
    assert info.precision == pytest.approx(1 - merged / of_truth)
    assert info.recall == pytest.approx(1 - split / of_found)


def test_scikit_image_takes_membrane_for_one_region():
    """Two cells of 50 pixels, of each of which 25 are found to be membrane.

    Alone, they are in no pair with another pixel: precision is 1. As one
    region they are merged: of 25·24 · 2 pairs in the two cells found and
    50·49 in the membrane, 25·24 · 4 are right.
    """
    truth = np.repeat([[1], [2]], 50, axis=1)
    segmentation = truth.copy()
    segmentation[:, :25] = 0
    ours = em.foreground_scores(truth, segmentation)[0]
    # A = 2 · .5², B = AB = 2 · .25² + .5 / 100.
    assert ours == pytest.approx((1, 0.13 / 0.5, harmonic(1, 0.26)))
    precision = adapted_rand_error(truth, segmentation)[2]
    expected = 4 * 25 * 24 / (2 * 25 * 24 + 50 * 49)
    assert precision == pytest.approx(expected)


def test_on_large_cells_scikit_image_gives_the_same():
    """The n pairs are 1 of 10⁴: without membrane nothing else differs."""
    truth = np.kron([[4, 3], [3, 1]], np.ones((150, 150), int))
    segmentation = np.roll(truth, 30, axis=1)
    ours = em.foreground_scores(truth, segmentation)[0].f_score
    error = adapted_rand_error(truth, segmentation)[0]
    assert ours == pytest.approx(1 - error, abs=1e-4)


@given(seed=seeds, cells=st.integers(1, 3), found=st.integers(1, 3))
def test_information_is_the_v_measure(seed, cells, found):
    """scikit-learn's, which also takes what is all one region for known."""
    truth, segmentation = labels(seed, cells, 1), labels(seed + 1, found, 1)
    expected = homogeneity_completeness_v_measure(
        truth.ravel(), segmentation.ravel()
    )
    found = em.foreground_scores(truth, segmentation)[1]
    np.testing.assert_allclose(found, expected, atol=1e-12)


@given(seed=seeds)
def test_the_truth_is_perfect(seed):
    """Exactly 1, not about; what is found in the membrane does not count."""
    truth = labels(seed)
    anything = np.where(truth == 0, labels(seed + 1), truth)
    perfect = em.Agreement(1.0, 1.0, 1.0)
    assert em.foreground_scores(truth, anything) == (perfect, perfect)


@given(seed=seeds)
def test_names_of_labels_do_not_count(seed):
    """Not even 2^31 - 1: no table of that size is made."""
    truth, segmentation = labels(seed), labels(seed + 1)
    names = np.random.default_rng(seed).permutation(50)[:5] + 1
    names[[0, -1]] = 0, 2**31 - 1
    np.testing.assert_allclose(
        em.foreground_scores(names[truth], names[segmentation]),
        em.foreground_scores(truth, segmentation),
        rtol=1e-9,
    )


@given(seed=seeds)
def test_one_big_region_or_none(seed):
    """Nothing is split: recall 1, Rand's precision is sum a², as AB = A.

    Or nothing is merged: precision 1, AB = 1/n, so recall is 1/(n·A), and
    H(S) = log n, all of it unknown but H(T).
    """
    truth = labels(seed)
    p, n = table(truth, truth)
    of_cells = p.sum(axis=1)
    a = (of_cells**2).sum()
    rand, info = em.foreground_scores(truth, np.ones_like(truth))
    assert rand[:2] == pytest.approx((a, 1.0)) and info == (0.0, 1.0, 0.0)
    rand, info = em.foreground_scores(truth, np.zeros_like(truth))
    assert rand[:2] == pytest.approx((1.0, 1 / n / a))
    of_truth = -(of_cells * np.log(of_cells)).sum()
    assert info[:2] == pytest.approx((1.0, of_truth / np.log(n)))


def test_by_hand():
    """10 pixels: cells of 6 and 4; found 5 of the one, 1 + 3, and membrane.

    A = .6² + .4² = .52; B = .5² + .4² + .1/10 = .42;
    AB = .5² + .1² + .3² + .1/10 = .36.
    """
    truth = np.array([[1, 1, 1, 1, 1, 1, 0, 2, 2, 2, 2]])
    found = np.array([[1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 0]])
    expected = 0.36 / 0.42, 0.36 / 0.52, 2 * 0.36 / (0.42 + 0.52)
    for kind in ("uint8", "int16", "uint64"):
        rand, _ = em.foreground_scores(truth.astype(kind), found.astype(kind))
        assert rand == pytest.approx(expected)


@given(seed=seeds, share=st.sampled_from([0.1, 0.3, 0.5, 0.9]))
def test_cells_grow_and_do_not_touch(seed, share):
    interior = spots(seed, share)
    cells, thinned = label(interior, connectivity=1), em.thin(interior)
    np.testing.assert_array_equal(thinned[interior], cells[interior])
    assert set(np.unique(thinned)) - {0} == set(np.unique(cells)) - {0}
    for one, other in (
        (thinned[1:], thinned[:-1]),
        (thinned[:, 1:], thinned[:, :-1]),
    ):
        assert ((one == other) | (one == 0) | (other == 0)).all()


@pytest.mark.parametrize("width", [1, 3, 7])
def test_the_width_of_a_membrane_is_gone(width):
    """Its middle is left, to the pixel, if the width is odd."""
    interior = np.ones((6, 21), bool)
    interior[:, 10 - width // 2 : 11 + width // 2] = False
    expected = np.repeat([1, 0, 2], [10, 1, 10])
    assert (em.thin(interior) == expected).all()


def test_membrane_that_separates_nothing_is_gone():
    interior = np.ones((9, 9), bool)
    interior[4, :6] = False
    interior[1, 7] = False
    assert (em.thin(interior) == 1).all()
    # A flat map is one basin of a watershed, so one region.
    assert (em.thin(np.zeros((3, 4), bool)) == 1).all()


@given(seed=seeds)
def test_the_leader_board_is_the_best_mean_of_slices(seed):
    pairs = [maps(seed), maps(seed + 1)]
    truth, probability = map(np.stack, zip(*pairs, strict=True))
    levels = (0.2, 0.5, 0.8)
    each = [
        [
            [score.f_score for score in em.foreground_scores(cells, thinned)]
            for cells, thinned in (
                (label(t, connectivity=1), em.thin(p > level)) for t, p in pairs
            )
        ]
        for level in levels
    ]
    means = np.mean(each, axis=1)
    found = em.leader_board(truth, probability, levels)
    assert found[:2] == pytest.approx(means.max(axis=0))
    assert found[2:] == tuple(np.take(levels, means.argmax(axis=0)))


def test_thresholds_of_the_challenge():
    """10 levels: a membrane at .85 is found above .9 only, at 0 by none."""
    truth = np.array([[1, 1, 0, 1, 1]])
    probability = np.array([[1, 1, 0.85, 1, 1]])
    assert em.leader_board(truth, probability) == (1.0, 1.0, 0.9, 0.9)
    none = em.leader_board(truth, np.ones((1, 5)))
    # Two cells merged: precision 2 · .5², recall 1; no information.
    assert none == pytest.approx((2 / 3, 0.0, 0.0, 0.0))


def test_slices_without_interior_are_left_out():
    truth = np.zeros((2, 1, 5), int)
    truth[0] = [1, 1, 0, 1, 1]
    assert em.leader_board(truth, truth) == (1.0, 1.0, 0.0, 0.0)
    assert em.leader_board(truth[0].T, truth[0].T)[:2] == (1.0, 1.0)
    assert np.isnan(em.leader_board(truth[1], truth[1])[:2]).all()
    assert np.isnan(em.foreground_scores(truth[1], truth[1])).all()


@pytest.fixture(scope="module")
def interior(data_dir):
    """A real slice: 255 is cell interior, 0 membrane."""
    path = data_dir / "isbi2012_em/labels/20.png"
    return np.asarray(Image.open(path)) == 255


def test_a_real_truth_is_perfect(interior):
    """Exactly: thinning keeps each cell, and membrane does not count."""
    assert em.leader_board(interior, interior, 0.5)[:2] == (1.0, 1.0)


def test_real_lines_lie_between_two_cells(interior):
    """But for ties: less than 1 of 100 pixels has one cell beside it."""
    thinned = em.thin(interior)
    cross = ndimage.generate_binary_structure(2, 1)
    highest = ndimage.maximum_filter(thinned, footprint=cross)
    cells = np.where(thinned == 0, thinned.max() + 1, thinned)
    lowest = ndimage.minimum_filter(cells, footprint=cross)
    line = thinned == 0
    assert line.mean() < 0.03 < 0.2 < 1 - interior.mean()
    assert (lowest < highest)[line].mean() > 0.99


def test_real_membranes_drawn_wider(interior):
    """By 1 pixel on either side: after thinning nearly nothing is lost.

    Not exactly nothing: a few narrow cells are closed or cut. Without
    thinning, the pixels that are missing at the rims cost 0.04.
    """
    wider = ndimage.binary_erosion(interior, border_value=1)
    thinned = em.leader_board(interior, wider, 0.5)
    assert 0.999 < thinned.v_rand < 1 and 0.998 < thinned.v_info < 1
    plain, _ = em.foreground_scores(
        label(interior, connectivity=1), label(wider, connectivity=1)
    )
    assert plain.precision == pytest.approx(1, abs=1e-3)
    assert plain.f_score < thinned.v_rand - 0.03


def test_real_membranes_with_gaps(interior):
    """Cells dilated by 2 pixels break through to each other."""
    merged = ndimage.binary_dilation(interior, iterations=2)
    result = em.leader_board(interior, merged, 0.5)
    assert result.v_rand < 0.9 and result.v_info < 0.95
    cells = label(interior, connectivity=1)
    pairs, _ = em.foreground_scores(cells, em.thin(merged))
    assert pairs.recall == 1.0 and pairs.precision < 0.9


@pytest.mark.parametrize(
    "value, message",
    [
        (255, r"/ 255 for an 8-bit map. Received: values in 0.0\.\.\.255.0"),
        (-0.1, r"Received: values in -0.1\.\.\.0.0"),
        (np.nan, r"Received: values in nan\.\.\.nan"),
    ],
)
def test_probabilities_that_cannot_be(value, message):
    truth, probability = np.ones((4, 5)), np.zeros((4, 5))
    probability[2, 3] = value
    with pytest.raises(ValueError, match=message):
        em.leader_board(truth, probability)
    truth[0, 0] = np.nan
    with pytest.raises(ValueError, match="`truth`.*Received: NaN"):
        em.leader_board(truth, np.ones((4, 5)))


@pytest.mark.parametrize(
    "thresholds", [[], [-0.1], [0.5, 1.1], [np.nan], [[0.5]], "0.5"]
)
def test_thresholds_that_cannot_be(thresholds):
    with pytest.raises(ValueError, match="Received: thresholds="):
        em.leader_board(np.ones((4, 5)), np.ones((4, 5)), thresholds)


@pytest.mark.parametrize("metric", [em.leader_board, em.foreground_scores])
def test_shapes_that_differ(metric):
    with pytest.raises(ValueError, match=r"Received: \(4, 5\) and \(5, 4\)"):
        metric(np.ones((4, 5), int), np.ones((5, 4), int))


@pytest.mark.parametrize("shape", [(4,), (4, 5, 1), (2, 4, 5, 2), (0, 5)])
def test_shapes_that_cannot_be(shape):
    with pytest.raises(ValueError, match="one slice .* Received: shape"):
        em.leader_board(np.ones(shape, int), np.ones(shape, int))


def test_labels_that_cannot_be():
    labels = np.ones((4, 5), int)
    with pytest.raises(ValueError, match="`truth`.*Received: dtype float64"):
        em.foreground_scores(labels * 0.5, labels)
    with pytest.raises(ValueError, match="`segmentation`.*lowest -1"):
        em.foreground_scores(labels, -labels)
    for interior in (np.full((4, 5), 0.3), labels[None]):
        with pytest.raises(ValueError, match="> 0.5. Received: shape"):
            em.thin(interior)


def test_without_scikit_image(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "skimage.measure", None)
    with pytest.raises(
        ImportError,
        match=r"`leader_board` needs skimage.*keras-seg\[classical\]",
    ):
        em.leader_board(np.ones((4, 5)), np.ones((4, 5)))
