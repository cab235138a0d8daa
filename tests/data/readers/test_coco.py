import os
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from keras_seg.data import ClassTable
from keras_seg.data import DataError
from keras_seg.data import check
from keras_seg.data import from_coco
from keras_seg.data import from_folder
from keras_seg.data import splits
from tests.data.readers.files import image
from tests.data.readers.files import write_json

pytestmark = pytest.mark.once

SIZE = (8, 10)
CATEGORIES = [{"id": 9, "name": "dog"}, {"id": 4, "name": "cat"}]


def box(left, top, right, bottom):
    return [left, top, right, top, right, bottom, left, bottom]


def annotation(shape, category=4, **more):
    return {
        "id": 1,
        "image_id": 1,
        "category_id": category,
        "segmentation": shape,
        **more,
    }


def content(*annotations, categories=CATEGORIES, **entry):
    one = {"id": 1, "file_name": "a.png", "width": 10, "height": 8, **entry}
    return {
        "images": [one],
        "annotations": list(annotations),
        "categories": categories,
    }


def write(path, *annotations, **options):
    image(path / "images/a.png", SIZE)
    return write_json(path / "coco.json", content(*annotations, **options))


def message(path, **options):
    with pytest.raises(DataError) as caught:
        from_coco(path, **options)
    return str(caught.value).replace(str(path.parent), "DATA")


def run_lengths(mask):
    """COCO's counts: down the columns, zeros first."""
    counts, last = [0], False
    for pixel in mask.T.ravel().tolist():
        if pixel != last:
            counts.append(0)
            last = pixel
        counts[-1] += 1
    return counts


def test_polygons(tmp_path):
    file = write(
        tmp_path,
        annotation([box(1, 1, 3, 3), box(5, 5, 6, 6)], 9),
        annotation([box(0, 0, 10, 8)], 4),
    )
    folder = from_coco(file)
    assert folder.class_table.names == ("background", "cat", "dog")
    expected = np.full(SIZE, 1)
    expected[1:3, 1:3] = expected[5, 5] = 2  # the smaller over the larger
    np.testing.assert_array_equal(folder[0][1], expected)
    assert folder.pairs[0].mask == file and folder.pairs[0].stem == "a"
    assert folder.size(0) == SIZE and (folder[0][0] == 7).all()


def test_crowds(tmp_path):
    file = write(
        tmp_path,
        annotation([box(1, 1, 2, 2)]),
        annotation(
            {"size": [8, 10], "counts": [0, 16, 64]}, 9, iscrowd=1, id=2
        ),
        annotation([box(0, 0, 5, 8)], id=3),
    )
    expected = np.zeros(SIZE, int)
    expected[:, :2] = 255
    expected[:, :5] = 1  # an object is marked more surely than a crowd
    np.testing.assert_array_equal(from_coco(file)[0][1], expected)
    expected[:, :2] = 2
    expected[1, 1] = 1
    folder = from_coco(file, crowd_is_void=False)
    np.testing.assert_array_equal(folder[0][1], expected)


@given(hnp.arrays("int64", SIZE, elements=st.integers(0, 2)), st.booleans())
def test_round_trip_of_run_lengths(tmp_path_factory, ids, compressed):
    annotations = []
    for i in (1, 2):
        counts = run_lengths(ids == i)
        if compressed:
            coco = pytest.importorskip("pycocotools.mask")
            encoded = coco.encode(np.asfortranarray(ids == i, "uint8"))
            counts = encoded["counts"].decode()
        shape = {"size": list(SIZE), "counts": counts}
        annotations.append(annotation(shape, {1: 4, 2: 9}[i], id=i))
    file = write(tmp_path_factory.mktemp("coco"), *annotations)
    np.testing.assert_array_equal(from_coco(file)[0][1], ids)


@given(
    hnp.arrays("int64", SIZE, elements=st.integers(0, 1)),
    st.data(),
)
def test_cut_run_lengths_are_refused(tmp_path_factory, ids, data):
    coco = pytest.importorskip("pycocotools.mask")
    counts = coco.encode(np.asfortranarray(ids, "uint8"))["counts"].decode()
    end = data.draw(st.integers(0, len(counts) - 1))
    shape = {"size": list(SIZE), "counts": counts[:end]}
    file = write(tmp_path_factory.mktemp("coco"), annotation(shape))
    assert "annotation 1 run lengths that do not fill" in message(file)


