import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from keras_seg.data import ClassTable
from keras_seg.data import DataError
from keras_seg.data import from_cvat
from keras_seg.data import from_folder
from keras_seg.data import splits
from keras_seg.data.readers.cvat import read_labelmap
from tests.data.readers.files import image

pytestmark = pytest.mark.once

LABELMAP = """# label:color_rgb:parts:actions
car:10,20,30::
background:0,0,0::
traffic: light:250,0,7:a,b:c
__ignore__:9,9,9::
"""
COLORS = np.array([(10, 20, 30), (0, 0, 0), (250, 0, 7), (9, 9, 9)], "uint8")


def write(path, ids, palette=False, labelmap=LABELMAP):
    ids = np.array(ids)
    image(path / "JPEGImages/a.png", ids.shape)
    (path / "SegmentationClass").mkdir()
    mask = Image.fromarray(COLORS[ids])
    if palette:
        # Indices in an order of their own, as CVAT writes them.
        mask = Image.fromarray((3 - ids).astype("uint8"))
        mask.putpalette(COLORS[::-1].ravel().tolist())
    mask.save(path / "SegmentationClass/a.png")
    (path / "ImageSets/Segmentation").mkdir(parents=True)
    (path / "ImageSets/Segmentation/default.txt").write_text("a\n")
    (path / "labelmap.txt").write_text(labelmap)
    return path


def message(path, **options):
    with pytest.raises(DataError) as caught:
        from_cvat(path, **options)
    return str(caught.value).replace(str(path), "DATA")


@given(hnp.arrays("int64", (4, 5), elements=st.integers(0, 3)), st.booleans())
def test_round_trip(tmp_path_factory, ids, palette):
    path = write(tmp_path_factory.mktemp("cvat"), ids, palette)
    folder = from_folder(path)
    expected = np.where(ids == 3, 255, ids)
    np.testing.assert_array_equal(folder[0][1], expected)
    assert folder.classes.names == ("car", "background", "traffic: light")
    assert folder.classes.colors == tuple(map(tuple, COLORS[:3].tolist()))
    assert splits(path) == ("default",)


def test_a_table_is_matched_by_name(tmp_path):
    path = write(tmp_path, [[0, 1, 2, 3]])
    names = ("background", "traffic: light", "bus", "car")
    table = ClassTable(names, ((0, 0, 0),) * 4)
    folder = from_cvat(path, classes=table)
    assert folder.classes is table
    assert folder[0][1].tolist() == [[3, 0, 1, 255]]
    table.write(tmp_path / "classes.csv")
    assert from_cvat(path)[0][1].tolist() == [[3, 0, 1, 255]]
    few = ClassTable(("background", "car"), ((0, 0, 0),) * 2)
    assert message(path, classes=few).startswith(
        "KS-D015  DATA/labelmap.txt has the label traffic: light;"
    )
    assert from_cvat(path, classes=3).classes.names[0] == "car"
    assert "names 3 labels; 4 classes are asked for" in message(path, classes=4)


def test_a_label_in_no_mask_needs_no_class(tmp_path):
    path = write(tmp_path, [[0, 1, 0]])
    few = ClassTable(("background", "car"), ((0, 0, 0),) * 2)
    folder = from_cvat(path, classes=few)
    assert folder[0][1].tolist() == [[1, 0, 1]]
    assert pickle.loads(pickle.dumps(folder))[0][1].sum() == 2  # noqa: S301


def test_a_color_of_no_label(tmp_path):
    path = write(tmp_path, [[0, 2]], labelmap="car:10,20,30::\nb:0,0,0::\n")
    assert message(path).startswith(
        "KS-D014  DATA/SegmentationClass/a.png has 1 pixel of the color "
        "(250, 0, 7); every color is that of a class or of void."
    )


def test_values_are_refused(tmp_path):
    with pytest.raises(ValueError, match="is read by from_cvat"):
        from_folder(write(tmp_path, [[0]]), mask_values={0: 0})


@pytest.mark.parametrize(
    "line",
    [
        "car",
        "car:1,2::",
        "car:1,2,256::",
        "car:1,2,-3::",
        ":1,2,3::",
        "a:1,2,3_0::",
    ],
)
def test_malformed_lines(tmp_path, line):
    path = tmp_path / "labelmap.txt"
    path.write_text(f"\n{line}\n")
    with pytest.raises(DataError) as caught:
        read_labelmap(path)
    assert str(caught.value) == (
        f"KS-D013  {path} has on line 2 '{line}'; a line is "
        "name:red,green,blue:parts:actions. Fix: export it again."
    )


def test_labels_come_once(tmp_path):
    path = tmp_path / "labelmap.txt"
    path.write_text("a:1,2,3::\na:4,5,6::\n")
    with pytest.raises(DataError, match="on line 2 the label a again"):
        read_labelmap(path)
    path.write_text("# nothing\n")
    with pytest.raises(DataError, match="KS-D010"):
        read_labelmap(path)
