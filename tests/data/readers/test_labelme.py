import base64
import io
import struct

import numpy as np
import pytest
from PIL import Image

from keras_seg.data import ClassTable
from keras_seg.data import DataError
from keras_seg.data import check
from keras_seg.data import from_folder
from keras_seg.data import from_labelme
from keras_seg.data import splits
from tests.data.raw_png import png_chunk
from tests.data.readers.files import image
from tests.data.readers.files import write_json

pytestmark = pytest.mark.once

SIZE = (8, 10)


def shape(label, points, kind="polygon", **more):
    return {
        "label": label,
        "points": points,
        "shape_type": kind,
        "group_id": None,
        "flags": {},
        **more,
    }


def square(label, left, top, side):
    return shape(label, [[left, top], [left + side, top + side]], "rectangle")


def write(path, stem="a", *shapes, **more):
    image(path / f"{stem}.jpg", SIZE)
    content = {
        "version": "5.5.0",
        "flags": {},
        "shapes": list(shapes),
        "imagePath": f"{stem}.jpg",
        "imageData": None,
        "imageHeight": 8,
        "imageWidth": 10,
        **more,
    }
    return write_json(path / f"{stem}.json", content)


def message(path, *arguments, **options):
    with pytest.raises(DataError) as caught:
        from_labelme(path, *arguments, **options)
    return str(caught.value).replace(str(path), "DATA")


def test_shapes(tmp_path):
    png = io.BytesIO()
    Image.fromarray(np.array([[True, False], [True, True]])).save(png, "PNG")
    text = base64.b64encode(png.getvalue()).decode()
    write(
        tmp_path,
        "a",
        shape("zebra", [[0, 0], [10, 0], [10, 8], [0, 8]]),
        square("cat", 6, 5, -2),
        shape("dog", [[2, 2], [2, 3]], "circle"),
        shape("cat", [[8, 6], [9, 7]], "mask", mask=text),
        square("__ignore__", 9, 0, 1),
        square("_background_", 0, 7, 1),
    )
    folder = from_folder(tmp_path)
    assert folder.class_table.names == ("_background_", "cat", "dog", "zebra")
    expected = np.full(SIZE, 3)
    expected[3:5, 4:6] = 1
    expected[1:3, 1:3] = 2  # centers nearer than 1 to (2, 2)
    expected[6, 8] = expected[7, 8:10] = 1
    expected[0, 9], expected[7, 0] = 255, 0
    np.testing.assert_array_equal(folder[0][1], expected)


def test_later_over_earlier_and_groups_ignored(tmp_path):
    small = square("a", 2, 2, 1)
    write(tmp_path, "a", small, square("b", 0, 0, 5) | {"group_id": 3}, small)
    write(tmp_path, "b", small, square("b", 0, 0, 5))
    folder = from_labelme(tmp_path)
    assert folder.class_table.names == ("background", "a", "b")
    assert (folder[0][1] == 1).sum() == 1 and (folder[1][1] == 1).sum() == 0
    assert (folder[1][1] == 2).sum() == 25 and (folder[1][1] == 0).sum() == 55


@pytest.mark.parametrize(
    ("kind", "count"),
    [("line", 2), ("linestrip", 4), ("point", 1), ("polygon", 2)],
)
def test_shapes_without_area(tmp_path, kind, count):
    points = [[i, i] for i in range(count)]
    write(tmp_path, "a", square("b", 0, 0, 2), shape("b", points, kind))
    assert message(tmp_path) == (
        f"KS-D018  DATA/a.json has for shape 2, b, a {kind} of {count} "
        "points; a shape must have an area. Fix: draw it as a polygon, or "
        "remove it."
    )


