"""The check of masks of several labels, and of shapes that overlap."""

import json
import shutil

import numpy as np
import pytest
import rasterio
from PIL import Image

from keras_seg.data import check
from keras_seg.data import class_statistics
from keras_seg.data import from_folder
from keras_seg.data import synthetic
from keras_seg.data.checks.sheet import _at_fault
from keras_seg.data.mask_files import parse_mask_values
from keras_seg.data.stacks import label_table
from keras_seg.visualization import save_image
from tests.data.readers.test_several_labels import coco
from tests.data.readers.test_several_labels import labelme
from tests.data.readers.test_several_labels import yolo

pytestmark = pytest.mark.once

TABLE = synthetic.CELL_CLASSES


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder with nothing wrong: train and val, 12 pairs each."""
    tmp_path = tmp_path_factory.mktemp("whole")
    for seed, split in enumerate(("train", "val")):
        images, masks = synthetic.cells(12, size=48, seed=seed)
        synthetic.write_folder(tmp_path, images, masks, TABLE, split)
        for file in (tmp_path / split).rglob("*.png"):
            file.rename(file.with_name(f"{split}_{file.name}"))
    return tmp_path


@pytest.fixture
def data(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "data")


def mask(data, name="rod", split="train", number=0):
    return sorted((data / split / "labels" / name).iterdir())[number]


def change(file, function):
    Image.fromarray(function(np.array(Image.open(file)))).save(file)


def every(data, function, names=TABLE.names):
    for split in ("train", "val"):
        for name in names:
            for file in (data / split / "labels" / name).iterdir():
                change(file, function)


def test_clean(data):
    report = check(data, multi_label=True)
    assert report.ok and report.findings == () and report.multi_label
    text = report.to_text()
    assert "Classes may overlap (a folder for each class in labels)." in text
    folder = from_folder(data, "train", multi_label=True)
    overlap = np.mean([(m == 1).sum(-1) > 1 for _, m in folder])
    assert report.splits["train"].overlap == pytest.approx(overlap)
    assert f"{100 * overlap:.2f} % of train" in text
    facts = json.loads(report.to_json())
    assert facts["multi_label"] and facts["splits"]["train"]["overlap"]
    found, expected = (
        report.splits["train"].statistics,
        class_statistics(folder),
    )
    for name in ("pixels", "negatives", "images", "pixels_of_images"):
        np.testing.assert_array_equal(
            getattr(found, name), getattr(expected, name)
        )
    assert found.void == expected.void
    assert set(report.sizes.objects) == {0, 1, 2}
    assert check(folder).splits["all"].statistics.void == expected.void
    assert check(data, "train", multi_label=True, class_table=3).ok


def other_values(data):
    change(mask(data), lambda ids: np.where(ids == 1, 7, ids))


def white(data):
    every(data, lambda ids: np.where(ids == 255, 255, ids * 0), ("rod",))


def white_in_val(data):
    for number in range(12):
        file = mask(data, split="val", number=number)
        change(file, lambda ids: 255 * (ids > 0).astype("uint8"))


def other_size(data):
    Image.new("L", (9, 9)).save(mask(data, "nucleus"))


def without_one(data):
    mask(data).unlink()


def no_rod(data):
    every(data, lambda ids: ids * 0, ("rod",))


def rods_in_val(data):
    for number in range(12):
        change(mask(data, number=number), lambda ids: ids * 0)


def rods_everywhere(data):
    every(data, lambda ids: ids * 0 + 1, ("rod",))


def few_rods(data):
    def dot(ids):
        ids = ids * 0
        ids[3, 4] = 1
        return ids

    every(data, dot, ("rod",))


def void(data):
    def below(ids):
        ids[10:] = 255
        return ids

    every(data, below)


def void_in_one(data):
    for name in TABLE.names:
        change(mask(data, name), lambda ids: ids * 0 + 255)


def same_masks(data):
    for name in TABLE.names:
        Image.open(mask(data, name)).save(mask(data, name, number=1))


def apart(data):
    def third(k):
        return lambda ids: (np.indices(ids.shape)[1] // 16 == k) * ids % 255

    for k, name in enumerate(TABLE.names):
        every(data, third(k), (name,))


@pytest.mark.parametrize(
    ("spoil", "code", "severity", "text"),
    [
        (other_values, "KS-D003", "error", "for the class rod the values"),
        (white, "KS-D003", "error", "black and white, not void"),
        (white_in_val, "KS-D003", "error", "The planes of rod (12 read)"),
        (other_size, "KS-D006", "error", "is 9x9"),
        (without_one, "KS-D004", "error", "has no mask of the class rod"),
        (no_rod, "KS-D027", "warning", "no pixel of the class rod"),
        (rods_in_val, "KS-D028", "warning", "but none in train"),
        (rods_everywhere, "KS-D030", "warning", "the class rod in 100.00 %"),
        (few_rods, "KS-D030", "warning", "the class rod in 0.04 %"),  # 1/48²
        (void, "KS-D031", "warning", "is void in 8"),  # > 38/48
        (void_in_one, "KS-D031", "warning", "is void in 100 %"),
        (same_masks, "KS-D026", "warning", "once more"),
        (apart, "KS-D040", "note", "no pixel of more than one class"),
    ],
)
def test_findings(data, spoil, code, severity, text):
    spoil(data)
    report = check(data, multi_label=True)
    found = {f.code: f for f in report.findings}
    assert code in found, report.to_text()
    assert found[code].severity == severity
    assert text in str(found[code]), str(found[code])
    assert report.ok == (severity != "error")
    worse = {f.code for f in report.findings if f.severity == "error"}
    assert worse <= {code}
    report.sheet()


def test_the_file_at_fault_is_shown_first(data):
    other_values(data)
    report = check(data, multi_label=True)
    place, codes = _at_fault(report)[0]
    assert place == ("train", 0) and codes == "D003"


def test_the_option_that_is_named_works(data):
    before = check(data, multi_label=True).splits["train"].statistics
    every(data, lambda ids: np.where(ids == 1, 7, ids))
    report = check(data, multi_label=True)
    option = report.of("error")[0].fix.split()[-1]
    values = parse_mask_values(option)
    assert values == {0: 0, 7: 1, 255: 255}
    report = check(data, multi_label=True, mask_values=values)
    after = report.splits["train"].statistics
    np.testing.assert_array_equal(after.pixels, before.pixels)


def test_other_planes(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    images, masks = synthetic.cells(3, size=32)
    for i in range(3):
        save_image(tmp_path / "images" / f"{i}.png", images[i])
        np.save(tmp_path / "labels" / f"{i}.npy", masks[i][..., : 3 - i % 2])
    report = check(tmp_path, multi_label=True)
    (finding,) = report.of("error")
    assert finding.code == "KS-D039" and finding.file.endswith("1.npy")
    assert report.splits["all"].statistics.total_images == 2
    report.sheet()


def test_arrays_in_memory():
    images, masks = synthetic.cells(12, size=48)
    pairs = list(zip(images, masks, strict=True))
    for table in (TABLE, 3, None):
        report = check({"train": pairs}, multi_label=True, class_table=table)
        assert report.findings == (), report.to_text()
        assert len(report.class_table) == 3
    assert report.class_table == label_table(f"class {k}" for k in range(3))
    found = check(pairs, class_table=3).findings
    assert {f.code for f in found} == {"KS-D007"}
    flat = [(image, mask[..., 0]) for image, mask in pairs]
    found = check(flat, multi_label=True, class_table=3).findings
    assert {f.code for f in found} == {"KS-D007"}


def test_what_contradicts_itself(data):
    plain = [(np.zeros((9, 9, 3), "uint8"), np.zeros((9, 9), "uint8"))]
    folder = from_folder(data, "train", multi_label=True)
    with pytest.raises(ValueError, match="in all splits or in none"):
        check({"train": folder, "val": plain})
    synthetic.write_folder(
        data / "other", *zip(*plain, strict=True), label_table(["a"])
    )
    with pytest.raises(ValueError, match="is read with multi_label=True"):
        check(from_folder(data / "other", "train"), multi_label=True)
    with pytest.raises(ValueError, match="needs multi_label"):
        check(data, missing_classes="void")
    (data / "train" / "labels" / "rod" / "train_0000.png").unlink()
    report = check(data, multi_label=True, missing_classes="absent")
    assert report.ok


@pytest.mark.parametrize("write", [coco, labelme, yolo])
def test_shapes_that_overlap_are_said(write, tmp_path):
    # Two squares of 4x4 that share 2x2 pixels; the third is of one class.
    shapes = [((0, 0, 4), "cat"), ((2, 2, 4), "dog"), ((3, 3, 3), "dog")]
    write(tmp_path, shapes)
    (finding,) = (f for f in check(tmp_path).findings if f.code == "KS-D038")
    assert finding.severity == "note"
    assert "has 4 pixels in shapes of more than one class" in finding.found
    assert "--multi-label" in finding.fix
    report = check(tmp_path, multi_label=True)
    assert "KS-D038" not in {f.code for f in report.findings}
    assert report.splits[next(iter(report.splits))].overlap == 4 / 80
    write(tmp_path, shapes[::2])
    assert "KS-D038" in {f.code for f in check(tmp_path).findings}
    write(tmp_path, shapes[1:])
    assert "KS-D038" not in {f.code for f in check(tmp_path).findings}


def test_each_file_must_lie_where_the_image_does(tmp_path):
    def write(file, left):
        file.parent.mkdir(parents=True, exist_ok=True)
        with rasterio.open(
            file, "w", driver="GTiff", height=8, width=8, count=1,
            dtype="uint8", crs="EPSG:32632",
            transform=rasterio.transform.from_origin(left, 9, 1, 1),
        ) as tiff:  # fmt: skip
            tiff.write(np.eye(8, dtype="uint8"), 1)

    write(tmp_path / "images" / "0.tif", 0)
    write(tmp_path / "labels" / "road" / "0.tif", 0)
    write(tmp_path / "labels" / "car" / "0.tif", 2)
    report = check(tmp_path, multi_label=True)
    (finding,) = (f for f in report.findings if f.code == "KS-D037")
    assert finding.file.endswith("car/0.tif")
