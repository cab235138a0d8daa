"""Every code of the catalogue, from data that is broken in one way."""

import io
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from keras_seg.data import ClassTable
from keras_seg.data import DataError
from keras_seg.data import check
from keras_seg.data import synthetic
from keras_seg.data.mask_files import parse_mask_values

pytestmark = pytest.mark.once

CLASSES = ClassTable(
    ("ground", "square", "disk"), ((0, 0, 0), (200, 0, 0), (0, 200, 0))
)
COUNT = 12


def pairs(count=COUNT, seed=0, size=48):
    images, masks = synthetic.shapes(count, size=size, seed=seed, classes=3)
    return np.asarray(images), np.asarray(masks)


@pytest.fixture
def data(tmp_path):
    """A folder with nothing wrong: train and val, 12 pairs each."""
    for split, seed in (("train", 0), ("val", 1)):
        images, masks = pairs(seed=seed)
        synthetic.write_folder(tmp_path, images, masks, CLASSES, split)
    for split in ("train", "val"):  # Stems that differ, as a user's would.
        for file in (tmp_path / split).rglob("*.png"):
            file.rename(file.with_name(f"{split}_{file.name}"))
    return tmp_path


def image(data, split="train", number=0):
    return sorted((data / split / "images").iterdir())[number]


def mask(data, split="train", number=0):
    return sorted((data / split / "labels").iterdir())[number]


def each_mask(data, change):
    for split in ("train", "val"):
        for file in sorted((data / split / "labels").iterdir()):
            ids = np.array(Image.open(file))
            Image.fromarray(change(ids)).save(file)


def codes(data, **options):
    return {f.code: f for f in check(data, **options).findings}


def test_clean(data):
    report = check(data)
    assert report.ok and report.findings == ()
    assert report.raise_if_failed() is report
    assert "no finding" in report.to_text()


def test_no_folder(tmp_path):
    with pytest.raises(DataError) as caught:
        check(tmp_path / "nothing")
    assert caught.value.code == "KS-D001"
    with pytest.raises(DataError) as caught:
        check(tmp_path)
    assert caught.value.code == "KS-D001"


def test_a_missing_split(data):
    with pytest.raises(DataError) as caught:
        check(data, "test")
    assert caught.value.code == "KS-D002"


def off_by_one(data):
    each_mask(data, lambda ids: np.where(ids == 255, 255, ids + 1))


def black_and_white(data):
    each_mask(data, lambda ids: (255 * (ids > 0)).astype("uint8"))


def gray_levels(data):
    each_mask(data, lambda ids: np.where(ids == 255, 255, 100 * ids))


def image_without_mask(data):
    mask(data).unlink()


def mask_without_image(data):
    image(data).unlink()


def other_size(data):
    Image.open(mask(data)).resize((20, 30)).save(mask(data))


def colors(data):
    names = "0,ground\n1,square\n2,disk\n"
    (data / "classes.csv").write_text(f"id,name\n{names}")
    each_mask(data, lambda ids: np.stack([ids * 90, ids, 255 - ids], -1))


def other_colors(data):
    """The class table says which colors there are."""
    each_mask(data, lambda ids: np.stack([ids * 90, ids, 255 - ids], -1))


def jpeg_masks(data):
    file = mask(data)
    Image.open(file).convert("L").save(file.with_suffix(".jpg"))
    file.unlink()


def truncated(data):
    image(data).write_bytes(image(data).read_bytes()[:200])


def bad_table(data):
    (data / "classes.csv").write_text("number,label\n0,ground\n")


def two_of_a_stem(data):
    picture = Image.open(image(data))
    picture.save(image(data).with_suffix(".bmp"))


def interpolated(data):
    for split in ("train", "val"):
        for file in sorted((data / split / "labels").iterdir()):
            ids = Image.fromarray(np.array(Image.open(file)))
            ids.resize((96, 96), Image.Resampling.BILINEAR).save(file)
            other = file.parent.parent / "images" / file.name
            Image.open(other).resize((96, 96)).save(other)
    table = [f"{i},class {i}" for i in range(3)]
    (data / "classes.csv").write_text("\n".join(["id,name", *table]))


