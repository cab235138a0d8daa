"""What TIFF allows and tools write: the values that were meant come out."""

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from PIL import Image

from keras_seg.data import Pair
from keras_seg.data import check
from keras_seg.data import from_folder
from keras_seg.data import read_image
from keras_seg.data import read_mask
from keras_seg.data.arrays import tiff_pages
from keras_seg.data.images import find_bit_depth
from keras_seg.data.images import read_size
from keras_seg.data.mask_colors import ColorCode
from keras_seg.data.mask_files import MaskFiles
from keras_seg.data.masks import read_colors
from tests.data.raw_png import write_png

pytestmark = pytest.mark.once

rasterio = pytest.importorskip("rasterio")


def drawn(height, width, channels=None, most=256):
    """Values that no flip, turn or inversion leaves as they are."""
    shape = (height, width) if channels is None else (height, width, channels)
    rng = np.random.default_rng([height, width])
    return rng.integers(0, most, shape, "uint8")


@pytest.mark.parametrize("dtype", ["bool", "uint8", "uint16"])
def test_masks_in_which_zero_is_white(tmp_path, dtype):
    """ImageJ writes masks with an inverting table: the file's values count."""
    ids = drawn(5, 7, most=2).astype(dtype) * (1 if dtype == "bool" else 255)
    tifffile.imwrite(tmp_path / "a.tif", ids, photometric="miniswhite")
    np.testing.assert_array_equal(read_mask(tmp_path / "a.tif"), ids)


@pytest.mark.parametrize("bits", [2, 4])
def test_masks_of_few_bits_in_which_zero_is_white(tmp_path, bits):
    ids = drawn(5, 8, most=2**bits)
    path = tmp_path / "a.tif"
    each = np.unpackbits(ids[..., None], axis=-1)[..., 8 - bits :]
    tifffile.imwrite(
        path,
        iter([np.packbits(each).tobytes()]),
        shape=ids.shape,
        dtype="uint8",
        bitspersample=bits,
        rowsperstrip=len(ids),
        photometric="miniswhite",
    )
    np.testing.assert_array_equal(read_mask(path), ids)


def test_an_image_in_which_zero_is_white_is_shown(tmp_path):
    """As Pillow shows it, with tifffile and without."""
    image = drawn(5, 7)
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="miniswhite")
    np.testing.assert_array_equal(
        read_image(tmp_path / "a.tif"), np.repeat(255 - image[..., None], 3, 2)
    )


# What the eight values of the tag mean, TIFF 6.0, page 36.
TURNS = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a.swapaxes(0, 1)[::-1, ::-1],
    8: lambda a: np.rot90(a),
}


@pytest.mark.parametrize("suffix", ["tif", "png", "webp"])
@pytest.mark.parametrize("orientation", TURNS)
def test_turned_files(tmp_path, orientation, suffix):
    image, path = drawn(5, 7, 3), tmp_path / f"a.{suffix}"
    exif = Image.Exif()
    exif[274] = orientation
    options = {"exif": exif, "lossless": True}
    if suffix == "tif":
        options = {"tiffinfo": {274: orientation}}
    Image.fromarray(image).save(path, **options)
    upright = TURNS[orientation](image)
    np.testing.assert_array_equal(read_image(path), upright)
    assert read_size(path) == upright.shape[:2]


def write_blocks(path, array, blocks, **options):
    """A GeoTIFF in which only some blocks of 16 x 16 were ever written."""
    height, width, count = array.shape
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=height,
        width=width,
        count=count,
        dtype=array.dtype,
        sparse_ok=True,
        tiled=True,
        blockxsize=16,
        blockysize=16,
        crs="EPSG:32632",
        transform=rasterio.transform.from_origin(5e5, 5.6e6, 1, 1),
        **options,
    ) as file:
        for row, column in blocks:
            part = array[row : row + 16, column : column + 16]
            window = rasterio.windows.Window(column, row, 16, 16)
            file.write(np.moveaxis(part, -1, 0), window=window)


