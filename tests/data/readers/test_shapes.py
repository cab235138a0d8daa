"""Annotations of CVAT, Supervisely, Label Studio, VIA and Kaggle."""

import base64
import csv
import io
import json
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from keras_seg.data import ClassTable
from keras_seg.data import DataError
from keras_seg.data import check
from keras_seg.data import from_folder
from keras_seg.data import splits
from keras_seg.data.readers.bitmaps import brush_region
from keras_seg.data.readers.bitmaps import pair_region
from keras_seg.data.readers.bitmaps import row_region
from tests.data.readers.files import image
from tests.data.readers.files import write_json

pytestmark = pytest.mark.once

SIZE = (6, 8)
# Rows 1..3, columns 2..5.
SQUARE = np.zeros(SIZE, int)
SQUARE[1:4, 2:6] = 1


def drawn(region, size=SIZE):
    mask = np.zeros(size, int)
    mask[region.window()] = region.inside
    return mask


masks = st.tuples(st.integers(1, 7), st.integers(1, 9)).flatmap(
    lambda size: st.lists(
        st.booleans(), min_size=size[0] * size[1], max_size=size[0] * size[1]
    ).map(lambda x: np.array(x, "uint8").reshape(size))
)


def lengths(flat):
    """Run lengths, zeros first."""
    edges = np.flatnonzero(np.diff(flat, prepend=0, append=2))
    return np.diff(edges, prepend=0).tolist()


@given(masks, st.integers(0, 3), st.integers(0, 3))
def test_row_region(mask, top, left):
    size = mask.shape[0] + top + 1, mask.shape[1] + left + 1
    region = row_region(
        lengths(mask.ravel()), (top, left), mask.shape, size, "f", "w"
    )
    expected = np.pad(mask, ((top, 1), (left, 1)))
    np.testing.assert_array_equal(drawn(region, size), expected)


@given(masks)
def test_pair_region(mask):
    # As Kaggle's notebooks encode: starts from 1, down the columns.
    edges = np.flatnonzero(np.diff(mask.T.ravel(), prepend=0, append=0))
    pairs = edges.reshape(-1, 2)
    text = " ".join(f"{a + 1} {b - a}" for a, b in pairs.tolist())
    region = pair_region(text, mask.shape, "f", "w")
    np.testing.assert_array_equal(drawn(region, mask.shape), mask)


def packed(mask, literal):
    """Bytes as rle-pack's, from its decoder's source; runs or literals."""
    values = np.repeat(mask.ravel() * 255, 4).tolist()
    bits = f"{len(values):032b}{7:05b}" + "".join(
        f"{size - 1:04b}" for size in (3, 4, 8, 16)
    )
    at = 0
    while at < len(values):
        count = 1
        while count < 200 and values[at : at + count + 1] == [values[at]] * (
            count + 1
        ):
            count += 1
        if literal:
            count = min(7, len(values) - at)
        bits += f"{0 if literal else 1}{2:02b}{count - 1:08b}"
        own = values[at : at + count] if literal else values[at : at + 1]
        bits += "".join(f"{value:08b}" for value in own)
        at += count
    bits += "0" * (-len(bits) % 8)
    return [int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)]


@given(masks, st.booleans())
def test_brush_region(mask, literal):
    region = brush_region(packed(mask, literal), mask.shape, "f", "w")
    np.testing.assert_array_equal(drawn(region, mask.shape), mask)


def test_brush_of_label_studio():
    # label_studio_sdk 2.1.2: encode_rle(np.repeat(SQUARE.ravel() * 255, 4)).
    region = brush_region(BRUSH, SIZE, "f", "w")
    np.testing.assert_array_equal(drawn(region), SQUARE)


BRUSH = [
    0, 0, 0, 192, 57, 27, 254, 39, 0, 191, 255, 124, 2, 255, 253, 240, 11,
    255, 249, 28, 0,
]  # fmt: skip


def cvat(path, shapes, subset="", name="a.png", size=(6, 8)):
    subset = f' subset="{subset}"' if subset else ""
    return (
        f'<image id="0" name="{name}"{subset} width="{size[1]}" '
        f'height="{size[0]}">{shapes}</image>'
    )


