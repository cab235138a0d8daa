"""Mixes of pairs: where every pixel of the result comes from."""

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from keras_seg.data import augment
from tests.data.augment.pairs import SIDES
from tests.data.augment.pairs import coordinates
from tests.data.augment.pairs import pairs
from tests.data.augment.pairs import repeated

pytestmark = pytest.mark.once

MIXES = st.one_of(
    st.builds(
        augment.CopyPaste,
        st.none() | st.integers(0, 9) | st.lists(st.integers(0, 99)),
        probability=st.just(1.0) | st.floats(0, 1),
    ),
    st.builds(
        augment.CutMix,
        st.floats(0.1, 9),
        probability=st.just(1.0) | st.floats(0, 1),
    ),
    st.builds(augment.Mosaic, probability=st.just(1.0) | st.floats(0, 1)),
)


@st.composite
def several(draw):
    """Pairs of any sizes, with the same channels and dtypes."""
    image, mask = draw(pairs())
    found = [(image, mask)]
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    for _ in range(draw(st.integers(1, 4))):
        size = draw(st.tuples(SIDES, SIDES) | st.just(mask.shape))
        shape = (*size, image.shape[2])
        found.append(
            (
                rng.integers(0, 256, shape).astype(image.dtype),
                rng.integers(0, 99, size).astype(mask.dtype),
            )
        )
    return found


def drawing(dataset):
    """A function that draws one of the others, as `Batches` does."""
    return lambda rng: dataset[rng.integers(1, len(dataset))]


@settings(max_examples=150)
@given(several(), MIXES, st.integers(0, 99))
def test_every_pixel_is_of_one_of_the_pairs(dataset, mix, seed):
    before = copy.deepcopy(dataset)
    for pair in dataset:
        for array in pair:
            array.setflags(write=False)
    (image, mask), (again, _) = (
        augment.apply(
            [mix], *dataset[0], np.random.default_rng(seed), drawing(dataset)
        )
        for _ in range(2)
    )
    np.testing.assert_array_equal(image, again)
    assert image.dtype == dataset[0][0].dtype
    assert mask.dtype == dataset[0][1].dtype
    assert image.shape == dataset[0][0].shape
    assert mask.shape == dataset[0][1].shape
    # Nothing is interpolated: a color and an id that were together still are.
    known = {
        (tuple(color), int(i))
        for pair in dataset
        for color, i in zip(
            pair[0].reshape(-1, image.shape[2]).tolist(),
            pair[1].flat,
            strict=True,
        )
    }
    fill = [124, 116, 104] if image.shape[2] == 3 else [115] * image.shape[2]
    known.add((tuple(fill), 255))
    colors = image.reshape(-1, image.shape[2]).tolist()
    assert {
        (tuple(color), int(i))
        for color, i in zip(colors, mask.flat, strict=True)
    } <= known
    for pair, old in zip(dataset, before, strict=True):
        np.testing.assert_array_equal(pair[0], old[0])
        np.testing.assert_array_equal(pair[1], old[1])


def mixed(mix, height, width, seed=0, count=1):
    """From which of the pairs, 0 the first, and from where pixels came."""
    image, mask = coordinates(height, width)
    step, calls = height * width, iter(range(1, 9))
    got, ids = mix(
        image,
        mask,
        np.random.default_rng(seed),
        lambda: (image, mask + step * next(calls)),
    )
    np.testing.assert_array_equal(got, image)  # All stay where they were.
    source, place = np.divmod(ids - 1000, step)
    np.testing.assert_array_equal(place, mask - 1000)
    assert next(calls) == count + 1
    return source


@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 99))
def test_cutmix_pastes_one_rectangle(height, width, seed):
    mix = augment.CutMix(probability=1.0)
    source = mixed(mix, height, width, seed)
    rows, columns = (np.flatnonzero(source.any(axis=axis)) for axis in (1, 0))
    assert source.sum() == len(rows) * len(columns)
    assert (np.diff(rows) == 1).all() and (np.diff(columns) == 1).all()