@given(st.text(st.characters(max_codepoint=300), max_size=12))
def test_any_run_lengths_are_refused_or_exact(tmp_path_factory, text):
    shape = {"size": list(SIZE), "counts": text}
    file = write(tmp_path_factory.mktemp("coco"), annotation(shape))
    try:
        mask = from_coco(file)[0][1]
    except DataError as error:
        assert error.code == "KS-D013"
        return
    # What is taken is a way to write this mask, if a longer one.
    counts, numbers = [], iter(text.encode())
    for character in numbers:
        number, shift = 0, 0
        while True:
            number |= (character - 48 & 31) << shift
            shift += 5
            if not character - 48 & 32:
                break
            character = next(numbers)
        if character - 48 & 16:
            number -= 1 << shift
        counts.append(number + (counts[-2] if len(counts) > 2 else 0))
    assert min(counts) >= 0 and sum(counts) == 80
    pixels = np.repeat(np.arange(len(counts)) % 2, counts)
    np.testing.assert_array_equal(mask.T.ravel(), pixels)


@pytest.mark.parametrize(
    "counts",
    [
        [],
        [80, 1],
        [79],
        [-1, 81],
        [0.5, 79.5],
        [10**12],
        "",
        "o" * 50,
        "é",
        "0o",
    ],
)
def test_run_lengths_that_do_not_fill(tmp_path, counts):
    file = write(tmp_path, annotation({"size": [8, 10], "counts": counts}))
    assert message(file) == (
        "KS-D013  DATA/coco.json has for annotation 1 run lengths that do not "
        "fill the image; their sum is height times width. "
        "Fix: export it again."
    )


@pytest.mark.parametrize(
    ("shape", "found"),
    [
        ([], "KS-D018  DATA/coco.json has for annotation 1 a box without"),
        (None, "has for segmentation of annotation 1 None; list or dict"),
        ([[0, 0, 1]], "a polygon that is not x, y, x, y, ...;"),
        ([[0, 0, 1, 1]], "KS-D018  DATA/coco.json has for annotation 1 a poly"),
        ([[0, 0, 1, 1, 2, "x"]], "the points [(0, 0), (1, 1), (2, 'x')];"),
        ([[0, 0, 1, 1, 2, 1e300]], "a point is two numbers"),
        (
            [box(0.1, 0.1, 0.6, 1)],
            "coordinates of 0.1 to 1; they are",
        ),
        (["box"], "a polygon that is not"),
        ({"size": [9, 10], "counts": []}, "run lengths of the size [9, 10];"),
        ({"counts": []}, "has for size of annotation 1 None;"),
    ],
)
def test_malformed_shapes(tmp_path, shape, found):
    assert found in message(write(tmp_path, annotation(shape)))


def test_malformed_files(tmp_path):
    file = write(tmp_path, annotation([box(0, 0, 1, 1)], 5))
    assert "annotation 1 the category 5, which it does not list" in message(
        file
    )
    file = write(tmp_path, annotation([box(0, 0, 1, 1)], iscrowd="1"))
    assert "has for iscrowd of annotation 1 '1'; 0 or 1" in message(file)
    panoptic = {"image_id": 1, "segments_info": []}
    assert "has panoptic annotations" in message(write(tmp_path, panoptic))
    file = write(tmp_path, annotation([box(0, 0, 1, 1)], image_id=2))
    assert "an annotation of image 2, which it does not list" in message(file)
    file = write(tmp_path, categories=[*CATEGORIES, {"id": 4, "name": "x"}])
    assert "has the category 4, x, again" in message(file)
    for text, found in {
        "[]": "has for images of the file None;",
        '{"images": []}': "KS-D010  DATA/coco.json names no image;",
        '{"images": [3]}': "has for file_name of an image None;",
        "{": "is not JSON on line 1",
    }.items():
        file.write_text(text)
        assert found in message(file)


def test_a_check_is_not_needed(tmp_path):
    file = write(tmp_path, annotation(None))
    folder = from_coco(file, check=False)
    with pytest.raises(DataError, match="KS-D013"):
        folder[0]


def test_declared_size(tmp_path):
    file = write(tmp_path, width=8, height=10)
    assert message(file) == (
        "KS-D006  DATA/coco.json says that a.png is 8x10; it is 10x8; shapes "
        "are in pixels of the image as viewers show it. The image is turned "
        "by its EXIF orientation, which the tool did not see. Fix: annotate "
        "this image, or put the one back that was annotated."
    )
    file = write(tmp_path, width=None, height=None)
    assert not from_coco(file)[0][1].any()


def test_classes(tmp_path):
    file = write(tmp_path, annotation([box(0, 0, 10, 8)]))
    table = ClassTable(("bg", "dog", "cat"), ((0, 0, 0),) * 3)
    folder = from_coco(file, class_table=table, background="bg")
    assert folder.class_table is table and (folder[0][1] == 2).all()
    folder = from_coco(file, background=None)
    assert folder.class_table.names == ("cat", "dog")
    folder = from_coco(file, class_table=table)
    assert (folder[0][1] == 2).all()
    file = write(tmp_path, annotation([box(0, 0, 9, 8)]))
    assert "must be called background" in message(file, class_table=table)


