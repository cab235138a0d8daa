import csv
import dataclasses
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from keras_seg.data import from_folder
from keras_seg.data import synthetic
from keras_seg.runs import DataSource
from keras_seg.runs import RunError
from keras_seg.runs import RunFolder
from keras_seg.runs.recorded import describe
from keras_seg.runs.recorded import fingerprint
from keras_seg.runs.recorded import recorded_source
from keras_seg.runs.recorded import refuse_changes

pytestmark = pytest.mark.once


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
        tmp_path / "train" / "labels" / "nucleus" / name
        for name in ("0001.png", "0000.png")
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
