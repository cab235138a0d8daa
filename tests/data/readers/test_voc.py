import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from keras_seg.data import ClassTable
from keras_seg.data import DataError
from keras_seg.data import check
from keras_seg.data import from_cvat
from keras_seg.data import from_folder
from keras_seg.data import from_voc
from keras_seg.data import splits
from keras_seg.data import voc_colormap
from keras_seg.data.class_tables import VOC
from keras_seg.data.readers.voc import read_labelmap
from tests.data.readers.files import image

pytestmark = pytest.mark.once

A, B = "2007_000032", "2008_000123"  # as VOC names its images


def write(path, masks, **lists):
    for stem, ids in masks.items():
        ids = np.array(ids, "uint8")
        image(path / f"JPEGImages/{stem}.jpg", ids.shape[:2])
        mask = Image.fromarray(ids)
        if ids.ndim == 2:
            mask.putpalette(voc_colormap(256).ravel().tolist())
        (path / "SegmentationClass").mkdir(exist_ok=True)
        mask.save(path / f"SegmentationClass/{stem}.png")
    folder = path / "ImageSets/Segmentation"
    folder.mkdir(parents=True)
    for name, stems in lists.items():
        (folder / f"{name}.txt").write_text("\n".join(stems))
    return path


def message(path, *arguments, **options):
    with pytest.raises(DataError) as caught:
        from_voc(path, *arguments, **options)
    return str(caught.value).replace(str(path), "DATA")


def test_indices_of_palettes(tmp_path):
    masks = {B: [[0, 20, 255]], A: [[1, 2, 3]], "000005": [[0, 0, 0]]}
    write(tmp_path, masks, train=["000005"], val=[B, A])
    for reader in (from_voc, from_folder):
        folder = reader(tmp_path, "val")
        assert [pair.stem for pair in folder.pairs] == [B, A]
        assert folder[0][1].tolist() == [[0, 20, 255]]
        assert folder[0][0].shape == (1, 3, 3)
        assert folder.class_table == VOC
    assert splits(tmp_path) == ("train", "val")
    folder = from_folder(
        tmp_path, "val", mask_values={i: 0 for i in range(256)}
    )
    assert not folder[0][1].any()


def test_the_check_names_every_file_without_its_other(tmp_path):
    stems = ["a", "b", "c", "d"]
    write(tmp_path, {stem: [[0, 1]] for stem in stems}, train=stems)
    for file in ("SegmentationClass/b.png", "SegmentationClass/d.png"):
        (tmp_path / file).unlink()
    found = {f.code: f for f in check(tmp_path).findings}
    assert found["KS-D004"].count == 2
    assert "has no mask b.png" in message(tmp_path)


def test_other_classes(tmp_path):
    write(tmp_path, {A: [[0, 21, 2]]}, train=[A])
    assert "has the ids 0, 2, 21; the data set has 21 classes" in message(
        tmp_path
    )
    assert from_voc(tmp_path, class_table=22)[0][1].tolist() == [[0, 21, 2]]
    table = ClassTable(("a", "b", "c"), ((0, 0, 0),) * 3, frozenset({21}))
    table.write(tmp_path / "classes.csv")
    assert from_voc(tmp_path).class_table == table
    assert from_voc(tmp_path)[0][1].tolist() == [[0, 255, 2]]


@pytest.mark.parametrize("name", ["class_names", "labels", "labelmap"])
def test_own_classes_in_a_list_of_names(tmp_path, name):
    """As labelme2voc writes them; other layouts have other names for it."""
    write(tmp_path, {A: [[0, 1, 2, 255]]}, train=[A])
    file = tmp_path / f"{name}.txt"
    file.write_text("__ignore__\n_background_\ncrack\nrust\n")
    names = ("_background_", "crack", "rust")
    for classes in (
        from_folder(tmp_path).class_table,
        check(tmp_path).class_table,
    ):
        assert classes.names == names
    assert from_folder(tmp_path)[0][1].tolist() == [[0, 1, 2, 255]]
    for text, found in (
        ("a\n\nb\n", "has the line ''"),
        ("a\nvoid\nb\n", "has the line 'void'"),
        ("cat\nCat\n", "has the class cat and the class Cat"),
        ("a\nb\n", "has the ids 0, 1, 2, 255; the data set has 2 classes"),
        ("", "has 0 names"),
    ):
        file.write_text(text)
        if name != "labelmap" or text:
            assert found in message(tmp_path)
    file.write_text("a\nb\nc\n")
    other = "labels" if name == "class_names" else "class_names"
    (tmp_path / f"{other}.txt").write_text("a\nc\nb\n")
    assert "KS-D011" in message(tmp_path)


