import os
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from keras_seg.data import ClassTable
from keras_seg.data import DataError
from keras_seg.data import check
from keras_seg.data import from_folder
from keras_seg.data import from_yolo
from keras_seg.data import splits
from tests.data.readers.files import image

pytestmark = pytest.mark.once

SIZE = (8, 10)
TABLE = "path: .\ntrain: images/train\nval: images/val\nnames: [cat, dog]\n"


def line(kind, left, top, right, bottom):
    """A rectangle of whole pixels."""
    x0, x1, y0, y1 = left / 10, right / 10, top / 8, bottom / 8
    return f"{kind} {x0} {y0} {x1} {y0} {x1} {y1} {x0} {y1}"


def write(path, *lines, table=TABLE, stem="a", split="train", **options):
    image(path / f"images/{split}/{stem}.jpg", SIZE, **options)
    file = path / f"labels/{split}/{stem}.txt"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines))
    (path / "data.yaml").write_text(table)
    return path


def message(path, *arguments, **options):
    with pytest.raises(DataError) as caught:
        from_yolo(path, *arguments, **options)
    return str(caught.value).replace(str(path), "DATA")


def test_polygons(tmp_path):
    lines = (line(1, 2, 2, 3, 3), "", line(0, 0, 0, 5, 8), line(1, 5, 0, 9, 1))
    write(tmp_path, *lines)
    image(tmp_path / "images/train/b.png", SIZE)
    folder = from_folder(tmp_path, "train")
    assert folder.class_table.names == ("background", "cat", "dog")
    expected = np.zeros(SIZE, int)
    expected[:, :5] = 1
    expected[2, 2] = 2  # the smaller over the larger
    expected[0, 5:9] = 2
    np.testing.assert_array_equal(folder[0][1], expected)
    assert not folder[1][1].any()  # no file of labels: no object
    assert splits(tmp_path) == ("train", "val")


@given(
    st.integers(0, 1),
    st.integers(0, 9),
    st.integers(0, 7),
    st.integers(1, 10),
    st.integers(1, 8),
)
def test_whole_pixels(tmp_path_factory, kind, left, top, width, height):
    right, bottom = min(10, left + width), min(8, top + height)
    path = write(
        tmp_path_factory.mktemp("yolo"), line(kind, left, top, right, bottom)
    )
    expected = np.zeros(SIZE, int)
    expected[top:bottom, left:right] = kind + 1
    np.testing.assert_array_equal(from_yolo(path, "train")[0][1], expected)


@pytest.mark.parametrize(
    "table",
    [
        "train: images/train\nnames: {0: cat, 1: dog}\n",
        "train: ../images/train\nnames: [cat, dog]\n",
        "path: ../datasets/mine\ntrain: images/train\nnames: [cat, dog]\n",
        "train: [images/train]\nnames: [cat, dog]\n",
        "train: list.txt\nnames: [cat, dog]\n",
    ],
)
def test_ways_to_name_the_images(tmp_path, table):
    write(tmp_path, line(1, 0, 0, 10, 8), table=table)
    (tmp_path / "list.txt").write_text("./images/train/a.jpg\n")
    for path in (tmp_path, tmp_path / "data.yaml"):
        folder = from_yolo(path)
        assert len(folder) == 1 and (folder[0][1] == 2).all()


def test_roboflow(tmp_path):
    write(tmp_path, line(0, 0, 0, 10, 8))
    for kind in ("images", "labels"):
        (tmp_path / "valid").mkdir(exist_ok=True)
        (tmp_path / f"{kind}/train").rename(tmp_path / f"valid/{kind}")
    (tmp_path / "data.yaml").write_text(
        "val: ../valid/images\nnames: ['cat']\nnc: 1\n"
    )
    assert (from_folder(tmp_path, "val")[0][1] == 1).all()


def test_classes(tmp_path):
    write(tmp_path, line(0, 0, 0, 10, 8))
    table = ClassTable(("dog", "cat", "background"), ((0, 0, 0),) * 3)
    assert (from_yolo(tmp_path, "train", class_table=table)[0][1] == 1).all()
    folder = from_yolo(tmp_path, "train", background=None)
    assert folder.class_table.names == ("cat", "dog")
    assert "has 3 classes, the background included; 2 are asked for" in message(
        tmp_path, "train", class_table=2
    )


