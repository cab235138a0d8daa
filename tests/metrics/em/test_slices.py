"""What can't be, from every entrance."""

import ast
import pathlib

import numpy as np
import pytest

from keras_seg.metrics import em

pytestmark = pytest.mark.once

OF_MAPS = [em.pixel_error, em.rand_error, em.leader_board, em.warping_error]
OF_LABELS = [em.foreground_rand, em.information]


@pytest.mark.parametrize("metric", OF_MAPS)
@pytest.mark.parametrize(
    "value, message",
    [
        (255, r"/ 255 for an 8-bit map. Received: values in 0.0\.\.\.255.0"),
        (-0.1, r"Received: values in -0.1\.\.\.0.0"),
        (np.nan, r"Received: values in nan\.\.\.nan"),
        (np.inf, r"Received: values in 0.0\.\.\.inf"),
    ],
)
def test_probabilities_that_cannot_be(metric, value, message):
    truth, probability = np.ones((4, 5)), np.zeros((4, 5))
    probability[2, 3] = value
    with pytest.raises(ValueError, match=message):
        metric(truth, probability)


@pytest.mark.parametrize("metric", OF_MAPS)
@pytest.mark.parametrize(
    "thresholds", [[], [-0.1], [0.5, 1.1], [np.nan], [[0.5]], "0.5"]
)
def test_thresholds_that_cannot_be(metric, thresholds):
    with pytest.raises(ValueError, match="Received: thresholds="):
        metric(np.ones((4, 5)), np.ones((4, 5)), thresholds)


@pytest.mark.parametrize("metric", OF_MAPS + OF_LABELS)
def test_shapes_that_cannot_be(metric):
    def of(shape, other=None):
        return metric(np.ones(shape, int), np.ones(other or shape, int))

    with pytest.raises(ValueError, match=r"Received: \(4, 5\) and \(5, 4\)"):
        of((4, 5), (5, 4))
    with pytest.raises(ValueError, match=r"Fix: truth\[..., 0\]"):
        of((4, 5, 1))
    for shape in ((4,), (2, 4, 5, 1), (0, 5), (0, 4, 5)):
        with pytest.raises(ValueError, match="one slice .* Received: shape"):
            of(shape)


def test_truths_that_cannot_be():
    truth = np.ones((4, 5))
    truth[0, 0] = np.nan
    with pytest.raises(ValueError, match="Received: 1 values NaN"):
        em.pixel_error(truth, np.ones((4, 5)))
    with pytest.raises(ValueError, match="dtype <U1"):
        em.pixel_error(np.full((4, 5), "a"), np.ones((4, 5)))


@pytest.mark.parametrize("metric", OF_LABELS)
def test_labels_that_cannot_be(metric):
    labels = np.ones((4, 5), int)
    with pytest.raises(ValueError, match="`truth`.*Received: dtype float64"):
        metric(labels * 0.5, labels)
    with pytest.raises(ValueError, match=r"`segmentation`.*in -1\.\.\.-1"):
        metric(labels, -labels)
    with pytest.raises(ValueError, match=r"`segmentation`.*2147483648"):
        metric(labels, labels * 2**31)


def test_maps_that_are_not_binary():
    for function in (em.regions, em.thin):
        with pytest.raises(ValueError, match="> 0.5. Received: dtype float64"):
            function(np.full((4, 5), 0.3))


def test_every_integer_type():
    """Unsigned and narrow labels must not wrap around."""
    truth = np.array([[1, 1, 0, 200, 200]])
    expected = em.foreground_rand(truth, truth)
    for kind in ("uint8", "int16", "uint32", "uint64"):
        assert em.foreground_rand(truth.astype(kind), truth) == expected
        assert em.foreground_rand(truth, truth.astype(kind)) == expected


def test_optional_packages_are_imported_where_they_are_used():
    for path in pathlib.Path(em.__file__).parent.glob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Import):
                assert [name.name for name in node.names] == ["numpy"], path
            elif isinstance(node, ast.ImportFrom):
                assert node.module.split(".")[0] in ("keras_seg", "typing")


def test_without_optional_packages(monkeypatch):
    modules = __import__("sys").modules
    both = np.ones((4, 5))
    monkeypatch.setitem(modules, "skimage", None)
    monkeypatch.setitem(modules, "skimage.segmentation", None)
    with pytest.raises(ImportError, match=r"image.*keras-seg\[classical\]"):
        em.leader_board(both, both)
    monkeypatch.setitem(modules, "scipy", None)
    with pytest.raises(ImportError, match=r"SciPy.*keras-seg\[classical\]"):
        em.rand_error(both, both)