def test_vocs_names_are_for_vocs_images(tmp_path):
    """VOC's palette alone says nothing: labelme2voc writes it as well."""
    write(tmp_path, {"photo": [[0, 1, 2]]}, train=["photo"])
    for classes in (
        from_folder(tmp_path).class_table,
        check(tmp_path).class_table,
    ):
        assert classes.names == ("class 0", "class 1", "class 2")


def test_images_in_folders(tmp_path):
    """CVAT's lists name images of a subfolder with it, in quotes if need be."""
    masks = {"day1/a": [[0, 1]], "day 2/a": [[1, 1]], "day1/b": [[0, 0]]}
    for folder in ("day1", "day 2"):
        (tmp_path / "SegmentationClass" / folder).mkdir(parents=True)
    write(tmp_path, masks, train=['"day 2/a"', "day1/a"])
    (tmp_path / "labelmap.txt").write_text("sky:0,0,0::\ncat:128,0,0::\n")
    folder = from_folder(tmp_path)
    assert [pair.stem for pair in folder.pairs] == ["day 2_a", "day1_a"]
    assert [mask.tolist() for _, mask in folder] == [[[1, 1]], [[0, 1]]]
    report = check(tmp_path)
    assert report.ok and report.splits["train"].pairs == 2


def test_masks_in_voc_colors(tmp_path):
    ids = np.array([[0, 5, 20, 255]])
    write(tmp_path, {A: voc_colormap(256)[ids]}, train=[A])
    assert from_voc(tmp_path)[0][1].tolist() == ids.tolist()


def test_splits(tmp_path):
    write(tmp_path, {"a": [[0]], "b": [[1]]}, val=["a"], train=["a"])
    assert message(tmp_path) == (
        "KS-D002  DATA has the splits train, val; one of them must be chosen. "
        'Fix: name it, for example split="train".'
    )
    assert message(tmp_path, "test") == (
        "KS-D002  DATA has no split test: there is no "
        "ImageSets/Segmentation/test.txt; its splits are train, val. "
        "Fix: name one of them."
    )


def test_missing_images(tmp_path):
    write(tmp_path, {"a": [[0]]}, train=["a"])
    (tmp_path / "JPEGImages").rename(tmp_path / "images")
    assert message(tmp_path) == (
        "KS-D001  DATA has no folder JPEGImages; images are looked for in "
        "JPEGImages, masks in SegmentationClass. The masks seem exported "
        "without the images. Fix: put them into JPEGImages, or correct the "
        "path."
    )


def test_nothing_is_decoded_without_check(tmp_path):
    write(tmp_path, {A: [[0]]}, train=[A])
    (tmp_path / f"SegmentationClass/{A}.png").write_bytes(b"")
    folder = from_folder(tmp_path, check=False)
    assert len(folder) == 1
    with pytest.raises(DataError, match="KS-D009"):
        folder.check()


def test_voc_samples(data_dir):
    folder = from_folder(data_dir / "voc_samples", "val")
    assert len(folder) == 5 and len(folder.class_table) == 21
    assert folder.class_table.names == VOC.names
    ids = set().union(*(np.unique(mask) for _, mask in folder))
    assert 255 in ids and ids - {255} <= set(range(21))
    # Masks written as colors, read back through them.
    image_, mask = folder[0]
    assert folder.size(0) == mask.shape == image_.shape[:2]
    assert folder.read_ids(0).tolist() == mask.tolist()


LABELMAP = """# label:color_rgb:parts:actions
car:10,20,30::
background:0,0,0::
traffic: light:250,0,7:a,b:c
__ignore__:9,9,9::
"""
COLORS = np.array([(10, 20, 30), (0, 0, 0), (250, 0, 7), (9, 9, 9)], "uint8")


