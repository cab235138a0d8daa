"""`keras-seg train`: what is written and printed, and its options."""

import dataclasses
import hashlib
import inspect
import json
import math
import shutil
import types

import keras
import numpy as np
import pytest
from PIL import Image

from keras_seg import applications
from keras_seg.applications.backbones import backbone_layers
from keras_seg.applications.backbones import find_builder
from keras_seg.cli import train_flow
from keras_seg.cli import train_options
from keras_seg.cli import train_report
from keras_seg.data import ClassTable
from keras_seg.data import synthetic
from keras_seg.runs import RunFolder
from keras_seg.surgery.tta import without_shrinking
from keras_seg.training.setup import find_application
from tests.training.runs import assert_same_run
from tests.training.runs import check_whole_files

OPTIONS = "--model unet --backbone none --option filters=4 --option depth=2"


def test_train(trained, rows):
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


def test_settings(run):
    settings = RunFolder.open(run).settings
    assert settings.backbone is None and settings.weights is None
    assert settings.options == {"filters": 4, "depth": 2}
    assert settings.crop == (32, 32)
    assert settings.scale == (0.75, 1.5)


@pytest.mark.once
@pytest.mark.parametrize(
    ("options", "batch", "said"),
    [
        ("", "256x256", "images shrunk to 512 pixels, enough for the objects"),
        ("--size none", "256x256", "crops of 256×256 (--crop)"),
        ("--size 60 --crop none", "45x60", "batches of 2"),
    ],
)
def test_size(tmp_path, invoke, monkeypatch, options, batch, said):
    """A square of 800 pixels in images of 900×1200."""
    monkeypatch.setattr("keras_seg.training.estimates.STEPS", 1)
    mask = np.zeros((900, 1200), "uint8")
    mask[50:850, 200:1000] = 1
    image = 255 * np.stack(3 * [mask], axis=-1)
    synthetic.write_folder(
        tmp_path / "data",
        [image, 255 - image],
        [mask, mask],
        ClassTable.default(2),
    )
    network = "--model unet --backbone none --option filters=1"
    options = f"{network} --dry-run --val-fraction 0 {options}".split()
    result = invoke("train", tmp_path / "data", *options, "--option", "depth=1")
    assert result.exit_code == 0, result.output
    assert said in result.stdout and f"batches of 2x{batch}x3" in result.stdout
    assert ("shrunk to" in result.stdout) == said.startswith("images shrunk")


@pytest.mark.once
def test_dry_run(data, invoke, tmp_path):
    """What is not chosen is fitted to four images of 48×48: a batch of all,
    a hundred epochs of one step."""
    out = tmp_path / "run"
    result = invoke("train", data, "--out", out, "--dry-run", *OPTIONS.split())
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "4 images to train on, 3 images held out, 2 classes."
    assert lines[1] == (
        "Fitted to these images: images as they are (--size), crops of 48×48 "
        "(--crop), batches of 4 (--batch-size), 100 epochs (--epochs)."
    )
    # U-Net of 4 filters and depth 2, counted by Keras.
    assert lines[2] == "7,474 parameters, 7,474 are trained."
    assert lines[3].startswith("1 steps an epoch, batches of 4x48x48x3: ")
    assert lines[4].startswith("Memory: ")
    assert lines[5].startswith("Time: ")
    assert lines[6].endswith("Nothing was written.")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.once
def test_overfit_in_json(data, invoke, tmp_path):
    """Two images, whole and as they are, also for validation."""
    out = tmp_path / "run"
    options = (*OPTIONS.split(), "--epochs", 1, "--batch-size", 2)
    result = invoke(
        "train", data, "--out", out, "--overfit", 2, "--json", *options
    )
    assert result.exit_code == 0, result.output
    epoch, end = map(json.loads, result.stdout.splitlines())
    assert epoch["event"] == "epoch" and epoch["epoch"] == 1
    assert set(epoch["class_iou"]) == {"cell", "membrane"}
    assert {"loss", "val_mean_iou", "seconds", "epochs"} < set(epoch)
    assert end["event"] == "end" and end["run"] == str(out)
    assert end["mean_iou"] == pytest.approx(epoch["val_mean_iou"], abs=1e-3)
    run = RunFolder.open(out)
    assert run.settings.crop is run.settings.scale is None
    assert run.settings.flip is False
    assert run.data["source"]["overfit"] == 2
    assert run.data["train"] == run.data["validation"]
    card = (out / "README.md").read_text()
    assert "On the 2 images it was trained on, which says little" in card