def test_the_frame_is_that_of_viewers(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    write(tmp_path, "0 0 0 .5 0 .5 .5 0 .5", exif=exif)
    pixels, mask = from_yolo(tmp_path, "train")[0]
    assert pixels.shape[:2] == mask.shape == (10, 8)
    assert mask[:5, :4].all() and mask.sum() == 20


@pytest.mark.parametrize(
    ("text", "code", "found"),
    [
        ("2 0 0 1 0 1 1", "KS-D013", "on line 2 the class '2'; a line begins"),
        ("9" * 5000 + " 0 0 1", "KS-D013", "on line 2 the class '99999"),
        ("1.0 0 0 1 0 1 1", "KS-D013", "on line 2 the class '1.0'"),
        ("-1 0 0 1 0 1 1", "KS-D013", "on line 2 the class '-1'"),
        ("0 .5 .5 .1 .1", "KS-D018", "for line 2 a box instead of a polygon"),
        ("0 0 0 1 0", "KS-D018", "for line 2 a box"),
        ("0 0 0", "KS-D018", "for line 2 a polygon of 1 points"),
        ("0", "KS-D013", "for line 2 the points []"),
        ("0 0 0 1 0 1 1 1", "KS-D013", "on line 2 7 numbers from 0 to 1;"),
        ("0 0 0 9 0 9 9", "KS-D013", "on line 2 6 numbers from 0 to 9;"),
        ("0 0 0 x 0 1 1", "KS-D013", "for line 2 the points"),
        ("0 0 0 nan 0 1 1", "KS-D013", "for line 2 the points"),
    ],
)
def test_malformed_lines(tmp_path, text, code, found):
    write(tmp_path, line(0, 0, 0, 1, 1), text)
    assert message(tmp_path, "train").startswith(
        f"{code}  DATA/labels/train/a.txt has {found}"
    )


def test_malformed_tables(tmp_path):
    for table, found in {
        "train: images/train": "KS-D013  DATA/data.yaml has no names;",
        "names: {1: a}\ntrain: x": "names the classes [1]; ids are 0..C-1",
        "names: [a]\ntrain: x\nkpt_shape: [2, 3]": "is of poses: it has kpt_",
        "names: [a]": "KS-D002  DATA/data.yaml names no images: there is no",
        "names: [a]\ntrain: x\nval: y": "KS-D002  DATA/data.yaml has the spl",
        "names: [a]\ntrain: none": "KS-D001  DATA/data.yaml has for train none",
        "names: [a]\ntrain: {}": "KS-D002",
        "names: [a]\ntrain: 3": "has for train 3; folders of images",
        "names: [a]\ntrain: labels": "KS-D010  DATA/data.yaml has no image",
    }.items():
        write(tmp_path, table=table)
        assert found in message(tmp_path)
    with pytest.raises(DataError, match="KS-D013"):
        from_yolo(tmp_path / "none")


def export(path, names, value, splits=("train", "valid")):
    """As Roboflow writes it: what lies beside data.yaml is named ../"""
    for split in splits:
        image(path / f"{split}/images/{names[0]}.png", SIZE, value)
        (path / f"{split}/labels").mkdir()
        text = line(0, 0, 0, 10, 8)
        (path / f"{split}/labels/{names[0]}.txt").write_text(text)
    (path / "data.yaml").write_text(
        "train: ../train/images\nval: ../valid/images\n"
        f"test: ../test/images\nnc: 2\nnames: {names}\n"
    )


def test_an_export_inside_another(tmp_path):
    inner = tmp_path / "second"
    export(tmp_path, ["helmet", "vest"], 1)
    export(inner, ["crack", "rust"], 2)
    for path, name, value in (
        (tmp_path, "helmet", 1),
        (inner, "crack", 2),
    ):
        for split in ("train", "val"):
            folder = from_folder(path, split)
            assert folder.class_table.names[1] == name
            assert [pair.stem for pair in folder.pairs] == [name]
            assert (folder[0][0] == value).all() and (folder[0][1] == 1).all()
    # A split that is missing is not that of the outer export.
    for file in sorted((inner / "valid").rglob("*.*")):
        file.unlink()
    (inner / "valid/images").rmdir()
    assert message(inner, "val").startswith(
        "KS-D001  DATA/data.yaml has for val valid/images, which does not"
    )
    shutil.copytree(inner, tmp_path / "train/images/third")
    assert "third/data.yaml lies among the images of" in message(
        tmp_path, "train"
    )
    shutil.rmtree(tmp_path / "train/images/third")
    shutil.rmtree(inner / "train")
    assert "names ../train/images, which is not beside it and is of " in (
        message(inner, "train")
    )
    # A file of its own, without images beside it, names those above.
    (tmp_path / "cfg").mkdir()
    (tmp_path / "data.yaml").rename(tmp_path / "cfg/data.yaml")
    assert from_yolo(tmp_path / "cfg", "train").pairs[0].stem == "helmet"


def test_a_copy_that_names_the_first(tmp_path):
    """`path:` of a copied folder still names the one it was copied from."""
    for name in ("first", "copy"):
        write(tmp_path / name, table=f"path: {tmp_path}/first\n" + TABLE[8:])
    assert len(from_yolo(tmp_path / "first", "train")) == 1
    assert "is DATA/images/train and, by its path: " in message(
        tmp_path / "copy", "train"
    )


def test_label_studio(tmp_path):
    write(tmp_path, line(1, 0, 0, 10, 8), split=".")
    (tmp_path / "data.yaml").unlink()
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    (tmp_path / "notes.json").write_text(
        '{"categories": [{"id": 0, "name": "cat"}], "info": {}}'
    )
    folder = from_folder(tmp_path)
    assert folder.class_table.names == ("background", "cat", "dog")
    assert (folder[0][1] == 2).all() and splits(tmp_path) == ()
    (tmp_path / "classes.txt").write_text("cat\n\ndog\n")
    assert "KS-D011  DATA/classes.txt has for the id 1 the name ''" in message(
        tmp_path
    )


def test_labels_without_an_image(tmp_path):
    write(tmp_path, line(0, 0, 0, 1, 1))
    for stem in ("b", "c"):
        (tmp_path / f"labels/train/{stem}.TXT").write_text("\n0 0 0 1 0 1 1")
    (tmp_path / "labels/train/classes.txt").write_text("cat")
    (tmp_path / "labels/train/empty.txt").write_text("")
    assert message(tmp_path, "train").startswith(
        "KS-D005  DATA/labels/train/b.TXT has no image of the stem b (2 such "
    )
    for file in tmp_path.rglob("*.TXT"):
        file.unlink()
    (tmp_path / "labels/train/a.txt").unlink()
    os.mkfifo(tmp_path / "labels/train/a.txt")
    assert "a.txt is a pipe, a socket or a device" in message(tmp_path, "train")


def test_other_names_of_the_table(tmp_path):
    write(tmp_path, line(0, 0, 0, 10, 8))
    (tmp_path / "data.yaml").rename(tmp_path / "coco8-seg.yaml")
    (tmp_path / "config.yaml").write_text("names: !!python/x {\n")
    with pytest.raises(DataError, match="config.yaml is not plain YAML"):
        from_folder(tmp_path, "train")
    (tmp_path / "config.yaml").write_text("seed: !!python/x {\n")
    assert (from_folder(tmp_path, "train")[0][1] == 1).all()
    (tmp_path / "other.yml").write_text(TABLE)
    with pytest.raises(DataError, match="coco8-seg.yaml and other.yml, which"):
        splits(tmp_path)


def test_no_labels_at_all(tmp_path):
    write(tmp_path)
    (tmp_path / "labels/train/a.txt").unlink()
    assert message(tmp_path, "train").startswith(
        "KS-D004  DATA/images/train/a.jpg and the other images (1 in all) "
        "have no labels; DATA/labels/train/a.txt does not exist;"
    )


def test_a_missing_test_split_does_not_keep_from_training(tmp_path):
    export(tmp_path, ["cat", "dog"], 1)
    image(tmp_path / "train/images/b.png", SIZE, 3)
    image(tmp_path / "valid/images/cat.png", SIZE, 2)
    report = check(tmp_path)
    assert report.ok, report.to_text()
    finding = next(f for f in report.findings if f.code == "KS-D001")
    assert finding.severity == "warning"
    assert "has for test test/images, which does not exist" in finding.found
    bare = [f for f in report.of("note") if f.code == "KS-D004"]
    assert bare[0].found == "has no annotation, and is all background"
    (tmp_path / "valid/images/cat.png").unlink()
    assert not check(tmp_path).ok
    with pytest.raises(ValueError, match="Received: skip_unlabeled=True"):
        from_folder(tmp_path, "train", skip_unlabeled=True)
