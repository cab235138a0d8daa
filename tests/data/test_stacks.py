"""Masks of several labels as arrays: counts, sizes, classes to hold out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from keras_seg.data import ClassTable
from keras_seg.data import DataError
from keras_seg.data import Windows
from keras_seg.data import class_statistics
from keras_seg.data import from_folder
from keras_seg.data import hold_out
from keras_seg.data import suggest_longest_side
from keras_seg.data import synthetic
from keras_seg.data.sizes import measure_mask
from keras_seg.data.stacks import classes_in
from keras_seg.data.stacks import label_table
from keras_seg.data.stacks import normalize_stack

pytestmark = pytest.mark.once

STACKS = hnp.arrays(
    "uint8",
    st.tuples(st.integers(1, 6), st.integers(1, 6), st.just(3)),
    elements=st.sampled_from([0, 1, 255]),
)


@given(st.lists(STACKS, min_size=1, max_size=4))
def test_statistics_are_those_of_each_plane(masks):
    """One plane alone has two classes, of which 1 is counted."""
    found = class_statistics([(None, mask) for mask in masks])
    assert found.total_images == len(masks)
    for k in range(3):
        alone = class_statistics([(None, mask[..., k]) for mask in masks], 2)
        assert found.pixels[k] == alone.pixels[1]
        assert found.negatives[k] == alone.pixels[0]
        assert found.images[k] == alone.images[1]
        assert found.pixels_of_images[k] == alone.pixels_of_images[1]
        np.testing.assert_allclose(found.shares[k], alone.shares[1])
    entries = np.concatenate([mask.ravel() for mask in masks])
    assert found.void == (entries == 255).sum()
    assert found.labelled == (entries != 255).sum()
    np.testing.assert_allclose(found.void_share, (entries == 255).mean())


def test_masks_of_both_kinds_have_no_statistics():
    with pytest.raises(ValueError, match="1 masks of several labels, 1 of one"):
        class_statistics(
            [(None, np.zeros((2, 2, 2), int)), (None, np.zeros((2, 2), int))]
        )


@given(STACKS, st.sampled_from([7, 300]))
def test_void_of_the_table_becomes_255(mask, value):
    given = np.where(mask == 255, value, mask.astype("int32"))
    table = label_table("abc")
    with_void = ClassTable(table.names, table.colors, frozenset({value}))
    normal = normalize_stack(given, with_void, "a.npy")
    assert normal.dtype == "uint8"
    np.testing.assert_array_equal(normal, mask)
    assert set(classes_in(mask)) == {k for k in range(3) if 1 in mask[..., k]}
    if (mask == 255).any():
        with pytest.raises(DataError, match=f"{value}"):
            normalize_stack(given, table, "a.npy")
    with pytest.raises(DataError, match="has 3 planes"):
        normalize_stack(given, label_table("ab"), "a.npy")


@given(STACKS)
def test_objects_are_measured_in_each_plane(mask):
    found = measure_mask(mask)
    assert found.objects.keys() == found.extents.keys() == set(classes_in(mask))
    for k in classes_in(mask):
        alone = measure_mask(mask[..., k])
        assert found.extents[k] == alone.extents[1]
        np.testing.assert_array_equal(found.objects[k], alone.objects[1])


def test_the_side_to_train_on():
    mask = np.zeros((3000, 3000, 2), "uint8")
    mask[750:2250, 750:2250, 1] = 1
    # What is 1500 of 3000 pixels long becomes 384 of 768.
    assert suggest_longest_side([(mask[..., :1], mask)]) == 768


def test_every_class_stays_in_what_is_trained_on(tmp_path):
    images, masks = synthetic.cells(6, size=32)
    masks[:, ..., 2] = 0
    masks[5, 4:9, 4:9, 2] = 1  # Alone has a rod, and would be held out.
    synthetic.write_folder(tmp_path, images, masks, synthetic.CELL_CLASSES)
    folder = from_folder(tmp_path, "train", multi_label=True)
    train, held = hold_out(folder, 0.2)
    assert train.multi_label and held.multi_label
    assert "0005" in [pair.stem for pair in train.pairs]
    assert class_statistics(train).pixels[2] == 25


def test_windows_are_of_one_class():
    images, masks = synthetic.cells(1, size=32)
    with pytest.raises(ValueError, match="one id a pixel"):
        Windows(list(zip(images, masks, strict=True)), 9)