def write_cvat(path, ids, palette=False, labelmap=LABELMAP):
    ids = np.array(ids)
    image(path / "JPEGImages/a.png", ids.shape)
    (path / "SegmentationClass").mkdir()
    mask = Image.fromarray(COLORS[ids])
    if palette:
        # Indices in an order of their own, as CVAT writes them.
        mask = Image.fromarray((3 - ids).astype("uint8"))
        mask.putpalette(COLORS[::-1].ravel().tolist())
    mask.save(path / "SegmentationClass/a.png")
    (path / "ImageSets/Segmentation").mkdir(parents=True)
    (path / "ImageSets/Segmentation/default.txt").write_text("a\n")
    (path / "labelmap.txt").write_text(labelmap)
    return path


def cvat_message(path, **options):
    with pytest.raises(DataError) as caught:
        from_cvat(path, **options)
    return str(caught.value).replace(str(path), "DATA")


@given(hnp.arrays("int64", (4, 5), elements=st.integers(0, 3)), st.booleans())
def test_round_trip(tmp_path_factory, ids, palette):
    path = write_cvat(tmp_path_factory.mktemp("cvat"), ids, palette)
    folder = from_folder(path)
    expected = np.where(ids == 3, 255, ids)
    np.testing.assert_array_equal(folder[0][1], expected)
    assert folder.class_table.names == ("car", "background", "traffic: light")
    assert folder.class_table.colors == tuple(map(tuple, COLORS[:3].tolist()))
    assert splits(path) == ("default",)


def test_a_table_is_matched_by_name(tmp_path):
    path = write_cvat(tmp_path, [[0, 1, 2, 3]])
    names = ("background", "traffic: light", "bus", "car")
    table = ClassTable(names, ((0, 0, 0),) * 4)
    folder = from_cvat(path, class_table=table)
    assert folder.class_table is table
    assert folder[0][1].tolist() == [[3, 0, 1, 255]]
    table.write(tmp_path / "classes.csv")
    assert from_cvat(path)[0][1].tolist() == [[3, 0, 1, 255]]
    few = ClassTable(("background", "car"), ((0, 0, 0),) * 2)
    assert cvat_message(path, class_table=few).startswith(
        "KS-D015  DATA/labelmap.txt has the label traffic: light;"
    )
    assert from_cvat(path, class_table=3).class_table.names[0] == "car"
    assert "names 3 labels; 4 classes are asked for" in cvat_message(
        path, class_table=4
    )


def test_a_label_in_no_mask_needs_no_class(tmp_path):
    path = write_cvat(tmp_path, [[0, 1, 0]])
    few = ClassTable(("background", "car"), ((0, 0, 0),) * 2)
    folder = from_cvat(path, class_table=few)
    assert folder[0][1].tolist() == [[1, 0, 1]]
    assert pickle.loads(pickle.dumps(folder))[0][1].sum() == 2  # noqa: S301


def test_one_label_and_void_are_not_black_and_white(tmp_path):
    path = write_cvat(tmp_path, [[0, 3]])
    assert from_folder(path)[0][1].tolist() == [[0, 255]]
    assert "KS-D003" not in check(path).to_text()


def test_a_color_of_no_label(tmp_path):
    path = write_cvat(
        tmp_path, [[0, 2]], labelmap="car:10,20,30::\nb:0,0,0::\n"
    )
    assert cvat_message(path).startswith(
        "KS-D014  DATA/SegmentationClass/a.png has 1 pixel of the color "
        "(250, 0, 7); every color is that of a class or of void."
    )


def test_values_are_refused(tmp_path):
    with pytest.raises(ValueError, match="is read by from_cvat"):
        from_folder(write_cvat(tmp_path, [[0]]), mask_values={0: 0})


@pytest.mark.parametrize(
    "line",
    [
        "car",
        "car:1,2::",
        "car:1,2,256::",
        "car:1,2,-3::",
        ":1,2,3::",
        "a:1,2,3_0::",
    ],
)
def test_malformed_lines(tmp_path, line):
    path = tmp_path / "labelmap.txt"
    path.write_text(f"\n{line}\n")
    with pytest.raises(DataError) as caught:
        read_labelmap(path)
    assert str(caught.value) == (
        f"KS-D013  {path} has on line 2 '{line}'; a line is "
        "name:red,green,blue:parts:actions. Fix: export it again."
    )


def test_labels_come_once(tmp_path):
    path = tmp_path / "labelmap.txt"
    path.write_text("a:1,2,3::\na:4,5,6::\n")
    with pytest.raises(DataError, match="on line 2 the label a again"):
        read_labelmap(path)
    path.write_text("# nothing\n")
    with pytest.raises(DataError, match="KS-D010"):
        read_labelmap(path)
