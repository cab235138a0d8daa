import json
import pickle

import numpy as np
import pytest
from PIL import Image

from keras_seg.data import ClassTable
from keras_seg.data import DataError
from keras_seg.data import from_folder
from keras_seg.data import splits
from tests.data.readers.files import image
from tests.data.readers.whole import LAYOUTS

pytestmark = pytest.mark.once


def write(path, ids, split=""):
    image(path / f"images/{split}/a.png", np.shape(ids)[:2])
    folder = path / f"annotations/{split}"
    folder.mkdir(parents=True)
    Image.fromarray(np.asarray(ids, "uint8")).save(folder / "a.png")
    return path


def test_ade20k(tmp_path):
    # images/training, annotations/training; ids 1..150, 0 is no class.
    for split in ("training", "validation"):
        write(tmp_path, [[0, 1, 150]], split)
    assert splits(tmp_path) == ("training", "validation")
    values = {0: 255, **{i: i - 1 for i in range(1, 151)}}
    folder = from_folder(
        tmp_path, "training", class_table=150, mask_values=values
    )
    assert folder[0][1].tolist() == [[255, 0, 149]]
    with pytest.raises(DataError, match="KS-D002 .* one of them must"):
        from_folder(tmp_path)
    (tmp_path / "annotations/validation").rename(tmp_path / "none")
    with pytest.raises(DataError, match="KS-D001"):
        from_folder(tmp_path, "validation", class_table=150)


def test_cityscapes_ids(tmp_path):
    # labelIds of the development kit: 7 is road, trainId 0; 33 is bicycle,
    # trainId 18; 0..6 are ignored.
    values = {**dict.fromkeys(range(7), 255), 7: 0, 33: 18}
    folder = from_folder(
        write(tmp_path, [[7, 3, 33]]), class_table=19, mask_values=values
    )
    assert folder[0][1].tolist() == [[0, 255, 18]]
    assert folder.read_ids(0).tolist() == [[0, 255, 18]]


def test_colors_of_the_class_table(tmp_path):
    colors = np.array([[[1, 2, 3], [4, 5, 6], [7, 8, 9]]])
    write(tmp_path, colors)
    with pytest.raises(DataError, match="KS-D007"):
        from_folder(tmp_path, class_table=2)
    (tmp_path / "classes.yaml").write_text(
        "- {id: 0, name: a, color: [4, 5, 6]}\n"
        "- {id: 1, name: b, color: [1, 2, 3]}\n"
        "- {id: 2, name: c, color: [7, 8, 9], role: void}\n"
    )
    folder = from_folder(tmp_path)
    assert folder[0][1].tolist() == [[1, 0, 255]]
    assert folder.class_table.names == ("a", "b")
    copy = pickle.loads(pickle.dumps(folder))  # noqa: S301
    assert copy[0][1].tolist() == [[1, 0, 255]]
    table = ClassTable(("a",), ((4, 5, 6),))
    with pytest.raises(DataError, match=r"KS-D014 .* \(1, 2, 3\)"):
        from_folder(tmp_path, class_table=table)


def test_channels(tmp_path):
    path = write(tmp_path, [[0, 1]])
    np.save(tmp_path / "images/a.npy", np.zeros((1, 2, 5), "uint16"))
    (tmp_path / "images/a.png").unlink()
    folder = from_folder(path, channels=5)
    assert folder[0][0].shape == (1, 2, 5) and folder.size(0) == (1, 2)
    assert folder.subset([0])[0][0].dtype == np.float32
    assert from_folder(path, channels=None)[0][0].shape == (1, 2, 5)
    with pytest.raises(DataError, match="KS-D017"):
        from_folder(path)


def test_bad_values(tmp_path):
    with pytest.raises(ValueError, match="Received: mask_values="):
        from_folder(write(tmp_path, [[0]]), mask_values={0: -1})


def test_a_json_file_alone_is_no_layout(tmp_path):
    write(tmp_path, [[0, 1]])
    (tmp_path / "notes.json").write_text(json.dumps({"author": "me"}))
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "images/a.json").mkdir()
    assert from_folder(tmp_path)[0][1].tolist() == [[0, 1]]


@pytest.mark.parametrize(
    ("file", "text", "name"),
    [
        ("train/a.xml", "<object><bndbox><xmin>1", "boxes of PASCAL VOC's"),
        ("export.ndjson", '{"data_row": {"id": 1}}', "Labelbox's format"),
        ("annotations/a.json", '{"schema_ref": "https://', "V7 Darwin's"),
        ("annotations/default.json", '{"dm_format_version"', "Datumaro's"),
        ("gtFine/a_polygons.json", '{"imgHeight": 1, "imgWidth"', "Cityscapes"),
    ],
)
def test_formats_of_other_tools(tmp_path, file, text, name):
    image(tmp_path / "images/a.png")
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(text)
    for read in (from_folder, splits):
        with pytest.raises(DataError, match=f"{file} is in {name}.* Fix: "):
            read(tmp_path)
    # Who has masks beside it is not kept from them.
    write(tmp_path / "whole", [[0, 1]])
    (tmp_path / "whole/notes.xml").write_text(text)
    assert len(from_folder(tmp_path / "whole")) == 1


def test_nothing_is_decoded_without_check(tmp_path):
    path = write(tmp_path, [[0, 1]])
    (path / "annotations/a.png").write_bytes(b"")
    folder = from_folder(path, class_table=2, check=False)
    with pytest.raises(DataError, match="KS-D009"):
        folder.check()


def test_isbi2012_em(data_dir):
    table = ClassTable(("membrane", "cell"), ((0, 0, 0), (255, 255, 255)))
    folder = from_folder(
        data_dir / "isbi2012_em",
        "val",
        class_table=table,
        mask_values={0: 0, 255: 1},
        channels=1,
    )
    image_, mask = folder[0]
    assert image_.shape == (512, 512, 1)
    # 17..27 % of each slice are membrane.
    assert 0.17 < (mask == 0).mean() < 0.27 and set(np.unique(mask)) == {0, 1}


def test_camvid_as_colors(data_dir, tmp_path):
    # Real masks, written as CamVid's own colors and read back through them.
    camvid = from_folder(data_dir / "camvid", "val", check=False)
    table = ClassTable.read(data_dir / "camvid" / "classes.csv")
    ids = camvid.read_ids(0)
    code = np.zeros((12, 3), "uint8")
    code[:11] = table.colors
    code[11] = dict(table.ignore_colors)[11]
    write(tmp_path, code[ids])
    folder = from_folder(tmp_path, class_table=table)
    np.testing.assert_array_equal(folder[0][1], camvid[0][1])
    np.testing.assert_array_equal(folder.read_ids(0), ids)


@pytest.mark.parametrize(
    ("layout", "split"),
    [("coco", ""), ("coco", "train"), ("via", "train"), ("labelme", "")],
)
def test_masks_beside_annotations_are_refused(layout, split, tmp_path):
    path = tmp_path / split
    image(path / "images/a.png")
    LAYOUTS[layout](path / "images" if layout == "labelme" else tmp_path)
    splits(tmp_path)
    (path / "masks").mkdir()
    Image.new("L", (10, 8)).save(path / "masks/a.png")
    with pytest.raises(DataError, match="KS-D002 .* and masks in .*masks;"):
        from_folder(tmp_path)
