"""train, evaluate, predict: what is written, and what is printed."""

import csv
import json
import os
import shutil

import numpy as np
import rasterio
from PIL import Image

from keras_seg import surgery
from keras_seg.applications import FCN32s
from keras_seg.data import from_folder
from keras_seg.data import read_image
from keras_seg.data import synthetic
from keras_seg.data.video import VideoWriter
from keras_seg.data.video import read_frames
from keras_seg.inference import Tiles
from keras_seg.inference import evaluate
from keras_seg.inference import predict
from keras_seg.training import DataSource
from keras_seg.training import RunFolder
from tests.applications.test_alignment import encoder
from tests.data.test_geotiff import PLACE
from tests.data.test_geotiff import write as write_geotiff
from tests.networks import randomize


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_train(trained):
    result, out = trained
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "4 images to train on, 3 images held out, 2 classes."
    assert "best.keras, 3 held-out images" in result.stdout
    names = sorted(file.name for file in out.iterdir())
    assert lines[-2] == f"Wrote {out}: {', '.join(names)}"
    assert {"README.md", "best.keras", "model.keras", "samples"} < set(names)
    assert lines[-1] == (
        f"Next: keras-seg predict {out} IMAGE... --out predictions"
    )
    assert [row["name"] for row in rows(out / "per_class_iou.csv")] == [
        "cell",
        "membrane",
    ]


def test_settings(trained):
    settings = RunFolder.open(trained[1]).settings
    assert settings.backbone is None and settings.weights is None
    assert settings.options == {"filters": 4, "depth": 2}
    assert settings.crop == (32, 32)
    assert settings.scale == (0.75, 1.5)


def test_evaluate(trained, data, invoke):
    out = trained[1]
    result = invoke("evaluate", out, data)
    assert result.exit_code == 0, result.output
    names = (
        "evaluation_val.csv, evaluation_val_images.csv, "
        "evaluation_val_worst.png, evaluation_val_confusion.png"
    ).split(", ")
    assert result.stdout.splitlines()[-2:] == [
        f"Wrote {', '.join(str(out / name) for name in names)}",
        f"Next: keras-seg predict {out} IMAGE... --out predictions",
    ]
    found = evaluate(RunFolder.open(out).load_model(), from_folder(data, "val"))
    ious = [float(row["iou"]) for row in rows(out / "evaluation_val.csv")]
    np.testing.assert_allclose(ious, found.scores.per_class_iou)
    assert rows(out / "evaluation_val.csv") == rows(out / "per_class_iou.csv")
    assert f"{found.scores.mean_iou:.3f}" in result.stdout
    images = rows(out / "evaluation_val_images.csv")
    assert [row["image"] for row in images] == [
        str(data / "val" / "images" / f"000{n}.png") for n in range(3)
    ]
    np.testing.assert_allclose(
        [float(row["mean_iou"]) for row in images], found.per_image
    )
    worst = read_image(out / "evaluation_val_worst.png")
    assert worst.shape[0] > 3 * 48 and worst.shape[1] > 4 * 48


def test_evaluate_along_boundaries(trained, data, invoke):
    out = trained[1]
    result = invoke("evaluate", out, data, "--trimap", "label_change")
    assert result.exit_code == 0, result.output
    pairs = from_folder(data, "val")
    found = evaluate(
        RunFolder.open(out).load_model(), pairs, trimap="label_change"
    )
    table = rows(out / "evaluation_val_trimap.csv")
    assert [int(row["width"]) for row in table] == list(found.bands)
    np.testing.assert_allclose(
        [float(row["mean_iou"]) for row in table],
        [band.mean_iou for band in found.bands.values()],
    )
    assert (out / "evaluation_val_trimap.png").is_file()
    result = invoke("evaluate", out, data, "--trimap", "edges")
    assert result.exit_code == 1
    assert "Received: kind='edges'" in result.stderr


