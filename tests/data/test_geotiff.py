"""GeoTIFFs, against rasterio's own reading."""

import warnings

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from rasterio.errors import NotGeoreferencedWarning
from rasterio.transform import from_origin

from keras_seg.data import DataError
from keras_seg.data import check
from keras_seg.data import read_image
from keras_seg.data.checks import maps
from keras_seg.data.geotiff import GeoImage
from keras_seg.data.geotiff import GeoMask
from keras_seg.data.geotiff import is_geotiff
from keras_seg.data.geotiff import pixel_area
from keras_seg.data.geotiff import write_bands

pytestmark = pytest.mark.once

PLACE = {"crs": "EPSG:32633", "transform": from_origin(4e5, 5.4e6, 0.5, 0.5)}
# Its origin is the middle of the image of 40 x 48 pixels at `PLACE`.
CENTERED = (
    "+proj=tmerc +lat_0=48.744877795 +lon_0=13.639859654 +k=0.9996 +datum=WGS84"
)
COLORS = ((0, 0, 0), (255, 0, 0), (0, 255, 0))


def write(path, pixels, **options):
    """A GeoTIFF of bands first."""
    bands, height, width = pixels.shape
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=height,
        width=width,
        count=bands,
        dtype=pixels.dtype,
        **{**PLACE, **options},
    ) as file:
        file.write(pixels)
    return path


@pytest.fixture(scope="module")
def pixels():
    # The fourth band is alpha; where that is 0 there is no image.
    return np.random.default_rng(0).integers(1, 256, (4, 40, 50), "uint8")


@pytest.fixture(scope="module")
def path(pixels, tmp_path_factory):
    return write(tmp_path_factory.mktemp("geo") / "field.tif", pixels)


def test_which_files_are(path, pixels, tmp_path):
    assert is_geotiff(path)
    plain = tmp_path / "a.tif"
    Image.fromarray(pixels[0]).save(plain)
    (tmp_path / "b.tif").write_bytes(b"II*\0")
    assert not any(map(is_geotiff, [plain, tmp_path / "b.tif", "c.png"]))


@given(st.data())
def test_windows(path, pixels, data):
    (top, bottom), (left, right) = (
        sorted(data.draw(st.tuples(*[st.integers(0, size)] * 2)))
        for size in (40, 50)
    )
    if top == bottom or left == right:
        return
    with GeoImage(path) as image:
        assert image.shape == (40, 50, 3)
        found = image[top:bottom, left:right]
    expected = np.moveaxis(pixels[:3, top:bottom, left:right], 0, -1)
    np.testing.assert_array_equal(found, expected)


def test_16_bits(tmp_path):
    """As `read_image`: divided by 257."""
    values = np.array([[[0, 257, 65535]]], "uint16")
    with GeoImage(write(tmp_path / "a.tif", values), 1) as image:
        found = image[:, :]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[0, :, 0], [0, 1, 255])


@given(
    st.integers(1, 6),
    st.booleans(),
    st.sampled_from(["uint8", "uint16", "int16", "float32"]),
    st.sampled_from([None, 12]),
    st.sampled_from([1, 3, 4, None]),
)
def test_windows_are_what_whole_images_are(
    tmp_path_factory, bands, alpha, dtype, bit_depth, channels
):
    """One rule for bands and values: both read the same, or both refuse."""
    path = tmp_path_factory.mktemp("geo") / "a.tif"
    rng = np.random.default_rng(bands)
    most = 4095 if dtype == "uint16" else 255
    pixels = rng.integers(2, most, (bands, 5, 7)).astype(dtype)
    rgb = {"photometric": "RGB"} if bands > 2 else {}
    options = {"alpha": "unspecified"} if alpha and bands in (2, 4) else {}
    write(path, pixels, **rgb, **options)
    try:
        whole = read_image(path, channels, bit_depth=bit_depth)
    except DataError:
        with pytest.raises(DataError):
            GeoImage(path, channels or bands, bit_depth)
        return
    if dtype == "float32":
        return  # Whole images may be floats of 0..255.
    with GeoImage(path, channels or bands, bit_depth) as image:
        found = image[:, :]
    assert found.dtype == whole.dtype
    np.testing.assert_array_equal(found, whole)


