import os

import pytest
from PIL import Image

from keras_seg.data import DataError
from keras_seg.data import check
from keras_seg.data import from_folder
from keras_seg.data import splits
from keras_seg.data.layout import choose_split
from keras_seg.data.layout import find_classes
from keras_seg.data.layout import find_folders
from keras_seg.data.pairs import find_pairs

pytestmark = pytest.mark.once


def make(path, *names):
    for name in names:
        (path / name).mkdir(parents=True)
    return path


def message(code, path, split=None):
    with pytest.raises(DataError) as caught:
        find_folders(path, split)
    assert caught.value.code == code
    return str(caught.value).replace(str(path), "DATA")


@pytest.mark.parametrize("name", ["labels", "masks", "annotations"])
def test_flat(tmp_path, name):
    make(tmp_path, "images", name)
    assert find_folders(tmp_path) == (
        tmp_path / "images",
        tmp_path / name,
        None,
    )
    assert splits(tmp_path) == ()


def test_split_folders(tmp_path):
    for split in ("zoo", "test", "train", "val", "atlas"):
        make(tmp_path, f"{split}/images", f"{split}/masks")
    make(tmp_path, "pictures")
    assert splits(str(tmp_path)) == ("train", "val", "test", "atlas", "zoo")
    val = tmp_path / "val"
    expected = (val / "images", val / "masks", None)
    assert find_folders(str(tmp_path), "val") == expected


def test_lists(tmp_path):
    make(tmp_path, "images", "labels")
    (tmp_path / "images" / "a[1].png").touch()
    for name, text in {"val": "\na[1]\n", "LICENSE": "MIT", "no": ""}.items():
        (tmp_path / f"{name}.txt").write_text(text)
    assert splits(tmp_path) == ("val",)
    folders = (tmp_path / "images", tmp_path / "labels")
    assert find_folders(tmp_path) == (*folders, None)
    expected = (*folders, tmp_path / "val.txt")
    assert find_folders(tmp_path, "val") == expected


def test_list_beside_a_split_folder(tmp_path):
    make(tmp_path, "train/images", "train/labels")
    (tmp_path / "train.txt").write_text("a\n")
    train = tmp_path / "train"
    expected = (train / "images", train / "labels", tmp_path / "train.txt")
    assert find_folders(tmp_path, "train") == expected
    assert splits(tmp_path) == ("train",)


def fill(path, *files):
    for file in files:
        (path / file).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 6)).save(path / file)
    return path


def test_images_beside_folders_of_validation_are_for_training(tmp_path):
    """Some are put into DATA/val, the others stay where they are."""
    for i in range(9):
        where = "val/" if i > 5 else ""
        fill(tmp_path, f"{where}images/{i}.png", f"{where}labels/{i}.png")
    assert splits(tmp_path) == ("train", "val")
    counts = [
        len(from_folder(tmp_path, s, class_table=1)) for s in splits(tmp_path)
    ]
    assert counts == [6, 3]
    assert [s.pairs for s in check(tmp_path).splits.values()] == counts
    with pytest.raises(DataError, match="has the splits train, val; one of"):
        from_folder(tmp_path)
    # What a folder of another name is for nobody knows.
    (tmp_path / "val").rename(tmp_path / "backup")
    with pytest.raises(DataError) as caught:
        splits(tmp_path)
    assert str(caught.value).startswith(
        f"KS-D002  {tmp_path} has 6 images (0.png, 1.png, 2.png, ...) in "
        "images beside the splits backup; these would be left out:"
    )


@pytest.mark.parametrize("split", ["day2", "val"])
def test_folders_beside_images_are_refused(tmp_path, split):
    for i in range(4):
        fill(tmp_path, f"images/{i}.png", f"masks/{i}.png")
    fill(tmp_path, f"images/{split}/9.png", f"masks/{split}/9.png")
    for read in (from_folder, check, splits):
        with pytest.raises(DataError, match=r"has 4 images \(0.png, 1.png"):
            read(tmp_path)
    # Without masks of its own, too.
    (tmp_path / f"masks/{split}/9.png").unlink()
    (tmp_path / f"masks/{split}").rmdir()
    with pytest.raises(DataError, match=f"holds the folder {split} with 1 pic"):
        from_folder(tmp_path, class_table=1)
    assert not check(tmp_path, class_table=1).ok
    (tmp_path / f"images/{split}/9.png").unlink()
    (tmp_path / f"images/{split}/loop").symlink_to(tmp_path / f"images/{split}")
    assert len(from_folder(tmp_path, class_table=1)) == 4


def test_two_ways_to_keep_splits_are_refused(tmp_path):
    fill(tmp_path, "train/images/0.png", "train/labels/0.png")
    fill(tmp_path, "images/val/1.png", "labels/val/1.png")
    with pytest.raises(DataError, match="of splits, train, beside the splits"):
        splits(tmp_path)


def test_the_class_table_of_another_data_set_is_not_taken(tmp_path):
    """An export inside another, whose classes are named above it."""
    fill(tmp_path, "images/0.png", "labels/0.png")
    (tmp_path / "classes.csv").write_text("id,name\n0,helmet\n")
    fill(tmp_path / "second", "images/0.png", "labels/0.png")
    inner = tmp_path / "second"
    assert find_classes(inner) is None
    assert find_classes(tmp_path / "val") == tmp_path / "classes.csv"
    assert from_folder(inner).class_table.names == ("class 0",)
    # The same where both have their images in splits.
    outer = tmp_path / "outer"
    for path in (outer, outer / "inner"):
        fill(path, "train/images/0.png", "train/labels/0.png")
    (outer / "classes.csv").write_text("id,name\n0,helmet\n")
    assert from_folder(outer / "inner", "train").class_table.names == (
        "class 0",
    )
    (outer / "zoo/images").mkdir(parents=True)
    for path in (outer, outer / "train", outer / "zoo"):
        assert find_classes(path) == outer / "classes.csv"


