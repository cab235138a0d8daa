import json
import shutil
import warnings

import numpy as np
import pytest
from PIL import Image

from keras_seg.data import check
from keras_seg.runs import DataSource
from keras_seg.runs import RunError
from keras_seg.runs import RunWarning
from keras_seg.runs.recorded import describe

pytestmark = pytest.mark.once


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