def control_points(east=0):
    from rasterio.control import GroundControlPoint

    west = 4e5 + east
    return [
        GroundControlPoint(row, col, west + 2 * col + row, 5.4e6 - 3 * row)
        for row, col in ((0, 0), (0, 7), (5, 0), (5, 7))
    ]


def coefficients():
    from rasterio.rpc import RPC

    ramp = [float(i) for i in range(20)]
    names = ("err_bias", "err_rand", "height_off", "height_scale", "lat_off")
    names += ("lat_scale", "line_off", "line_scale", "long_off", "long_scale")
    names += ("samp_off", "samp_scale")
    terms = ("line_den", "line_num", "samp_den", "samp_num")
    return RPC(
        **{f"{name}_coeff": ramp for name in terms},
        **{name: 1.5 + i for i, name in enumerate(names)},
    )


@pytest.mark.parametrize(
    "place",
    [
        {"transform": from_origin(7, 9, 2, 3)},
        {"crs": "EPSG:32633"},
        {"gcps": control_points(), "crs": "EPSG:32633"},
        {"rpcs": coefficients()},
    ],
    ids=["without a system", "system alone", "control points", "RPCs"],
)
def test_every_kind_of_place_is_kept(tmp_path, place):
    pixels = np.ones((3, 5, 7), "uint8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        path = write(tmp_path / "a.tif", pixels, transform=None, crs=None)
        assert not is_geotiff(path)
        place = {"crs": None, "transform": None, **place}
        write(path, pixels, **place)
        assert is_geotiff(path)
        out = tmp_path / "mask.tif"
        with GeoImage(path) as image, GeoMask(out, image, COLORS) as mask:
            mask[:, :] = np.ones((5, 7), "uint8")
        with rasterio.open(path) as one, rasterio.open(out) as other:
            for name in ("crs", "transform", "rpcs"):
                assert getattr(one, name) == getattr(other, name)
            points = [file.gcps for file in (one, other)]
    assert points[0][1] == points[1][1]
    assert [[(p.row, p.col, p.x, p.y) for p in gcps] for gcps, _ in points] == [
        [(p.row, p.col, p.x, p.y) for p in place.get("gcps", [])]
    ] * 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"transform": from_origin(4e5 + 20, 5.4e6, 0.5, 0.5)},
            "lies 40 pixels right of its image; a mask lies where its image "
            "lies. It may be the mask of another tile.",
        ),
        (
            {"transform": from_origin(4e5, 5.4e6 - 0.25, 0.5, 0.5)},
            "lies 0.5 pixels below its image; a mask lies where its image "
            "lies. A pixel's center was taken for its corner, or the reverse.",
        ),
        (  # The same bounds, from the lower left corner on.
            {"transform": from_origin(4e5, 5.4e6 - 24, 0.5, -0.5)},
            "is south-up, its image north-up, and its first pixel lies 48 "
            "pixels below its image",
        ),
        (
            {"transform": from_origin(4e5, 5.4e6, 1, 0.5)},
            "has pixels of another size or direction than its image, and a "
            "corner lies 40 pixels right of its image",
        ),
        # Grid north is 1.3601° sin 48.7449° off: 40 sin 1.0226° = 0.7139.
        (
            {"crs": CENTERED, "transform": from_origin(10, 12, 0.5, 0.5)},
            "and its center lies 40 pixels right of and 0.7139 pixels below",
        ),
        ({}, None),
    ],
)
def test_a_mask_elsewhere(tmp_path, change, said):
    rng = np.random.default_rng(0)
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    for i in range(3):
        pixels = rng.integers(0, 256, (3, 48, 40), "uint8")
        write(tmp_path / f"images/{i}.tif", pixels)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            write(tmp_path / f"labels/{i}.tif", pixels[:1] % 2, **change)
    found = [f for f in check(tmp_path).findings if f.code == "KS-D037"]
    assert [f.count for f in found] == ([3] if said else [])
    assert not said or said in str(found[0])