def test_roles_of_splits():
    for names, train, val in (
        (("Train", "Validation"), "Train", "Validation"),
        (("training", "validation"), "training", "validation"),
        (("train", "trainval", "valid"), "train", "valid"),
        (("default", "test"), "default", None),
        (("VALID", "test"), None, "VALID"),
        (("valley", "beach"), None, None),
        ((), None, None),
    ):
        assert choose_split(names, "train") == train
        assert choose_split(names, "val") == val
    with pytest.raises(DataError, match="val2014 and val2017 may both be"):
        choose_split(("val2014", "val2017"), "val")


def test_lists_whose_lines_are_file_names(tmp_path):
    """Ignored, they would let validation images into training."""
    fill(tmp_path, "images/a.png", "images/b/c.png", "labels/a.png")
    (tmp_path / "train.txt").write_text("no such\na.png\n")
    (tmp_path / "val.txt").write_text("b/c\n")
    (tmp_path / "labels.txt").write_text("a\n")
    assert splits(tmp_path) == ("train", "val")
    problems: list = []
    find_pairs(*find_folders(tmp_path, "train"), problems)
    assert [p.code for p in problems] == ["KS-D005", "KS-D005"]
    assert problems[1].guess == "A stem is written without .png."


@pytest.mark.parametrize(
    "line",
    [
        "images/{0}.png",
        "images/{0}.png labels/{0}.png",
        "{0}.png {0}.png",
        "images\\{0}.jpg\tlabels\\{0}.png",
        "/home/me/data/{0}.png",
    ],
)
def test_lists_whose_lines_are_paths(tmp_path, line):
    fill(tmp_path, "images/0.png", "images/1.png", "labels/0.png")
    for i, split in enumerate(("train", "val")):
        (tmp_path / f"{split}.txt").write_text(line.format(i) + "\n")
    (tmp_path / "notes.txt").write_text("0 is the sky\n")
    (tmp_path / "urls.txt").write_text("https://example.com/a/0.png\n")
    assert splits(tmp_path) == ("train", "val")
    with pytest.raises(DataError, match="KS-D005 .*stem of an image"):
        from_folder(tmp_path, "train")


def test_the_folder_of_masks_is_that_with_pictures(tmp_path):
    fill(tmp_path, "images/a.png", "masks/a.png")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/a.txt").touch()
    assert find_folders(tmp_path)[1] == tmp_path / "masks"
    fill(tmp_path, "annotations/a.png")
    assert "has masks in masks and in annotations; an image has" in message(
        "KS-D001", tmp_path
    )


def test_two_folders_of_masks_by_class(tmp_path):
    """Nor is one of them taken if its pictures are in folders of classes."""
    fill(tmp_path, "images/a.png", "labels/cell/a.png", "masks/rod/a.png")
    assert "has masks in labels and in masks; an image has" in message(
        "KS-D001", tmp_path
    )


def test_a_list_or_a_table_that_is_a_pipe(tmp_path):
    fill(tmp_path, "images/a.png", "labels/a.png")
    for name in ("train.txt", "classes.csv"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(DataError, match="a pipe|cannot be read"):
            from_folder(tmp_path)
        (tmp_path / name).unlink()


def test_real_folders(data_dir):
    assert splits(data_dir / "camvid") == ("train", "val")
    assert splits(data_dir / "isbi2012_em") == ("train", "val")
    assert splits(data_dir / "horses") == ("train",)


def test_classes(tmp_path):
    train = make(tmp_path, "train") / "train"
    assert find_classes(train) is None
    (tmp_path / "classes.csv").touch()
    assert find_classes(train) == tmp_path / "classes.csv"
    (train / "classes.csv").touch()
    assert find_classes(train) == train / "classes.csv"


def test_missing_folder(tmp_path):
    path = tmp_path / "none"
    assert message("KS-D001", path) == (
        "KS-D001  DATA does not exist; a folder with images and labels is "
        "expected. Fix: correct the path."
    )
    with pytest.raises(DataError):
        splits(path)
    path.touch()
    assert message("KS-D001", path).startswith("KS-D001  DATA is not a folder;")


def test_no_images(tmp_path):
    assert message("KS-D001", tmp_path) == (
        "KS-D001  DATA has no folder images; it holds nothing; images are "
        "looked for in images, masks in labels, masks or annotations. "
        "Fix: rename the folders, or correct the path."
    )
    make(tmp_path, *"gfedcba")
    assert "it holds a, b, c, d, e, f, and 1 more;" in message(
        "KS-D001", tmp_path
    )


def test_no_masks(tmp_path):
    make(tmp_path, "images", "gt")
    assert message("KS-D001", tmp_path) == (
        "KS-D001  DATA has no folder of masks; it holds gt, images; masks "
        "are looked for in labels, masks or annotations. "
        "Fix: rename the folder of masks to labels."
    )


def test_split_must_be_chosen(tmp_path):
    make(tmp_path, "train/images", "val/images")
    assert message("KS-D002", tmp_path) == (
        "KS-D002  DATA has the splits train, val; one of them must be "
        'chosen. Fix: name it, for example split="train".'
    )


def test_split_missing(tmp_path):
    make(tmp_path, "images", "labels")
    assert message("KS-D002", tmp_path, "val") == (
        "KS-D002  DATA has no split val: neither val/images nor val.txt; "
        "it has no splits. Fix: leave the split out."
    )
    make(tmp_path, "train/images", "test/images")
    assert message("KS-D002", tmp_path, "val") == (
        "KS-D002  DATA has no split val: neither val/images nor val.txt; "
        "its splits are train, test. Fix: name one of them."
    )