def test_evaluate_splits_of_other_names(trained, data, invoke, tmp_path):
    shutil.copytree(data / "train", tmp_path / "Train")
    shutil.copytree(data / "val", tmp_path / "Validation")
    shutil.copy(data / "classes.csv", tmp_path)
    result = invoke("evaluate", trained[1], tmp_path)
    assert result.exit_code == 0, result.output
    assert f"{trained[1]}/evaluation_Validation.csv" in result.stdout


def test_evaluate_another_split(trained, data, invoke):
    result = invoke("evaluate", trained[1], data, "--split", "train", "--last")
    assert result.exit_code == 0, result.output
    assert "model.keras, 4 images" in result.stdout
    assert (trained[1] / "evaluation_train.csv").is_file()


def test_evaluate_other_data(trained, data, invoke, tmp_path):
    """Which was evaluated is known, and of no other data is it replaced."""
    run = tmp_path / "run"
    shutil.copytree(trained[1], run)
    for file in run.glob("evaluation*"):
        file.unlink()
    other = tmp_path / "other"
    images, masks = synthetic.membranes(2, size=32, seed=9)
    synthetic.write_folder(
        other, images, masks, synthetic.MEMBRANE_CLASSES, "val"
    )
    shutil.copy(
        data / "train" / "images" / "0001.png", other / "val" / "images"
    )
    shutil.copy(
        data / "train" / "labels" / "0001.png", other / "val" / "labels"
    )
    first = invoke("evaluate", run, data, "--trimap", "label_change")
    assert (first.exit_code, first.stderr) == (0, "")
    before = {f.name: f.read_bytes() for f in run.glob("evaluation*")}
    result = invoke("evaluate", run, other)
    assert result.exit_code == 1
    assert result.stderr == (
        f"{run / 'evaluation_val.csv'} is of other data: {data}. Fix: --name "
        "NAME for other names of the files, or --overwrite.\n"
    )
    assert before == {f.name: f.read_bytes() for f in run.glob("evaluation*")}
    result = invoke("evaluate", run, other, "--name", "other")
    assert result.exit_code == 0, result.output
    # One of its two was copied from the training images over its own.
    assert result.stderr == (
        "Warning: 1 of the 2 images were trained on: their scores say nothing "
        "of images that the model has not seen.\n"
    )
    assert len(rows(run / "other_images.csv")) == 2
    assert (run / "evaluation_val_trimap.csv").exists()
    result = invoke("evaluate", run, other, "--overwrite")
    assert result.exit_code == 0, result.output
    # What is left of an evaluation is of the data that were evaluated.
    assert not (run / "evaluation_val_trimap.csv").exists()
    assert rows(run / "evaluation_val.csv") == rows(run / "other.csv")
    result = invoke("evaluate", run, data, "--split", "train")
    assert "4 of the 4 images were trained on" in result.stderr
    (other / "classes.csv").unlink()
    result = invoke("evaluate", run, other, "--overwrite")
    assert result.exit_code == 1
    assert f"{other} does not say what its classes are" in result.stderr
    assert "cell, membrane" in result.stderr


def test_predict(trained, data, invoke, tmp_path):
    odd = tmp_path / "odd.png"
    picture = read_image(data / "val" / "images" / "0000.png")[:31, :45]
    Image.fromarray(picture).save(odd)
    out = tmp_path / "predictions"
    images = data / "val" / "images"
    result = invoke("predict", trained[1], images, odd, "--out", out)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        f"Wrote 4 of 4 masks, and overlays, to {out}",
        f"Next: keras-seg evaluate {trained[1]} DATA",
    ]
    run = RunFolder.open(trained[1])
    model = run.load_model()
    for path in (*sorted(images.iterdir()), odd):
        image = read_image(path)
        with Image.open(out / path.name) as mask:
            assert mask.mode == "P"
            assert mask.getpalette()[:6] == [0, 0, 0, 230, 159, 0]
            ids = np.asarray(mask)
        found = next(predict(model, [image]))
        np.testing.assert_array_equal(ids, found.ids)
        overlay = read_image(out / f"{path.stem}_overlay.jpg")
        assert overlay.shape[1] > image.shape[1]