@pytest.mark.parametrize(
    "kind", ["rectangle", "rotation", "oriented_rectangle"]
)
def test_rectangles_of_four_points(tmp_path, kind):
    """As X-AnyLabeling saves them; from any corner, in both directions."""
    corners = [[2, 1], [6, 1], [6, 4], [2, 4]]
    expected = np.zeros(SIZE, int)
    expected[1:4, 2:6] = 1
    for turn in range(4):
        for ring in (corners, corners[::-1]):
            points = ring[turn:] + ring[:turn]
            write(tmp_path, "a", shape("b", points, kind))
            np.testing.assert_array_equal(
                from_labelme(tmp_path)[0][1], expected
            )
    for points in ([[2, 1], [6, 4], [6, 1], [2, 4]], [[0, 0], [4, 4], [5, 6]]):
        write(tmp_path, "a", shape("b", points, kind))
        assert (
            f"KS-D013  DATA/a.json has for shape 1, b, a '{kind}' of "
            f"{len(points)} points; a shape is a polygon, a rectangle of two "
        ) in message(tmp_path)


def test_names_that_differ_by_case(tmp_path):
    write(tmp_path, "a", square("cat", 0, 0, 2), square("Cat", 4, 0, 2))
    assert message(tmp_path).startswith(
        "KS-D015  DATA has the class Cat and the class cat; names that differ "
    )
    # The usual names of void and background are known in any case.
    write(tmp_path, "a", square("Void", 0, 0, 2), square("Background", 4, 0, 2))
    folder = from_labelme(tmp_path)
    assert folder.class_table.names == ("Background",)
    assert (folder[0][1] == 255).sum() == 4 and (folder[0][1] == 0).sum() == 76


def test_classes(tmp_path):
    write(tmp_path, "a", square("cat", 0, 0, 9))
    (tmp_path / "labels.txt").write_text("__ignore__\n_background_\ndog\ncat\n")
    folder = from_labelme(tmp_path)
    assert folder.class_table.names == ("_background_", "dog", "cat")
    assert (folder[0][1] == 2).sum() == 72
    table = ClassTable(("cat", "background"), ((0, 0, 0),) * 2)
    (tmp_path / "labels.txt").unlink()
    table.write(tmp_path / "classes.csv")
    folder = from_labelme(tmp_path)
    assert folder.class_table == table and (folder[0][1] == 0).sum() == 72
    write(tmp_path, "b", square("dog", 0, 0, 9))
    assert message(tmp_path) == (
        "KS-D015  DATA/b.json has for shape 1 the label dog; the classes are "
        "cat, background. Fix: correct the label, add it to the class table, "
        "or call it __ignore__ for void."
    )


def test_splits_share_their_labels(tmp_path):
    write(tmp_path / "train", "a", square("b", 0, 0, 2))
    write(tmp_path / "val", "b", square("c", 0, 0, 2))
    assert splits(tmp_path) == ("train", "val")
    train, val = (from_folder(tmp_path, name) for name in ("train", "val"))
    assert train.class_table == val.class_table
    assert val.class_table.names == ("background", "b", "c")
    assert val[0][1][0, 0] == 2
    assert message(tmp_path).startswith("KS-D002  DATA has the splits train,")
    assert message(tmp_path, "test").startswith(
        "KS-D002  DATA has no split test; its splits are train, val."
    )