META = (
    "<meta><task><labels>"
    "<label><name>dog</name><color>#0a64ff</color></label>"
    "<label><name>cat</name><color>#ff0000</color></label>"
    "</labels></task></meta>"
)


def write_cvat(path, images):
    path.mkdir(exist_ok=True, parents=True)
    (path / "annotations.xml").write_text(
        f'<?xml version="1.0"?>\n<annotations>{META}{images}</annotations>'
    )


@pytest.mark.parametrize(
    "shape",
    [
        '<polygon label="cat" points="2,1;6,1;6,4;2,4"/>',
        '<box label="cat" xtl="2" ytl="1" xbr="6" ybr="4"/>',
        # A box of 3 by 4, turned by 90 degrees around its center.
        '<box label="cat" xtl="2.5" ytl=".5" xbr="5.5" ybr="4.5" '
        'rotation="90"/>',
        '<mask label="cat" rle="0, 12" left="2" top="1" width="4" height="3"/>',
        '<mask label="cat" rle="8, 2, 6, 4, 4, 4, 4, 4, 4" left="0" top="0" '
        'width="8" height="5"/><polygon label="cat" z_order="-3" '
        'points="2,1;6,1;6,2;2,2"/>',
    ],
)
def test_cvat(tmp_path, shape):
    image(tmp_path / "images/a.png", SIZE)
    if "-3" in shape:
        shape = shape.replace("8, 2, 6, 4, 4, 4, 4, 4, 4", "18, 4, 4, 4, 10")
    write_cvat(tmp_path, cvat(tmp_path, shape))
    assert splits(tmp_path) == ()
    folder = from_folder(tmp_path)
    assert folder.class_table.names == ("background", "dog", "cat")
    assert folder.class_table.colors[1:] == ((10, 100, 255), (255, 0, 0))
    np.testing.assert_array_equal(folder[0][1], SQUARE * 2)
    assert check(tmp_path).splits["all"].pairs == 1


def test_cvat_order_and_ellipse(tmp_path):
    image(tmp_path / "images/a.png", SIZE)
    whole = "0,0;8,0;8,6;0,6"
    write_cvat(
        tmp_path,
        cvat(
            tmp_path,
            '<ellipse label="cat" cx="4" cy="3" rx="1" ry="3" rotation="90" '
            f'z_order="1"/><polygon label="dog" points="{whole}"/>'
            '<tag label="nice"/>',
        ),
    )
    rows, columns = np.mgrid[:6, :8] + 0.5
    inside = ((columns - 4) / 3) ** 2 + (rows - 3) ** 2 < 1
    mask = from_folder(tmp_path)[0][1]
    np.testing.assert_array_equal(mask, np.where(inside, 2, 1))
    planes = from_folder(tmp_path, multi_label=True)[0][1]
    np.testing.assert_array_equal(planes[..., 0], 1)
    np.testing.assert_array_equal(planes[..., 1], inside)


def test_cvat_subsets(tmp_path):
    square = '<box label="cat" xtl="2" ytl="1" xbr="6" ybr="4"/>'
    parts = []
    for subset in ("train", "val"):
        image(tmp_path / f"images/{subset}/a.png", SIZE)
        parts.append(cvat(tmp_path, square, subset))
    write_cvat(tmp_path, "".join(parts))
    assert splits(tmp_path) == ("train", "val")
    folder = from_folder(tmp_path, "val")
    assert folder.pairs[0].image.parent.name == "val"