def test_probabilities(trained, data, invoke, tmp_path):
    image, out = data / "val" / "images" / "0000.png", tmp_path / "out"
    arguments = ("predict", trained[1], image, "--out", out)
    assert invoke(*arguments).exit_code == 0
    result = invoke(*arguments, "--probabilities")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("Wrote 1 of 1")  # Not before.
    found = np.load(out / "0000.npz")["probabilities"]
    assert found.dtype == np.float16 and found.shape == (48, 48, 2)
    np.testing.assert_allclose(found.sum(axis=-1), 1, atol=2e-3)
    ids = np.asarray(Image.open(out / "0000.png"))
    # Where both are a half, the scores know better.
    clear = abs(found[..., 0] - found[..., 1]) > 2e-3
    np.testing.assert_array_equal(found.argmax(axis=-1)[clear], ids[clear])


def test_a_video(trained, data, invoke, tmp_path):
    """Frame by frame as images are; a damaged one beside it is reported."""
    clip, out = tmp_path / "clip.mp4", tmp_path / "out"
    with VideoWriter(clip, 5) as video:
        for path in sorted((data / "val" / "images").iterdir()):
            video.write(read_image(path))
    damaged = tmp_path / "damaged.mov"
    damaged.write_bytes(clip.read_bytes()[:500])
    result = invoke("predict", trained[1], clip, damaged, "--out", out)
    assert result.exit_code == 1
    assert result.stdout.startswith("Wrote 1 of 2")
    assert f"{damaged} can't be read as a video" in result.stderr
    model = RunFolder.open(trained[1]).load_model()
    expected = list(predict(model, clip))
    assert [f.source for f in expected] == [(clip, n) for n in range(3)]
    masks = [frame[..., 0] for frame in read_frames(out / "clip.mkv")]
    np.testing.assert_array_equal(masks, [f.ids for f in expected])
    assert len(list(read_frames(out / "clip_overlay.mp4"))) == 3
    again = invoke("predict", trained[1], clip, "--out", out)
    assert again.stdout.startswith("1 predicted before")
    assert not (out / "damaged.mkv").exists()


def test_a_geotiff_keeps_its_place(trained, data, invoke, tmp_path):
    """Whole and in tiles, which see as much where all of it is one tile."""
    pixels = read_image(data / "val" / "images" / "0000.png")
    path = write_geotiff(tmp_path / "field.tif", np.moveaxis(pixels, -1, 0))
    damaged = tmp_path / "other.tif"
    damaged.write_bytes(path.read_bytes()[:-5000])
    found = {}
    for options in ((), ("--tile", 64)):
        out = tmp_path / f"out{len(options)}"
        result = invoke(
            "predict", trained[1], path, damaged, "--out", out, *options
        )
        assert result.exit_code == 1
        assert result.stderr.startswith(f"KS-D009  {damaged} ")
        with rasterio.open(out / "field.tif") as file:
            found[options] = file.read(1)
            assert file.crs == PLACE["crs"]
            assert file.transform == PLACE["transform"]
        assert (out / "field_overlay.jpg").is_file()
        assert not (out / "other.tif").exists()
    model = RunFolder.open(trained[1]).load_model()
    whole = next(predict(model, [pixels])).ids
    np.testing.assert_array_equal(found[()], whole)
    np.testing.assert_array_equal(
        found["--tile", 64], predict(model, pixels, Tiles(64, overlap=32))
    )


def test_an_unreadable_image_is_reported_at_the_end(
    trained, data, invoke, tmp_path
):
    good = data / "val" / "images" / "0001.png"
    bad = tmp_path / "bad.png"
    bad.write_bytes(good.read_bytes()[:100])
    out = tmp_path / "out"
    result = invoke("predict", trained[1], bad, good, "--out", out)
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


