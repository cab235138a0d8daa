import csv
import json

import numpy as np
import pytest
from PIL import Image

from keras_seg.data import ClassTable
from keras_seg.data import DataError
from keras_seg.data import check
from keras_seg.data import from_folder
from keras_seg.data import splits
from keras_seg.data.class_tables import ADE20K
from keras_seg.data.class_tables import CAMVID
from keras_seg.data.class_tables import CITYSCAPES
from tests.data.readers.files import image
from tests.data.readers.files import write_json

pytestmark = pytest.mark.once


def pair(path, picture, mask, ids):
    image(path / picture, np.shape(ids)[:2])
    (path / mask).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(ids, "uint8")).save(path / mask)
    return path


def cityscapes(path, ids, kind="labelIds", split="train"):
    name = "bonn/bonn_000000_000019"
    return pair(
        path,
        f"leftImg8bit/{split}/{name}_leftImg8bit.png",
        f"gtFine/{split}/{name}_gtFine_{kind}.png",
        ids,
    )


def test_cityscapes(tmp_path):
    # cityscapesscripts/helpers/labels.py: 7 is road, of training id 0; 17 is
    # pole, 5; 18 polegroup, ignored; 24 person, 11; 33 bicycle, 18.
    for split in ("train", "val"):
        cityscapes(tmp_path, [[7, 17, 18, 24, 33, 0]], split=split)
        cityscapes(tmp_path, [[[1, 2, 3]] * 6], "color", split)
        cityscapes(tmp_path, [[70] * 6], "instanceIds", split)
    assert splits(tmp_path) == ("train", "val")
    folder = from_folder(tmp_path, "val")
    assert folder.class_table == CITYSCAPES
    assert folder.pairs[0].stem == "bonn_bonn_000000_000019"
    assert folder[0][1].tolist() == [[0, 5, 255, 11, 18, 255]]
    assert check(tmp_path, "train").splits["train"].pairs == 1
    values = {i: i for i in range(34)}
    folder = from_folder(tmp_path, "val", mask_values=values, class_table=34)
    assert folder[0][1].tolist() == [[7, 17, 18, 24, 33, 0]]


def test_cityscapes_training_ids(tmp_path):
    cityscapes(tmp_path, [[0, 18, 255]], "labelTrainIds")
    assert from_folder(tmp_path)[0][1].tolist() == [[0, 18, 255]]


def test_cityscapes_without_masks_of_ids(tmp_path):
    cityscapes(tmp_path, [[0, 1]], "color")
    with pytest.raises(DataError, match="KS-D004 .*_gtFine_labelIds.png"):
        from_folder(tmp_path)


def test_ade20k(tmp_path):
    pair(
        tmp_path,
        "images/training/ADE_train_00000001.jpg",
        "annotations/training/ADE_train_00000001.png",
        [[0, 1, 150]],
    )
    folder = from_folder(tmp_path, "training")
    assert folder.class_table == ADE20K and len(ADE20K) == 150
    assert folder[0][1].tolist() == [[255, 0, 149]]
    # objectInfo150.txt: 1 is wall, 4 floor, 150 flag.
    names = ADE20K.names
    assert (names[0], names[3], names[149]) == ("wall", "floor", "flag")


def test_camvid_of_segnet(tmp_path):
    for part in ("train", "test"):
        for stem in ("0001TP_006690", "Seq05VD_f00000"):
            ids = [[0, 10, 11]]
            pair(tmp_path, f"{part}/{stem}.png", f"{part}annot/{stem}.png", ids)
        (tmp_path / f"{part}.txt").write_text("/SegNet/CamVid/train/x.png y")
    assert splits(tmp_path) == ("train", "test")
    folder = from_folder(tmp_path, "train")
    assert folder.class_table == CAMVID
    assert folder[0][1].tolist() == [[0, 10, 255]]


def test_own_data_in_the_places_of_camvid(tmp_path):
    pair(tmp_path, "train/a.png", "trainannot/a.png", [[0, 1, 2]])
    folder = from_folder(tmp_path)
    assert len(folder.class_table) == 3
    assert folder[0][1].tolist() == [[0, 1, 2]]


