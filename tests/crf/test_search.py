import itertools

import keras
import numpy as np
import pytest

import keras_seg
from keras_seg.crf import Bilateral
from keras_seg.crf import Gaussian
from keras_seg.crf import Settings
from keras_seg.crf import crf_search
from keras_seg.crf import search
from keras_seg.crf.grid import SPACES
from keras_seg.crf.grid import search_axes
from keras_seg.metrics import MeanIoU

NARROW = {"weight": [3, 5], "sxy": 8, "srgb": [5, 80]}


def samples(count=8, seed=0):
    """Discs 40 levels above their ground, some void, and noisy logits.

    A deviation of 5 levels tells disc from ground, one of 80 does not.
    """
    rng = np.random.default_rng(seed)
    for _ in range(count):
        y, x = np.ogrid[:24, :32]
        center, radius = rng.uniform((6, 8), (18, 24)), rng.uniform(3, 5)
        inside = np.hypot(y - center[0], x - center[1]) < radius
        noise = rng.normal(0, 2, (24, 32, 3))
        image = np.where(inside, 140, 100)[..., None] + noise
        logits = rng.normal(1.5 * np.eye(2)[inside.astype(int)])
        mask = inside.astype("uint8")
        mask[:2] = 255
        yield image.astype("uint8"), logits.astype("float32"), mask


def mean_iou(triples, refine, ignore_class=255):
    """With the metric, over the data set."""
    metric = MeanIoU(2, ignore_class=ignore_class)
    for image, logits, mask in triples:
        metric.update_state(mask[None], refine(image, logits)[None])
    return metric.scores().mean_iou


def test_equals_brute_force():
    triples = list(samples())
    found = crf_search(triples, **NARROW, verbose=0)
    expected = {}
    for weight, srgb in itertools.product(NARROW["weight"], NARROW["srgb"]):
        bilateral = {"weight": weight, "sxy": 8, "srgb": srgb}
        expected[weight, srgb] = mean_iou(
            triples,
            lambda image, logits, kernel=bilateral: keras_seg.dense_crf(
                image, logits, bilateral=kernel
            ),
        )
    trials = {(t["weight"], t["srgb"]): t["mean_iou"] for t in found.trials}
    assert len(found.trials) == 4
    assert trials == pytest.approx(expected)
    assert found.mean_iou == max(trials.values())
    kernel = found.settings.bilateral
    assert trials[kernel.weight, kernel.srgb] == found.mean_iou
    assert found.images == 8
    assert found.baseline == pytest.approx(mean_iou(triples, lambda x, y: y))
    # What is known beforehand.
    assert kernel.srgb == 5
    assert found.mean_iou > found.baseline + 0.2
    assert min(trials.values()) < found.mean_iou - 0.1


def test_settings_are_ready():
    triples = list(samples(2))
    found = crf_search(
        triples, weight=4, sxy=8, srgb=5, preset="krahenbuhl", verbose=0
    )
    assert found.settings == Settings(
        Gaussian(3, 3), Bilateral(8, 5, 4), 5, "symmetric"
    )
    again = mean_iou(
        triples,
        lambda image, logits: keras_seg.dense_crf(
            image, logits, **found.settings.as_arguments()
        ),
    )
    assert found.mean_iou == pytest.approx(again)


def test_model_gives_the_logits():
    """The network's own are found again, of images of two sizes."""
    image = keras.Input((None, None, 3))
    score = keras.layers.Conv2D(2, 1, bias_initializer="zeros")
    model = keras.Model(image, score(image))
    weights = np.array([[-0.01, 0.02], [0.0, 0.0], [0.0, -0.005]], "float32")
    score.set_weights([weights[None, None], np.zeros(2, "float32")])
    pairs = [(x, mask) for x, _, mask in samples(2)]
    pairs.append((pairs[0][0][:16], pairs[0][1][:16]))
    fixed = {"weight": 4, "sxy": 8, "srgb": 5, "verbose": 0}
    found = crf_search(pairs, model, **fixed)
    triples = [(x, x @ weights, mask) for x, mask in pairs]
    expected = crf_search(triples, **fixed)
    assert found.baseline == pytest.approx(expected.baseline)
    assert found.mean_iou == pytest.approx(expected.mean_iou)
    assert found.images == 3


def test_limit_takes_the_first():
    def endless():
        yield from samples(2)
        raise AssertionError("read too far")

    fixed = {"weight": 0, "sxy": 8, "srgb": 5, "verbose": 0}
    found = crf_search(endless(), limit=2, **fixed)
    assert found.images == 2
    assert found.baseline == crf_search(samples(2), **fixed).baseline