@pytest.mark.parametrize(
    ("shape", "code", "found"),
    [
        ('<polyline label="cat" points="1,1;2,2"/>', "KS-D018", "a polyline"),
        ('<polygon label="cat" points="1,1;2,x"/>', "KS-D013", "the points"),
        ('<polygon points="1,1;2,2;1,2"/>', "KS-D013", "no label"),
        ('<box label="cat" xtl="1"/>', "KS-D013", "box 1 of a.png"),
        ('<mask label="cat" rle="3" left="0" top="0" width="2" height="2"/>',
         "KS-D013", "do not fill its window"),
        ('<mask label="cat" rle="4" left="7" top="0" width="2" height="2"/>',
         "KS-D013", "out of the image"),
        ('<polygon label="cat" z_order="x" points=""/>', "KS-D013", "z_order"),
        ('</image><track id="0" label="cat"></track><image>', "KS-D013",
         "tracks"),
        ("<polygon>", "KS-D013", "is not XML"),
    ],
)  # fmt: skip
def test_cvat_refuses(tmp_path, shape, code, found):
    image(tmp_path / "images/a.png", SIZE)
    write_cvat(tmp_path, cvat(tmp_path, shape))
    with pytest.raises(DataError, match=f"{code} .*{found}"):
        from_folder(tmp_path)


def test_cvat_refuses_entities_and_other_sizes(tmp_path):
    image(tmp_path / "images/a.png", SIZE)
    write_cvat(tmp_path, cvat(tmp_path, "", size=(8, 6)))
    with pytest.raises(DataError, match="KS-D006 .*a.png is 6x8; it is 8x6"):
        from_folder(tmp_path)
    file = tmp_path / "annotations.xml"
    text = file.read_text().split("\n", 1)[1]
    file.write_text(f'<!DOCTYPE a [<!ENTITY b "c">]>\n{text}')
    with pytest.raises(DataError, match="KS-D013 .*has a DOCTYPE"):
        from_folder(tmp_path)


def bitmap(mask):
    # supervisely 6.74: Bitmap.data_2_base64 packs a PNG by zlib.
    file = io.BytesIO()
    picture = Image.fromarray(mask.astype("uint8"), "P")
    picture.putpalette([0, 0, 0, 255, 255, 255])
    picture.save(file, "PNG", transparency=0)
    return base64.b64encode(zlib.compress(file.getvalue())).decode()


def write_supervisely(path, objects, name="a.png", size=SIZE):
    image(path / "img" / name, size)
    write_json(
        path / "ann" / f"{name}.json",
        {
            "size": {"height": size[0], "width": size[1]},
            "objects": [{"classTitle": "cat", **entry} for entry in objects],
        },
    )


def points(exterior, *interior):
    return {"exterior": exterior, "interior": list(interior)}


SHAPES = [
    {"geometryType": "rectangle", "points": points([[2, 1], [5, 3]])},
    {"geometryType": "polygon",
     "points": points([[2, 1], [5, 1], [5, 3], [2, 3]])},
    {"geometryType": "bitmap",
     "bitmap": {"data": bitmap(SQUARE[1:4, 2:6]), "origin": [2, 1]}},
]  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_supervisely(tmp_path, shape):
    for split in ("train", "val"):
        write_supervisely(tmp_path / split, [shape])
    classes = [
        {"title": "dog", "color": "#00FF00"},
        {"title": "cat", "color": "#0a64ff"},
    ]
    write_json(tmp_path / "meta.json", {"classes": classes})
    assert splits(tmp_path) == ("train", "val")
    folder = from_folder(tmp_path, "val")
    assert folder.class_table.names == ("background", "dog", "cat")
    assert folder.class_table.colors[2] == (10, 100, 255)
    np.testing.assert_array_equal(folder[0][1], 2 * SQUARE)
    image(tmp_path / "val/img/b.png")
    with pytest.raises(DataError, match="KS-D004 .*b.png is not annotated"):
        from_folder(tmp_path, "val")
    assert len(from_folder(tmp_path, "val", skip_unlabeled=True)) == 1


def test_supervisely_bitmap_of_its_sdk(tmp_path):
    # The example of Bitmap.base64_2_data in supervisely 6.74.
    text = (
        "eJzrDPBz5+WS4mJgYOD19HAJAtLMIMwIInOeqf8BUmwBPiGuQPr///9Lb86/C2QxlgT5"
        "BTM4PLuRBuTwebo4hlTMSa44sKHhISMDuxpTYrr03F6gDIOnq5/LOqeEJgDM5ht6"
    )
    shape = {"geometryType": "bitmap",
             "bitmap": {"data": text, "origin": [4, 2]}}  # fmt: skip
    write_supervisely(tmp_path, [shape])
    expected = np.zeros(SIZE, int)
    expected[2:5, 4:7] = [[1, 1, 1], [1, 0, 1], [1, 1, 1]]
    np.testing.assert_array_equal(from_folder(tmp_path)[0][1], expected)


