"""`convert`: what is read back is what was written, in every layout."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from PIL import Image

from keras_seg.data import ClassTable
from keras_seg.data import DataError
from keras_seg.data import convert
from keras_seg.data import from_folder
from keras_seg.data import from_yolo
from keras_seg.data import splits
from keras_seg.data import synthetic
from keras_seg.data.converting import TARGETS
from tests.data.readers.files import image
from tests.data.readers.whole import LAYOUTS
from tests.data.test_outlines import masks

pytestmark = pytest.mark.once

COLORS = ((9, 8, 7), (0, 0, 255), (0, 128, 0), (90, 90, 90))
WITH = ClassTable(("background", "lake", "wood", "Straße"), COLORS)
WITHOUT = ClassTable(("sky", "lake", "wood", "Straße"), COLORS)


def write(path, mask, table, splits=("train", "val")):
    for split in splits:
        stem = f"{split}_0"
        image(path / split / f"images/{stem}.jpg", mask.shape)
        (path / split / "labels").mkdir(exist_ok=True)
        Image.fromarray(mask).save(path / split / f"labels/{stem}.png")
    table.write(path / "classes.csv")


@pytest.mark.parametrize("to", TARGETS)
@pytest.mark.parametrize("table", [WITH, WITHOUT], ids=["with", "without"])
@settings(max_examples=5)
@given(mask=masks(), splits_=st.sampled_from([("train", "val"), ("",)]))
def test_every_layout_gives_the_masks_back(
    to, table, mask, splits_, tmp_path_factory
):
    mask = np.where(mask < 4, mask, 255).astype("uint8")
    path = tmp_path_factory.mktemp(to)
    write(path / "a", mask, table, splits_)
    found = convert(path / "a", path / "b", to)
    assert found.images == dict.fromkeys(splits_, 1)
    void = to == "yolo" and (mask == 255).any()
    assert any("YOLO has no void" in note for note in found.notes) == void
    assert to in ("yolo", "voc", "coco", "cvat") or splits(
        path / "b"
    ) == splits(path / "a")
    for split in splits(path / "b") or (None,):
        if void and table is WITHOUT:
            with pytest.raises(DataError, match="no shape covers"):
                from_folder(path / "b", split)
            continue
        folder = from_folder(path / "b", split)
        assert folder.class_table == table
        expected = np.where(mask == 255, 0, mask) if void else mask
        np.testing.assert_array_equal(folder[0][1], expected)
        source = folder.pairs[0].image
        assert (
            source.read_bytes()
            == next((path / "a").rglob(source.name)).read_bytes()
        )


@pytest.mark.parametrize(
    "layout", sorted(set(LAYOUTS) - {"stack", "run_folder"})
)
def test_from_every_layout(layout, tmp_path):
    (tmp_path / "a").mkdir()
    LAYOUTS[layout](tmp_path / "a")
    several = layout.startswith("label_") and layout != "label_studio"
    options = {"multi_label": True} if several else {}
    convert(tmp_path / "a", tmp_path / "b", "coco", **options)
    names = splits(tmp_path / "a") or (None,)
    for split in names:
        old = from_folder(tmp_path / "a", split, **options)
        new = from_folder(tmp_path / "b", split, **options)
        assert new.class_table.names == old.class_table.names
        assert new.class_table.colors == old.class_table.colors
        for (_, mask), (_, other) in zip(old, new, strict=True):
            np.testing.assert_array_equal(mask, other)


def test_void_ids_become_255(tmp_path):
    table = ClassTable(
        ("a", "b"), COLORS[:2], frozenset({7, 255}), ((7, (1, 2, 3)),)
    )
    write(tmp_path / "a", np.array([[0, 1, 7]], "uint8"), table, ("",))
    convert(tmp_path / "a", tmp_path / "b", "masks")
    folder = from_folder(tmp_path / "b")
    assert folder.class_table.ignore_classes == {255}
    with Image.open(folder.pairs[0].mask) as mask:
        assert np.asarray(mask).tolist() == [[0, 1, 255]]
        assert mask.getpalette()[:6] == [9, 8, 7, 0, 0, 255]


def test_classes_are_found_over_all_splits(tmp_path):
    for split, ids in (("train", [[0, 1]]), ("val", [[0, 2]])):
        mask = np.array(ids, "uint8")
        write(tmp_path / "a", mask, WITH, (split,))
    (tmp_path / "a/classes.csv").unlink()
    convert(tmp_path / "a", tmp_path / "b", "voc")
    assert splits(tmp_path / "b") == ("train", "val")
    folder = from_folder(tmp_path / "b", "train")
    assert folder.class_table == ClassTable.default(3)


def test_several_labels(tmp_path):
    images, stacks = synthetic.cells(2, size=32)
    assert (stacks == 255).any()
    for path in (tmp_path / "a", tmp_path / "b"):
        synthetic.write_folder(path, images, stacks, synthetic.CELL_CLASSES)
        for to in ("masks", "coco") if path.name == "a" else TARGETS:
            if to == "yolo":
                continue
            new = tmp_path / f"{path.name}_{to}"
            if to == "voc":
                with pytest.raises(DataError, match="KS-D015 .*may overlap"):
                    convert(path, new, to, multi_label=True)
                continue
            convert(path, new, to, multi_label=True)
            folder = from_folder(new, "train", multi_label=True)
            assert folder.class_table.names == synthetic.CELL_CLASSES.names
            np.testing.assert_array_equal(folder[1][1], stacks[1])
        with pytest.raises(DataError, match="of the classes only"):
            convert(tmp_path / "a", tmp_path / "c", "cvat", multi_label=True)
        # Void for all classes, as polygons say it.
        stacks[(stacks == 255).any(axis=-1)] = 255
    assert not (tmp_path / "c").exists()


def test_notes(tmp_path):
    mask = np.array([[0, 1, 255, 255]], "uint8")
    same = ClassTable(("a", "b"), ((1, 1, 1),) * 2)
    write(tmp_path / "a", mask, same, ("training",))
    notes = convert(tmp_path / "a", tmp_path / "b", "yolo").notes
    assert notes == (
        "YOLO has no void: 2 void pixels are in no polygon, and no class is "
        "background: read them with background=None.",
        "The split training is called train.",
        "The colors of the classes are in classes.csv only.",
    )
    folder = from_yolo(tmp_path / "b", background=None)
    assert folder[0][1].tolist() == mask.tolist()
    (note,) = convert(tmp_path / "a", tmp_path / "c", "voc").notes
    assert "no labelmap.txt" in note
    assert from_folder(tmp_path / "c")[0][1].tolist() == mask.tolist()
    convert(tmp_path / "a", tmp_path / "d", "labelme")
    notes = convert(tmp_path / "d", tmp_path / "e", "cvat").notes
    assert notes == (
        "Void has the label __ignore__, which a task of CVAT must have.",
        "Objects of one class that touch are one object now.",
    )
    image(tmp_path / "a/training/images/x.jpg")
    (note,) = convert(
        tmp_path / "a", tmp_path / "f", "masks", skip_unlabeled=True
    ).notes
    assert note == "1 image without annotations left out."


def test_refuses(tmp_path):
    mask = np.array([[0, 1]], "uint8")
    write(tmp_path / "a", mask, WITH)
    with pytest.raises(ValueError, match="`out` must be a new folder"):
        convert(tmp_path / "a", tmp_path / "a", "coco")
    with pytest.raises(ValueError, match="`to` must be one of 'masks'"):
        convert(tmp_path / "a", tmp_path / "b", "png")
    for old in ("images/val_0.jpg", "labels/val_0.png"):
        file = tmp_path / "a/val" / old
        file.rename(file.with_stem("train_0"))
    with pytest.raises(DataError, match="KS-D012 .*stem of an image of train"):
        convert(tmp_path / "a", tmp_path / "b", "voc")
    write(tmp_path / "c", mask, WITH, ("day", "night"))
    with pytest.raises(DataError, match="KS-D002 .*day, night"):
        convert(tmp_path / "c", tmp_path / "b", "yolo")
    convert(tmp_path / "c", tmp_path / "b", "yolo", split="night")
    assert splits(tmp_path / "b") == ("train",)
    (tmp_path / "c/day/labels/day_0.png").write_bytes(b"")
    with pytest.raises(DataError, match="KS-D009"):
        convert(tmp_path / "c", tmp_path / "d", "coco")
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize("to", TARGETS)
@pytest.mark.parametrize("several", [False, True])
def test_black_and_white_is_refused(to, several, tmp_path):
    mask = np.array([[0, 255]], "uint8")
    write(tmp_path / "a", mask, ClassTable.default(2), ("train",))
    if several:
        (tmp_path / "a/classes.csv").unlink()
        labels = tmp_path / "a/train/labels"
        labels.rename(tmp_path / "road")
        labels.mkdir()
        (tmp_path / "road").rename(labels / "road")
        if to == "voc":
            return
    with pytest.raises(DataError, match="KS-D003 .*0, 255|0 and 255"):
        convert(tmp_path / "a", tmp_path / "b", to, multi_label=several)
    assert not (tmp_path / "b").exists()
    values = {0: 0, 255: 1}
    how = {"multi_label": several, "mask_values": values}
    convert(tmp_path / "a", tmp_path / "b", to, **how)


def test_an_index_has_one_color_in_all_splits(tmp_path):
    write(tmp_path, np.array([[0, 1, 2]], "uint8"), WITH)
    (tmp_path / "classes.csv").unlink()
    for split, palette in (
        ("train", [0, 0, 0, 9, 0, 0, 0, 0, 9]),
        ("val", [0, 0, 0, 0, 0, 9, 9, 0, 0]),
    ):
        file = tmp_path / split / f"labels/{split}_0.png"
        with Image.open(file) as mask:
            mask.putpalette(palette)
            mask.save(file)
    with pytest.raises(DataError, match="KS-D014 .*for the index 1"):
        convert(tmp_path, tmp_path / "b", "coco")


@pytest.mark.parametrize("to", ["masks", "voc"])
@pytest.mark.parametrize("name", ["void", "border"])
def test_a_class_with_the_name_or_the_color_of_void(to, name, tmp_path):
    colors = ((0, 0, 0), (9, 0, 0) if name == "void" else (224, 224, 192))
    table = ClassTable(("sky", name), colors)
    mask = np.array([[0, 1, 255]], "uint8")
    write(tmp_path / "a", mask[:, 1:], table, ("val",))
    write(tmp_path / "a", mask, table, ("train",))
    convert(tmp_path / "a", tmp_path / "b", to)
    assert not (tmp_path / "b/labelmap.txt").exists()
    for split, expected in (("train", [0, 1, 255]), ("val", [1, 255])):
        folder = from_folder(tmp_path / "b", split, check=False)
        assert folder[0][1].tolist() == [expected]


def test_coco_is_as_its_page_says(tmp_path):
    write(tmp_path / "a", np.array([[0, 1, 1]], "uint8"), WITH)
    convert(tmp_path / "a", tmp_path / "b", "coco")
    file = tmp_path / "b/annotations/instances_val.json"
    content = json.loads(file.read_text())
    (shape,) = content["annotations"]
    assert shape["area"] == 2 and shape["bbox"] == [1, 0, 2, 1]