@pytest.mark.parametrize("alpha", [0.3, 1.0, 4.0])
def test_cutmix_has_the_area_of_the_paper(alpha):
    """The mean of what is pasted, the integral over λ and the center."""
    mix = augment.CutMix(alpha, probability=1.0)
    shares = [mixed(mix, 50, 70, seed).mean() for seed in range(1500)]
    rng = np.random.default_rng(0)
    side = np.sqrt(1 - rng.beta(alpha, alpha, 100_000))
    # A span s around a center c of 0..1 keeps min(c + s/2, 1) - max(c - s/2,
    # 0); its mean over c is s - s²/4.
    expected = ((side - side**2 / 4) ** 2).mean()
    error = np.std(shares) / np.sqrt(len(shares))
    assert abs(np.mean(shares) - expected) < 4 * error + 0.002


@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 99))
def test_mosaic_has_four_parts_around_a_crossing(height, width, seed):
    mix = augment.Mosaic(probability=1.0)
    source = mixed(mix, height, width, seed, count=3)
    row = int((source[:, 0] == 0).sum()) or int((source[:, -1] == 1).sum())
    column = int((source[0] == 0).sum()) or int((source[-1] == 2).sum())
    expected = np.zeros((height, width), int)
    expected[:row, column:] = 1
    expected[row:, :column] = 2
    expected[row:, column:] = 3
    np.testing.assert_array_equal(source, expected)
    assert height // 4 <= row <= height - height // 4
    assert width // 4 <= column <= width - width // 4


MASK = np.array([[5, 5, 5, 255], [5, 5, 5, 5]], "uint8")
OTHER = np.array([[0, 0, 0, 255], [3, 2, 0, 3]], "uint8")


@pytest.mark.parametrize(
    ("classes", "other", "expected"),
    [
        # Of three classes the rarest one is half, rounded down.
        (None, OTHER, [[5, 5, 5, 255], [5, 2, 5, 5]]),
        (3, OTHER, [[5, 5, 5, 255], [3, 5, 5, 3]]),
        ([2, 3, 9], OTHER, [[5, 5, 5, 255], [3, 2, 5, 3]]),
        # Void is never pasted, though it may be asked for.
        ([255, 0], OTHER, [[0, 0, 0, 255], [5, 5, 0, 5]]),
        ([], OTHER, MASK.tolist()),
        (None, OTHER * 0, MASK.tolist()),
        # Of two that are as frequent, the first.
        (None, np.array([[7, 8, 7, 8]] * 2, "uint8"), [[7, 5, 7, 255],
                                                       [7, 5, 7, 5]]),
        # A smaller mask is padded with void, which stays behind.
        (None, np.array([[4, 4, 1]], "uint8"), [[5, 5, 1, 255], [5, 5, 5, 5]]),
    ],
)  # fmt: skip
def test_copy_paste(classes, other, expected):
    paste = augment.CopyPaste(classes, probability=1.0)
    image, mask = paste(
        repeated(MASK),
        MASK,
        np.random.default_rng(0),
        lambda: (repeated(other), other),
    )
    assert mask.tolist() == expected
    np.testing.assert_array_equal(image, repeated(mask))


@given(
    hnp.arrays("uint8", (6, 7, 3), elements=st.sampled_from([0, 1, 255])),
    st.none() | st.lists(st.integers(0, 2), unique=True),
)
def test_copy_paste_of_several_labels(other, classes):
    image, mask = np.zeros((6, 7, 1), "uint8"), np.zeros((6, 7, 3), "uint8")
    paste = augment.CopyPaste(classes, probability=1.0)
    rng = np.random.default_rng(0)
    got, ids = paste(image, mask, rng, lambda: (image + 1, other))
    counts = (other == 1).sum(axis=(0, 1))
    if classes is None:
        present = [i for i in range(3) if counts[i]]
        present.sort(key=lambda i: counts[i])
        classes = present[: (len(present) + 1) // 2]
    expected = np.zeros((6, 7), bool)
    for plane in classes:
        expected |= other[..., plane] == 1
    np.testing.assert_array_equal(got[..., 0] == 1, expected)
    np.testing.assert_array_equal(ids, other * expected[..., None])


@pytest.mark.parametrize("kind", ["CopyPaste", "CutMix", "Mosaic"])
def test_probability(kind):
    image, mask = np.zeros((8, 8, 1), "uint8"), np.zeros((8, 8), "uint8")
    other = np.arange(64, dtype="uint8").reshape(8, 8) + 1
    mix, rng = getattr(augment, kind)(probability=0.3), np.random.default_rng(0)
    changed = [
        mix(image, mask, rng, lambda: (image, other))[1].any()
        for _ in range(300)
    ]
    # Four standard errors of 300 draws are .106. A hundredth of the
    # rectangles of `CutMix` is empty.
    assert abs(np.mean(changed) - 0.3) < 0.11


@pytest.mark.parametrize("kind", ["CopyPaste", "CutMix", "Mosaic"])
def test_without_other_pairs(kind):
    mix = getattr(augment, kind)(probability=0.0)
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError) as caught:
        augment.apply([mix], repeated(MASK), MASK, rng)
    assert str(caught.value) == (
        f"`{kind}` mixes pairs: `augment.apply` needs `draw`, which draws "
        "another pair, as `Batches` does. Received: draw=None"
    )


