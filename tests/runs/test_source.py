import csv
import dataclasses
import json
import shutil
import warnings

import numpy as np
import pytest
from PIL import Image

from keras_seg.data import check
from keras_seg.data import from_folder
from keras_seg.data import synthetic
from keras_seg.runs import DataSource
from keras_seg.runs import RunError
from keras_seg.runs import RunFolder
from keras_seg.runs import RunWarning
from keras_seg.runs.source import describe
from keras_seg.runs.source import fingerprint
from keras_seg.runs.source import recorded_source
from keras_seg.runs.source import refuse_changes

pytestmark = pytest.mark.once


@pytest.fixture
def folder(tmp_path):
    images, masks = synthetic.membranes(5, size=32)
    path, classes = tmp_path / "data", synthetic.MEMBRANE_CLASSES
    synthetic.write_folder(path, images[:3], masks[:3], classes, "train")
    synthetic.write_folder(path, images[3:], masks[3:], classes, "val")
    return path


def test_splits_are_found(folder):
    source = DataSource(str(folder))
    data, validation = source.read()
    assert (len(data), len(validation)) == (3, 2)
    resolved = source.resolved()
    assert resolved.split == "train" and resolved.validation_split == "val"
    assert resolved.resolved() == resolved
    assert len(resolved.read()[1]) == 2


def test_overfit(folder):
    data, validation = DataSource(str(folder), overfit=2).read()
    assert data is validation and len(data) == 2
    with pytest.raises(RunError, match="has 3 images.*overfit=4"):
        DataSource(str(folder), overfit=4).read()


def test_a_share_is_held_out(folder):
    """Where there is no split for it; it is recorded by its stems."""
    source = DataSource(str(folder), val_fraction=0.4)
    assert [len(part) for part in source.read()] == [3, 2]
    assert describe(*source.read(), source)["source"]["held_out"] is None
    shutil.rmtree(folder / "val")
    data, validation = source.read()
    assert [pair.stem for pair in validation.pairs] == ["0002"]
    assert [pair.stem for pair in data.pairs] == ["0000", "0001"]
    facts = json.loads(json.dumps(describe(data, validation, source)))
    assert facts["source"]["held_out"] == ["0002"]
    again = DataSource(str(folder), held_out=("0000",)).read()
    assert [pair.stem for pair in again[1].pairs] == ["0000"]
    with pytest.raises(RunError, match="has no image 7, which was held out"):
        DataSource(str(folder), held_out=("0000", "7")).read()


def test_nothing_can_be_held_out(folder):
    """One sentence says why, once."""
    shutil.rmtree(folder / "val")
    for file in folder.glob("train/*/000[12].png"):
        file.unlink()
    source = DataSource(str(folder), val_fraction=0.2)
    with pytest.warns(RunWarning, match="is held out: there is 1 image. The"):
        data, validation = source.read()
    assert (len(data), validation) == (1, None)
    facts = describe(data, validation, source)["source"]
    assert facts["held_out"] == []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert DataSource(**facts | {"held_out": ()}).read()[1] is None


def test_description_comes_back(folder):
    source = DataSource(str(folder))
    facts = describe(*source.read(), source)
    assert DataSource(**facts["source"]) == source.resolved()
    assert facts["train"]["images"] == 3
    refuse_changes(facts, *source.read(), "run")


def test_a_folder_that_moved_is_the_same(folder, tmp_path):
    moved = shutil.copytree(folder, tmp_path / "moved")
    paths = (folder, moved)
    first, second = (fingerprint(from_folder(p, "train")) for p in paths)
    assert first == second
    (moved / "train" / "images" / "0000.png").rename(
        moved / "train" / "images" / "9.png"
    )
    (moved / "train" / "labels" / "0000.png").rename(
        moved / "train" / "labels" / "9.png"
    )
    assert fingerprint(from_folder(moved, "train")) != first


@pytest.mark.parametrize("kind", ["images", "labels"])
def test_a_changed_pixel_is_other_data(folder, kind):
    """In a file of the same name and size, as uncompressed masks have it."""
    path = folder / "train" / kind / "0001.bmp"
    Image.open(path.with_suffix(".png")).save(path)
    path.with_suffix(".png").unlink()
    size, before = (
        path.stat().st_size,
        fingerprint(from_folder(folder, "train")),
    )
    pixels = np.array(Image.open(path))
    pixels.flat[7] ^= 1
    Image.fromarray(pixels).save(path)
    assert path.stat().st_size == size
    assert fingerprint(from_folder(folder, "train")) != before


