"""A share of the images held out: a partition that parts no group."""

import pathlib
import random
import re

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings

from keras_seg.data import ClassTable
from keras_seg.data import Folder
from keras_seg.data import Pair
from keras_seg.data import hold_out
from keras_seg.data.held_out import way_of

pytestmark = pytest.mark.once


class Drawn(Folder):
    """Images by a number each, equal numbers near-duplicates; masks by ids."""

    def __init__(self, items):
        pairs = [Pair(*[pathlib.Path(stem)] * 3) for stem, _, _ in items]
        pairs = [Pair(str(p.stem), p.image, p.mask) for p in pairs]
        super().__init__(pairs, ClassTable.default(6))
        self.items = {stem: (scene, ids) for stem, scene, ids in items}

    def read_image(self, index):
        scene, _ = self.items[self.pairs[index].stem]
        noise = np.random.default_rng(scene).integers(0, 250, (16, 16, 3))
        # As saved again: each pixel differs by at most 1.
        return (noise + index % 2).astype("uint8")

    def read_ids(self, index):
        _, ids = self.items[self.pairs[index].stem]
        return np.array([[0, 255, *ids]], "uint8")


def stems(folder):
    return [pair.stem for pair in folder.pairs]


def series(stem):
    return re.sub(r"\d+$", "", stem)


ITEMS = st.lists(
    st.tuples(
        st.tuples(
            st.sampled_from(["a", "b_", "c", "d", ""]), st.integers(0, 40)
        ),
        st.integers(0, 30),
        st.sets(st.integers(1, 5), max_size=2),
    ),
    min_size=2,
    max_size=30,
    unique_by=lambda item: item[0],
).map(lambda items: [(f"{p}{n}", s, ids) for (p, n), s, ids in items])


@settings(max_examples=150, deadline=None)
@given(ITEMS, st.floats(0.05, 0.9), st.randoms(use_true_random=False))
def test_a_partition(items, fraction, rng):
    folder = Drawn(items)
    scenes = {stem: scene for stem, scene, _ in items}
    classes = {stem: ids for stem, _, ids in items}
    if len(set(scenes.values())) == 1:
        with pytest.raises(ValueError, match="images are near-duplicates"):
            hold_out(folder, fraction)
        return
    try:
        train, held = hold_out(folder, fraction)
    except ValueError as error:
        # Every group of near-duplicates has a class that no other has.
        assert "each image has a class" in str(error)
        for scene in set(scenes.values()):
            inside, outside = set(), set()
            for stem in scenes:
                group = inside if scenes[stem] == scene else outside
                group |= classes[stem]
            assert inside - outside
        return
    assert sorted(stems(train) + stems(held)) == sorted(stems(folder))
    assert len(train) and len(held)
    assert not {scenes[s] for s in stems(train)} & {
        scenes[s] for s in stems(held)
    }
    kept = set().union(*(classes[stem] for stem in stems(train)))
    assert kept == set().union(*classes.values())
    shuffled = rng.sample(items, len(items))
    again = hold_out(Drawn(shuffled), fraction)
    assert [set(stems(part)) for part in again] == [
        set(stems(train)),
        set(stems(held)),
    ]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.integers(1, 12), min_size=1, max_size=8), st.floats(0.05, 0.9)
)
def test_a_share_within_a_series(lengths, fraction):
    """Series of images without two alike, all of one class."""
    names = [
        f"{'abcdefgh'[i]}{n}" for i, m in enumerate(lengths) for n in range(m)
    ]
    if len(names) < 2:
        return
    folder = Drawn([(name, i, ()) for i, name in enumerate(names)])
    train, held = hold_out(folder, fraction)
    assert abs(len(held) - fraction * len(names)) <= max(lengths)
    parted = {series(s) for s in stems(train)} & {
        series(s) for s in stems(held)
    }
    assert len(parted) <= 1
    if len(lengths) == 1:
        # The last, by number and not by text: 9 comes before 10.
        wanted = max(1, min(len(names) - 1, round(fraction * len(names))))
        assert stems(held) == names[-wanted:]
        assert way_of(train, held) == "a block of neighboring names"


def test_whole_films_of_several():
    names = [f"{film}_{n:03}" for film in "abcde" for n in range(4)]
    random.Random(0).shuffle(names)
    folder = Drawn([(name, i, ()) for i, name in enumerate(names)])
    train, held = hold_out(folder)
    assert len({series(stem) for stem in stems(held)}) == 1 and len(held) == 4
    assert way_of(train, held) == "whole series of names"


def test_single_names():
    folder = Drawn([(f"{c}x", i, ()) for i, c in enumerate("abcdefghij")])
    train, held = hold_out(folder, 0.3)
    assert len(held) == 3 and way_of(train, held) == "single names"


def test_a_block_leaves_every_class_in_training():
    """The last image alone has class 3: the block ends before it."""
    items = [(str(n), n, {3} if n == 9 else {1}) for n in range(10)]
    _, held = hold_out(Drawn(items), 0.2)
    assert stems(held) == ["7", "8"]


def test_damaged_images_are_left_to_the_check(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.png").write_bytes(b"no picture")
    pairs = [Pair(n, *[tmp_path / f"{n}.png"] * 2) for n in "ab"]
    train, held = hold_out(Folder(pairs, ClassTable.default(2)))
    assert (len(train), len(held)) == (1, 1)


@pytest.mark.parametrize("fraction", [0, 1, -0.5, float("nan")])
def test_a_fraction_out_of_range(fraction):
    folder = Drawn([("a", 0, ()), ("b", 1, ())])
    with pytest.raises(ValueError, match="Received: fraction="):
        hold_out(folder, fraction)