def once_a_jpeg(data):
    """Masks of gray levels that lost something, and are PNG again."""
    table = "\n".join(f"{i},class {i}" for i in range(255))
    (data / "classes.csv").write_text(f"id,name\n{table}\n")

    def change(ids):
        buffer = io.BytesIO()
        Image.fromarray(100 * ids).save(buffer, "JPEG", quality=60)
        return np.array(Image.open(buffer))

    each_mask(data, change)


def leaked(data):
    image(data, "val").write_bytes(image(data).read_bytes())
    mask(data, "val").write_bytes(mask(data).read_bytes())


def copied(data):
    image(data, number=1).write_bytes(image(data).read_bytes())
    mask(data, number=1).write_bytes(mask(data).read_bytes())


def torn(data):
    image(data, number=1).write_bytes(image(data).read_bytes())


def shared_stem(data):
    for folder in ("images", "labels"):
        file = sorted((data / "val" / folder).iterdir())[0]
        file.rename(file.with_name(image(data).name))


def saved_again(data):
    """The picture of train once more in val, one gray level brighter."""
    pixels = np.array(Image.open(image(data))).astype("int64") + 1
    bright = Image.fromarray(pixels.clip(0, 255).astype("uint8"))
    bright.save(image(data, "val"))
    mask(data, "val").write_bytes(mask(data).read_bytes())


def same_mask(data):
    mask(data, number=1).write_bytes(mask(data).read_bytes())


def no_disk(data):
    each_mask(data, lambda ids: np.where(ids == 2, 0, ids))


def no_disk_in_train(data):
    for file in (data / "train" / "labels").iterdir():
        ids = np.array(Image.open(file))
        Image.fromarray(np.where(ids == 2, 0, ids)).save(file)


def no_disk_in_val(data):
    for file in (data / "val" / "labels").iterdir():
        ids = np.array(Image.open(file))
        Image.fromarray(np.where(ids == 2, 0, ids)).save(file)


def all_ground(data):
    def change(ids):
        ids = np.zeros_like(ids)
        ids[0, :3] = 1, 2, 1
        return ids

    each_mask(data, change)


def void(data):
    each_mask(data, lambda ids: np.where(np.arange(48) < 40, 255, ids))


def blank(data):
    Image.new("RGB", (48, 48), (90, 91, 92)).save(image(data))


def other_sizes(data):
    Image.open(image(data)).crop((0, 0, 40, 48)).save(image(data))
    Image.open(mask(data)).crop((0, 0, 40, 48)).save(mask(data))


def few(data):
    for folder in ("images", "labels"):
        for file in sorted((data / "val" / folder).iterdir())[4:]:
            file.unlink()


def gray(data):
    Image.open(image(data)).convert("L").save(image(data))


def turned(data):
    """Upside down by EXIF, of a size that does not tell."""
    exif = Image.Exif()
    exif[0x0112] = 3
    picture = Image.open(image(data))
    picture.save(image(data), exif=exif)


