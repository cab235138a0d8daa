"""What `keras-seg predict` does with what it wrote before."""

import itertools
import os
import shutil
import sys
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from keras_seg.cli import prediction_cache
from keras_seg.cli.predict_plan import output_names
from keras_seg.cli.predict_plan import plan
from keras_seg.cli.prediction_cache import PredictionCache
from keras_seg.data import read_image
from keras_seg.inference import predict

pytestmark = pytest.mark.once


def ids(path):
    with Image.open(path) as mask:
        return np.asarray(mask)


def test_predicted_before(data, predict_to, tmp_path):
    images, out = data / "val" / "images", tmp_path / "out"

    def predicted(*options):
        """Which masks are written again."""
        before = {file: file.stat().st_mtime_ns for file in out.glob("*.png")}
        result = predict_to(out, images, *options)
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


def test_what_was_stopped_goes_on(images, predict_to, tmp_path):
    """What another model wrote is not taken for what is still missing."""
    out = tmp_path / "out"
    predict_to(out, *images, "--last")
    predict_to(out, images[1])
    result = predict_to(out, *images)
    assert result.stdout.startswith("1 predicted before")
    assert "Wrote 2 of 2 masks" in result.stdout


def test_masks_are_those_of_the_images_of_now(
    model, images, predict_to, tmp_path
):
    """Equal names in two folders, and an image that an older one replaces.

    The right masks are those that Python predicts of the same files.
    """
    out = tmp_path / "out"
    days = [tmp_path / "day1", tmp_path / "day2"]
    for number, day in enumerate(days):
        day.mkdir()
        pixels = read_image(images[number])
        for name in ("a", "b"):
            # As large in bytes, and of one time: cameras and archives do so.
            np.save(day / f"{name}.npy", pixels)
            os.utime(day / f"{name}.npy", (1e9, 1e9))
    replaced = (
        f"Warning: {out / 'a.png'}, {out / 'b.png'}: of other images of that "
        "name, to be replaced.\n"
    )
    for day, said in ((days[0], ""), (days[1], replaced), (days[1], "")):
        result = predict_to(out, day)
        assert result.stderr == said
        for name in ("a", "b"):
            expected = next(predict(model, day / f"{name}.npy")).ids
            np.testing.assert_array_equal(ids(out / f"{name}.png"), expected)
    assert result.stdout.startswith("2 predicted before")
    os.replace(days[0] / "b.npy", days[1] / "b.npy")
    result = predict_to(out, days[1])
    assert result.stdout.startswith("1 predicted before")
    expected = next(predict(model, days[1] / "b.npy")).ids
    np.testing.assert_array_equal(ids(out / "b.png"), expected)


def test_what_is_left_from_before_is_said(run, images, invoke, tmp_path):
    out = tmp_path / "out"
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


@pytest.mark.parametrize("kind", ("objects", "coco"))
def test_files_of_all_images_are_of_this_model(
    kind, run, images, invoke, tmp_path
):
    """And not of the image that another model could still read."""
    for image in images[:2]:
        shutil.copy(image, tmp_path)
    first, second = (tmp_path / image.name for image in images[:2])
    more = {"objects": ("--objects", "cell"), "coco": ("--polygons", "coco")}
    out = tmp_path / "out"
    command = ("predict", run, first, second, "--out", out, *more[kind])
    assert invoke(*command).exit_code == 0
    second.write_bytes(second.read_bytes()[:100])
    assert invoke(*command, "--last").exit_code == 1
    found = (
        out / {"objects": "objects.csv", "coco": "coco.json"}[kind]
    ).read_text()
    assert first.name in found and second.name not in found


def test_masks_of_other_images_are_not_left_over(run, images, invoke, tmp_path):
    """Day after day into one folder; what an image was before is outdated."""
    out, day = tmp_path / "out", tmp_path / "day"
    day.mkdir()
    for number in (0, 1):
        np.save(day / f"{number}.npy", read_image(images[number]))
    for number in (0, 1):
        image = day / f"{number}.npy"
        assert invoke("predict", run, image, "--out", out).stderr == ""
    (day / "0.npy").write_bytes((day / "1.npy").read_bytes())
    again = invoke("predict", run, day / "1.npy", "--out", out)
    assert again.stdout.startswith("1 predicted before")
    assert again.stderr.startswith(
        f"Warning: {out / '0.png'}, {out / '0_overlay.jpg'}: left from an "
    )


def test_a_corrected_mask_is_not_overwritten(run, images, invoke, tmp_path):
    out = tmp_path / "out"
    arguments = ("predict", run, images[0], "--out", out)
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


@pytest.mark.skipif(sys.platform != "linux", reason="names are text elsewhere")
def test_a_name_that_is_no_text(images, predict_to, tmp_path):
    image = tmp_path / os.fsdecode(b"\xff.png")
    shutil.copy(images[0], image)
    for said in ("Wrote 1 of 1", "1 predicted before"):
        assert predict_to(tmp_path / "out", image).stdout.startswith(said)


def test_of_an_image_its_name_is_kept_in_memory(tmp_path, monkeypatch):
    """And a record of several lines is begun before anything is written."""
    monkeypatch.setattr(prediction_cache, "MOST_FILES", 150)
    folder, out, model = (tmp_path / name for name in ("in", "out", "model"))
    folder.mkdir()
    out.mkdir()
    model.touch()
    for number in range(200):
        (folder / f"{number}.png").touch()
    for done in (0, 200):
        tracemalloc.start(6)
        targets = plan(output_names([folder], out), out)
        cache = PredictionCache(out, model, {})
        assert sum(cache.has(i, files) for i, files in targets.items()) == done
        cache.refuse_foreign(targets, overwrite=False)
        cache.begin(targets)
        for file in itertools.chain(*targets.values()):
            file.touch()
        PredictionCache(out, model, {}).refuse_foreign(targets, overwrite=False)
        for image, files in targets.items():
            cache.note(image, files)
        assert cache.left_over() == ""
        ours = tracemalloc.Filter(True, "*/keras_seg/cli/*", all_frames=True)
        kept = tracemalloc.take_snapshot().filter_traces([ours])
        tracemalloc.stop()
        used = sum(trace.size for trace in kept.traces)
        assert 100 < used / 200 < 1000
