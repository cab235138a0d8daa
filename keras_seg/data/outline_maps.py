"""Files of outlines for maps: GeoJSON and GeoPackage."""

import contextlib
import json
import sqlite3
import struct
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from keras_seg.data.classes import ClassTable
from keras_seg.data.errors import DataError
from keras_seg.data.geotiff import is_on_earth
from keras_seg.data.outlines import Outlined
from keras_seg.data.outlines import area_of

__all__ = ["class_name", "geojson", "gpkg"]

# Pixels between two points of a line that is carried into other coordinates.
_STEP = 64
_TABLES = """
CREATE TABLE gpkg_spatial_ref_sys (
  srs_name TEXT NOT NULL, srs_id INTEGER PRIMARY KEY,
  organization TEXT NOT NULL, organization_coordsys_id INTEGER NOT NULL,
  definition TEXT NOT NULL, description TEXT);
CREATE TABLE gpkg_contents (
  table_name TEXT NOT NULL PRIMARY KEY, data_type TEXT NOT NULL,
  identifier TEXT UNIQUE, description TEXT DEFAULT '',
  last_change DATETIME NOT NULL
    DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  min_x DOUBLE, min_y DOUBLE, max_x DOUBLE, max_y DOUBLE,
  srs_id INTEGER REFERENCES gpkg_spatial_ref_sys(srs_id));
CREATE TABLE gpkg_geometry_columns (
  table_name TEXT NOT NULL UNIQUE REFERENCES gpkg_contents(table_name),
  column_name TEXT NOT NULL, geometry_type_name TEXT NOT NULL,
  srs_id INTEGER NOT NULL REFERENCES gpkg_spatial_ref_sys(srs_id),
  z TINYINT NOT NULL, m TINYINT NOT NULL,
  PRIMARY KEY (table_name, column_name));
CREATE TABLE outlines (
  fid INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, geom POLYGON,
  class_id INTEGER NOT NULL, class TEXT NOT NULL);
PRAGMA application_id = 0x47504B47;
PRAGMA user_version = 10300;
"""


def class_name(i: int, class_table: ClassTable) -> str:
    """The name of an id; of void what readers take for it."""
    return class_table.names[i] if i < len(class_table) else "__ignore__"


def geojson(images: Sequence[Outlined], class_table: ClassTable) -> str:
    """A feature for each outline of an image, in WGS 84 or in pixels."""
    (image,) = images

    def carried(ring: NDArray) -> NDArray:
        return ring

    if image.place is not None:
        crs, transform = image.place
        if not is_on_earth(crs):
            raise DataError(
                "KS-D037",
                image.name,
                "has a transform, but no coordinate system on Earth",
                "GeoJSON is in longitude and latitude",
                fix="name its system with gdal_edit.py -a_srs, or write gpkg",
            )

        def carried(ring: NDArray) -> NDArray:
            from rasterio.warp import transform as warped

            on_map = transform * _with_steps(ring).T
            return np.stack(warped(crs, "EPSG:4326", *on_map), axis=1).round(9)

    features = [
        {
            "type": "Feature",
            "properties": {"class_id": i, "class": class_name(i, class_table)},
            "geometry": {
                "type": "Polygon",
                "coordinates": [
                    ring.tolist() for ring in _closed(map(carried, rings))
                ],
            },
        }
        for i, rings in image.outlines
    ]
    return json.dumps({"type": "FeatureCollection", "features": features})


def _with_steps(ring: NDArray) -> NDArray:
    """A ring with a point at least every `_STEP` pixels."""
    sides = np.roll(ring, -1, axis=0) - ring
    count = np.ceil(np.hypot(*sides.T) / _STEP).astype("int64")
    start = np.repeat(np.cumsum(count) - count, count)
    share = (np.arange(count.sum()) - start) / np.repeat(count, count)
    return np.repeat(ring, count, 0) + share[:, None] * np.repeat(
        sides, count, 0
    )


def _closed(rings: Iterable[NDArray]) -> Iterator[NDArray]:
    """Rings that end where they begin: the first to the left, holes right."""
    for number, ring in enumerate(rings):
        turned = (area_of(ring) > 0) == (number > 0)
        ring = ring[::-1] if turned else ring
        yield np.concatenate([ring, ring[:1]])


def gpkg(images: Sequence[Outlined], class_table: ClassTable) -> bytes:
    """A GeoPackage of an image, in the coordinates of its map or pixels."""
    (image,) = images
    from rasterio.crs import CRS

    crs, transform = image.place or (None, None)
    epsg = crs and crs.to_epsg()
    number = -1 if crs is None else (epsg or 100000)
    system: tuple = ()
    if crs is not None:
        name = epsg and f"EPSG:{epsg}"
        organization = "EPSG" if epsg else "NONE"
        wkt = crs.to_wkt()
        system = (name or "of the image", number, organization, number, wkt)
    known = [
        ("undefined Cartesian", -1, "NONE", -1, "undefined"),
        ("undefined geographic", 0, "NONE", 0, "undefined"),
        ("WGS 84", 4326, "EPSG", 4326, CRS.from_epsg(4326).to_wkt()),
    ]
    systems = known + [system] * (number not in (-1, 4326))
    rows = []
    for i, rings in image.outlines:
        on_map = (
            np.stack(transform * ring.T, axis=1) if transform else ring
            for ring in rings
        )
        closed = list(_closed(on_map))
        parts = [struct.pack("<2sBBi", b"GP", 0, 1, number)]
        parts.append(struct.pack("<BII", 1, 3, len(closed)))
        for ring in closed:
            parts.append(struct.pack("<I", len(ring)))
            parts.append(ring.astype("<f8").tobytes())
        rows.append((b"".join(parts), i, class_name(i, class_table)))
    with contextlib.closing(sqlite3.connect(":memory:")) as file:
        file.executescript(_TABLES)
        file.executemany(
            "INSERT INTO gpkg_spatial_ref_sys VALUES (?, ?, ?, ?, ?, NULL)",
            systems,
        )
        file.execute(
            "INSERT INTO gpkg_contents (table_name, data_type, identifier, "
            "srs_id) VALUES ('outlines', 'features', 'outlines', ?)",
            (number,),
        )
        file.execute(
            "INSERT INTO gpkg_geometry_columns VALUES "
            "('outlines', 'geom', 'POLYGON', ?, 0, 0)",
            (number,),
        )
        file.executemany(
            "INSERT INTO outlines (geom, class_id, class) VALUES (?, ?, ?)",
            rows,
        )
        file.commit()
        return file.serialize()