def test_predicted_before(trained, data, invoke, tmp_path):
    run, images, out = trained[1], data / "val" / "images", tmp_path / "out"

    def predicted(*options):
        """Which masks are written again."""
        before = {file: file.stat().st_mtime_ns for file in out.glob("*.png")}
        result = invoke("predict", run, images, "--out", out, *options)
        assert result.exit_code == 0, result.output
        changed = [
            file.stem
            for file in sorted(out.glob("*.png"))
            if file.stat().st_mtime_ns != before.get(file)
            and not file.stem.endswith("_overlay")
        ]
        return changed, result.stdout

    names = ["0000", "0001", "0002"]
    assert predicted()[0] == names
    again, said = predicted()
    assert again == []
    assert said.startswith("3 predicted before, and left as they are")
    (out / "0001_overlay.jpg").unlink()
    assert predicted()[0] == ["0001"]
    os.utime(images / "0002.png")
    assert predicted()[0] == ["0002"]
    assert predicted("--overwrite")[0] == names
    # With other options, or another model, they are other predictions.
    assert predicted("--mirror")[0] == names
    assert predicted("--mirror")[0] == []
    assert predicted("--last")[0] == names


def test_what_was_stopped_goes_on(trained, data, invoke, tmp_path):
    """What another model wrote is not taken for what is still missing."""
    run, images, out = trained[1], data / "val" / "images", tmp_path / "out"
    invoke("predict", run, images, "--out", out, "--last")
    invoke("predict", run, images / "0001.png", "--out", out)
    result = invoke("predict", run, images, "--out", out)
    assert result.stdout.startswith("1 predicted before")
    assert "Wrote 2 of 2 masks" in result.stdout


def ids(path):
    with Image.open(path) as mask:
        return np.asarray(mask)


def test_masks_are_those_of_the_images_of_now(trained, data, invoke, tmp_path):
    """Equal names in two folders, and an image that an older one replaces.

    The right masks are those that Python predicts of the same files.
    """
    run, out = trained[1], tmp_path / "out"
    model = RunFolder.open(run).load_model()
    days = [tmp_path / "day1", tmp_path / "day2"]
    for number, day in enumerate(days):
        day.mkdir()
        pixels = read_image(data / "val" / "images" / f"000{number}.png")
        for name in ("a", "b"):
            # As large in bytes, and of one time: cameras and archives do so.
            np.save(day / f"{name}.npy", pixels)
            os.utime(day / f"{name}.npy", (1e9, 1e9))
    replaced = (
        f"Warning: {out / 'a.png'}, {out / 'b.png'}: of other images of that "
        "name, to be replaced.\n"
    )
    for day, said in ((days[0], ""), (days[1], replaced), (days[1], "")):
        result = invoke("predict", run, day, "--out", out)
        assert result.stderr == said
        assert result.exit_code == 0, result.output
        for name in ("a", "b"):
            expected = next(predict(model, day / f"{name}.npy")).ids
            np.testing.assert_array_equal(ids(out / f"{name}.png"), expected)
    assert result.stdout.startswith("2 predicted before")
    os.replace(days[0] / "b.npy", days[1] / "b.npy")
    result = invoke("predict", run, days[1], "--out", out)
    assert result.stdout.startswith("1 predicted before")
    expected = next(predict(model, days[1] / "b.npy")).ids
    np.testing.assert_array_equal(ids(out / "b.png"), expected)


def test_what_is_left_from_before_is_said(trained, data, invoke, tmp_path):
    run, out = trained[1], tmp_path / "out"
    images = [data / "val" / "images" / f"000{n}.png" for n in range(3)]
    first = invoke(
        *("predict", run, *images, "--out", out, "--probabilities", "--last")
    )
    assert first.stderr == ""
    damaged = tmp_path / "0001.png"
    damaged.write_bytes(b"no image")
    result = invoke("predict", run, images[0], damaged, "--out", out)
    files = ["0000.npz", "0001.npz", "0001.png"]
    left = ", ".join(str(out / name) for name in files) + (
        " and 4 more: left from an earlier prediction, of other images, or "
        "with another model or other options.\n"
    )
    assert f"Warning: {left}" in result.stderr
    # All of these are named again where there is nothing to predict.
    again = invoke("predict", run, images[0], "--out", out)
    assert again.stdout.startswith("1 predicted before")
    assert again.stderr == f"Warning: {left}"