def test_half_of_the_memory(monkeypatch):
    triples = [(x, 1e6 * logits, mask) for x, logits, mask in samples(3)]
    size = triples[0][1].nbytes
    monkeypatch.setattr(search, "_FLOAT32_BYTES", size)
    read, matrix = search._read_samples(
        triples, None, 255, None, lambda done: None
    )
    assert [logits.dtype for _, logits, _ in read] == [
        "float32",
        "float16",
        "float16",
    ]
    # The order of the classes and what lies close to the best stay.
    shifted = triples[1][1] - triples[1][1].max(-1, keepdims=True)
    np.testing.assert_allclose(
        read[1][1], np.maximum(shifted, -65504), rtol=2**-11
    )
    assert matrix.sum() == 3 * 22 * 32


def test_void():
    triples = list(samples(1))
    fixed = {"weight": 4, "sxy": 8, "srgb": 5, "verbose": 0}
    (image, logits, mask) = triples[0]
    other = [(image, logits, np.where(mask == 255, 7, mask))]
    assert (
        crf_search(other, ignore_class=7, **fixed).mean_iou
        == crf_search(triples, **fixed).mean_iou
    )
    with pytest.raises(ValueError, match=r"0\.\.\.1\. Received: ids \[255\]"):
        crf_search(triples, ignore_class=None, **fixed)


@pytest.mark.once
def test_bar(capsys):
    triples = list(samples(1))
    fixed = {"weight": [3, 4], "sxy": 8, "srgb": 5}
    found = crf_search(triples, **fixed)
    shown = capsys.readouterr()
    assert not shown.out
    assert f"CRF {found.mean_iou:.4f}, without {found.baseline:.4f}" in (
        shown.err
    )
    assert "2/2" in shown.err
    crf_search(triples, **fixed, verbose=0)
    assert capsys.readouterr() == ("", "")


@pytest.mark.once
def test_spaces_are_the_papers():
    """papers.md 12.5: DeepLab v1 section 5, v2 section 4.1."""
    one, two = (search_axes(name) for name in SPACES)
    assert one == {
        "weight": [5, 6, 7, 8, 9, 10],
        "sxy": [50, 60, 70, 80, 90, 100],
        "srgb": [3, 4, 5, 6, 7, 8, 9, 10],
    }
    assert two == {
        "weight": [3, 4, 5, 6],
        "sxy": [30, 40, 50, 60, 70, 80, 90, 100],
        "srgb": [3, 4, 5, 6],
    }
    axes = search_axes("deeplab_v2", weight=0.5, sxy=range(20, 41, 5))
    assert (axes["weight"], axes["sxy"]) == ([0.5], [20, 25, 30, 35, 40])


def refused(match, data, model=None, **arguments):
    with pytest.raises(ValueError, match=match):
        crf_search(data, model, verbose=0, **arguments)


@pytest.mark.once
def test_refused_arguments():
    refused("`space` must be 'deeplab_v1' or ", [], space="v3")
    refused("`preset` must be one of", [], preset="v3")
    refused("`limit` must be an int of 1 or more", [], limit=0)
    refused(r"`sxy` must be .* Received: sxy=\[9, 3\]", [], sxy=[9, 3])
    refused(r"`srgb` must be .* Received: srgb=\(6, 3\)", [], srgb=(6, 3))
    refused(r"`srgb` must be .* Received: srgb=\(3, 4, 5\)", [], srgb=(3, 4, 5))
    refused("`sxy` must be a deviation above 0", [], sxy=(0, 50))


@pytest.mark.once
def test_refused_data():
    image, logits, mask = next(samples(1))
    good = (image, logits, mask)
    refused("at least one item. Received: none", [])
    refused("item 0 of length 2, model=None", [(image, mask)])
    refused("item 0 of length 3, model=1", [good], model=1)
    refused(
        r"one size. Received: item 1 with an image \(24, 32, 3\), logits "
        r"\(24, 32, 2\) and a mask \(12, 32\) of uint8",
        [good, (image, logits, mask[:12])],
    )
    refused(
        r"of one size. .* logits \(24, 16, 2\)",
        [(image, logits[:, ::2], mask)],
    )
    refused(
        r"integer mask .* float64", [(image, logits, mask.astype("float64"))]
    )
    refused(
        "at least two classes, as many for all images. Received: 1 in item 0",
        [(image, logits[..., :1], mask)],
    )
    refused(
        "Received: 3 in item 1, 2 in the first",
        [good, (image, np.dstack([logits, logits[..., :1]]), mask)],
    )
    refused(
        r"Item 1 of `data`: Masks must hold ids in 0\.\.\.1, or 255 for void. "
        r"Received: ids \[9\]",
        [good, (image, logits, np.full_like(mask, 9))],
    )
    refused("that are not void", [(image, logits, np.full_like(mask, 255))])
    refused("must be finite.*item 0", [(image, np.nan * logits, mask)])
    probabilities = np.full_like(logits, 0.5)
    refused("leave the softmax out", [(image, probabilities, mask)])
