import keras
import numpy as np
import pytest
import rasterio
from PIL import Image

from keras_seg.cli import predict_plan
from keras_seg.cli.predict_flow import predict_all
from keras_seg.data import ClassTable
from keras_seg.data.video import VideoWriter
from keras_seg.data.video import read_frames
from keras_seg.data.video import timed_frames
from keras_seg.inference import Tiles
from tests.networks import echo

pytestmark = pytest.mark.once


def predicted(network, targets, classes, tiles=None):
    done, errors = predict_all(
        network,
        targets,
        classes,
        tiles=tiles,
        batch_size=1,
        progress=lambda done: None,
    )
    assert (done, errors) == (len(targets), [])


def test_names_that_differ_by_case(tmp_path, monkeypatch):
    """They are one file on macOS, Windows and most sticks."""
    out = tmp_path / "new" / "out"
    names = {tmp_path / f"{x}.png": x for x in "Aa"}
    (tmp_path / "a").touch()
    tells_case = not (tmp_path / "A").exists()
    assert predict_plan._tells_case(out) == tells_case
    monkeypatch.setattr(predict_plan, "_tells_case", lambda folder: True)
    assert len(predict_plan.plan(names, out)) == 2
    again = {**names, tmp_path / "A.jpg": "A"}
    with pytest.raises(ValueError, match="A.png and .*A.jpg would both"):
        predict_plan.plan(again, out)
    monkeypatch.setattr(predict_plan, "_tells_case", lambda folder: False)
    with pytest.raises(ValueError, match="would both be written to"):
        predict_plan.plan(names, out)


def test_frames_of_other_classes_have_one_size(tmp_path):
    """A legend of what is in each frame would be of another width."""
    red, blue = np.zeros((2, 40, 60, 3), "uint8")
    red[..., 0], blue[..., 2] = 200, 200
    both = np.where(np.eye(40, 60)[..., None], red, blue)
    times = [0.0, 0.2, 1.7]
    with VideoWriter(tmp_path / "clip.mp4", 5) as video:
        for frame, time in zip((red, blue, both), times, strict=True):
            video.write(frame.astype("uint8"), time)
    classes = ClassTable(
        names=("a", "b", "one of a long name"), colors=((255, 0, 0),) * 3
    )
    names = ("a.mkv", "b.mp4", "c.csv", "d.png")
    targets = {tmp_path / "clip.mp4": tuple(tmp_path / n for n in names)}
    predicted(echo(), targets, classes)
    shares = np.loadtxt(tmp_path / "c.csv", delimiter=",", skiprows=1)
    np.testing.assert_allclose(shares[:, 0], times, atol=5e-4)
    ids = [f[..., 0].ravel() for f in read_frames(tmp_path / "a.mkv")]
    counts = [np.bincount(frame, minlength=3) for frame in ids]
    np.testing.assert_allclose(
        shares[:, 1:], np.array(counts) / (40 * 60), atol=1e-6
    )
    masks = [frame[..., 0] for frame in read_frames(tmp_path / "a.mkv")]
    assert [np.unique(mask).tolist() for mask in masks[:2]] == [[0], [2]]
    for name in ("a.mkv", "b.mp4"):
        found = [time for time, _ in timed_frames(tmp_path / name)]
        np.testing.assert_allclose(found, times, atol=5e-4)


def test_an_image_wider_than_a_jpeg(tmp_path):
    """The mask is whole, and of the overlay every second pixel."""
    wide = np.zeros((40, 65_600, 3), "uint8")
    wide[..., 1] = 200
    wide[:, 60_000:, 2] = 250
    Image.fromarray(wide).save(tmp_path / "wide.png")
    mask, overlay = tmp_path / "mask.png", tmp_path / "overlay.jpg"
    targets = {tmp_path / "wide.png": (mask, overlay)}
    predicted(echo(), targets, ClassTable.default(3))
    np.testing.assert_array_equal(
        np.asarray(Image.open(mask)), wide.argmax(axis=-1)
    )
    with Image.open(overlay) as picture:
        assert 32_800 <= picture.width <= 65_500


def test_tiles_of_a_geotiff_for_channels_first(tmp_path):
    first = keras.Input((3, None, None))
    same = keras.layers.Conv2D(3, 1, data_format="channels_first")
    network = keras.Model(first, keras.layers.Permute((2, 3, 1))(same(first)))
    same.set_weights([np.eye(3)[None, None], np.zeros(3)])
    image = np.random.default_rng(0).integers(0, 256, (70, 90, 3), "uint8")
    with rasterio.open(
        tmp_path / "map.tif",
        "w",
        driver="GTiff",
        height=70,
        width=90,
        count=3,
        dtype="uint8",
        crs="EPSG:32633",
        transform=rasterio.transform.from_origin(500_000, 5_400_000, 2, 2),
    ) as raster:
        raster.write(np.moveaxis(image, -1, 0))
    mask = tmp_path / "mask.tif"
    targets = {tmp_path / "map.tif": (mask, tmp_path / "overlay.jpg")}
    tiles = Tiles(64, overlap=32)
    predicted(network, targets, ClassTable.default(3), tiles)
    with rasterio.open(mask) as raster:
        np.testing.assert_array_equal(raster.read(1), image.argmax(axis=-1))