def test_a_corrected_mask_is_not_overwritten(trained, data, invoke, tmp_path):
    run, out = trained[1], tmp_path / "out"
    image = data / "val" / "images" / "0000.png"
    arguments = ("predict", run, image, "--out", out)
    assert invoke(*arguments).exit_code == 0
    Image.new("L", (48, 48), 1).save(out / "0000.png")
    for options in ((), ("--mirror",)):
        result = invoke(*arguments, *options)
        assert result.exit_code == 1
        assert result.stderr == (
            f"{out / '0000.png'}: there already, and not as an earlier "
            "prediction left it. Fix: choose another folder with --out, or "
            "replace it with --overwrite.\n"
        )
        assert (ids(out / "0000.png") == 1).all()
    assert invoke(*arguments, "--overwrite").exit_code == 0
    # As a killed process leaves it: begun, and the last line cut.
    record = out / "predict.jsonl"
    record.write_text(record.read_text().rstrip()[:-20])
    result = invoke(*arguments)
    assert result.stdout.startswith("Wrote 1 of 1"), result.output


def test_folders_in_folders(trained, data, invoke, tmp_path):
    """Masks are in the same folders; what is no input is named."""
    run, folder = trained[1], tmp_path / "flight"
    names = ["frame.png", "left/frame.png", "right/2/frame.png"]
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(data / "val" / "images" / f"000{number}.png", folder / name)
    (folder / "right" / "loop").symlink_to(folder)
    out = folder / "out"
    for said in ("Wrote 3 of 3", "3 predicted before"):
        result = invoke("predict", run, folder, "--out", out)
        assert result.exit_code == 0, result.output
        lines = result.stdout.splitlines()
        assert lines[0] == (
            f"Images: 1 in {folder}, 1 in {folder / 'left'}, 1 in "
            f"{folder / 'right' / '2'}."
        )
        assert any(line.startswith(said) for line in lines)
    assert lines[1] == f"{out} is left out: it holds predictions or a run."
    model = RunFolder.open(run).load_model()
    for name in names:
        expected = next(predict(model, folder / name)).ids
        np.testing.assert_array_equal(ids(out / name), expected)
    shutil.rmtree(out)
    found = [found.source for found in predict(model, folder)]
    assert found == [folder / name for name in names]


def test_predict_options(trained, data, invoke, tmp_path):
    run, out = trained[1], tmp_path / "out"
    image = data / "val" / "images" / "0000.png"
    options = "--tile 64 --scales 0.5,1 --mirror --crf --batch-size 2".split()
    result = invoke("predict", run, image, "--out", out, *options)
    assert result.exit_code == 0, result.output
    model = RunFolder.open(run).load_model()
    model = surgery.average_views(model, (0.5, 1.0), True)
    model = surgery.add_crf(model)
    expected = predict(model, read_image(image), Tiles(64, overlap=32))
    with Image.open(out / "0000.png") as mask:
        assert (np.asarray(mask) == expected).mean() > 0.99
    lines = (out / "predict.jsonl").read_text().splitlines()
    facts = json.loads(next(filter(None, lines)))["facts"]
    assert facts["scales"] == "0.5,1" and facts["crf"] is True


def test_predict_with_denser_maps(trained, data, invoke, tmp_path):
    run, out = tmp_path / "run", tmp_path / "out"
    shutil.copytree(trained[1], run)
    model = randomize(FCN32s(encoder(), classes=2))
    model.save(run / "best.keras")
    image = data / "val" / "images" / "0000.png"
    result = invoke("predict", run, image, "--out", out, "--output-stride", 8)
    assert result.exit_code == 0, result.output
    dense = surgery.set_output_stride(model, 8)
    found = [next(predict(m, image)).ids for m in (model, dense)]
    assert (found[0] != found[1]).any()
    with Image.open(out / "0000.png") as mask:
        np.testing.assert_array_equal(np.asarray(mask), found[1])