# The code, its severity, and a part of each sentence.
CATALOGUE = [
    (off_by_one, "KS-D003", "error", "start at 1 instead of 0"),
    (black_and_white, "KS-D003", "error", "black-and-white masks"),
    (gray_levels, "KS-D003", "error", "look like gray levels"),
    (image_without_mask, "KS-D004", "error", "has no mask"),
    (mask_without_image, "KS-D005", "error", "has no image"),
    (other_size, "KS-D006", "error", "one size"),
    (colors, "KS-D007", "error", "coded as colors"),
    (other_colors, "KS-D014", "error", "that of a class"),
    (jpeg_masks, "KS-D008", "error", "JPEG invents ids"),
    (truncated, "KS-D009", "error", "incomplete or damaged"),
    (bad_table, "KS-D011", "error", "the columns number, label"),
    (two_of_a_stem, "KS-D012", "error", "has the stem of"),
    (interpolated, "KS-D020", "error", "resized by interpolation"),
    (once_a_jpeg, "KS-D020", "error", "may have been JPEG"),
    (leaked, "KS-D021", "error", "must not be trained on"),
    (copied, "KS-D022", "warning", "weighs double"),
    (torn, "KS-D023", "warning", "differ"),
    (shared_stem, "KS-D024", "note", "have one stem"),
    (saved_again, "KS-D025", "note", "gray levels in 16x16"),
    (same_mask, "KS-D026", "warning", "once more"),
    (no_disk, "KS-D027", "warning", "no pixel of the class disk"),
    (no_disk_in_train, "KS-D028", "warning", "but none in train"),
    (no_disk_in_val, "KS-D029", "note", "but none outside train"),
    (all_ground, "KS-D030", "warning", "in the class ground"),
    (void, "KS-D031", "warning", "is void in 8"),
    (blank, "KS-D032", "warning", "standard deviation 0.0"),
    (other_sizes, "KS-D033", "note", "from 40x48 to 48x48"),
    (few, "KS-D034", "note", "(val) has 4 images"),
    (gray, "KS-D035", "note", "is gray"),
    (turned, "KS-D036", "warning", "orientation 3"),
]


@pytest.mark.parametrize(
    ("spoil", "code", "severity", "text"),
    CATALOGUE,
    ids=[row[0].__name__ for row in CATALOGUE],
)
def test_catalogue(data, spoil, code, severity, text):
    spoil(data)
    report = check(data)
    found = {f.code: f for f in report.findings}
    assert code in found, report.to_text()
    finding = found[code]
    assert finding.severity == severity
    assert text in str(finding), str(finding)
    assert finding.fix and finding.count >= 1
    assert report.ok == (severity != "error")
    # Nothing else is wrong with it, but for what follows from it.
    worse = {f.code for f in report.findings if f.severity == "error"}
    assert worse <= {code, "KS-D003"} or code == "KS-D020"
    if severity == "error":
        with pytest.raises(DataError) as caught:
            report.raise_if_failed()
        assert caught.value.code in worse


def test_the_catalogue_is_whole():
    """Each code of the table in `DataError` is one that a test has seen."""
    documented = set(re.findall(r"KS-D\d\d\d", DataError.__doc__))
    # Those of single formats are tested with their readers.
    documented -= {f"KS-D0{n}" for n in (13, 15, 16, 17, 18, 19)}
    # Those of maps are tested with GeoTIFFs.
    documented -= {"KS-D037", "KS-D041", "KS-D042"}
    # Those of several labels have tests of their own.
    documented -= {"KS-D038", "KS-D039", "KS-D040"}
    tested = {row[1] for row in CATALOGUE}
    tested |= {"KS-D001", "KS-D002", "KS-D010"}  # The three around this.
    assert documented == tested


def no_table(data):
    (data / "classes.csv").unlink()


@pytest.mark.parametrize(
    ("spoils", "code", "values"),
    [
        ([off_by_one], "KS-D003", "1:0,2:1,3:2,255:255"),
        ([off_by_one, no_table], "KS-D027", "1:0,2:1,3:2,255:255"),
        ([gray_levels, no_table], "KS-D027", "0:0,100:1,200:2,255:255"),
    ],
)
def test_the_option_that_is_named_works(data, spoils, code, values):
    """The ids read by it are those that were there before."""
    before = check(data).splits["train"].statistics
    for spoil in spoils:
        spoil(data)
    finding = codes(data)[code]
    assert f"--mask-values {values}" in finding.fix
    report = check(data, mask_values=parse_mask_values(values))
    assert report.ok and report.findings == ()
    after = report.splits["train"].statistics
    assert after.pixels.tolist() == before.pixels.tolist()
    assert after.void == before.void > 0