def test_resume(trained, run_copy, data, invoke, tmp_path):
    """Killed before the scores were written, and the data have moved."""
    out = run_copy
    (out / "README.md").unlink()
    moved = tmp_path / "moved"
    shutil.copytree(data, moved)
    result = invoke("train", moved, "--resume", out, "--quiet")
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    check_whole_files(out)
    assert_same_run(out, trained[1])
    result = invoke("train", "--resume", out)
    assert result.exit_code == 1
    assert "is finished: 1 epochs." in result.stderr


@pytest.mark.once
def test_resume_with_changed_data(run_copy, data, invoke, tmp_path):
    out = run_copy
    (out / "README.md").unlink()
    moved = tmp_path / "moved"
    shutil.copytree(data, moved)
    for kind in ("images", "labels"):
        (moved / "train" / kind / "0000.png").unlink()
    result = invoke("train", moved, "--resume", out)
    assert result.exit_code == 1
    assert "3 images instead of the 4 it was begun with" in result.stderr


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--resume", "run", "--epochs", "3"), "settings of the run"),
        (("data", "--overfit", "2", "--crop", "8"), "whole images"),
        (("data", "--overfit", "2", "--val-fraction", "0.1"), "validates on"),
        (("--epochs", "3"), "is missing"),
    ],
)
def test_options_that_leave_no_room(invoke, arguments, text):
    result = invoke("train", *arguments)
    assert result.exit_code == 2
    assert text in result.stderr


@pytest.mark.once
def test_verdict():
    assert "belong together" in train_flow._verdict(0.97)
    text = "Mean IoU 0.500, and 0.95 was to be"
    assert train_flow._verdict(0.5).startswith(text)


@pytest.mark.once
def test_json_has_no_nan(capsys):
    train_report.print_json({"a": math.nan, "b": {"c": [1, "x", None, 0.5]}})
    assert json.loads(capsys.readouterr().out) == {
        "a": None,
        "b": {"c": [1, "x", None, 0.5]},
    }


def test_json_stays_json_after_a_nan(capsys):
    """Keras says so on the standard output, unless a program reads that."""
    stop = keras.callbacks.TerminateOnNaN()
    for json_lines, said in ((True, ""), (False, "Batch 3: Invalid loss")):
        stop.set_model(model := types.SimpleNamespace(stop_training=False))
        with train_report.Reporter(json_lines, False).over_keras():
            stop.on_train_batch_end(3, {"loss": np.float32("nan")})
        assert model.stop_training
        out = capsys.readouterr().out
        assert out.startswith(said) and bool(out) == bool(said)