def test_images_are_found(tmp_path):
    one = content(annotation([box(0, 0, 10, 8)]))
    for json_file, place in {
        "1/annotations/instances_train2017.json": "1/train2017/a.png",
        "2/annotations/instances_val.json": "2/images/val/a.png",
        "3/annotations/all.json": "3/images/a.png",
        "4/train/_annotations.coco.json": "4/train/a.png",
        "5/result.json": "5/images/a.png",
    }.items():
        write_json(tmp_path / json_file, one)
        image(tmp_path / place, SIZE)
        assert (from_folder(tmp_path / json_file[0])[0][1] == 1).all()
    write_json(tmp_path / "1/annotations/captions_train2017.json", {})
    write_json(tmp_path / "1/annotations/instances_val.json", one)
    assert splits(tmp_path / "1") == ("val", "train2017")
    assert splits(tmp_path / "4") == ("train",)
    assert splits(tmp_path / "5") == ()
    assert len(from_folder(tmp_path / "1", "train2017")) == 1
    for split in (None, "test"):
        with pytest.raises(DataError, match="KS-D002"):
            from_folder(tmp_path / "1", split)
    (tmp_path / "3/images/a.png").unlink()
    file = tmp_path / "3/annotations/all.json"
    assert message(file).startswith(
        "KS-D005  DATA/all.json names the image a.png, which was not found; "
        "images are looked for in DATA, DATA/images, "
    )
    folder = from_coco(file, images=tmp_path / "1/train2017")
    assert (folder[0][1] == 1).all()


def test_masks_with_notes_are_no_coco(tmp_path):
    image(tmp_path / "images/a.png", (1, 2), 0)
    (tmp_path / "annotations").mkdir()
    image(tmp_path / "annotations/b.png")
    write_json(tmp_path / "annotations/notes.json", {})
    with pytest.raises(DataError, match="KS-D004"):
        from_folder(tmp_path, class_table=2)


def test_images_of_one_name(tmp_path):
    two = content()
    two["images"] = [{"id": i, "file_name": f"{i}\\a.png"} for i in (1, 2)]
    for i in (1, 2):
        image(tmp_path / f"{i}/a.png", SIZE, i)
    folder = from_coco(write_json(tmp_path / "c.json", two))
    assert [pair.stem for pair in folder.pairs] == ["1_a", "2_a"]
    assert [int(x[0, 0, 0]) for x, _ in folder] == [1, 2]
    two["images"][1]["file_name"] = "1/a.jpg"
    file = write_json(tmp_path / "c.json", two)
    assert message(file).startswith(
        "KS-D012  DATA/c.json names 1/a.png and 1/a.jpg;"
    )
    two["images"][1] = two["images"][0]
    file = write_json(tmp_path / "c.json", two)
    assert "has the image 1 again" in message(file)


def test_splits_have_one_table_of_classes(tmp_path):
    """Splits that number their categories differently are matched by name."""
    names = {"train": ["cat", "dog"], "val": ["dog", "cat", "bird"]}
    for split, categories in names.items():
        number = 1 + categories.index("cat")
        listed = [{"id": i, "name": n} for i, n in enumerate(categories, 1)]
        shapes = [annotation([box(0, 0, 5, 8)], number)]
        image(tmp_path / f"images/{split}/a.png", SIZE, len(split))
        write_json(
            tmp_path / f"annotations/instances_{split}.json",
            content(*shapes, categories=listed),
        )
    for split in names:
        folder = from_folder(tmp_path, split)
        assert folder.class_table.names == ("background", "cat", "dog", "bird")
        assert (folder[0][1][:, :5] == 1).all()
    report = check(tmp_path)
    assert report.class_table.names == folder.class_table.names
    for part in report.splits.values():
        assert part.statistics.pixels.tolist() == [40, 40, 0, 0]
    # The number of classes is compared, and the names are kept.
    assert check(tmp_path, class_table=4).class_table == report.class_table
    few = check(tmp_path, class_table=3)
    assert not few.ok and "3 are asked for" in few.to_text()
    # A file of its own knows nothing of other splits.
    alone = from_coco(tmp_path / "annotations/instances_val.json")
    assert alone.class_table.names == ("background", "dog", "cat", "bird")
    write_json(tmp_path / "annotations/train.json", content())
    with pytest.raises(DataError, match="are both of the split train"):
        splits(tmp_path)