@given(
    st.sets(st.tuples(st.sampled_from([0, 16]), st.sampled_from([0, 16, 32]))),
    st.sampled_from([{}, {"compress": "deflate"}, {"nodata": 7}]),
    st.sampled_from([1, 3]),
)
def test_blocks_that_were_never_written(tmp_path_factory, blocks, options, n):
    """They are 0, as GDAL reads them, the oracle, or without data."""
    path = tmp_path_factory.mktemp("sparse") / "a.tif"
    write_blocks(path, drawn(32, 48, n), blocks, **options)
    with rasterio.open(path) as file:
        expected = np.moveaxis(file.read(), 0, -1)
        valid = file.dataset_mask()[..., None] > 0
    if n == 1:
        np.testing.assert_array_equal(read_mask(path), expected[..., 0])
    expected = np.where(valid, expected, 0)
    if n == 1:
        expected = np.repeat(expected, 3, axis=-1)
    np.testing.assert_array_equal(read_image(path), expected)
    assert read_size(path) == (32, 48)


def test_overviews_and_masks_inside_are_no_pages(tmp_path):
    path, image = tmp_path / "a.tif", drawn(64, 96, 3)
    blocks = [(r, c) for r in range(0, 64, 16) for c in range(0, 96, 16)]
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        write_blocks(path, image, blocks)
        with rasterio.open(path, "r+") as file:
            file.write_mask(image[..., 0] > 9)
            file.build_overviews([2, 4])
    assert tiff_pages(path) == 1
    seen = np.where(image[..., :1] > 9, image, 0)
    np.testing.assert_array_equal(read_image(path), seen)
    # As other tools order them: overview, page, overview, page.
    pages = [drawn(8, 6), drawn(16, 12), drawn(8, 7), drawn(16, 13)]
    with tifffile.TiffWriter(path) as file:
        for page in pages:
            file.write(page, subfiletype=len(page) == 8)
    assert tiff_pages(path) == 2
    for page, ids in enumerate(pages[1::2]):
        np.testing.assert_array_equal(read_mask(path, page), ids)


def test_an_animation_is_a_stack(tmp_path):
    """Not its first frame without a word."""
    frames = [Image.fromarray(drawn(4, 5 + i, 3)[:, :5]) for i in range(3)]
    for suffix in ("png", "webp", "gif"):
        path = tmp_path / f"a.{suffix}"
        frames[0].save(
            path, save_all=True, append_images=frames[1:], lossless=True
        )
        with pytest.raises(ValueError, match="is a stack of 3 pages"):
            read_image(path)


@given(st.permutations(range(4)), st.permutations(range(4)))
def test_palettes_by_color(tmp_path_factory, first, second):
    """A palette a file, in whatever order: the table's colors say the ids."""
    root = tmp_path_factory.mktemp("palettes")
    table = np.array([[9, 9, 9], [255, 0, 0], [0, 0, 255], [0, 255, 0]])
    rows = [f"{i},c{i},{r},{g},{b}" for i, (r, g, b) in enumerate(table)]
    (root / "classes.csv").write_text("\n".join(["id,name,r,g,b", *rows]))
    for name in ("images", "labels"):
        (root / name).mkdir()
    ids = drawn(6, 7, most=4)
    for stem, order in (("a", first), ("b", second)):
        Image.fromarray(drawn(6, 7, 3)).save(root / f"images/{stem}.png")
        mask = Image.fromarray(np.argsort(order).astype("uint8")[ids])
        mask.putpalette(table[list(order)].ravel().tolist())
        mask.save(root / f"labels/{stem}.png")
    folder = from_folder(root)
    for _, mask in folder:
        np.testing.assert_array_equal(mask, ids)
    # Without the table the same two files contradict each other, or do not.
    (root / "classes.csv").unlink()
    if first == second:
        assert len(from_folder(root)) == 2
    else:
        with pytest.raises(ValueError, match="KS-D014.*for the index"):
            from_folder(root)
    assert len(from_folder(root, mask_values={i: i for i in range(4)})) == 2


