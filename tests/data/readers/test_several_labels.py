"""Several labels from shapes: each class as if it were the only one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from keras_seg.data import DataError
from keras_seg.data import from_coco
from keras_seg.data import from_folder
from keras_seg.data import from_labelme
from keras_seg.data import from_yolo
from keras_seg.data.stacks import label_table
from tests.data.readers.files import image
from tests.data.readers.files import write_json

pytestmark = pytest.mark.once

SIZE = (8, 10)
NAMES = ("cat", "dog", "road")
SIDES = st.tuples(st.integers(0, 9), st.integers(0, 7), st.integers(1, 9))
SHAPES = st.lists(st.tuples(SIDES, st.sampled_from(NAMES)), max_size=6)


def corners(sides):
    left, top, side = sides
    right, bottom = min(left + side, SIZE[1]), min(top + side, SIZE[0])
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def coco(path, shapes, crowds=()):
    image(path / "images/a.png", SIZE)
    annotations = [
        {
            "id": i,
            "image_id": 1,
            "category_id": NAMES.index(name) + 3,
            "segmentation": [[x for xy in corners(sides) for x in xy]],
            "iscrowd": int(i >= len(shapes)),
        }
        for i, (sides, name) in enumerate([*shapes, *crowds])
    ]
    content = {
        "images": [{"id": 1, "file_name": "a.png", "height": 8, "width": 10}],
        "annotations": annotations,
        "categories": [
            {"id": i + 3, "name": name} for i, name in enumerate(NAMES)
        ],
    }
    write_json(path / "annotations/all.json", content)


def labelme(path, shapes):
    image(path / "a.png", SIZE)
    content = {
        "shapes": [
            {"label": name, "points": corners(sides)} for sides, name in shapes
        ]
    }
    write_json(path / "a.json", content)
    (path / "labels.txt").write_text("\n".join(NAMES))


def yolo(path, shapes):
    image(path / "images/a.png", SIZE)
    (path / "labels").mkdir(exist_ok=True)
    lines = [
        " ".join(
            [str(NAMES.index(name))]
            + [str(n) for x, y in corners(s) for n in (x / 10, y / 8)]
        )
        for s, name in shapes
    ]
    (path / "labels/a.txt").write_text("\n".join(lines))
    (path / "data.yaml").write_text(
        f"train: images\nnames: [{', '.join(NAMES)}]\n"
    )


@pytest.mark.parametrize(
    ("write", "read"),
    [(coco, from_coco), (labelme, from_labelme), (yolo, from_yolo)],
)
@settings(max_examples=10)
@given(shapes=SHAPES)
def test_a_class_is_drawn_as_if_it_were_alone(
    write, read, shapes, tmp_path_factory
):
    path = tmp_path_factory.mktemp("shapes")
    write(path, shapes)
    folder = read(path, multi_label=True)
    assert folder.multi_label and folder.class_table == label_table(NAMES)
    _, mask = folder[0]
    pixels = mask.sum(-1)
    known = read(path)
    overlap = known.masks.overlap(known.pairs[0])
    assert overlap == (pixels > 1).sum()
    for k, name in enumerate(NAMES):
        write(path, [shape for shape in shapes if shape[1] == name])
        _, alone = read(path)[0]
        np.testing.assert_array_equal(mask[..., k], alone > 0)


@settings(max_examples=10)
@given(shapes=SHAPES, crowds=SHAPES)
def test_a_crowd_is_void_for_its_class(shapes, crowds, tmp_path_factory):
    path = tmp_path_factory.mktemp("crowds")
    coco(path, shapes, crowds)
    _, mask = from_folder(path, multi_label=True)[0]
    for k, name in enumerate(NAMES):
        own = [[s for s in part if s[1] == name] for part in (shapes, crowds)]
        coco(path, *own)
        _, alone = from_folder(path)[0]
        expected = np.where(alone == 255, 255, alone > 0)
        np.testing.assert_array_equal(mask[..., k], expected)


def test_a_void_shape_is_void_in_every_plane(tmp_path):
    shapes = [((0, 0, 6), "cat"), ((2, 2, 3), "__ignore__"), ((3, 3, 1), "dog")]
    labelme(tmp_path, shapes)
    _, mask = from_folder(tmp_path, multi_label=True)[0]
    void = np.zeros(SIZE, bool)
    void[2:5, 2:5] = True
    assert (mask[..., 2] == 255 * void).all()
    void[3, 3] = False  # The later shape of dog lies over it.
    assert (mask[..., 1][void] == 255).all() and mask[3, 3, 1] == 1
    assert mask[3, 3, 0] == 255 and mask[0, 0, 0] == 1


@pytest.mark.parametrize("write", [coco, labelme, yolo])
def test_the_background_is_no_class(write, tmp_path):
    write(tmp_path, [((0, 0, 3), "cat")])
    table = label_table(("background", *NAMES))
    with pytest.raises(DataError) as caught:
        from_folder(tmp_path, multi_label=True, class_table=table)
    assert caught.value.code == "KS-D015"
    assert "has the class background" in caught.value.found
    with pytest.raises(DataError, match="2 are asked for"):
        from_folder(tmp_path, multi_label=True, class_table=2)
    assert len(from_folder(tmp_path, class_table=4).class_table) == 4
    with pytest.raises(ValueError, match="missing_classes"):
        from_folder(tmp_path, multi_label=True, missing_classes="void")


def test_a_shape_of_the_background_is_refused(tmp_path):
    labelme(tmp_path, [((0, 0, 3), "_background_")])
    with pytest.raises(DataError, match="the label _background_"):
        from_folder(tmp_path, multi_label=True)
    with pytest.raises(ValueError, match="background=None"):
        from_labelme(tmp_path, background=None, multi_label=True)


def test_masks_of_one_class_a_pixel_are_refused(tmp_path):
    (tmp_path / "SegmentationClass").mkdir()
    (tmp_path / "ImageSets" / "Segmentation").mkdir(parents=True)
    with pytest.raises(ValueError, match="one class a pixel"):
        from_folder(tmp_path, multi_label=True)