@pytest.mark.parametrize("end", ["", "_gt", "_1stHO"])
def test_mmsegmentation(tmp_path, end):
    for split in ("train", "val"):
        for stem in ("a", "b2"):
            pair(
                tmp_path,
                f"img_dir/{split}/{stem}.jpg",
                f"ann_dir/{split}/{stem}{end}.png",
                [[0, 1, 255]],
            )
    folder = from_folder(tmp_path, "val")
    assert [p.stem for p in folder.pairs] == ["a", "b2"]
    assert folder[1][1].tolist() == [[0, 1, 255]]
    image(tmp_path / "img_dir/val/c.jpg", (1, 3))
    with pytest.raises(DataError, match=f"KS-D004 .* no mask c{end}.png"):
        from_folder(tmp_path, "val")
    assert len(from_folder(tmp_path, "val", skip_unlabeled=True)) == 2


def nnunet(path, labels, ids=((0, 1, 2, 3),)):
    write_json(path / "dataset.json", {"labels": labels, "file_ending": ".png"})
    return pair(path, "imagesTr/a_1_0000.png", "labelsTr/a_1.png", ids)


def test_nnunet(tmp_path):
    labels = {"background": 0, "edema": 1, "core": 2, "ignore": 3}
    folder = from_folder(nnunet(tmp_path, labels), "Tr")
    assert folder.class_table.names == ("background", "edema", "core")
    assert folder[0][1].tolist() == [[0, 1, 2, 255]]
    image(tmp_path / "imagesTr/a_1_0001.png")
    with pytest.raises(DataError, match="KS-D017 .*a_1_0001.png is a further"):
        from_folder(tmp_path)


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        ({"background": 0, "tumor": [1, 2]}, "has regions, such as tumor"),
        ({"0": "background"}, "the value background"),
        ({"a": 0, "b": 0}, "class b the value 0"),
        ({"ignore": 3}, "at least one"),
        ([], "at least one"),
    ],
)
def test_nnunet_labels_that_are_none(tmp_path, labels, found):
    with pytest.raises(DataError, match=f"KS-D013 .*{found}"):
        from_folder(nnunet(tmp_path, labels))


def roboflow(path, rows, ids):
    pair(path, "a_jpg.rf.1f.jpg", "a_jpg.rf.1f_mask.png", ids)
    with open(path / "_classes.csv", "w", newline="") as file:
        csv.writer(file).writerows([("Pixel Value", " Class"), *rows])


def test_roboflow(tmp_path):
    # "Pixel Value, Class" with a space, as Roboflow writes the table.
    rows = [(0, " background"), (1, " cat"), (2, " dog")]
    for split in ("train", "valid"):
        roboflow(tmp_path / split, rows, [[0, 2, 1]])
    assert splits(tmp_path) == ("train", "valid")
    folder = from_folder(tmp_path, "valid")
    assert folder.class_table.names == ("background", "cat", "dog")
    assert folder.pairs[0].stem == "a_jpg.rf.1f"
    assert folder[0][1].tolist() == [[0, 2, 1]]
    assert len(from_folder(tmp_path / "train")) == 1
    roboflow(tmp_path / "valid", rows, [[0, 3, 1]])
    with pytest.raises(DataError, match="KS-D003 .* the values 3"):
        from_folder(tmp_path, "valid")
    roboflow(tmp_path / "valid", [(0, "a"), ("x", "b")], [[0]])
    with pytest.raises(DataError, match="KS-D013 .*class b"):
        from_folder(tmp_path, "valid")


def test_a_class_table_of_ones_own(tmp_path):
    # A run that was trained elsewhere has the names in another order.
    labels = {"background": 0, "edema": 1, "core": 2, "ignore": 3}
    nnunet(tmp_path, labels)
    colors = ((1, 1, 1), (2, 2, 2), (3, 3, 3))
    table = ClassTable(("core", "background", "edema"), colors)
    folder = from_folder(tmp_path, class_table=table)
    assert folder[0][1].tolist() == [[1, 2, 0, 255]]
    for other in (ClassTable(("a", "b", "core"), colors), 2):
        with pytest.raises(DataError, match="KS-D015 .*background, edema"):
            from_folder(tmp_path, class_table=other)


def test_a_file_named_dataset_is_no_layout(tmp_path):
    pair(tmp_path, "images/a.png", "labels/a.png", [[0, 1]])
    (tmp_path / "dataset.json").write_text(json.dumps({"author": "me"}))
    (tmp_path / "labelsTr").mkdir()
    assert from_folder(tmp_path)[0][1].tolist() == [[0, 1]]