@pytest.mark.parametrize("suffix", ["png", "tif", "npy"])
@given(st.integers(8, 16), st.sampled_from([3, None]), st.booleans())
def test_bit_depth(tmp_path_factory, suffix, bits, channels, color):
    """12 bits in a file of 16: 0..4095 are 0..255, as of every file."""
    path = tmp_path_factory.mktemp("deep") / f"a.{suffix}"
    shape = (5, 7, 3) if color else (5, 7)
    rng = np.random.default_rng(bits)
    values = rng.integers(0, 2**bits, shape).astype("uint16")
    values.flat[0] = most = 2**bits - 1
    if suffix == "npy":
        np.save(path, values)
    elif suffix == "png" and color:
        write_png(path, values, 16)
    elif suffix == "png":
        Image.fromarray(values).save(path)
    else:
        tifffile.imwrite(path, values)
    image = read_image(path, channels, bit_depth=bits)
    values = values.reshape(5, 7, -1)
    if channels == 3:
        expected = np.broadcast_to(values * 255.0 // most, (5, 7, 3))
        np.testing.assert_array_equal(image, expected)
    else:
        np.testing.assert_allclose(image, values * (255 / most), rtol=1e-6)
    needed = next(n for n in (8, 10, 12, 14, 16) if n >= bits)
    assert find_bit_depth([(path, None)]) == needed
    if bits > 8:
        with pytest.raises(ValueError, match=f"has the value {most}"):
            read_image(path, channels, bit_depth=bits - 1)


def test_depths_of_other_files(tmp_path):
    """Bits of the file's own are its scale; signed values have none."""
    gray = drawn(5, 7)
    Image.fromarray(gray).save(tmp_path / "a.png")
    assert find_bit_depth([(tmp_path / "a.png", None)]) is None
    values = drawn(5, 8).astype("uint16") * 16 + 15
    bits = np.unpackbits(
        values.astype(">u2").view("uint8").reshape(5, 8, 2), axis=-1
    )
    packed = np.packbits(bits.reshape(5, 8, 16)[..., 4:]).tobytes()
    tifffile.imwrite(
        tmp_path / "b.tif",
        iter([packed]),
        shape=values.shape,
        dtype="uint16",
        bitspersample=12,
        rowsperstrip=5,
        photometric="minisblack",
    )
    image = read_image(tmp_path / "b.tif")
    np.testing.assert_array_equal(
        image[..., 0], values.astype(int) * 255 // 4095
    )
    tifffile.imwrite(tmp_path / "c.tif", gray.astype("int16"))
    with pytest.raises(ValueError, match="has int"):
        read_image(tmp_path / "c.tif")


@pytest.mark.parametrize("channels", [3, None])
def test_floats_of_0_to_1_are_not_black(tmp_path, channels):
    image = drawn(5, 7, 3)
    tifffile.imwrite(tmp_path / "a.tif", image / np.float32(255))
    with pytest.raises(ValueError, match="would be seen as black"):
        read_image(tmp_path / "a.tif", channels)
    tifffile.imwrite(tmp_path / "a.tif", image.astype("float32"))
    np.testing.assert_array_equal(
        read_image(tmp_path / "a.tif", channels), image
    )


def test_a_check_of_many_bands(tmp_path):
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    for i in range(3):
        tifffile.imwrite(
            tmp_path / f"images/{i}.tif",
            drawn(16, 17 + i, 5),
            planarconfig="contig",
            photometric="minisblack",
        )
        ids = drawn(16, 17 + i, most=2)
        Image.fromarray(ids).save(tmp_path / f"labels/{i}.png")
    assert not check(tmp_path).ok
    report = check(from_folder(tmp_path, channels=5))
    assert report.ok, str(report)


@settings(max_examples=100)  # Of 64 there are.
@given(
    st.sampled_from(["int8", "int16", "int32", "float32"]),
    st.sampled_from("<>"),
    st.sampled_from([None, (16, 16)]),
    st.sampled_from([None, "deflate"]),
    st.booleans(),
)
def test_signed_values_and_floats(
    tmp_path_factory, dtype, order, tile, compression, behind
):
    """-1 is no 255, which is void; tiles at the border are not mixed up."""
    path = tmp_path_factory.mktemp("signed") / "a.tif"
    values = drawn(33, 37, most=100).astype(dtype) - (dtype != "float32")
    options = {"tile": tile, "compression": compression}
    with tifffile.TiffWriter(path, byteorder=order) as file:
        if behind:  # A page of its own kind before it.
            file.write(drawn(5, 7))
        file.write(values, photometric="minisblack", **options)
    page = 1 if behind else None
    if dtype == "float32":
        with pytest.raises(ValueError, match="KS-D007"):
            read_mask(path, page)
        np.testing.assert_array_equal(
            read_image(path, None, page)[..., 0], values
        )
        return
    np.testing.assert_array_equal(read_mask(path, page), values)
    for channels in (None, 3):
        with pytest.raises(ValueError, match=r"has int\d+ pixels"):
            read_image(path, channels, page)


def test_masks_that_jpeg_went_over(tmp_path):
    """Within a TIFF, too."""
    path = tmp_path / "a.tif"
    Image.fromarray(drawn(16, 24)).save(path, compression="jpeg")
    with pytest.raises(ValueError, match="KS-D008.*is compressed as JPEG"):
        read_mask(path)


def test_a_color_mask_of_more_bands_is_refused(tmp_path):
    path, bands = tmp_path / "a.tif", drawn(5, 7, 5)
    tifffile.imwrite(
        path,
        bands,
        photometric="rgb",
        planarconfig="contig",
        extrasamples=["unspecified"] * 2,
    )
    with pytest.raises(ValueError, match=r"KS-D007.*the shape \(5, 7, 5\)"):
        read_colors(path)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_colors_multiplied_by_alpha(tmp_path, dtype):
    """Divided again, or refused; never taken for the colors."""
    path, image = tmp_path / "a.tif", drawn(5, 7, 3)
    alpha = np.random.default_rng(0).uniform(0.5, 1, (5, 7, 1))
    scale = np.iinfo(dtype).max
    stored = np.concatenate([image / 255 * alpha, alpha], -1) * scale
    tifffile.imwrite(
        path,
        stored.round().astype(dtype),
        photometric="rgb",
        planarconfig="contig",
        extrasamples=["assocalpha"],
    )
    if dtype == "uint16":
        with pytest.raises(ValueError, match="multiplied by alpha"):
            read_image(path)
        return
    # Half of the values are left at the least alpha, so 2 of 255 are lost.
    np.testing.assert_allclose(read_image(path), image, atol=2)


@pytest.mark.parametrize("palette", [[0] * 9, [0, 0, 0, 255, 0, 0, 255, 0, 0]])
def test_palettes_whose_colors_come_twice(tmp_path, palette):
    """By color two ids would become one; by index nobody says which."""
    ids = drawn(6, 7, most=3)
    mask = Image.fromarray(ids)
    mask.putpalette(palette)
    mask.save(tmp_path / "a.png")
    pair = Pair("a", tmp_path / "a.png", tmp_path / "a.png")
    code = ColorCode((0, 1, 2), "abc", ((0, 0, 0), (255, 0, 0), (0, 255, 0)))
    with pytest.raises(ValueError, match="KS-D014.*for the indices"):
        MaskFiles(colors=code)(pair)
    values = {0: 0, 1: 1, 2: 2}
    np.testing.assert_array_equal(MaskFiles(values, code)(pair), ids)