def test_predict_options_that_cannot_be(trained, data, invoke, tmp_path):
    image = data / "val" / "images" / "0000.png"
    for option, value, said in (
        ("--scales", "half", "--scales takes numbers from 0.1 to 10, sep"),
        ("--scales", "0", "--scales takes numbers from 0.1 to 10"),
        ("--scales", "1e9", "--scales takes numbers from 0.1 to 10"),
        ("--scales", "1,nan", "--scales takes numbers from 0.1 to 10"),
        ("--tile", "100", "`size` must be a multiple of 32"),
        ("--output-stride", "3", "`output_stride` must be one of"),
        ("--output-stride", "1", "The layer 'up2' (ConvTranspose) can't be"),
    ):
        out = tmp_path / "out"
        result = invoke(
            "predict", trained[1], image, "--out", out, option, value
        )
        assert result.exit_code == 1
        assert said in result.stderr
        assert not out.exists()


def test_inputs_are_not_overwritten(trained, data, invoke):
    images = data / "val" / "images"
    before = (images / "0000.png").read_bytes()
    result = invoke("predict", trained[1], images, "--out", images)
    assert result.exit_code == 1
    assert result.stderr == (
        f"{images / '0000.png'} is one of the images, and would be "
        "overwritten. Fix: choose another folder with --out.\n"
    )
    assert (images / "0000.png").read_bytes() == before


def test_two_images_of_one_name(trained, data, invoke, tmp_path):
    a, b = (data / split / "images" / "0000.png" for split in ("train", "val"))
    jpeg = tmp_path / "0000.jpg"
    jpeg.write_bytes(b"")
    out = tmp_path / "out"
    for second in (b, jpeg):
        result = invoke("predict", trained[1], a, second, a, "--out", out)
        assert result.exit_code == 1
        assert result.stderr == (
            f"{a} and {second} would both be written to {out / '0000.png'}. "
            "Fix: predict them into different folders.\n"
        )
        assert not out.exists()


def test_a_folder_without_splits(invoke, tiny, tmp_path):
    images, masks = synthetic.membranes(3, size=32)
    synthetic.write_folder(
        tmp_path / "a", images, masks, synthetic.MEMBRANE_CLASSES
    )
    data = tmp_path / "a" / "train"
    out = tmp_path / "run"
    result = invoke("train", data, "--out", out, *tiny)
    assert result.exit_code == 0, result.output
    assert "3 images to train on, 0 images held out" in result.stdout
    assert "model.keras, 3 images: the training images themselves" in (
        result.stdout
    )
    assert f"put some, with their masks, into {data / 'val'}." in result.stdout
    # Whoever follows the advice has all images read.
    moved = tmp_path / "moved"
    shutil.copytree(data, moved)
    for kind in ("images", "labels"):
        (moved / "val" / kind).mkdir(parents=True)
        file = next((moved / kind).iterdir())
        file.rename(moved / "val" / kind / file.name)
    assert [len(part) for part in DataSource(str(moved)).read()] == [2, 1]
    assert not (out / "best.keras").exists()
    result = invoke("evaluate", out, data)
    assert result.exit_code == 0, result.output
    assert f"Wrote {out / 'evaluation.csv'}, " in result.stdout


def test_a_folder_is_not_trained_on_with_its_validation_images(
    data, invoke, tiny, tmp_path
):
    """images/ with a val.txt but no train.txt: which are for training?"""
    images = tmp_path / "data"
    (data / "train").rename(images)
    try:
        (images / "val.txt").write_text("0000\n")
        result = invoke("train", images, "--out", tmp_path / "run", *tiny)
    finally:
        (images / "val.txt").unlink()
        images.rename(data / "train")
    assert result.exit_code == 1
    assert "has no split train" in result.stderr


def test_weights_that_are_no_numbers(trained, data, invoke, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained[1], run)
    model = RunFolder.open(run).load_model()
    weight = model.weights[0]
    weight.assign(np.full(weight.shape, np.inf))
    model.save(run / "best.keras")
    image = data / "val" / "images" / "0000.png"
    for command, *rest in (
        ("predict", run, image, "--out", tmp_path / "out"),
        ("evaluate", run, data, "--name", "again"),
        ("export", run, "--no-verify", "--size", "32"),
    ):
        said = invoke(command, *rest).stderr
        assert f"values of the weight {weight.path!r} of" in said, said
