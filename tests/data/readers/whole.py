"""Small data sets in each layout, whole, for tests that damage them."""

import base64
import io
import zlib

import numpy as np
import tifffile
from PIL import Image

from keras_seg.data import ClassTable
from keras_seg.runs import RunFolder
from keras_seg.runs import Settings
from tests.data.readers.files import image
from tests.data.readers.files import write_json

__all__ = ["LAYOUTS"]

IDS = (np.arange(80).reshape(8, 10) // 27).astype("uint8")
COLORS = np.array([(0, 0, 0), (10, 20, 30), (250, 0, 7)], "uint8")
RING = [1, 1, 5, 1, 5, 6]
# label_studio_sdk 2.1.2: brush.encode_rle([255] * 8 * 10 * 4)
STROKES = [0, 0, 1, 64, 57, 27, 255, 1, 63, 255, 0]
CSV = "id,name,r,g,b,role\n0,sky,0,0,0,\n1,car,10,20,30,\n2,cat,250,0,7,\n"


def pairs(path):
    image(path / "images/a.jpg")
    image(path / "images/b.webp")
    (path / "labels").mkdir()
    mask = Image.fromarray(IDS)
    mask.save(path / "labels/a.png")
    mask.putpalette(COLORS.ravel().tolist())
    mask.save(path / "labels/b.png")
    (path / "classes.csv").write_text(CSV)


def colors(path):
    """Masks of colors, classes by YAML, a split by a list."""
    for stem in "ab":
        image(path / f"images/{stem}.tif", compression="tiff_lzw")
    (path / "masks").mkdir()
    for stem, kind in (("a", "png"), ("b", "bmp")):
        Image.fromarray(COLORS[IDS]).save(path / f"masks/{stem}.{kind}")
    rows = [
        f"- {{id: {i}, name: class{i}, color: {color}}}\n"
        for i, color in enumerate(COLORS.tolist())
    ]
    (path / "classes.yaml").write_text("".join(rows))
    (path / "train.txt").write_text("a\nb\n")


def arrays(path):
    (path / "images").mkdir()
    (path / "labels").mkdir()
    np.save(path / "images/a.npy", np.full((8, 10, 3), 7, "uint8"))
    np.save(path / "labels/a.npy", IDS.astype("int32"))
    image(path / "images/b.tif")
    Image.fromarray(IDS.astype("uint16")).save(path / "labels/b.tif")


def voc(path):
    image(path / "JPEGImages/a.jpg")
    (path / "SegmentationClass").mkdir()
    mask = Image.fromarray(IDS)
    mask.putpalette(COLORS.ravel().tolist())
    mask.save(path / "SegmentationClass/a.png")
    lists = path / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("a\n")


def cvat(path):
    voc(path)
    (path / "labelmap.txt").write_text(
        "# label:color_rgb:parts:actions\nbackground:0,0,0::\n"
        "car:10,20,30::\ncat:250,0,7::\n"
    )


def coco(path):
    image(path / "a.png")
    common = {"image_id": 1, "category_id": 4}
    runs = {"size": [8, 10], "counts": [3, 70, 7]}
    packed = {"size": [8, 10], "counts": "3V27"}
    shapes = [[RING], runs, packed]
    write_json(
        path / "all.json",
        {
            "images": [
                {"id": 1, "file_name": "a.png", "width": 10, "height": 8}
            ],
            "categories": [{"id": 4, "name": "cat"}],
            "annotations": [
                {"id": i, "segmentation": shape, "iscrowd": i % 2, **common}
                for i, shape in enumerate(shapes)
            ],
        },
    )


def labelme(path):
    image(path / "a.png")
    png = io.BytesIO()
    Image.fromarray(np.eye(3, dtype="uint8") * 255).save(png, "PNG")
    text = base64.b64encode(png.getvalue()).decode()
    square = [[1, 1], [4, 4]]
    shapes = [
        {"label": "cat", "points": [[1, 1], [5, 5]], "shape_type": "circle"},
        {"label": "dog", "points": square, "shape_type": "mask", "mask": text},
        {"label": "dog", "points": square, "shape_type": "rectangle"},
        {"label": "cat", "points": [[1, 1], [5, 1], [5, 6]]},
    ]
    write_json(
        path / "a.json",
        {"shapes": shapes, "imageHeight": 8, "imageWidth": 10},
    )


def yolo(path):
    image(path / "images/train/a.png")
    (path / "labels/train").mkdir(parents=True)
    (path / "labels/train/a.txt").write_text(
        "0 .1 .1 .5 .1 .5 .8\n1 0 0 1 0 1 1 0 1\n"
    )
    (path / "data.yaml").write_text(
        "train: images/train\nnames: {0: cat, 1: dog}\n"
    )


def nnunet(path):
    image(path / "imagesTr/a_0000.png")
    (path / "labelsTr").mkdir()
    Image.fromarray(IDS).save(path / "labelsTr/a.png")
    labels = {"background": 0, "cat": 1, "ignore": 2}
    write_json(path / "dataset.json", {"labels": labels})


def roboflow(path):
    image(path / "train/a.jpg")
    Image.fromarray(IDS).save(path / "train/a_mask.png")
    (path / "train/_classes.csv").write_text(
        "Pixel Value, Class\n0, sky\n1, cat\n2, dog\n"
    )


def cvat_images(path):
    image(path / "images/a.png")
    (path / "annotations.xml").write_text(
        "<annotations><meta><labels><label><name>cat</name>"
        "<color>#0a64ff</color></label></labels></meta>"
        '<image id="0" name="a.png" width="10" height="8">'
        '<polygon label="cat" points="1,1;5,1;5.5,6" z_order="1"/>'
        '<box label="cat" xtl="1" ytl="1" xbr="6" ybr="4" rotation="9"/>'
        '<ellipse label="cat" cx="4" cy="3" rx="2" ry="1"/>'
        '<mask label="dog" rle="1, 2, 1" left="1" top="2" width="2" '
        'height="2"/></image></annotations>'
    )


def via(path):
    image(path / "a.png")
    shapes = [
        {
            "name": "polygon",
            "all_points_x": RING[::2],
            "all_points_y": RING[1::2],
        },
        {"name": "ellipse", "cx": 4, "cy": 3, "rx": 2, "ry": 1, "theta": 0.5},
        {"name": "rect", "x": 1, "y": 1, "width": 3, "height": 2},
    ]
    regions = [
        {"shape_attributes": shape, "region_attributes": {"class": "cat"}}
        for shape in shapes
    ]
    entry = {"filename": "a.png", "regions": regions}
    write_json(path / "via.json", {"a.png1": entry})


def supervisely(path):
    image(path / "ds/img/a.png")
    png = io.BytesIO()
    Image.fromarray(np.eye(3, dtype="uint8") * 255).save(png, "PNG")
    data = base64.b64encode(zlib.compress(png.getvalue())).decode()
    corners = [[1, 1], [5, 1], [5, 6]]
    objects = [
        {"geometryType": "bitmap", "bitmap": {"data": data, "origin": [2, 3]}},
        {"geometryType": "polygon", "points": {
            "exterior": corners, "interior": [corners]}},
        {"geometryType": "rectangle", "points": {"exterior": corners[:2]}},
    ]  # fmt: skip
    write_json(
        path / "ds/ann/a.png.json",
        {
            "size": {"height": 8, "width": 10},
            "objects": [{"classTitle": "cat"} | entry for entry in objects],
        },
    )
    classes = [{"title": "cat", "color": "#0a64ff"}]
    write_json(path / "meta.json", {"classes": classes})


def label_studio(path):
    image(path / "a.png")
    values = [
        {"format": "rle", "rle": STROKES},
        {"points": [[1, 1], [50, 1], [50, 60]]},
        {"x": 10, "y": 5, "width": 20, "height": 30, "rotation": 9},
        {"x": 10, "y": 5, "radiusX": 20, "radiusY": 30},
    ]
    results = [
        {"id": str(i), "type": "labels", "from_name": "x",
         "original_height": 8, "original_width": 10,
         "value": value | {"labels": ["cat"]}}
        for i, value in enumerate(values)
    ]  # fmt: skip
    task = {"data": {"image": "a.png"}, "annotations": [{"result": results}]}
    write_json(path / "project.json", [task])


def kaggle(path):
    image(path / "train/a.png")
    (path / "train.csv").write_text("ImageId,EncodedPixels\na.png,3 4 9 2\n")


def stack(path):
    for name, pages in (("x", [IDS, IDS + 9]), ("y", [IDS, 2 - IDS])):
        first, *rest = [Image.fromarray(page) for page in pages]
        first.save(
            path / f"{name}.tif",
            save_all=True,
            append_images=rest,
            compression="tiff_adobe_deflate",
        )


def label_stacks(path):
    """Masks of several labels, each in another kind of file."""
    planes = np.stack([IDS == k for k in range(3)], -1).astype("uint8")
    planes[0] = 255
    (path / "labels").mkdir()
    for stem in "abcd":
        image(path / f"images/{stem}.png")
    np.savez_compressed(path / "labels/a.npz", planes)
    np.save(path / "labels/b.npy", planes)
    first, *rest = [Image.fromarray(planes[..., k]) for k in range(3)]
    first.save(path / "labels/c.tif", save_all=True, append_images=rest)
    tifffile.imwrite(
        path / "labels/d.tif", planes, photometric="minisblack",
        planarconfig="contig", compression="zlib",
    )  # fmt: skip


def label_folders(path):
    """A file for each class of masks of several labels."""
    image(path / "images/a.png")
    for k, name in enumerate(("cat", "dog")):
        (path / "labels" / name).mkdir(parents=True)
        plane = Image.fromarray((IDS == k).astype("uint8"))
        plane.save(path / "labels" / name / "a.png")


def run_folder(path):
    table = ClassTable(("sky", "road"), ((1, 2, 3), (4, 5, 6)))
    data = {"path": "somewhere", "train": 3}
    run = RunFolder.create(path, Settings(seed=5), table, data)
    rows = [
        {"id": i, "name": n, "iou": 0.5, "accuracy": 0.25, "pixels": 9}
        for i, n in enumerate(table.names)
    ]
    run.write_table("per_class_iou.csv", rows)


LAYOUTS = {
    write.__name__: write
    for write in (
        pairs,
        colors,
        arrays,
        voc,
        cvat,
        coco,
        labelme,
        yolo,
        nnunet,
        roboflow,
        cvat_images,
        via,
        supervisely,
        label_studio,
        kaggle,
        stack,
        label_stacks,
        label_folders,
        run_folder,
    )
}