@pytest.mark.parametrize(
    ("image", "mask", "found"),
    [
        (repeated(MASK, 4), MASK, "(2, 4, 3) of uint8 and (2, 4, 4) of uint8"),
        (repeated(MASK).astype("float32"), MASK,
         "(2, 4, 3) of uint8 and (2, 4, 3) of float32"),
        (repeated(MASK), MASK.astype("int32"),
         "(2, 4) of uint8 and (2, 4) of int32"),
        (repeated(MASK), MASK[..., None],
         "(2, 4) of uint8 and (2, 4, 1) of uint8"),
    ],
)  # fmt: skip
def test_pairs_of_another_kind_are_refused(image, mask, found):
    mix = augment.CutMix(probability=1.0)
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError) as caught:
        mix(repeated(MASK), MASK, rng, lambda: (image, mask))
    assert str(caught.value) == (
        "Pairs that are mixed must have the same channels and dtypes. "
        f"Received: {found}"
    )


def test_others_went_through_what_stands_before():
    """And not through what stands behind: an id counts its transforms."""

    def count(image, mask, rng):
        return image, mask + 1

    def double(image, mask, rng):
        return image, mask * 2

    mix = augment.CutMix(probability=1.0)
    chain = [augment.RandomCrop(9), count, mix, double, mix, count]
    image, zeros = np.zeros((20, 20, 1), "uint8"), np.zeros((20, 20), "int32")
    numbers = iter(range(100, 900, 100))
    _, mask = augment.apply(
        chain,
        image,
        zeros,
        np.random.default_rng(5),
        lambda rng: (image, zeros + next(numbers)),
    )
    # 2 (x + 1) + 1 of the first pair and of those drawn for the two mixes,
    # the last of them with one more that its own first mix drew.
    assert set(mask.flat) <= {3, 203, 403, 603} and len(set(mask.flat)) > 2
    assert mask.shape == (9, 9) and next(numbers) == 400


@given(MIXES)
def test_sizes_stay(mix):
    crop = augment.RandomCrop((4, 6))
    for chain, size in (
        ([mix], "input"),
        ([augment.RandomScale(), mix], None),
        ([crop, mix], (4, 6)),
    ):
        assert augment.size_after(chain) == size


@pytest.mark.parametrize(
    ("kind", "arguments", "text"),
    [
        ("CutMix", {"alpha": 0}, "`alpha` must be above 0. Received: alpha=0"),
        ("CutMix", {"alpha": -1}, "`alpha` must be a number of 0 or more. "
         "Received: alpha=-1"),
        ("CopyPaste", {"classes": [1, -2]}, "`classes` must be an int of 0 or "
         "more. Received: classes=-2"),
        ("CopyPaste", {"classes": "cars"}, "`classes` must be an int of 0 or "
         "more. Received: classes='cars'"),
        ("Mosaic", {"probability": 3}, "`probability` must be a number of "
         "0..1. Received: probability=3"),
    ],
)  # fmt: skip
def test_bad_arguments(kind, arguments, text):
    with pytest.raises(ValueError) as caught:
        getattr(augment, kind)(**arguments)
    assert str(caught.value) == text
