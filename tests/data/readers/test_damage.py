"""Whatever becomes of a file, what comes is data or a `DataError`."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from keras_seg.data import DataError
from keras_seg.data import from_folder
from tests.data.readers.files import image

pytestmark = pytest.mark.once

RING = [1, 1, 5, 1, 5, 6]
COCO = {
    "images": [{"id": 1, "file_name": "a.png", "width": 10, "height": 8}],
    "categories": [{"id": 4, "name": "cat"}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 4, "segmentation": [RING]},
        {
            "id": 2,
            "image_id": 1,
            "category_id": 4,
            "iscrowd": 1,
            "segmentation": {"size": [8, 10], "counts": [3, 70, 7]},
        },
    ],
}
LABELME = {
    "shapes": [
        {
            "label": "cat",
            "points": [[1, 1], [5, 5]],
            "shape_type": "circle",
        },
        {
            "label": "dog",
            "points": [[1, 1], [5, 1], [5, 6]],
            "shape_type": "polygon",
        },
    ],
    "imageHeight": 8,
    "imageWidth": 10,
}
junk = st.sampled_from(
    [None, True, -1, 0, 3, 2.5, 1e300, 10**30, "", "x", "../..", [], {}, [[]]]
)


def places(value, path=()):
    """The way to every value inside a JSON value."""
    yield path
    if isinstance(value, dict | list):
        entries = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in entries:
            yield from places(inner, (*path, key))


def replaced(value, path, new):
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


@settings(max_examples=100)
@given(st.data(), st.sampled_from(["coco", "labelme"]))
def test_any_value(tmp_path_factory, data, layout):
    whole, name = {"coco": (COCO, "all"), "labelme": (LABELME, "a")}[layout]
    place = data.draw(st.sampled_from(list(places(whole))))
    content = replaced(whole, place, data.draw(junk))
    folder = tmp_path_factory.mktemp("damage")
    image(folder / "a.png")
    (folder / f"{name}.json").write_text(json.dumps(content))
    with contextlib.suppress(DataError):
        assert from_folder(folder)[0][1].shape == (8, 10)


@settings(max_examples=100)
@given(st.data(), st.binary(max_size=3), st.booleans())
def test_any_bytes(tmp_path_factory, data, new, cut):
    folder = tmp_path_factory.mktemp("damage")
    image(folder / "images/train/a.png")
    files = {
        "data.yaml": b"train: images/train\nnames: {0: cat, 1: dog}\n",
        "labels/train/a.txt": b"0 .1 .1 .5 .1 .5 .8\n1 0 0 1 0 1 1 0 1\n",
        "classes.yaml": b"[{id: 0, name: background}, {id: 1, name: cat}, "
        b"{id: 2, name: dog, color: [1, 2, 3]}]",
    }
    (folder / "labels/train").mkdir(parents=True)
    spoilt = data.draw(st.sampled_from(sorted(files)))
    for name, content in files.items():
        if name == spoilt:
            at = data.draw(st.integers(0, len(content)))
            rest = b"" if cut else content[at + len(new) :]
            content = content[:at] + new + rest
        (folder / name).write_bytes(content)
    with contextlib.suppress(DataError):
        assert from_folder(folder, "train")[0][1].shape == (8, 10)