def test_supervisely_holes(tmp_path):
    ring = [[1, 1], [5, 1], [5, 5], [1, 5]]
    hole = [[2, 2], [4, 2], [4, 4], [2, 4]]
    shape = {"geometryType": "polygon", "points": points(ring, hole)}
    write_supervisely(tmp_path, [shape])
    # Its SDK draws both with cv2.fillPoly, the outlines included.
    expected = np.zeros(SIZE, int)
    expected[1:6, 1:6] = 1
    expected[2:5, 2:5] = 0
    np.testing.assert_array_equal(from_folder(tmp_path)[0][1], expected)


def test_supervisely_polygon_with_its_outline(tmp_path):
    # cv2.fillPoly of OpenCV 4 fills these pixels.
    corners = [[1, 0], [7, 2], [1, 5]]
    shape = {"geometryType": "polygon", "points": points(corners)}
    write_supervisely(tmp_path, [shape])
    rows = from_folder(tmp_path)[0][1].tolist()
    assert ["".join(map(str, row)) for row in rows] == POLYGON


POLYGON = [
    "01100000",
    "01111100",
    "01111111",
    "01111110",
    "01111000",
    "01100000",
]


@pytest.mark.parametrize(
    ("shape", "code"),
    [
        ({"geometryType": "line", "points": points([[1, 1], [2, 2]])}, "18"),
        ({"geometryType": "star"}, "13"),
        ({"geometryType": "bitmap", "bitmap": {"data": "x", "origin": [0, 0]}},
         "13"),
        (SHAPES[2] | {"bitmap": SHAPES[2]["bitmap"] | {"origin": [5, 1]}},
         "13"),
    ],
)  # fmt: skip
def test_supervisely_refuses(tmp_path, shape, code):
    write_supervisely(tmp_path, [shape])
    with pytest.raises(DataError, match=f"KS-D0{code} .*object 1"):
        from_folder(tmp_path)


def result(kind, value, **more):
    names = {f"{kind}labels": ["cat"]}
    return {
        "id": "q1", "type": f"{kind}labels", "from_name": "x",
        "original_height": 6, "original_width": 8, "image_rotation": 0,
        "value": value | names,
    } | more  # fmt: skip


def write_label_studio(path, results, address="/data/upload/1/0a1b2c3d-a.png"):
    task = {"data": {"image": address}, "annotations": [{"result": results}]}
    write_json(path / "project.json", [task])


LABELED = [
    result("brush", {"format": "rle", "rle": packed(SQUARE, False)}),
    # Percents of 8 by 6 pixels.
    result("polygon", {"closed": True, "points": [
        [25, 100 / 6], [75, 100 / 6], [75, 400 / 6], [25, 400 / 6]]}),
    result("rectangle", {
        "x": 25, "y": 100 / 6, "width": 50, "height": 50, "rotation": 0}),
    # Turned by 90 degrees around the first corner, its width points down.
    result("rectangle", {"x": 75, "y": 100 / 6, "width": 37.5,
                         "height": 400 / 6, "rotation": 90}),
]  # fmt: skip


@pytest.mark.parametrize("shape", LABELED)
@pytest.mark.parametrize(
    "address",
    [
        "/data/upload/1/0a1b2c3d-a.png",
        "/data/local-files/?d=pictures/a.png",
        "s3://bucket/some/a.png",
    ],
)
def test_label_studio(tmp_path, shape, address):
    image(tmp_path / "pictures/a.png", SIZE)
    of_image = {"id": "c", "type": "choices", "from_name": "y", "value": {}}
    write_label_studio(tmp_path, [shape, of_image], address)
    folder = from_folder(tmp_path)
    assert folder.class_table.names == ("background", "cat")
    np.testing.assert_array_equal(folder[0][1], SQUARE)