def test_the_frame_is_that_of_viewers(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    write(tmp_path, "a", square("b", 0, 0, 2), imageHeight=10, imageWidth=8)
    image(tmp_path / "a.jpg", SIZE, exif=exif)
    pixels, mask = from_labelme(tmp_path)[0]
    assert pixels.shape[:2] == mask.shape == (10, 8)
    assert mask[:2, :2].all() and mask.sum() == 4
    write(tmp_path, "a", square("b", 0, 0, 2))
    image(tmp_path / "a.jpg", SIZE, exif=exif)
    assert "says that a.jpg is 10x8; it is 8x10;" in message(tmp_path)
    assert "The image is turned by its EXIF orientation" in message(tmp_path)
    # 180 degrees leave the size alone; the shape stays where it was drawn.
    exif[0x0112] = 3
    image(tmp_path / "a.jpg", SIZE, exif=exif)
    assert from_labelme(tmp_path)[0][1][:2, :2].all()


def test_files_that_do_not_match(tmp_path):
    write(tmp_path)
    image(tmp_path / "b.png")
    assert message(tmp_path).startswith(
        "KS-D004  DATA/b.png has no b.json; every image needs"
    )
    (tmp_path / "b.png").unlink()
    write_json(tmp_path / "c.json", {})
    assert message(tmp_path).startswith(
        "KS-D005  DATA/c.json has no image of the stem c beside it;"
    )
    (tmp_path / "c.json").unlink()
    image(tmp_path / "a.png")
    assert message(tmp_path).startswith(
        "KS-D012  DATA/a.png has the stem of a.jpg;"
    )


def test_malformed(tmp_path):
    ring = [[0, 0], [1, 0], [1, 1]]
    for wrong, found in (
        ({"label": 3}, "has for label of shape 1 3; str is expected"),
        ({"points": "x"}, "has for points of shape 1, b, 'x'"),
        ({"points": [[0, "x"], *ring]}, "shape 1, b, the points"),
        ({"shape_type": "mask", "points": ring[:2]}, "has for mask of shape"),
    ):
        write(tmp_path, "a", shape("b", ring) | wrong)
        assert found in message(tmp_path, class_table=2, check=True)
    write(tmp_path, "a", 3)
    assert "has for label of shape 1 None" in message(tmp_path)
    png = io.BytesIO()
    Image.new("L", (3, 3)).save(png, "PNG")
    size = struct.pack(">II", 60000, 60000)
    huge = png_chunk(b"IHDR", size + bytes([8, 0, 0, 0, 0]))
    huge = png.getvalue()[:8] + huge + png.getvalue()[33:]
    for corner, content, found in (
        ([8, 7], png.getvalue(), "a mask that reaches out of the image"),
        ([0, 0], b"x", "a mask that is no complete PNG"),
        ([0, 0], png.getvalue()[:45], "a mask that is no complete PNG"),
        # The header alone asks for 3.6 billion pixels.
        ([0, 0], huge, "a mask that is no complete PNG"),
    ):
        text = base64.b64encode(content).decode()
        points = [corner, [9, 9]]
        write(tmp_path, "a", shape("b", points, "mask", mask=text))
        assert found in message(tmp_path)


def test_images_without_a_file_are_skipped_if_asked(tmp_path):
    write(tmp_path, "a", square("cat", 0, 0, 2))
    image(tmp_path / "b.png")
    (tmp_path / "._a.json").write_bytes(b"\0")
    assert "KS-D004  DATA/b.png has no b.json" in message(tmp_path)
    folder = from_folder(tmp_path, skip_unlabeled=True)
    assert len(folder) == 1 and folder.skipped == (tmp_path / "b.png",)
    report = check(tmp_path, skip_unlabeled=True)
    finding = next(f for f in report.findings if f.code == "KS-D004")
    assert report.ok and finding.severity == "warning"
    assert finding.file == str(tmp_path / "b.png")
    assert not check(tmp_path).ok


def test_files_beside_folders(tmp_path):
    write(tmp_path, "a", square("cat", 0, 0, 2))
    write(tmp_path / "val", "b", square("dog", 0, 0, 2))
    assert splits(tmp_path) == ("train", "val")
    for split, stem in (("train", "a"), ("val", "b")):
        folder = from_folder(tmp_path, split)
        assert [pair.stem for pair in folder.pairs] == [stem]
        assert folder.class_table.names == ("background", "cat", "dog")
    # Pictures in a folder that has no files of labelme are told of.
    image(tmp_path / "raw/c.png")
    finding = next(f for f in check(tmp_path).findings if f.code == "KS-D002")
    assert finding.files == (str(tmp_path / "raw/c.png"),)
    (tmp_path / "val").rename(tmp_path / "day2")
    with pytest.raises(DataError, match="and so does day2 in it; one of"):
        from_folder(tmp_path)
