"""`predict --polygons`, read back by the readers of the formats."""

import json
import os
import shutil

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio import features
from rasterio.warp import transform_geom

from keras_seg import data as package
from keras_seg.cli.predict_extras import Polygons
from keras_seg.data import read_image
from keras_seg.inference import Prediction
from tests.data.test_geotiff import write as write_geotiff

pytestmark = pytest.mark.once


def test_coco_of_all_images(images, predict_to, invoke, run, tmp_path):
    """Also of those predicted before; and not over corrections by hand."""
    out, folder = tmp_path / "out", tmp_path / "images"
    shutil.copytree(images[0].parent, folder)
    predict_to(out, folder / images[0].name, "--polygons", "coco")
    predict_to(out, folder, "--polygons", "coco")
    table = package.ClassTable.read(run / "classes.csv")
    found = package.from_coco(
        out / "coco.json", images=folder, class_table=table, background=None
    )
    assert [pair.image.name for pair in found.pairs] == [
        path.name for path in images
    ]
    for pair, (_, mask) in zip(found.pairs, found, strict=True):
        with Image.open(out / pair.image.name) as file:
            np.testing.assert_array_equal(mask, np.asarray(file))
    (out / "coco.json").write_text("{}")
    result = invoke("predict", run, folder, "--polygons=coco", "--out", out)
    assert result.exit_code == 1
    assert f"{out / 'coco.json'}: there already" in result.stderr


@pytest.mark.parametrize("kind", ["labelme", "yolo"])
def test_a_file_for_each_image(kind, images, data, tmp_path):
    """Written as by predict, and copied to where the format has them."""
    out, folder = tmp_path / "out", tmp_path / "data"
    inside = folder / "images" if kind == "yolo" else folder
    inside.mkdir(parents=True)
    pairs = package.from_folder(data, "val")
    for image, (_, mask) in zip(images, pairs, strict=True):
        shutil.copy(image, inside)
        (file,) = Polygons(kind).files(image.stem, image)
        (out / file).parent.mkdir(parents=True, exist_ok=True)
        found = Prediction(image, None, mask)
        Polygons(kind).write([out / file], found, pairs.class_table)
        if kind == "labelme":
            path = out / json.loads((out / file).read_text())["imagePath"]
            assert path.resolve() == image.resolve()
    shutil.copytree(out, folder, dirs_exist_ok=True)
    if kind == "yolo":
        path = folder / Polygons(kind).whole
        Polygons(kind).write_whole(path, [], pairs.class_table)
    read = package.from_yolo if kind == "yolo" else package.from_labelme
    found = read(folder, class_table=pairs.class_table, background=None)
    for one, expected in zip(found, pairs, strict=True):
        np.testing.assert_array_equal(one[1], expected[1])


def test_the_image_of_another_drive_has_its_whole_path(
    images, tmp_path, monkeypatch
):
    """As on Windows, where no relative path leads there."""

    def refuse(*_):
        raise ValueError("path is on mount 'D:'")

    monkeypatch.setattr(os.path, "relpath", refuse)
    found = Prediction(images[0], None, np.eye(48, dtype="uint8"))
    for kind in ("labelme", "geojson"):
        out = tmp_path / f"{kind}.json"
        Polygons(kind).write([out], found, package.ClassTable.default(2))
        content = json.loads(out.read_text())
        assert content.get("imagePath", str(images[0])) == str(images[0])


def test_tiles_of_a_map_are_joined_without_seams(images, predict_to, tmp_path):
    pixels = np.tile(read_image(images[0]), (2, 2, 1))
    path = tmp_path / "field.tif"
    write_geotiff(path, np.moveaxis(pixels, -1, 0), nodata=pixels[0, 0, 0])
    out = tmp_path / "out"
    predict_to(out, path, "--tile", 64, "--polygons", "geojson")
    content = json.loads((out / "field.geojson").read_text())
    with rasterio.open(out / "field.tif") as file:
        mask = file.read(1)
        shapes = [
            (
                transform_geom("EPSG:4326", file.crs, one["geometry"]),
                one["properties"]["class_id"],
            )
            for one in content["features"]
        ]
        found = features.rasterize(
            shapes, mask.shape, 255, transform=file.transform, dtype="uint8"
        )
    assert (mask == 255).any()
    np.testing.assert_array_equal(found, mask)
    # Regions are not cut where tiles end.
    regions = features.shapes(mask, mask != 255, connectivity=4)
    assert len(shapes) == len(list(regions))


def test_a_tolerance_in_meters_needs_a_map(images, tmp_path):
    table = package.ClassTable.default(2)
    pixels = read_image(images[0])
    path = write_geotiff(tmp_path / "a.tif", np.moveaxis(pixels, -1, 0))
    y, x = np.mgrid[: len(pixels), : len(pixels)]
    mask = (np.hypot(x - 20, y - 20) < 15).astype("uint8")
    texts = {}
    for tolerance in ("0.48", "0.24m", "1m"):  # pixels of half a meter
        written = Polygons.of("geojson", tolerance)
        out = tmp_path / f"{tolerance}.geojson"
        written.write([out], Prediction(path, None, mask), table)
        texts[tolerance] = out.read_bytes()
    assert texts["0.24m"] == texts["0.48"] != texts["1m"]
    with pytest.raises(package.DataError, match="has no place on a map"):
        written.write([out], Prediction(images[0], None, mask), table)


def test_options(run, images, invoke, tmp_path):
    for options, said in (
        (("--polygons", "shp"), "geojson, coco"),
        (("--polygons", "yolo", "--tolerance", "x"), "Received: x"),
        (("--polygons", "yolo", "--pseudo", "0.5"), "--polygons"),
    ):
        result = invoke("predict", run, images[0], "--out", tmp_path, *options)
        assert result.exit_code != 0 and said in result.stderr
