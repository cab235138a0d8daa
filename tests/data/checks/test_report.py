"""The report: text, JSON, pictures, and what it says of real data."""

import json

import numpy as np
import pytest
from PIL import Image

from keras_seg.data import check
from keras_seg.data import class_statistics
from keras_seg.data import from_folder
from keras_seg.data import synthetic

pytestmark = pytest.mark.once


@pytest.fixture
def data(tmp_path):
    images, masks = synthetic.membranes(12, size=32)
    synthetic.write_folder(
        tmp_path / "data", images, masks, synthetic.MEMBRANE_CLASSES, "train"
    )
    return tmp_path / "data"


def test_statistics_are_counted(data):
    """Against a count of the arrays themselves."""
    folder = from_folder(data, "train")
    masks = np.stack([mask for _, mask in folder])
    for found in (
        class_statistics(folder),
        check(data).splits["train"].statistics,
    ):
        assert found.pixels.tolist() == [(masks == i).sum() for i in (0, 1)]
        has = [(masks == i).any(axis=(1, 2)) for i in (0, 1)]
        assert found.images.tolist() == [x.sum() for x in has]
        labelled = (masks != 255).sum(axis=(1, 2))
        assert found.pixels_of_images.tolist() == [
            labelled[x].sum() for x in has
        ]
        assert found.void == (masks == 255).sum()
        assert found.total_images == 12
        assert found.shares.sum() == pytest.approx(1)


def test_text_and_json_say_the_same(data):
    (data / "train/labels").glob("*.png").__next__().unlink()
    report = check(data)
    content = json.loads(report.to_json())
    assert content["ok"] is False and content["counts"]["error"] == 1
    (finding,) = [f for f in content["findings"] if f["severity"] == "error"]
    text = report.to_text()
    for key in ("code", "file", "found", "fix"):
        assert finding[key] in text
    assert content["splits"]["train"]["sizes"] == [
        {"height": 32, "width": 32, "images": 11}
    ]
    assert "32x32 (11)" in text and "0 cell" in text
    sizes = content["sizes"]
    assert (sizes["split"], sizes["masks"]) == ("train", 11)
    assert sizes["images"] == [32, 32] and sizes["longest_side"] is None
    low, high = sizes["objects"]["1"]
    assert f"{low} to {high}\n" in text and sizes["reason"] in text


def test_written_files(data, tmp_path):
    mask = sorted((data / "train/labels").glob("*.png"))[3]
    Image.fromarray(np.full((32, 32), 9, "uint8")).save(mask)
    report = check(data)
    paths = report.write(tmp_path / "report")
    assert [path.name for path in paths] == [
        "report.txt",
        "report.json",
        "sheet.png",
    ]
    assert all(path.is_file() for path in paths)
    assert len(list((tmp_path / "report").iterdir())) == 3
    sheet = np.array(Image.open(paths[2]))
    np.testing.assert_array_equal(sheet, report.sheet())
    # The mask at fault comes first, its wrong id in a color of its own.
    magenta = (sheet == (255, 0, 255)).all(-1)
    rows, columns = np.nonzero(magenta)
    assert magenta.sum() > 1000 and rows.min() < 100 and columns.min() < 400


def test_real_data(data_dir):
    """No false alarm; the leak between neighboring frames is no copy."""
    camvid = check(data_dir / "camvid")
    assert camvid.findings == ()
    assert camvid.splits["train"].pairs == 367
    assert camvid.splits["val"].pairs == 101
    horses = check(data_dir / "horses")
    assert [f.code for f in horses.findings] == ["KS-D033"]
    voc = check(data_dir / "voc_samples")
    assert [f.code for f in voc.findings] == ["KS-D027", "KS-D033", "KS-D034"]
    em = check(data_dir / "isbi2012_em")
    assert {"KS-D003", "KS-D011"} == {f.code for f in em.of("error")}
