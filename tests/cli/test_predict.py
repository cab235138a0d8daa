"""`keras-seg predict`: masks, overlays, probabilities, and its options."""

import json
import shutil

import keras
import numpy as np
import pytest
import rasterio
from PIL import Image

from keras_seg import surgery
from keras_seg.applications import FCN32s
from keras_seg.data import read_image
from keras_seg.data.video import VideoWriter
from keras_seg.data.video import read_frames
from keras_seg.inference import Tiles
from keras_seg.inference import predict
from tests.applications.test_alignment import encoder
from tests.data.test_geotiff import PLACE
from tests.data.test_geotiff import write as write_geotiff
from tests.networks import randomize


def test_predict(run, model, images, predict_to, tmp_path):
    """Masks of a folder and of an odd image, and half-precision floats."""
    odd, out = tmp_path / "odd.png", tmp_path / "predictions"
    Image.fromarray(read_image(images[0])[:31, :45]).save(odd)
    result = predict_to(out, images[0].parent, odd, "--probabilities")
    assert result.stdout.splitlines() == [
        f"Wrote 4 of 4 masks, and overlays, to {out}",
        f"Next: keras-seg evaluate {run} DATA",
    ]
    for path in (*images, odd):
        image = read_image(path)
        with Image.open(out / path.name) as mask:
            assert mask.mode == "P"
            assert mask.getpalette()[:6] == [0, 0, 0, 230, 159, 0]
            ids = np.asarray(mask)
        np.testing.assert_array_equal(ids, next(predict(model, [image])).ids)
        overlay = read_image(out / f"{path.stem}_overlay.jpg")
        assert overlay.shape[1] > image.shape[1]
        found = np.load(out / f"{path.stem}.npz")["probabilities"]
        assert found.dtype == np.float16 and found.shape == (*ids.shape, 2)
        np.testing.assert_allclose(found.sum(axis=-1), 1, atol=2e-3)
        # Where both are a half, the scores know better.
        clear = abs(found[..., 0] - found[..., 1]) > 2e-3
        np.testing.assert_array_equal(found.argmax(axis=-1)[clear], ids[clear])


@pytest.mark.once
def test_a_video(run, model, images, invoke, rows, tmp_path):
    """Frame by frame as images are; a damaged one beside it is reported."""
    clip, out = tmp_path / "clip.mp4", tmp_path / "out"
    with VideoWriter(clip, 5) as video:
        for path in images:
            video.write(read_image(path))
    damaged = tmp_path / "damaged.mov"
    damaged.write_bytes(clip.read_bytes()[:500])
    result = invoke("predict", run, clip, damaged, "--out", out)
    assert result.exit_code == 1
    assert result.stdout.startswith("Wrote 1 of 2")
    assert f"{damaged} can't be read as a video" in result.stderr
    expected = list(predict(model, clip))
    assert [f.source for f in expected] == [(clip, n) for n in range(3)]
    masks = [frame[..., 0] for frame in read_frames(out / "clip.mkv")]
    np.testing.assert_array_equal(masks, [f.ids for f in expected])
    assert len(list(read_frames(out / "clip_overlay.mp4"))) == 3
    shares = rows(out / "clip_shares.csv")
    assert list(shares[0]) == ["time (s)", "cell", "membrane"]
    np.testing.assert_allclose(
        [float(row["cell"]) for row in shares],
        [1 - f.ids.mean() for f in expected],
        atol=1e-6,
    )
    assert read_image(out / "clip_shares.png").shape[2] == 3
    live = invoke("predict", run, "rtsp://camera/1", "--out", out)
    assert live.exit_code == 1
    assert "rtsp://camera/1 is a live stream" in live.stderr
    again = invoke("predict", run, clip, "--out", out)
    assert again.stdout.startswith("1 predicted before")
    assert not (out / "damaged.mkv").exists()