def test_exchanged_classes_are_refused(folder):
    """The masks are the same to the byte; what they mean is not."""
    source = DataSource(str(folder))
    facts = json.loads(json.dumps(describe(*source.read(), source)))
    refuse_changes(facts, *source.read(), "run")
    table = folder / "classes.csv"
    rows = list(csv.DictReader(table.read_text().splitlines()))
    rows[0]["name"], rows[1]["name"] = rows[1]["name"], rows[0]["name"]
    with open(table, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    with pytest.raises(RunError, match="classes have changed.*instead of 0 "):
        refuse_changes(facts, *source.read(), "run")


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_palettes_of_splits_that_contradict_each_other(folder, order):
    """Each split is consistent by itself; index 1 is red in the one only."""
    (folder / "classes.csv").unlink()
    table = np.array([[0, 0, 0], [255, 0, 0]], "uint8")
    for split, colors in (("train", table), ("val", table[order])):
        for file in (folder / split / "labels").iterdir():
            mask = Image.fromarray(np.array(Image.open(file)))
            mask.putpalette(colors.ravel().tolist())
            mask.save(file)
    source = DataSource(str(folder))
    if order == [0, 1]:
        source.read()
        assert check(folder).ok
        return
    with pytest.raises(ValueError, match="KS-D014.*for the index"):
        source.read()
    assert "KS-D014" in {f.code for f in check(folder).findings}


def test_arrays():
    images, masks = synthetic.membranes(3, size=32)
    pairs = list(zip(images, masks, strict=True))
    before = fingerprint(pairs)
    assert fingerprint(list(pairs)) == before
    assert fingerprint(pairs[::-1]) != before
    assert fingerprint(pairs[:2]) != before
    images, masks = np.array(images), np.array(masks)
    for index in range(3):
        changed = masks.copy()
        changed[index, 3, 4] ^= 1
        other = list(zip(images, changed, strict=True))
        assert fingerprint(other) != before


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["train", "val"], ("train", "val")),
        (["train2017", "val2017"], ("train2017", "val2017")),
        (["train", "trainval", "valid"], ("train", "valid")),
        (["default"], ("default", None)),
    ],
)
def test_splits_of_other_tools(tmp_path, names, expected):
    for name in names:
        for folder in ("images", "labels"):
            (tmp_path / name / folder).mkdir(parents=True)
    found = DataSource(str(tmp_path)).resolved()
    assert (found.split, found.validation_split) == expected


@pytest.mark.parametrize(
    "facts",
    [
        "folder",
        {"split": "train"},
        {"path": 3},
        {"path": "a", "overfit": "2"},
        {"path": "a", "mask_values": 7},
        {"path": "a", "shuffle": True},
        {"path": "a", "val_fraction": "all"},
        {"path": "a", "held_out": "0001"},
        {"path": "a", "held_out": [1]},
        {"path": "a", "multi_label": "yes"},
        {"path": "a", "missing_classes": 0},
    ],
)
def test_a_damaged_source(tmp_path, facts):
    data = {"source": facts, "train": None, "validation": None}
    classes = synthetic.MEMBRANE_CLASSES
    run = RunFolder.create(tmp_path / "run", None, classes, data)
    with pytest.raises(RunError, match="does not say where the data are"):
        recorded_source(run)


def test_a_recorded_source(folder, tmp_path):
    classes = synthetic.MEMBRANE_CLASSES
    run = RunFolder.create(tmp_path / "run", None, classes, {"source": None})
    assert recorded_source(run) is None
    source = DataSource(
        str(folder), "train", mask_values="0:0,255:1", held_out=("a", "b")
    )
    known = json.loads(json.dumps({"source": dataclasses.asdict(source)}))
    run = RunFolder.create(tmp_path / "other", None, classes, known)
    assert recorded_source(run) == source


def test_every_plane_counts(tmp_path):
    images, masks = synthetic.cells(2, size=32)
    classes = synthetic.CELL_CLASSES
    synthetic.write_folder(tmp_path, images, masks, classes)
    source = DataSource(str(tmp_path), multi_label=True)
    before = fingerprint(source.read()[0])
    file, other = (
        tmp_path / "train" / "labels" / name / "0001.png"
        for name in ("nucleus", "rod")
    )
    kept = file.read_bytes()
    for content in (other.read_bytes(), None):
        file.write_bytes(content) if content else file.unlink()
        source = DataSource(
            str(tmp_path),
            None,
            None,
            multi_label=True,
            missing_classes=None if content else "void",
        )
        assert fingerprint(source.read()[0]) != before
    file.write_bytes(kept)
    assert fingerprint(source.read()[0]) == before
    facts = describe(source.read()[0], None, source)
    run = RunFolder.create(tmp_path / "run", None, classes, facts)
    assert recorded_source(run) == source.resolved()