def test_the_id_at_fault_is_told_from_the_others(data):
    ids = np.array(Image.open(mask(data)))
    ids[0, :2] = 5
    Image.fromarray(ids).save(mask(data))
    finding = codes(data)["KS-D003"]
    assert finding.guess == "Neither class nor void: 5 (2 pixels)."
    assert finding.file == str(mask(data))


def test_problems_of_a_single_split_are_findings(data):
    """Only a path that is wrong is raised."""
    image(data).unlink()
    assert set(codes(data, split="train")) == {"KS-D005"}
    assert set(codes(data, split="val")) == set()
    (data / "val.txt").write_text("val_0000\nval_9999\n")
    assert codes(data, split="val")["KS-D005"].severity == "error"


def test_images_in_no_split_are_named(data):
    """Lists name what is read; the rest is told, not dropped in silence."""
    stems = sorted(f.stem for f in (data / "train/images").iterdir())
    (data / "train.txt").write_text("\n".join(stems[:-2]))
    finding = codes(data)["KS-D002"]
    assert (finding.severity, finding.count) == ("note", 2)
    assert finding.found == "is in no split"
    # With nothing to train on they may be what was meant.
    (data / "train.txt").unlink()
    (data / "train").rename(data / "0")
    for kind in ("images", "labels"):
        (data / "0" / kind).rename(data / kind)
    (data / "0").rmdir()
    shutil.rmtree(data / "val")
    (data / "val.txt").write_text("\n".join(stems[:2]))
    assert codes(data)["KS-D002"].severity == "error"


@pytest.mark.parametrize("table", [True, False])
def test_black_and_white_in_one_split(data, table):
    for file in (data / "train" / "labels").iterdir():
        ids = np.array(Image.open(file))
        Image.fromarray((255 * (ids > 0)).astype("uint8")).save(file)
    if not table:
        no_table(data)
    (finding,) = check(data).of("error")
    assert (finding.code, finding.count) == ("KS-D003", COUNT)
    assert f"masks ({COUNT} read) hold nothing but 0 and 255" in finding.guess


@pytest.mark.parametrize("values", [(1, 255), (1, 1), (255, 255)])
def test_black_and_white_among_others(tmp_path, values):
    """A mask with a 1 and with void, or more classes, tell what 255 is."""
    masks = [np.zeros((8, 8), "uint8") for _ in range(3)]
    masks[0][0, 0], masks[1][1, 1] = values
    masks[2][2, 2] = 255
    images = [mask + 9 for mask in masks]
    given = list(zip(images, masks, strict=True))

    def found(classes=2):
        report = check(given, class_table=classes)
        return [f for f in report.findings if f.code == "KS-D003"]

    if values == (255, 255):
        masks[0][0, 1] = 1
        assert found() == []
        return
    (finding,) = found()
    assert finding.severity == "warning"
    assert finding.count == values.count(255) + 1
    assert "no mask with a 1 has void" in finding.guess
    masks[0][0, 1] = 2
    assert found(3) == []


def test_nothing_to_read(data):
    for file in (data / "val").rglob("*.png"):
        file.unlink()
    assert codes(data)["KS-D010"].severity == "error"


def test_every_problem_is_named_once(data):
    for number in range(7):
        image(data, number=number).write_bytes(b"no image")
    mask(data, "val").unlink()
    report = check(data)
    (unreadable,) = [f for f in report.findings if f.code == "KS-D009"]
    assert unreadable.count == 7 and len(unreadable.files) == 5
    assert "7 files" in report.to_text()
    assert {f.code for f in report.of("error")} == {"KS-D004", "KS-D009"}


def test_arrays_in_memory():
    images, masks = pairs()
    good = list(zip(images, masks, strict=True))
    assert check({"train": good}, class_table=3).findings == ()
    halves = [(x, y / 255.0) for x, y in good]
    found = codes(halves)
    assert "divided by 255" in str(found["KS-D007"])
    assert codes(good, class_table=2)["KS-D003"].severity == "error"
