import pytest

from keras_seg.data import DataError
from keras_seg.data import splits
from keras_seg.data.layout import find_classes
from keras_seg.data.layout import find_folders

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
