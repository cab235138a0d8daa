"""`predict --objects` and `--confidence`."""

import math

import numpy as np
import pytest
import rasterio
from PIL import Image

from keras_seg import data as package
from keras_seg.cli.predict_extras import Confidence
from keras_seg.cli.predict_extras import Objects
from keras_seg.data import read_image
from keras_seg.inference import Prediction
from keras_seg.inference import find_objects
from keras_seg.inference import measure_objects
from keras_seg.inference import predict
from tests.data.test_geotiff import write as write_geotiff

pytestmark = pytest.mark.once

TABLE = package.ClassTable(("ground", "cell"), ((0, 0, 0), (255, 0, 0)))


def test_both_of_images(run, model, images, predict_to, rows, tmp_path):
    options = "--objects", "cell", "--min-area", 5, "--confidence"
    predict_to(tmp_path, images[0].parent, *options)
    table = rows(tmp_path / "objects.csv")
    assert [row["image"] for row in table] == [path.name for path in images]
    names = package.ClassTable.read(run / "classes.csv").names
    for summary, found in zip(
        table, predict(model, images, probabilities=True), strict=True
    ):
        p = found.probabilities.astype("float32")
        stem = found.source.stem
        numbers = find_objects(found.ids == names.index("cell"), min_area=5)
        expected = measure_objects(numbers, p[..., names.index("cell")])
        written = rows(tmp_path / f"{stem}_objects.csv")
        assert len(written) == len(expected) == int(summary["objects"])
        for row, one in zip(written, expected, strict=True):
            assert row.pop("class") == "cell"
            numbers_of = {name: float(value) for name, value in row.items()}
            assert numbers_of == pytest.approx(one, abs=1e-3)
        picture = read_image(tmp_path / f"{stem}_objects.jpg")
        assert picture.shape == found.image.shape
        entropy = -(p * np.log(p.clip(1e-9))).sum(axis=-1) / math.log(2)
        for kind, map_ in (
            ("confidence", p.max(axis=-1)),
            ("entropy", entropy),
        ):
            with Image.open(tmp_path / f"{stem}_{kind}.png") as file:
                assert file.mode == "L"
                np.testing.assert_allclose(
                    np.asarray(file) / 255, map_, atol=4e-3
                )


def test_a_map_has_areas_and_bands(rows, tmp_path):
    """Without objects and data at the left, and a square on the right."""
    pixels = np.ones((3, 40, 60), "uint8")
    pixels[:, :, :10] = 0
    path = write_geotiff(tmp_path / "a.tif", pixels, nodata=0)
    ids = np.zeros((40, 60), "uint8")
    ids[10:20, 30:40] = 1
    p = np.stack([1 - 0.75 * ids, 0.75 * ids], axis=-1).astype("float16")
    valid = pixels[0] > 0
    found = Prediction(path, np.moveaxis(pixels, 0, -1), ids, p, valid)
    objects, confidence = Objects((1,)), Confidence()
    objects.write(
        [tmp_path / name for name in objects.files("a", path)], found, TABLE
    )
    (row,) = rows(tmp_path / "a_objects.csv")
    assert float(row["area_m2"]) == pytest.approx(25, rel=2e-3)
    assert float(row["confidence"]) == 0.75
    paths = [tmp_path / name for name in confidence.files("a", path)]
    confidence.write(paths, found, TABLE)
    with rasterio.open(paths[2]) as file, rasterio.open(path) as image:
        assert file.transform == image.transform and file.crs == image.crs
        assert file.descriptions == ("largest probability", "entropy")
        largest, entropy = file.read()
    assert np.isnan(largest[:, :10]).all()
    assert (largest[10:20, 30:40] == 0.75).all() and largest[0, 10] == 1
    # H of 1/4 and 3/4 in bits.
    assert entropy[10, 30] == pytest.approx(2 - 0.75 * math.log2(3), abs=1e-4)


def test_no_objects(rows, tmp_path):
    ids = np.zeros((8, 8), "uint8")
    p = np.ones((8, 8, 2), "float16")
    image = np.zeros((8, 8, 3), "uint8")
    found = Prediction(tmp_path / "a.png", image, ids, p)
    objects = Objects((1,))
    paths = [tmp_path / x for x in objects.files("a", found.source)]
    objects.write(paths, found, TABLE)
    assert rows(paths[0]) == []
    objects.write_whole(
        tmp_path / "objects.csv", [(found.source, "a.png", ids)], TABLE
    )
    (row,) = rows(tmp_path / "objects.csv")
    assert (row["class"], row["objects"]) == ("cell", "0")


def test_a_class_that_is_none(run, images, invoke, tmp_path):
    result = invoke(
        *("predict", run, images[0], "--out", tmp_path / "out"),
        *("--objects", "cels"),
    )
    assert result.exit_code == 1
    assert "Did you mean 'cell'?" in result.stderr
    assert result.stderr.endswith("Received: cels\n")


def test_samples_of_dropout(run, model, images, predict_to, tmp_path):
    """The probabilities are near those of one prediction, and others."""
    predict_to(
        *(tmp_path, images[0], "--dropout-samples", 3, "--probabilities")
    )
    with np.load(tmp_path / f"{images[0].stem}.npz") as file:
        sampled = file["probabilities"].astype("float32")
    found = next(predict(model, [images[0]], probabilities=True))
    difference = np.abs(sampled - found.probabilities.astype("float32"))
    assert 0 < difference.mean() < 0.3