def test_label_studio_separate_labels(tmp_path):
    image(tmp_path / "a.png", SIZE)
    value = dict(LABELED[2]["value"])
    del value["rectanglelabels"]
    shape = LABELED[2] | {"type": "rectangle", "value": value}
    named = shape | {"type": "labels", "value": value | {"labels": ["dog"]}}
    write_label_studio(tmp_path, [shape, named])
    folder = from_folder(tmp_path)
    assert folder.class_table.names == ("background", "dog")
    np.testing.assert_array_equal(folder[0][1], SQUARE)


def test_label_studio_refuses(tmp_path):
    image(tmp_path / "a.png", SIZE)
    shape = LABELED[2]
    for wrong, found in (
        (shape | {"image_rotation": 90}, "turned image"),
        (shape | {"original_width": 9}, "width of its image is 9"),
        (shape | {"value": {"rectanglelabels": ["a", "b"]}}, "2 labels"),
        (result("keypoint", {"x": 1, "y": 1}), "KS-D018 .*keypointlabels"),
        (result("brush", {"rle": packed(SQUARE[1:], False)}), "unpacked"),
        (result("brush", {"rle": packed(SQUARE, True)[:-9]}), "unpacked"),
        (result("brush", {"rle": 5}), "unpacked"),
    ):
        write_label_studio(tmp_path, [wrong])
        with pytest.raises(DataError, match=found):
            from_folder(tmp_path)
    task = {"data": {"image": "a.png"}, "annotations": []}
    open_ = json.dumps([task, {"from_name": 0}])
    (tmp_path / "project.json").write_text(open_)
    with pytest.raises(DataError, match="KS-D013 .*task 2"):
        from_folder(tmp_path)
    twice = task | {"annotations": [{"result": [shape]}] * 2}
    write_json(tmp_path / "project.json", [twice])
    with pytest.raises(DataError, match="has 2 annotations of task 1"):
        from_folder(tmp_path)
    write_label_studio(tmp_path, [shape], "b.png")
    with pytest.raises(DataError, match="KS-D005 .*b.png"):
        from_folder(tmp_path)


REGIONS = [
    {"name": "rect", "x": 2, "y": "1", "width": 4, "height": 3},
    {"name": "polygon", "all_points_x": [2, 6, 6, 2],
     "all_points_y": [1, 1, 4, 4]},
]  # fmt: skip


def write_via(path, shapes, attributes, version=2):
    regions = [
        {"shape_attributes": s, "region_attributes": attributes} for s in shapes
    ]
    if version == 1:
        regions = {str(i): region for i, region in enumerate(regions)}
    entry = {"filename": "a.png", "size": 9, "regions": regions}
    content = {"a.png9": entry}
    if version == 3:
        content = {"_via_settings": {}, "_via_img_metadata": content}
    write_json(path / "via_region_data.json", content)


@pytest.mark.parametrize("shape", REGIONS)
@pytest.mark.parametrize("version", [1, 2, 3])
def test_via(tmp_path, shape, version):
    for split in ("train", "val"):
        image(tmp_path / f"{split}/a.png", SIZE)
        attributes = {"Class": "cat", "color": "", "size": "big"}
        write_via(tmp_path / split, [shape], attributes, version)
    assert splits(tmp_path) == ("train", "val")
    folder = from_folder(tmp_path, "val")
    assert folder.class_table.names == ("background", "cat")
    np.testing.assert_array_equal(folder[0][1], SQUARE)


def test_via_classes(tmp_path):
    image(tmp_path / "a.png", SIZE)
    write_via(tmp_path, REGIONS, {})
    assert from_folder(tmp_path).class_table.names == ("background", "object")
    write_via(tmp_path, REGIONS, {"animal": {"cat": True, "dog": False}})
    assert from_folder(tmp_path).class_table.names == ("background", "cat")
    write_via(tmp_path, REGIONS, {"a": "x", "b": "y"})
    with pytest.raises(DataError, match="attributes a, b.*call it class"):
        from_folder(tmp_path)
    write_via(tmp_path, [{"name": "polyline"}], {"class": "cat"})
    with pytest.raises(DataError, match="KS-D018 .*a polyline"):
        from_folder(tmp_path)


