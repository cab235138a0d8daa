import json
import sqlite3
import struct
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from PIL import Image
from pycocotools.coco import COCO
from rasterio import features
from rasterio.crs import CRS
from rasterio.transform import from_origin
from rasterio.warp import transform_geom

from keras_seg import data
from keras_seg.data.outline_files import background_ids
from keras_seg.data.outline_files import yolo_names
from keras_seg.data.readers.polygons import fill
from keras_seg.data.readers.polygons import paint
from tests.data.test_outlines import masks

pytestmark = pytest.mark.once

TABLE = data.ClassTable(
    ("background", "lake", "wood", "Straße"),
    ((0, 0, 0), (0, 0, 255), (0, 128, 0), (90, 90, 90)),
)
PLACE = CRS.from_epsg(32633), from_origin(4e5, 5.4e6, 0.5, 0.5)


def write(path, kind, mask, name="a.png", place=None):
    found = data.outlines(mask, leave_out=background_ids(TABLE))
    image = data.Outlined(name, mask.shape, found, place)
    data.write_outlines(path, kind, [image], TABLE)


def folder(tmp_path, kind, mask):
    """Files as a tool exports them, and the reader of their format."""
    images = tmp_path if kind == "labelme" else tmp_path / "images"
    labels = tmp_path / "labels"
    for place in (images, labels):
        place.mkdir(exist_ok=True)
    Image.new("RGB", mask.shape[::-1]).save(images / "a.png")
    if kind == "coco":
        write(tmp_path / "coco.json", kind, mask)
        return data.from_coco(tmp_path, class_table=TABLE)
    if kind == "labelme":
        write(tmp_path / "a.json", kind, mask)
        return data.from_labelme(tmp_path, class_table=TABLE)
    write(labels / "a.txt", kind, mask)
    names = "\n".join(yolo_names(TABLE))
    (tmp_path / "classes.txt").write_text(names, encoding="utf-8")
    return data.from_yolo(tmp_path, class_table=TABLE)


@pytest.mark.parametrize("kind", ["coco", "labelme", "yolo"])
@given(mask=masks())
def test_our_readers_get_the_mask_back(kind, mask, tmp_path_factory):
    found = folder(tmp_path_factory.mktemp(kind), kind, mask)
    np.testing.assert_array_equal(found[0][1], mask)


@given(mask=masks())
def test_cvat(mask, tmp_path_factory):
    path = tmp_path_factory.mktemp("cvat") / "annotations.xml"
    write(path, "cvat", mask)
    root = ET.parse(path).getroot()
    labels = [x.text for x in root.findall("meta/task/labels/label/name")]
    assert tuple(labels) == TABLE.names
    (image,) = root.findall("image")
    assert (image.get("name"), image.get("width")) == (
        "a.png",
        str(mask.shape[1]),
    )
    regions = []
    for polygon in image.findall("polygon"):
        points = polygon.get("points").split(";")
        xy = np.array([point.split(",") for point in points], "float64")
        found = labels.index(polygon.get("label"))
        regions.append((fill([xy], mask.shape), found))
    np.testing.assert_array_equal(paint(regions, mask.shape, 0), mask)


def rasterized(shapes, mask, transform):
    return features.rasterize(
        shapes, mask.shape, transform=transform, dtype="uint8"
    )


@given(mask=masks())
def test_geojson_in_longitude_and_latitude(mask, tmp_path_factory):
    path = tmp_path_factory.mktemp("map") / "a.geojson"
    write(path, "geojson", mask, place=PLACE)
    shapes = []
    for feature in json.loads(path.read_text())["features"]:
        kept = feature["properties"]
        assert kept["class"] == TABLE.names[kept["class_id"]]
        shape = feature["geometry"]
        lon, lat = np.array(shape["coordinates"][0][0])
        assert 13 < lon < 14 and 48 < lat < 49  # UTM 33N, its western half
        shape = transform_geom("EPSG:4326", PLACE[0], shape)
        shapes.append((shape, kept["class_id"]))
    if shapes:
        found = rasterized(shapes, mask, PLACE[1])
        np.testing.assert_array_equal(found, mask)