@pytest.mark.once
def test_a_geotiff_keeps_its_place(run, model, images, invoke, tmp_path):
    """Whole and in tiles, which see as much where all of it is one tile."""
    pixels = read_image(images[0])
    path = write_geotiff(tmp_path / "field.tif", np.moveaxis(pixels, -1, 0))
    damaged = tmp_path / "other.tif"
    damaged.write_bytes(path.read_bytes()[:-5000])
    found = {}
    for options in ((), ("--tile", 64)):
        out = tmp_path / f"out{len(options)}"
        result = invoke("predict", run, path, damaged, "--out", out, *options)
        assert result.exit_code == 1
        assert result.stderr.startswith(f"KS-D009  {damaged} ")
        with rasterio.open(out / "field.tif") as file:
            found[options] = file.read(1)
            assert file.crs == PLACE["crs"]
            assert file.transform == PLACE["transform"]
        assert (out / "field_overlay.jpg").is_file()
        assert not (out / "other.tif").exists()
    whole = next(predict(model, [pixels])).ids
    np.testing.assert_array_equal(found[()], whole)
    np.testing.assert_array_equal(
        found["--tile", 64], predict(model, pixels, Tiles(64, overlap=32))
    )


@pytest.mark.once
def test_an_unreadable_image_is_reported_at_the_end(
    run, images, invoke, tmp_path
):
    good = images[1]
    bad = tmp_path / "bad.png"
    bad.write_bytes(good.read_bytes()[:100])
    out = tmp_path / "out"
    result = invoke("predict", run, bad, good, "--out", out)
    assert result.exit_code == 1
    assert result.stdout.startswith("Wrote 1 of 2 masks")
    assert result.stderr == (
        f"KS-D009  {bad} is incomplete or damaged (100 bytes); a complete "
        "PNG, JPEG, TIFF, BMP, WEBP or GIF file is expected. Fix: copy the "
        "file again from its source, or remove it.\n"
    )
    assert {file.name for file in out.iterdir()} == {
        "0001.png",
        "0001_overlay.jpg",
        "predict.jsonl",
    }


@pytest.mark.once
def test_paths_are_checked_before_the_network(images, invoke, tmp_path):
    """The network does not exist, which would be said otherwise."""
    file = tmp_path / "file"
    file.touch()
    missing = tmp_path / "missing.jpg"
    for arguments, said in (
        ((images[0], missing), f"KS-D009  {missing} does not exist; "),
        ((images[0], "--out", file / "out"), f"{file}: Not a directory. Fix: "),
        ((tmp_path / "file" / "no",), f"KS-D009  {file / 'no'} does not "),
        ((images[0],), f"{tmp_path / 'run'} does not exist"),
    ):
        result = invoke("predict", tmp_path / "run", *arguments)
        assert result.exit_code == 1
        assert result.stderr.startswith(said), result.stderr


@pytest.mark.once
def test_folders_in_folders(model, images, predict_to, tmp_path):
    """Masks are in the same folders; what is no input is named."""
    folder = tmp_path / "flight"
    names = ["frame.png", "left/frame.png", "right/2/frame.png"]
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(images[number], folder / name)
    (folder / "right" / "loop").symlink_to(folder)
    out = folder / "out"
    for said in ("Wrote 3 of 3", "3 predicted before"):
        lines = predict_to(out, folder).stdout.splitlines()
        assert lines[0] == (
            f"Images: 1 in {folder}, 1 in {folder / 'left'}, 1 in "
            f"{folder / 'right' / '2'}."
        )
        assert any(line.startswith(said) for line in lines)
    assert lines[1] == f"{out} is left out: it holds predictions or a run."
    for name in names:
        expected = next(predict(model, folder / name)).ids
        found = np.asarray(Image.open(out / name))
        np.testing.assert_array_equal(found, expected)
    shutil.rmtree(out)
    found = [found.source for found in predict(model, folder)]
    assert found == [folder / name for name in names]


@pytest.mark.once
def test_masks_beside_images_are_left_out(run, images, invoke, tmp_path):
    folder, out = tmp_path / "photos", tmp_path / "out"
    folder.mkdir()
    for path in images:
        shutil.copy(path, folder)
        shutil.copy(path, folder / f"{path.stem}_mask.png")
    result = invoke("predict", run, folder, "--out", out)
    named = ", ".join(str(folder / f"{path.stem}_mask.png") for path in images)
    assert result.stdout.startswith(
        f"Left out, as masks of images beside them: {named}.\nWrote 3 of 3"
    )