def test_categories_without_annotations_need_no_class(tmp_path):
    """Such as the supercategory that Roboflow lists with id 0."""
    categories = [{"id": 0, "name": "cracks"}, *CATEGORIES]
    file = write(
        tmp_path, annotation([box(0, 0, 10, 8)]), categories=categories
    )
    names = ("background", "cracks", "cat", "dog")
    assert from_coco(file).class_table.names == names
    table = ClassTable(("background", "cat"), ((0, 0, 0),) * 2)
    table.write(tmp_path / "classes.csv")
    folder = from_folder(tmp_path)
    assert folder.class_table == table and (folder[0][1] == 1).all()
    write(tmp_path, annotation([box(0, 0, 1, 1)], 9), categories=categories)
    assert "has for annotation 1 the label dog; the classes are" in message(
        file
    )


def test_names_that_differ_by_case_are_refused(tmp_path):
    for one, other in (("cat", "Cat"), ("caf\u00e9", "Cafe\u0301")):
        listed = [{"id": 4, "name": one}, {"id": 9, "name": other}]
        file = write(tmp_path, annotation([box(0, 0, 1, 1)]), categories=listed)
        assert f"KS-D015  DATA/coco.json has the class {one} and" in message(
            file
        )


def test_the_images_of_another_data_set_are_not_taken(tmp_path):
    """An export inside another, one of whose images is missing."""
    inner = tmp_path / "second"
    for i in range(3):
        image(tmp_path / f"images/{i}.png", SIZE, 1)
        image(inner / f"images/{i}.png", SIZE, 2)
    entries = [{"id": i, "file_name": f"{i}.png"} for i in range(3)]
    write_json(inner / "result.json", content() | {"images": entries})
    assert [x[0, 0, 0] for x, _ in from_folder(inner)] == [2, 2, 2]
    for i in (1, 0):
        (inner / f"images/{i}.png").unlink()
        with pytest.raises(DataError, match=f"second/images/{i}.png does not"):
            from_folder(inner)


def test_time_is_linear(tmp_path):
    """A million categories took hours, large polygons gigabytes."""
    start = time.monotonic()
    listed = [{"id": i, "name": str(i)} for i in range(200_000)]
    assert "200001 classes; 1..255" in message(
        write(tmp_path, categories=listed)
    )
    image(tmp_path / "images/a.png", (480, 640))
    shapes = [[[1 + i % 9, 1, 630, 20, 600, 470]] for i in range(3000)]
    file = write_json(
        tmp_path / "coco.json",
        content(*map(annotation, shapes), width=640, height=480),
    )
    ids = from_coco(file, check=False).read_ids(0)
    assert (ids == 1).any() and time.monotonic() - start < 20


def test_hidden_files_and_pipes(tmp_path):
    one = content(annotation([box(0, 0, 10, 8)]))
    image(tmp_path / "images/a.png", SIZE)
    write_json(tmp_path / "annotations/instances_train.json", one)
    (tmp_path / "annotations/._instances_train.json").write_bytes(b"\0\5")
    (tmp_path / "__MACOSX/images").mkdir(parents=True)
    assert splits(tmp_path) == ("train",)
    for name in ("instances_val.json", "val.json"):
        os.mkfifo(tmp_path / f"annotations/{name}")
        with pytest.raises(DataError, match="is a pipe, a socket or a device"):
            from_folder(tmp_path, "val")
        (tmp_path / f"annotations/{name}").unlink()
    (tmp_path / "annotations/instances_val.json").symlink_to("/dev/zero")
    with pytest.raises(DataError, match="is a pipe, a socket or a device"):
        from_folder(tmp_path, "train")


def test_large_files_are_refused(tmp_path, monkeypatch):
    file = write(tmp_path, annotation([box(0, 0, 10, 8)]))
    size = file.stat().st_size
    monkeypatch.setattr("keras_seg.data.text._limit", size)
    assert len(from_coco(file)) == 1
    monkeypatch.setattr("keras_seg.data.text._limit", size - 1)
    assert message(file).startswith(
        f"KS-D013  DATA/coco.json has {size} bytes; at most {size - 1} are "
    )


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"mask_values": {0: 0}}, "`mask_values` is for masks that hold ids"),
        ({"skip_unlabeled": True}, "`skip_unlabeled` is for images that need"),
    ],
)
def test_what_is_of_masks_is_refused(tmp_path, options, text):
    """By the check in the same words."""
    write(tmp_path, annotation([box(1, 1, 5, 5)]))
    for read in (from_folder, check):
        with pytest.raises(ValueError, match=text):
            read(tmp_path, **options)
