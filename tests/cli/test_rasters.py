"""Rasters from `train --bands` to `predict` and `evaluate`, void left out."""

import json

import numpy as np
import pytest
import rasterio
import rasterio.shutil

from keras_seg import inference
from keras_seg.data import ClassTable
from keras_seg.data import from_folder
from keras_seg.data import read_image
from keras_seg.data import synthetic
from keras_seg.deployment.formats import ExportError
from keras_seg.deployment.metadata import ExportMetadata
from keras_seg.layers.metadata import note
from keras_seg.runs import RunFolder
from tests.data.test_bands import named
from tests.data.test_geotiff import write
from tests.networks import echo
from tests.networks import known_echo

pytestmark = pytest.mark.once

NODATA = 65535


@pytest.fixture(scope="module")
def rasters(tmp_path_factory):
    """Membranes in the bands 3 and 4 of COGs, 8 columns without data."""
    path = tmp_path_factory.mktemp("rasters") / "data"
    images, masks = synthetic.membranes(4, size=64)
    for name in ("images", "labels"):
        (path / name).mkdir(parents=True)
    for i, (image, mask) in enumerate(zip(images, masks, strict=True)):
        gray = image[..., 0].astype("uint16") * 16 + 15
        pixels = np.stack([0 * gray, 0 * gray + 9, gray, 4095 - gray])
        pixels[:, :, :8] = NODATA
        plain = named(path / "plain.tif", pixels, nodata=NODATA)
        cog = path / f"images/{i}.tif"
        rasterio.shutil.copy(plain, cog, driver="COG", compress="deflate")
        plain.unlink()
        write(path / f"labels/{i}.tif", mask[None].astype("uint8"))
    return path


@pytest.fixture(scope="module")
def trained(rasters, invoke, tiny):
    run = rasters.parent / "run"
    result = invoke("train", rasters, "--bands", "nir,red", "--out", run, *tiny)
    assert result.exit_code == 0, result.output
    return result, run


def test_a_run_remembers_its_bands(rasters, trained, invoke, tmp_path):
    result, run = trained
    assert "2,048 pixels of 4 images have no data, and are void" in (
        result.stdout
    )
    assert json.loads((run / "data.json").read_text())["source"]["bands"] == (
        "nir,red"
    )
    folder = RunFolder.open(run)
    model = folder.load_model()
    assert model.input_shape == (None, None, None, 2)
    expected = list(
        inference.predict(model, rasters / "images", bit_depth=12, bands=(4, 3))
    )
    for options in ((), ("--tile", 64), ("--model", folder.model_path())):
        out = tmp_path / f"out{len(options)}{options[:1] == ('--model',)}"
        command = ("predict", *([] if "--model" in options else [run]))
        images = rasters / "images"
        result = invoke(*command, images, "--out", out, *options)
        assert result.exit_code == 0, result.output
        assert result.stdout.startswith(
            "2,048 pixels of 4 images have no data, and are void.\n"
        )
        for found in expected:
            with rasterio.open(out / found.source.name) as file:
                np.testing.assert_array_equal(file.read(1), found.ids)
                layout = file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"]
            assert (found.ids[:, :8] == 255).all()
            assert (found.ids[:, 8:] < 2).all() and layout == "COG"
    out = tmp_path / "evaluated"
    result = invoke("evaluate", run, rasters, "--split", "all", "--out", out)
    assert result.exit_code == 0, result.output
    assert "2,048 pixels of 4 images have no data" in result.stdout
    table = (out / "evaluation_all.csv").read_text().splitlines()[1:]
    pixels = sum(int(line.rpartition(",")[2]) for line in table)
    assert pixels == 4 * 64 * 56


def test_exported_files_know_their_bands(tmp_path):
    """`predict` takes the bands of a model that says them."""
    metadata = ExportMetadata(
        *("network", "ONNX", ClassTable.default(2), None, 2, None, "1", "jax"),
        bands=("nir", 3),
    )
    text = metadata.to_json()
    assert ExportMetadata.from_json(text, "a.onnx") == metadata
    with pytest.raises(ExportError, match="`bands` must be numbers from 1"):
        ExportMetadata.from_json(text.replace("nir", ""), "a.onnx")
    path = write(
        tmp_path / "a.tif", np.arange(4 * 6, dtype="uint16").reshape(4, 2, 3)
    )
    model = known_echo(ClassTable.default(3))
    how = {"bands": (4, 1, 2), "bit_depth": 12}
    note(model, **how)
    (found,) = inference.predict(model, path)
    np.testing.assert_array_equal(found.image, read_image(path, **how))
    assert (found.ids == 0).all()


def test_bands_of_a_command(rasters, trained, invoke, tmp_path):
    _, run = trained
    result = invoke("check", rasters)
    assert result.exit_code == 3
    assert "has 4 channels; 3 are asked for" in result.stdout
    result = invoke("check", rasters, "--bands", "red,lime")
    assert "has no band lime; its bands are 1 Blue, 2 green" in result.stdout
    result = invoke("check", rasters, "--bands", "4,3")
    assert result.exit_code == 0 and "--bands 4,3 --out RUN" in result.stdout
    images = rasters / "images"
    out = tmp_path / "out"
    result = invoke("predict", run, images, "--out", out, "--bands", "1,2,3")
    assert result.exit_code == 1
    assert "The network takes images of 2 channels" in result.stderr
    assert "Received: images of 3 channels" in result.stderr
    pytest.importorskip("gradio")
    result = invoke("serve", run)
    assert "was trained on the bands nir, red of rasters" in result.stderr


def test_void_is_not_measured(tmp_path):
    """Of an alpha channel, by the stream and by `evaluate`."""
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    rng = np.random.default_rng(0)
    pixels = rng.integers(1, 256, (4, 20, 30), "uint8")
    pixels[3] = rng.integers(0, 2, (20, 30))
    path = write(tmp_path / "images/a.tif", pixels)
    write(tmp_path / "labels/a.tif", (pixels[:1] % 2).astype("uint8"))
    for tiles in (None, inference.Tiles(64, overlap=32)):
        (found,) = inference.predict(echo(), path, tiles)
        ids = np.where(pixels[3] > 0, pixels[:3].argmax(axis=0), 255)
        np.testing.assert_array_equal(found.ids, ids)
        np.testing.assert_array_equal(found.valid, pixels[3] > 0)
    data = from_folder(tmp_path, class_table=3)
    found = inference.evaluate(echo(), data)
    assert found.matrix.sum() == (pixels[3] > 0).sum()