def test_one_without_a_place(tmp_path):
    """It is said, and no fault: masks may be PNG, or without a place."""
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (3, 8, 9), "uint8")
    for i in range(2):
        write(tmp_path / f"images/{i}.tif", pixels[::-1] // (i + 1))
    mask = tmp_path / "labels/0.png"
    Image.fromarray(pixels[0] % 2).save(mask)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        none = {"crs": None, "transform": None}
        write(tmp_path / "labels/1.tif", pixels[1:2] % 2, **none)
    report = check(tmp_path)
    (found,) = [f for f in report.findings if f.code == "KS-D042"]
    assert report.ok and found.severity == "note" and found.count == 2
    assert found.file == str(mask)
    assert "0.png has no place on a map, and " in str(found)


def test_rasters_without_rasterio(tmp_path, monkeypatch):
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (3, 8, 9), "uint8")
    write(tmp_path / "images/0.tif", pixels)
    Image.fromarray(pixels[0] % 2).save(tmp_path / "labels/0.png")
    monkeypatch.setattr(maps, "is_installed", lambda name: False)
    (found,) = [f for f in check(tmp_path).findings if f.code == "KS-D016"]
    assert found.severity == "note"
    assert "rasterio is not installed" in found.found


@pytest.mark.parametrize("east", [0, 50])
def test_control_points_elsewhere(tmp_path, east):
    rng = np.random.default_rng(0)
    place = {"transform": None, "gcps": control_points()}
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    for i in range(3):
        pixels = rng.integers(0, 256, (3, 48, 40), "uint8")
        write(tmp_path / f"images/{i}.tif", pixels, **place)
        place["gcps"] = control_points(east)
        write(tmp_path / f"labels/{i}.tif", pixels[:1] % 2, **place)
        place["gcps"] = control_points()
    found = [f.found for f in check(tmp_path).findings if f.code == "KS-D037"]
    # A column is 2 m to the east.
    assert found == (["lies 25 pixels right of its image"] if east else [])


def test_mask(path, tmp_path):
    ids = np.random.default_rng(1).integers(0, 3, (40, 50), "uint8")
    out = tmp_path / "mask.tif"
    with GeoImage(path) as image, GeoMask(out, image, COLORS) as mask:
        for rows in (slice(0, 17), slice(17, 40)):
            mask[rows, 0:50] = ids[rows]
        assert not out.exists()
    with rasterio.open(out) as file:
        np.testing.assert_array_equal(file.read(1), ids)
        assert file.crs == PLACE["crs"]
        assert file.transform == PLACE["transform"]
        assert file.colormap(1)[1][:3] == COLORS[1]
        assert file.nodata == 255
    assert GeoMask.preview(out, 20).shape == (16, 20)


def test_void_where_there_is_no_image(tmp_path):
    pixels = np.full((1, 3, 4), 7, "uint8")
    pixels[0, 1, 2] = 0
    path = write(tmp_path / "a.tif", pixels, nodata=0)
    out = tmp_path / "mask.tif"
    with GeoImage(path, 1) as image, GeoMask(out, image, COLORS) as mask:
        mask[:, :] = np.ones((3, 4), "uint8")
    with rasterio.open(out) as file:
        found = file.read(1)
    assert found[1, 2] == 255 and (found == 1).sum() == 11


def test_no_half_of_a_mask(path, tmp_path):
    out = tmp_path / "mask.tif"
    with GeoImage(path) as image, pytest.raises(KeyError):
        with GeoMask(out, image, COLORS) as mask:
            mask[0:5, 0:5] = np.zeros((5, 5), "uint8")
            raise KeyError
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("said", [None, "64"])
def test_the_cache_is_small(path, monkeypatch, said):
    """It would grow with the machine, not with the image."""
    monkeypatch.delenv("GDAL_CACHEMAX", raising=False)
    if said is not None:
        monkeypatch.setenv("GDAL_CACHEMAX", said)
    with GeoImage(path):
        options = rasterio.env.getenv()
    assert options.get("GDAL_CACHEMAX") == (None if said else 256 * 2**20)


