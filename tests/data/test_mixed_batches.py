"""Batches whose transforms mix pairs."""

import numpy as np
import pytest

from keras_seg.data import Batches
from keras_seg.data import augment

pytestmark = pytest.mark.once

MIXES = [
    augment.RandomScale(),
    augment.RandomCrop(16),
    augment.Mosaic(),
    augment.RandomFlip(),
    augment.CutMix(),
    augment.CopyPaste(),
    augment.GaussianNoise(),
]


def pairs(count=7, sizes=((20, 24), (13, 30))):
    """Random images; pair i has the ids 10 i to 10 i + 4."""
    rng = np.random.default_rng(0)
    return [
        (
            rng.integers(0, 256, (*size, 3), "uint8"),
            rng.integers(10 * i, 10 * i + 5, size).astype("uint8"),
        )
        for i in range(count)
        for size in [sizes[i % len(sizes)]]
    ]


def sources(mask):
    """From which pairs the ids of a mask are."""
    return {int(i) // 10 for i in np.unique(mask) if i != 255}


def equal(a, b):
    return all(
        np.array_equal(x, y)
        for one, other in zip(a, b, strict=True)
        for x, y in zip(one, other, strict=True)
    )


@pytest.mark.parametrize(
    "options", [{"workers": 1}, {"workers": 4}, {"cache": False}]
)
def test_batches_depend_on_seed_epoch_and_index_alone(options):
    drawn = {"transforms": MIXES, "shuffle": True, "seed": 5}
    one = Batches(pairs(), 3, **drawn)
    two = Batches(pairs(), 3, **drawn, **options)
    first = list(one)
    assert equal([two[2], two[0], two[1]], [first[i] for i in (2, 0, 1)])
    for epoch in (1, 2):
        one.on_epoch_end()
        one.on_epoch_begin()
        read_ahead = [one[0] for _ in range(len(one))]
        two.epoch = epoch  # as a run that is resumed
        assert equal(list(two), read_ahead)
        assert not equal(read_ahead, first)


@pytest.mark.parametrize(
    ("mix", "most"),
    [(augment.CutMix, 2), (augment.CopyPaste, 2), (augment.Mosaic, 4)],
)
def test_others_are_drawn_from_all_pairs_but_the_first(mix, most):
    batches = Batches(
        pairs(4, [(16, 16)]), 1, [augment.RandomCrop(9), mix(probability=1.0)]
    )
    partners: list = [[] for _ in range(4)]
    for epoch in range(60):
        batches.epoch = epoch
        for index, (_, masks) in enumerate(batches):
            found = sources(masks)
            assert len(found) <= most
            partners[index] += found - {index}
    for index, found in enumerate(partners):
        ids, counts = np.unique(found, return_counts=True)
        assert set(ids) == set(range(4)) - {index}
        assert counts.min() > 0.5 * counts.mean()


def test_a_single_pair_is_mixed_with_itself():
    (pair,) = pairs(1)
    chain = [augment.RandomCrop(8), augment.CutMix(probability=1.0)]
    _, masks = Batches([pair], 1, chain)[0]
    assert sources(masks) == {0}
    rng = np.random.default_rng([0, 0, 0])
    _, mask = augment.apply(chain, *pair, rng, lambda rng: pair)
    np.testing.assert_array_equal(masks[0], mask)


def test_images_of_other_sizes_keep_their_own():
    dataset = pairs(6)
    batches = Batches(dataset, 1, [augment.Mosaic(probability=1.0)])
    shapes = {masks.shape for _, masks in list(batches)[1:]}
    assert shapes == {(1, 20, 24), (1, 13, 30)}
    # A smaller pair is padded with the mean color, and with void.
    found = [(x[0], y[0]) for x, y in batches]
    voids = [image[mask == 255] for image, mask in found]
    assert sum(map(len, voids)) and all(
        (colors == augment.MEAN_COLOR).all() for colors in voids[1:]
    )


def test_errors_name_the_pair_that_could_not_be_read():
    class Broken(list):
        def __getitem__(self, index):
            if index == 1:
                raise OSError("no such file")
            return super().__getitem__(index)

    batches = Batches(
        Broken(pairs(2)),
        1,
        [augment.RandomCrop(8), augment.CutMix(probability=1.0)],
    )
    with pytest.raises(OSError, match="no such file") as caught:
        batches[0]
    assert caught.value.__notes__ == ["It was pair 1 of the data set."]


def test_several_labels():
    rng = np.random.default_rng(0)
    dataset = [
        (
            rng.integers(0, 256, (12, 12, 3), "uint8"),
            rng.choice(np.array([0, 1, 255], "uint8"), (12, 12, 3)),
        )
        for _ in range(4)
    ]
    images, masks = Batches(dataset, 4, MIXES)[0]
    assert images.shape == masks.shape == (4, 16, 16, 3)
    assert set(np.unique(masks)) <= {0, 1, 255}
