import pathlib

import keras
import numpy as np
import pytest
from keras import ops

from keras_seg import dense_crf
from keras_seg.crf import Bilateral
from keras_seg.crf import Gaussian
from tests.densecrf_oracle import NORMALIZATIONS
from tests.densecrf_oracle import reference_marginals
from tests.gradients import gradient

GOLDENS = pathlib.Path(__file__).parents[1] / "goldens" / "crf.npz"
KERNELS = {"v1": ((49, 5, 4.0), (3, 3.0)), "v2": ((67, 3, 4.0), (1, 3.0))}


def marginals(image, logits, bilateral, gaussian, **others):
    y = dense_crf(
        image,
        logits,
        bilateral=Bilateral(*bilateral),
        gaussian=Gaussian(*gaussian),
        **others,
    )
    return ops.convert_to_numpy(y)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("name", KERNELS)
def test_equals_golden(name, normalization, parity):
    """pydensecrf2 1.1's marginals: `tests/goldens/make_crf.py`.

    Within the project's 1e-4 for ten iterations; on so few pixels rounding
    grows less.
    """
    golden = np.load(GOLDENS)
    y = marginals(
        golden["image"],
        golden["logits"],
        *KERNELS[name],
        normalization=normalization,
    )
    expected = golden[f"marginals_{name}_{normalization}"]
    np.testing.assert_allclose(y, expected, atol=1e-5)
    if normalization is not None:
        parity(f"crf_marginals_{name}_{normalization}", y)


def test_penalties_equal_golden():
    """The same matrix for both kernels, times their weights."""
    golden = np.load(GOLDENS)
    image, logits = golden["image"], golden["logits"]
    settings = (20, 10, 2.0), (3, 3.0)
    expected = golden["marginals_matrix"]
    matrix = golden["matrix"]
    y = marginals(image, logits, *settings, compatibility=matrix)
    np.testing.assert_allclose(y, expected, atol=1e-5)
    # A pair has no order.
    one_way = 2 * np.triu(matrix, 1) + np.diag(np.diag(matrix))
    y = marginals(image, logits, *settings, compatibility=one_way)
    np.testing.assert_allclose(y, expected, atol=1e-5)


@pytest.mark.parametrize("name", KERNELS)
def test_photographs_equal_reference(name, data_dir):
    """The project's bounds, at a quarter of the pixels; see benchmarks."""
    from PIL import Image

    path = data_dir / "voc_samples/JPEGImages/2007_000129.jpg"
    image = np.array(Image.open(path).resize((160, 120)))
    rng = np.random.default_rng(0)
    coarse = rng.normal(size=(1, 16, 21, 21)).astype("float32") * 3
    from keras_seg.ops import resize

    logits = ops.convert_to_numpy(resize(coarse, (120, 160)))[0]
    expected = reference_marginals(image, logits, *KERNELS[name])
    y = marginals(image, logits, *KERNELS[name])
    np.testing.assert_allclose(y, expected, atol=1e-4)
    assert (y.argmax(-1) == expected.argmax(-1)).mean() >= 0.9999


def test_batches_channels_and_types():
    """Image after image, any number of channels, arrays of any type."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (2, 7, 9, 2)).astype("uint8")
    logits = rng.normal(size=(2, 7, 9, 3))
    options = {"bilateral": {"sxy": (9, 5), "srgb": (20, 40), "weight": 2}}
    y = ops.convert_to_numpy(dense_crf(image, logits, **options))
    assert y.shape == (2, 7, 9, 3) and y.dtype == np.float32
    np.testing.assert_allclose(y.sum(axis=-1), 1, atol=1e-6)
    for number in range(2):
        alone = dense_crf(
            ops.convert_to_tensor(image[number].astype("float32")),
            ops.convert_to_tensor(logits[number], "float32"),
            **options,
        )
        np.testing.assert_allclose(
            y[number], ops.convert_to_numpy(alone), atol=1e-6
        )


def test_probabilities_and_logits():
    golden = np.load(GOLDENS)
    image, logits = golden["image"], golden["logits"]
    probabilities = ops.convert_to_numpy(ops.softmax(logits))
    y = ops.convert_to_numpy(dense_crf(image, probabilities=probabilities))
    refined = dense_crf(image, logits, return_logits=True)
    np.testing.assert_allclose(
        ops.convert_to_numpy(ops.softmax(refined)), y, atol=1e-5
    )
    # Certainty is not beyond doubt: 1e-5 for what a network rules out.
    certain = np.eye(3, dtype="float32")[probabilities.argmax(-1)]
    y = ops.convert_to_numpy(
        dense_crf(image, probabilities=certain, iterations=0)
    )
    np.testing.assert_allclose(y[certain == 0], 1e-5, rtol=1e-4)


def test_without_kernels():
    logits = np.random.default_rng(0).normal(size=(4, 5, 3))
    y = dense_crf(
        np.zeros((4, 5, 3)),
        logits,
        gaussian=None,
        bilateral=None,
        return_logits=True,
    )
    np.testing.assert_allclose(ops.convert_to_numpy(y), logits, rtol=1e-6)


def test_gradient_by_finite_differences():
    """Along the gradient's signs, within 1 %; other normalizations too."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (6, 8, 3)).astype("float32")
    logits = rng.normal(size=(6, 8, 3)).astype("float32")
    upstream = rng.normal(size=logits.shape).astype("float32")
    for normalization in ("after", "symmetric"):

        def run(x, normalization=normalization):
            return dense_crf(
                image,
                x,
                iterations=3,
                bilateral={"srgb": 60, "weight": 1},
                gaussian={"weight": 1},
                normalization=normalization,
                return_logits=True,
            )

        got = gradient(run, logits, upstream)
        direction = np.sign(got)
        ahead, behind = (
            ops.convert_to_numpy(run(logits + step * direction))
            for step in (1e-2, -1e-2)
        )
        change = (ahead.astype(np.float64) - behind) / 2e-2
        expected = (change * upstream).sum()
        assert abs((got * direction).sum() - expected) < 0.01 * abs(expected)


@pytest.mark.parametrize(
    "image, logits, message",
    [
        ((4, 5, 3), (4, 6, 2), "of one size"),
        ((1, 4, 5, 3), (4, 5, 2), "of one size"),
        ((2, 4, 5, 3), (1, 4, 5, 2), "of one size"),
        ((4, 5), (4, 5), "of one size"),
        ((4, 5, 3), (4, 5, 1), "at least two classes"),
    ],
)
def test_bad_shapes(image, logits, message):
    with pytest.raises(ValueError, match=message):
        dense_crf(np.zeros(image), np.zeros(logits))


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_bad_values():
    image, logits = np.zeros((2, 3, 3)), np.zeros((2, 3, 2))
    with pytest.raises(ValueError, match="either `logits` or `prob"):
        dense_crf(image)
    with pytest.raises(ValueError, match="either `logits` or `prob"):
        dense_crf(image, logits, logits)
    with pytest.raises(ValueError, match="`logits` must be finite"):
        dense_crf(image, logits + np.nan)
    with pytest.raises(ValueError, match="at least 0"):
        dense_crf(image, probabilities=logits - 1)
    with pytest.raises(ValueError, match=r"\(2, 2\). Received: shape \(3, 3\)"):
        dense_crf(image, logits, compatibility=np.eye(3))
    with pytest.raises(ValueError, match="finite numbers"):
        dense_crf(image + np.inf, logits)
    assert keras.backend.backend() in ("tensorflow", "jax", "torch")