def test_refused(path, tmp_path):
    for name, pixels, said in (
        ("a.tif", np.zeros((2, 2, 2), "uint8"), "has 2 bands of uint8"),
        ("c.tif", np.zeros((8, 2, 2), "uint8"), "has 8 bands of uint8"),
        ("b.tif", np.zeros((3, 2, 2), "float32"), "has 3 bands of float32"),
    ):
        with pytest.raises(DataError, match=said):
            GeoImage(write(tmp_path / name, pixels))
    with pytest.raises(DataError, match="can't be opened"):
        GeoImage(tmp_path / "missing.tif")
    whole = path.read_bytes()
    (tmp_path / "half.tif").write_bytes(whole[: len(whole) - 2000])
    with GeoImage(tmp_path / "half.tif") as image:
        with pytest.raises(DataError, match="incomplete or damaged"):
            image[:, :]


@pytest.mark.parametrize(
    "crs, transform, area",
    [
        # Half a meter on the map, k = 0.9996 smaller than on the ellipsoid.
        ("EPSG:32633", from_origin(5e5, 5.4e6, 0.5, 0.5), 0.25 / 0.9996**2),
        # A degree at the equator: a 360th of its length times a meridian's.
        ("EPSG:4326", from_origin(0, 0.005, 0.01, 0.01), 1113.195 * 1105.743),
        # Mercator's meters at 60° are half as long; its sphere adds 0.4 %.
        ("EPSG:3857", from_origin(0, 8399737.89, 10, 10), 25.06),
    ],
)
def test_areas_of_pixels(crs, transform, area):
    place = rasterio.crs.CRS.from_string(crs), transform
    assert pixel_area(place, [[0.5, 0.5]]) == pytest.approx(area, rel=2e-3)


def test_what_is_not_on_earth_has_no_area():
    local = rasterio.crs.CRS.from_wkt('LOCAL_CS["here",UNIT["metre",1]]')
    for crs in (None, local):
        assert pixel_area((crs, from_origin(0, 0, 1, 1)), [[0, 0]]) is None


@pytest.mark.parametrize("layout", ["COG", None])
def test_a_mask_is_laid_out_as_its_image(tmp_path, layout):
    """GDAL's COG driver writes LAYOUT=COG; other tools drop it again."""
    pixels = np.random.default_rng(0).integers(1, 256, (3, 600, 700), "uint8")
    path = write(tmp_path / "a.tif", pixels)
    if layout:
        path = tmp_path / "cog.tif"
        rasterio.shutil.copy(tmp_path / "a.tif", path, driver="COG")
    ids = np.zeros((600, 700), "uint8")
    ids[:, 400:] = 2
    ids[::4] = 1  # Nearest would keep these alone, or none of them.
    with GeoImage(path) as image:
        with GeoMask(tmp_path / "mask.tif", image, COLORS) as mask:
            for rows in (slice(0, 300), slice(300, 600)):
                mask[rows, 0:700] = ids[rows]
        maps = {"sure": np.full((600, 700), 0.5, "float32")}
        write_bands(tmp_path / "maps.tif", image, maps)
    for name in ("mask.tif", "maps.tif"):
        with rasterio.open(tmp_path / name) as file:
            assert file.tags(ns="IMAGE_STRUCTURE").get("LAYOUT") == layout
            assert file.block_shapes == [(512, 512)]
            assert file.overviews(1) == ([2] if layout else [])
            assert (file.crs, file.transform) == tuple(PLACE.values())
    with rasterio.open(tmp_path / "mask.tif") as file:
        np.testing.assert_array_equal(file.read(1), ids)
        assert file.nodata == 255 and file.colormap(1)[2][:3] == COLORS[2]
        if layout:
            small = file.read(1, out_shape=(300, 350))
            np.testing.assert_array_equal(small[:, :200] == 2, False)
            np.testing.assert_array_equal(small[1::2], ids[2::4, ::2])
    assert {file.name for file in tmp_path.iterdir()} <= {
        *("a.tif", "cog.tif", "mask.tif", "maps.tif")
    }