@pytest.mark.once
def test_interrupted(run_copy, data, invoke, tmp_path, monkeypatch):
    """It says how to go on."""
    out = run_copy
    (out / "README.md").unlink()

    def interrupt(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("keras_seg.training.resume", interrupt)
    result = invoke("train", data, "--resume", out)
    assert result.exit_code == 130
    assert result.stderr == (
        f"Go on: keras-seg train --resume {out}\nInterrupted.\n"
    )


@pytest.mark.once
def test_black_and_white_masks(tmp_path, invoke, tiny):
    """Trained and evaluated through `--mask-values`, which the run keeps."""
    images, masks = synthetic.membranes(4, size=32)
    data = tmp_path / "DATA"
    for name in ("images", "labels"):
        (data / name).mkdir(parents=True)
    for number, (image, mask) in enumerate(zip(images, masks, strict=True)):
        white = (255 * (np.asarray(mask) > 0)).astype("uint8")
        Image.fromarray(np.asarray(image)).save(data / f"images/{number}.png")
        Image.fromarray(white).save(data / f"labels/{number}.png")
    run = tmp_path / "run"
    result = invoke("train", data, "--out", run, *tiny)
    assert result.exit_code == 3 and "--mask-values 0:0,255:1" in result.stderr
    result = invoke(
        "train", data, "--out", run, "--mask-values", "0:0,255:1", *tiny
    )
    assert result.exit_code == 0, result.stderr
    result = invoke("evaluate", run, data)
    assert result.exit_code == 0, result.stderr


@pytest.fixture
def lines(monkeypatch):
    """The lines for three classes, of which only two may be shown."""
    matrix = [[8, 2, 0, 0], [0, 10, 0, 0], [5, 0, 5, 0], [0, 0, 0, 0]]
    rows = [
        {"name": f"c{i}", "iou": row[i] / 10 if sum(row) else float("nan")}
        for i, row in enumerate(matrix)
    ]
    monkeypatch.setattr(train_report, "_rows", lambda *args: rows)
    return train_report.ClassLines(ClassTable.default(4), most=2)


@pytest.mark.once
def test_the_lowest_after_the_bar_of_keras(lines, capsys):
    lines.on_epoch_end(0, {})
    assert capsys.readouterr().out == ""
    lines.on_epoch_begin(1, {})
    text = "IoU, the lowest: c0 0.800, c2 0.500\n"
    assert capsys.readouterr().out == text
    lines.on_epoch_end(1, {})
    lines.on_train_end({})
    lines.on_train_end({})
    assert capsys.readouterr().out == text


@pytest.fixture(scope="module")
def unsplit(tmp_path_factory):
    """Five sections of one volume in images/ and labels/."""
    path = tmp_path_factory.mktemp("unsplit")
    images, masks = synthetic.membranes(5, size=32)
    classes = synthetic.MEMBRANE_CLASSES
    synthetic.write_folder(path, images, masks, classes, "volume")
    return path / "volume"


@pytest.mark.once
def test_a_share_is_held_out(unsplit, invoke, tiny, tmp_path):
    """The last of five; evaluate and resume know it where the folder moves."""
    out = tmp_path / "run"
    result = invoke("train", unsplit, "--out", out, *tiny)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[:2] == [
        "Held out 1 of 5 images (--val-fraction): a block of neighboring "
        "names, near-duplicates together.",
        "4 images to train on, 1 image held out, 2 classes.",
    ]
    assert "best.keras, 1 held-out image" in result.stdout
    facts = RunFolder.open(out).data
    assert facts["source"]["held_out"] == ["0004"]
    assert facts["source"]["val_fraction"] == 0.2
    moved = tmp_path / "moved"
    shutil.copytree(unsplit, moved)
    (unsplit.parent / "classes.csv").rename(tmp_path / "classes.csv")
    unsplit.rename(unsplit.parent / "away")
    try:
        (out / "README.md").unlink()
        result = invoke("train", moved, "--resume", out)
        assert result.exit_code == 0, result.output
        result = invoke("evaluate", out, moved)
        assert result.exit_code == 0, result.output
        assert result.stderr == ""
        assert result.stdout.splitlines()[0] == (
            f"Of 5 images the 1 that {out} held out are evaluated; --split all "
            "takes all."
        )
        assert "best.keras, 1 image\n" in result.stdout
        result = invoke("evaluate", out, moved, "--split", "all")
        assert result.exit_code == 0, result.output
        assert "Warning: 4 of the 5 images were trained on" in result.stderr
        (moved / "images" / "0004.png").unlink()
        (moved / "labels" / "0004.png").unlink()
        (out / "README.md").unlink()
        result = invoke("train", moved, "--resume", out)
        assert result.exit_code == 1
        assert f"{moved} has no image 0004, which was held" in result.stderr
    finally:
        (unsplit.parent / "away").rename(unsplit)
        (tmp_path / "classes.csv").rename(unsplit.parent / "classes.csv")


@pytest.mark.once
@pytest.mark.parametrize("images", [5, 1])
def test_nothing_is_held_out(unsplit, invoke, tiny, tmp_path, images):
    """Since it was asked for, and since there is one image only."""
    data, options = unsplit, ("--val-fraction", 0)
    if images == 1:
        data, options = tmp_path / "data", ()
        for kind in ("images", "labels"):
            (data / kind).mkdir(parents=True)
            shutil.copy(unsplit / kind / "0000.png", data / kind)
        shutil.copy(unsplit.parent / "classes.csv", data)
    out = tmp_path / "run"
    result = invoke("train", data, "--out", out, *options, *tiny)
    assert result.exit_code == 0, result.output
    many = "5 images" if images == 5 else "1 image"
    assert f"{many} to train on, 0 images held out" in result.stdout
    assert f"model.keras, {many}: the training images themselves" in (
        result.stdout
    )
    said = "say more: leave --val-fraction 0 out.\n" in result.stdout
    assert said == (images == 5)
    warned = (
        f"Warning: No image of {data} is held out: there is 1 image. The "
        "scores are those of the training images themselves.\n"
    )
    assert (warned in result.stderr) == (images == 1)
    assert not (out / "best.keras").exists()
    result = invoke("evaluate", out, data)
    assert result.exit_code == 0, result.output
    assert f"Wrote {out / 'evaluation.csv'}, " in result.stdout


@pytest.mark.once
def test_a_share_of_a_split_to_train_on(data, invoke, tiny, tmp_path):
    """train/ and test/, without val/: evaluate takes the share of train/."""
    shutil.copytree(data, tmp_path / "data")
    data = tmp_path / "data"
    out = tmp_path / "run"
    result = invoke("train", data, "--out", out, "--val-fraction", 0.5)
    assert result.exit_code == 1
    assert f"and {data} has val. Fix: leave it out." in result.stderr
    (data / "val").rename(data / "test")
    result = invoke("train", data, "--out", out, "--val-fraction", 0.5, *tiny)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("Held out 2 of 4 images (--val-fraction)")
    result = invoke("evaluate", out, data)
    assert result.exit_code == 0, result.output
    assert "--split train takes all." in result.stdout
    assert "best.keras, 2 images\n" in result.stdout


@pytest.mark.once
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


@pytest.mark.once
def test_from_a_network_that_segments(run, data, invoke, tmp_path):
    """Its classes are new, the rest is kept and learns slowly."""
    out = tmp_path / "out"
    options = "--epochs 1 --batch-size 4 --crop 32 --learning-rate 1e-9".split()
    result = invoke("train", data, "--from", run, "--out", out, *options)
    assert result.exit_code == 0, result.output
    started = RunFolder.open(out)
    assert started.settings == dataclasses.replace(
        started.settings,
        start_from=str(run),
        model=None,
        backbone_rate=0.1,
        freeze_batch_norm=False,  # It has none.
    )
    assert "# run, retrained for cell, membrane" in (
        (out / "README.md").read_text()
    )
    before = RunFolder.open(run).load_model()
    after = without_shrinking(started.load_model())[0]
    kept = backbone_layers(after)
    names = {layer.name for layer in kept}
    assert {x.name for x in after.layers if x.weights} - names == {"score_fr"}
    for layer in kept:
        for a, b in zip(
            layer.get_weights(),
            before.get_layer(layer.name).get_weights(),
            strict=True,
        ):
            np.testing.assert_allclose(a, b, atol=1e-6)
    for arguments, said in (
        (["--from", "deeplabv3_resnet51"], "Did you mean 'deeplabv3_resnet5"),
        (["--from", data / "classes.csv"], "is not a Keras model"),
        (["--from", run, "--backbone", "vgg16"], "--from takes a network"),
    ):
        result = invoke("train", data, "--out", tmp_path / "no", *arguments)
        assert said in result.stderr
        assert not (tmp_path / "no").exists()


def classifier():
    """A classifier as tutorials build it, on a pretrained inner network."""
    base = keras.applications.MobileNetV2(
        weights=None, include_top=False, input_shape=(96, 96, 3), alpha=0.35
    )
    image = keras.Input((96, 96, 3))
    random = [keras.layers.RandomFlip(), keras.layers.RandomRotation(0.1)]
    x = keras.Sequential(random)(image)
    x = keras.layers.Rescaling(1 / 127.5, -1.0)(x)
    x = keras.layers.GlobalAveragePooling2D()(base(x, training=False))
    x = keras.layers.Dropout(0.2)(x)
    return keras.Model(image, keras.layers.Dense(3, "softmax")(x))


@pytest.mark.once
def test_a_backbone_of_ones_own(data, invoke, tmp_path):
    file, out = tmp_path / "flowers.keras", tmp_path / "out"
    classifier().save(file)
    options = "--epochs 1 --batch-size 4 --crop 32 --backbone-rate 0".split()
    result = invoke("train", data, "--backbone", file, "--out", out, *options)
    assert result.exit_code == 0, result.output
    run = RunFolder.open(out)
    assert run.settings.backbone == str(file) and run.settings.weights is None
    assert run.settings.freeze_batch_norm
    card = (out / "README.md").read_text()
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert f"`{file}` (SHA-256 {digest})" in card
    assert "# fcn2s on flowers.keras for cell, membrane" in card
    for arguments, said in (
        (["--backbone", tmp_path / "no.keras"], "no.keras does not exist"),
        (["--backbone", file, "--weights", "none"], "given by name"),
    ):
        result = invoke("train", data, "--out", tmp_path / "no", *arguments)
        assert result.exit_code and said in result.stderr, result.stderr
        assert not (tmp_path / "no").exists()


@pytest.mark.once
def test_help_names_what_can_be_built():
    builders = [
        name
        for name in applications.__all__
        if "input_tensor"
        in inspect.signature(getattr(applications, name)).parameters
    ]
    named = [find_application(name).__name__ for name in train_options.MODELS]
    # N4 is a classifier, for SlidingWindow.
    assert sorted(named) == sorted({*builders} - {"N4"})
    for name in train_options.BACKBONES:
        assert find_builder(name).__module__.startswith("keras")
