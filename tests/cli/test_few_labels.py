"""`rank`, and `predict --pseudo`, whose output is read back as data."""

import numpy as np
import pytest
from PIL import Image

from keras_seg import data as package
from keras_seg.data import read_image
from keras_seg.inference import predict
from keras_seg.inference import rank
from tests.data.test_geotiff import write as write_geotiff

pytestmark = pytest.mark.once


def test_rank(run, model, images, invoke, rows, tmp_path):
    out = tmp_path / "rank.csv"
    result = invoke("rank", run, images[0].parent, "--out", out, "--count", 1)
    assert result.exit_code == 0, result.output
    found = rows(out)
    expected = rank(model, images)
    assert [row["image"] for row in found] == [str(x.source) for x in expected]
    for row, one in zip(found, expected, strict=True):
        assert float(row["entropy"]) == pytest.approx(one.entropy, abs=1e-3)
        assert row["frame"] == ""
        _, share = row["classes"].split(", ")[0].rsplit(" ", 1)
        assert float(share) == pytest.approx(max(one.probabilities), abs=6e-3)
    lines = result.stdout.splitlines()
    assert [line for line in lines if ".png: " in line] == [
        f"{found[0]['entropy']}  {found[0]['image']}: {found[0]['classes']}"
    ]
    result = invoke("rank", run)
    assert result.exit_code == 2 and "IMAGE" in result.stderr


def test_a_damaged_image_is_said_and_the_others_ranked(
    run, images, invoke, rows, tmp_path
):
    (tmp_path / "broken.png").write_bytes(images[0].read_bytes()[:100])
    out = tmp_path / "table" / "rank.csv"
    result = invoke(
        "rank", run, images[0], tmp_path / "broken.png", "--out", out
    )
    assert result.exit_code == 1 and "broken.png" in result.stderr
    assert [row["image"] for row in rows(out)] == [str(images[0])]


def test_pseudo_labels_are_data(run, model, images, invoke, tmp_path, tiny):
    out = tmp_path / "PSEUDO"
    ids = [found.ids for found in predict(model, images, least=0.6)]
    result = invoke(
        "predict", run, images[0].parent, "--pseudo", 0.6, "--out", out
    )
    assert result.exit_code == 0, result.output
    names = {str(x.relative_to(out)) for x in out.rglob("*") if x.is_file()}
    assert names == {
        *("classes.csv", "predict.jsonl"),
        *(f"images/{x.name}" for x in images),
        *(f"labels/{x.name}" for x in images),
    }
    folder = package.from_folder(out)
    assert (
        folder.class_table.names
        == package.ClassTable.read(run / "classes.csv").names
    )
    for expected, (image, mask), path in zip(ids, folder, images, strict=True):
        # `predict` folds batch norm: a score at the limit may fall below.
        assert np.mean(mask != expected) < 1e-3
        with Image.open(path) as picture:
            np.testing.assert_array_equal(image, picture.convert("RGB"))
    share = 100 * np.mean([mask == 255 for _, mask in folder])
    assert 0 < share < 100
    assert f"{share:.1f} % of their pixels are void" in result.stdout
    again = invoke("predict", run, images[0], "--pseudo", 0.7, "--out", out)
    assert again.exit_code == 0, again.output
    result = invoke("check", out)
    assert result.exit_code == 0, result.output
    result = invoke(
        "train", out, *tiny, "--out", tmp_path / "again", "--val-fraction", 0
    )
    assert result.exit_code == 0, result.output


def test_a_map_in_tiles_is_copied_where_no_pixel_is_void(
    images, predict_to, tmp_path
):
    pixels = np.moveaxis(read_image(images[0]), -1, 0)
    path = write_geotiff(tmp_path / "field.tif", pixels)
    out = tmp_path / "PSEUDO"
    predict_to(out, path, "--pseudo", 0, "--tile", 64)
    assert (out / "images" / "field.tif").read_bytes() == path.read_bytes()
    assert (out / "labels" / "field.tif").is_file()


def test_refused(run, images, invoke, tmp_path):
    out = tmp_path / "PSEUDO"
    result = invoke(
        *("predict", run, images[0], "--pseudo", 0.9, "--probabilities"),
        *("--out", out),
    )
    assert result.exit_code == 2 and "--pseudo writes masks" in result.stderr
    result = invoke("predict", run, images[0], "--pseudo", 2, "--out", out)
    assert result.exit_code == 2 and "--pseudo" in result.stderr
    table = tmp_path / "data" / "classes.csv"
    table.parent.mkdir()
    table.write_text("id,name\n0,b\n1,a\n2,c\n")
    into = ("--pseudo", 0.9, "--out", table.parent)
    result = invoke("predict", run, images[0], *into)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"{table}: there already")
    assert list(table.parent.iterdir()) == [table]
    film = tmp_path / "film.mp4"
    film.touch()
    result = invoke("predict", run, film, "--pseudo", 0.9, "--out", out)
    assert result.exit_code == 1 and "is a video" in result.stderr
    assert not out.exists()