def test_long_lines_are_bent_as_their_map_is(tmp_path):
    # 60 km of a parallel in UTM, 280 m off the straight line in degrees.
    place = PLACE[0], from_origin(6e5, 7e6, 60, 60)
    mask = np.ones((10, 1000), "uint8")
    write(tmp_path / "a.geojson", "geojson", mask, place=place)
    (feature,) = json.loads((tmp_path / "a.geojson").read_text())["features"]
    ring = np.array(feature["geometry"]["coordinates"][0])
    middle = (ring[1:] + ring[:-1]) / 2
    shape = {"type": "LineString", "coordinates": middle.tolist()}
    on_map = transform_geom("EPSG:4326", place[0], shape)["coordinates"]
    column, row = ~place[1] * np.array(on_map).T
    sides = np.abs([column, column - 1000, row, row - 10])
    assert sides.min(axis=0).max() < 0.02


def test_geojson_of_a_picture_is_in_pixels(tmp_path):
    mask = np.zeros((4, 6), "uint8")
    mask[1:3, 2:5] = 1
    write(tmp_path / "a.geojson", "geojson", mask)
    (feature,) = json.loads((tmp_path / "a.geojson").read_text())["features"]
    (ring,) = feature["geometry"]["coordinates"]
    assert ring[0] == ring[-1]
    corners = {(2, 1), (5, 1), (5, 3), (2, 3)}
    assert set(map(tuple, ring)) == corners
    with pytest.raises(data.DataError, match="no coordinate system"):
        write(tmp_path / "b", "geojson", mask, place=(None, PLACE[1]))


@given(mask=masks())
def test_geopackage_in_the_coordinates_of_the_map(mask, tmp_path_factory):
    path = tmp_path_factory.mktemp("map") / "a.gpkg"
    write(path, "gpkg", mask, place=PLACE)
    file = sqlite3.connect(path)
    ((system,),) = file.execute("SELECT srs_id FROM gpkg_geometry_columns")
    assert system == 32633
    shapes = []
    for _, blob, i, name in file.execute("SELECT * FROM outlines"):
        assert name == TABLE.names[i]
        shapes.append((polygon_of(blob), i))
    if shapes:
        found = rasterized(shapes, mask, PLACE[1])
        np.testing.assert_array_equal(found, mask)


def polygon_of(blob):
    """GeoPackage's header, then well-known binary."""
    assert struct.unpack_from("<2sBBiBII", blob)[:6] == (
        *(b"GP", 0, 1, 32633),
        *(1, 3),
    )
    ((rings,), at, found) = struct.unpack_from("<I", blob, 13), 17, []
    for _ in range(rings):
        (count,) = struct.unpack_from("<I", blob, at)
        ring = np.frombuffer(blob, "<f8", 2 * count, at + 4).reshape(-1, 2)
        found.append(ring.tolist())
        at += 4 + 16 * count
    assert at == len(blob)
    return {"type": "Polygon", "coordinates": found}


def test_cocos_own_reader_gets_the_mask_back(tmp_path):
    # pycocotools rounds outlines to fifths of a pixel.
    y, x = np.mgrid[:200, :300]
    near = np.hypot(x - 150, y - 100)
    mask = (((near < 90) & (near > 30)) | (near < 12)).astype("uint8")
    write(tmp_path / "a.json", "coco", mask)
    coco = COCO(tmp_path / "a.json")
    found = sum(coco.annToMask(one) for one in coco.loadAnns(coco.getAnnIds()))
    assert ((found > 0) & (mask > 0)).sum() / ((found | mask) > 0).sum() > 0.995


def test_void_is_said_where_it_can_be(tmp_path):
    mask = np.full((4, 4), 255, "uint8")
    mask[1:3] = 2
    for kind in ("coco", "labelme"):
        (tmp_path / kind).mkdir()
        found = folder(tmp_path / kind, kind, mask)
        np.testing.assert_array_equal(found[0][1], mask)
    write(tmp_path / "a.txt", "yolo", mask)
    assert len((tmp_path / "a.txt").read_text().splitlines()) == 1


def test_arguments(tmp_path):
    with pytest.raises(ValueError, match="'shp'"):
        write(tmp_path / "a", "shp", np.zeros((2, 2), "uint8"))
    with pytest.raises(ValueError, match="Received: 0 images"):
        data.write_outlines(tmp_path / "a", "yolo", [], TABLE)