@pytest.mark.once
def test_predict_options(model, images, predict_to, tmp_path):
    image, out = images[0], tmp_path / "out"
    options = "--tile 64 --scales 0.5,1 --mirror --crf --batch-size 2".split()
    predict_to(out, image, *options)
    model = surgery.average_views(model, (0.5, 1.0), True)
    model = surgery.add_crf(model)
    expected = predict(model, read_image(image), Tiles(64, overlap=32))
    with Image.open(out / "0000.png") as mask:
        assert (np.asarray(mask) == expected).mean() > 0.99
    lines = (out / "predict.jsonl").read_text().splitlines()
    facts = json.loads(next(filter(None, lines)))["facts"]
    assert facts["scales"] == "0.5,1" and facts["crf"] is True


@pytest.mark.once
def test_predict_with_denser_maps(run_copy, images, invoke, tmp_path):
    run, out = run_copy, tmp_path / "out"
    model = randomize(FCN32s(encoder(), classes=2))
    model.save(run / "best.keras")
    image = images[0]
    result = invoke("predict", run, image, "--out", out, "--output-stride", 8)
    assert result.exit_code == 0, result.output
    dense = surgery.set_output_stride(model, 8)
    found = [next(predict(m, image)).ids for m in (model, dense)]
    assert (found[0] != found[1]).any()
    with Image.open(out / "0000.png") as mask:
        np.testing.assert_array_equal(np.asarray(mask), found[1])


@pytest.mark.once
def test_predict_options_that_cannot_be(run, images, invoke, tmp_path):
    for option, value, said in (
        ("--scales", "half", "--scales takes numbers from 0.1 to 10, sep"),
        ("--scales", "0", "--scales takes numbers from 0.1 to 10"),
        ("--scales", "1e9", "--scales takes numbers from 0.1 to 10"),
        ("--scales", "1,nan", "--scales takes numbers from 0.1 to 10"),
        ("--tile", "100", "--tile must be a multiple of 32"),
        ("--output-stride", "3", "--output-stride must be one of"),
        ("--output-stride", "1", "The layer 'up2' (ConvTranspose) can't be"),
    ):
        out = tmp_path / "out"
        result = invoke("predict", run, images[0], "--out", out, option, value)
        assert result.exit_code == 1
        assert said in result.stderr
        assert not out.exists()


@pytest.mark.once
def test_inputs_are_not_overwritten(run, data, invoke):
    images = data / "val" / "images"
    before = (images / "0000.png").read_bytes()
    result = invoke("predict", run, images, "--out", images)
    assert result.exit_code == 1
    assert result.stderr == (
        f"{images / '0000.png'} is one of the images, and would be "
        "overwritten. Fix: choose another folder with --out.\n"
    )
    assert (images / "0000.png").read_bytes() == before


@pytest.mark.once
def test_two_images_of_one_name(run, data, invoke, tmp_path):
    a, b = (data / split / "images" / "0000.png" for split in ("train", "val"))
    jpeg = tmp_path / "0000.jpg"
    jpeg.write_bytes(b"")
    out = tmp_path / "out"
    for second in (b, jpeg):
        result = invoke("predict", run, a, second, a, "--out", out)
        assert result.exit_code == 1
        assert result.stderr == (
            f"{a} and {second} would both be written to {out / '0000.png'}. "
            "Fix: predict them into different folders.\n"
        )
        assert not out.exists()


@pytest.mark.once
def test_weights_that_are_no_numbers(run_copy, data, images, invoke, tmp_path):
    run = run_copy
    model = keras.models.load_model(run / "best.keras")
    weight = model.weights[0]
    weight.assign(np.full(weight.shape, np.inf))
    model.save(run / "best.keras")
    for command, *rest in (
        ("predict", run, images[0], "--out", tmp_path / "out"),
        ("evaluate", run, data, "--name", "again"),
        ("export", run, "--no-verify", "--size", "32"),
    ):
        said = invoke(command, *rest).stderr
        assert f"values of the weight {weight.path!r} of" in said, said