def test_via_csv_and_round_shapes(tmp_path):
    image(tmp_path / "a.png", SIZE)
    image(tmp_path / "b.png", SIZE)
    shapes = [
        {"name": "ellipse", "cx": 4, "cy": 3, "rx": 1, "ry": 3,
         "theta": np.pi / 2},
        {"name": "circle", "cx": 1, "cy": 1, "r": 0.8},
    ]  # fmt: skip
    header = "filename,file_size,file_attributes,region_count,region_id"
    header = (*header.split(","), "region_shape_attributes")
    with open(tmp_path / "via.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow((*header, "region_attributes"))
        for i, shape in enumerate(shapes):
            name = json.dumps({"class": "cat"})
            row = ("a.png", 9, "{}", 2, i, json.dumps(shape), name)
            rows.writerow(row)
        rows.writerow(("b.png", 9, "{}", 0, 0, "{}", "{}"))
    y, x = np.mgrid[:6, :8] + 0.5
    inside = ((x - 4) / 3) ** 2 + (y - 3) ** 2 < 1
    inside |= (x - 1) ** 2 + (y - 1) ** 2 < 0.64
    folder = from_folder(tmp_path)
    np.testing.assert_array_equal(folder[0][1], inside)
    assert not folder[1][1].any()


@pytest.mark.parametrize(
    ("header", "lines", "names"),
    [
        ("ImageId,EncodedPixels", ["a.png,14 3 20 3 26 3 32 3", "b.png,"],
         ("object",)),
        ("ImageId,ClassId,EncodedPixels",
         ["a,2,14 3 20 3 26 3 32 3", "b,10,-1"], ("2", "10")),
        ("Image_Label,EncodedPixels",
         ["a.png_Fish,14 3 20 3 26 3 32 3", "b.png_Fish,", "b.png_Gravel,"],
         ("Fish", "Gravel")),
        ("id,rle", ["a,32 3 14 3", "a,20 3 26 3", "b,"], ("object",)),
    ],
)  # fmt: skip
def test_kaggle(tmp_path, header, lines, names):
    # Pixels of columns 2..5 and rows 1..3, numbered down columns of 6 from 1:
    # 2 * 6 + 1 + 1 = 14, and so on.
    image(tmp_path / "train/a.png", SIZE)
    image(tmp_path / "train/b.png", SIZE)
    (tmp_path / "train.csv").write_text("\n".join([header, *lines]))
    (tmp_path / "sample_submission.csv").write_text(f"{header}\nc,1 1\n")
    folder = from_folder(tmp_path)
    assert folder.class_table.names == ("background", *names)
    np.testing.assert_array_equal(folder[0][1], SQUARE)
    assert not folder[1][1].any()


@pytest.mark.parametrize("text", ["3", "0 4", "48 2", "1 4 3 2", "1 x"])
def test_kaggle_refuses(tmp_path, text):
    image(tmp_path / "a.png", SIZE)
    (tmp_path / "train.csv").write_text(f"ImageId,EncodedPixels\na,{text}\n")
    with pytest.raises(DataError, match="KS-D013 .* for line 2 the run length"):
        from_folder(tmp_path)


def test_cells_longer_than_the_limit_of_csv(tmp_path):
    image(tmp_path / "a.png", (300, 300))
    pairs = " ".join(f"{2 * i + 1} 1" for i in range(45_000))
    (tmp_path / "train.csv").write_text(f"id,rle\na,{pairs}\n")
    assert from_folder(tmp_path)[0][1].sum() == 45_000


def test_class_table(tmp_path):
    image(tmp_path / "a.png", SIZE)
    write_via(tmp_path, REGIONS, {"class": "cat"})
    table = ClassTable.default(3)
    with pytest.raises(DataError, match="KS-D015"):
        from_folder(tmp_path, class_table=table)
    names = ("background", "dog", "cat")
    table = ClassTable(names, table.colors)
    folder = from_folder(tmp_path, class_table=table)
    np.testing.assert_array_equal(folder[0][1], 2 * SQUARE)


def test_an_image_that_may_be_two(tmp_path):
    for part in ("x", "y"):
        image(tmp_path / part / "a.png", SIZE)
    write_via(tmp_path, REGIONS, {"class": "cat"})
    with pytest.raises(DataError, match="KS-D012 .*x/a.png or .*y/a.png"):
        from_folder(tmp_path)


def test_an_image_of_another_split_is_not_taken(tmp_path):
    for split in ("train", "val"):
        write_via(tmp_path / split, REGIONS, {"class": "cat"})
    image(tmp_path / "val/a.png", SIZE)
    with pytest.raises(DataError, match="KS-D005 .*There is .*val/a.png"):
        from_folder(tmp_path, "train")
    image(tmp_path / "a.png", SIZE)
    data = from_folder(tmp_path, "train")
    assert data.pairs[0].image == tmp_path / "a.png"
    # What is in no split would be left out.
    write_via(tmp_path, REGIONS, {"class": "cat"})
    with pytest.raises(DataError, match="KS-D002 .*those of train, val"):
        from_folder(tmp_path, "train")


def test_an_image_of_another_data_set_is_not_taken(tmp_path):
    for part in ("a", "b"):
        write_supervisely(tmp_path / part, [])
    (tmp_path / "a/img/a.png").unlink()
    with pytest.raises(DataError, match="KS-D005 .*There is .*b/img/a.png"):
        from_folder(tmp_path, "a")


@pytest.mark.parametrize(
    ("name", "place", "other"),
    [
        ("day1/a.png", "day1", "day2"),
        ("/home/me/day1/a.png", "some/day1", "day2"),
        ("C:\\day1\\a.png", "images", "day2"),
        ("upload/a.png", "", "images/day2"),
        ("/a.png", "day1", ""),
    ],
)
def test_the_folder_that_is_named(tmp_path, name, place, other):
    square = '<box label="cat" xtl="2" ytl="1" xbr="6" ybr="4"/>'
    write_cvat(tmp_path, cvat(tmp_path, square, name=name))
    if other:
        image(tmp_path / other / "a.png", SIZE)
        with pytest.raises(DataError, match="KS-D005 .*in another folder"):
            from_folder(tmp_path)
    image(tmp_path / place / "a.png", SIZE)
    folder = from_folder(tmp_path)
    assert folder.pairs[0].image == tmp_path / place / "a.png"
    # If one image is in the folder that is named, so are all.
    if place == "images":
        image(tmp_path / "day1/b.png", SIZE)
        with pytest.raises(DataError, match="KS-D005 .*in another folder"):
            from_folder(tmp_path)


def test_folders_of_label_studio(tmp_path):
    image(tmp_path / "day2/a.png", SIZE)
    address = "/data/local-files/?d=day1/a.png"
    write_label_studio(tmp_path, [LABELED[2]], address)
    with pytest.raises(DataError, match="KS-D005 .*day1/a.png"):
        from_folder(tmp_path)


@pytest.mark.parametrize("suffix", ["json", "csv"])
def test_two_images_of_one_name_in_via(tmp_path, suffix):
    image(tmp_path / "a.png", SIZE)
    region = {"shape_attributes": REGIONS[0], "region_attributes": {"a": "b"}}
    entries = [
        {"filename": "a.png", "size": size, "regions": [region]}
        for size in (9, 10)
    ]
    if suffix == "json":
        write_json(tmp_path / "v.json", {"a9": entries[0], "a10": entries[1]})
    else:
        lines = ["filename,file_size,region_shape_attributes,region_attributes"]
        shape = json.dumps(REGIONS[0]).replace('"', '""')
        lines += [f'a.png,{size},"{shape}",{{}}' for size in (9, 9, 10)]
        (tmp_path / "v.csv").write_text("\n".join(lines))
    with pytest.raises(DataError, match="KS-D012 .*of '?9'? bytes.* '?10"):
        from_folder(tmp_path)
