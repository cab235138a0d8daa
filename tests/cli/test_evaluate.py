"""`keras-seg evaluate`: what is written, and what is printed."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from keras_seg.data import from_folder
from keras_seg.data import read_image
from keras_seg.data import synthetic
from keras_seg.data.masks import read_mask
from keras_seg.inference import Evaluation
from keras_seg.inference import evaluate
from keras_seg.metrics.scores import count_pairs
from keras_seg.metrics.scores import scores


def test_evaluate(run, model, data, invoke, rows):
    result = invoke("evaluate", run, data, "--trimap", "label_change")
    assert result.exit_code == 0, result.output
    names = [".csv", "_images.csv", "_trimap.csv", "_worst.png"]
    names += ["_confusion.png", "_trimap.png"]
    paths = [run / f"evaluation_val{name}" for name in names]
    assert result.stdout.splitlines()[-2:] == [
        f"Wrote {', '.join(map(str, paths))}",
        f"Next: keras-seg predict {run} IMAGE... --out predictions",
    ]
    pairs = from_folder(data, "val")
    found = evaluate(model, pairs, trimap="label_change")
    table, images, bands = map(rows, paths[:3])
    ious = [float(row["iou"]) for row in table]
    np.testing.assert_allclose(ious, found.scores.per_class_iou)
    assert table == rows(run / "per_class_iou.csv")
    assert f"{found.scores.mean_iou:.3f}" in result.stdout
    assert [row["image"] for row in images] == [
        str(data / "val" / "images" / f"000{n}.png") for n in range(3)
    ]
    np.testing.assert_allclose(
        [float(row["mean_iou"]) for row in images], found.per_image
    )
    assert [int(row["width"]) for row in bands] == list(found.bands)
    np.testing.assert_allclose(
        [float(row["mean_iou"]) for row in bands],
        [band.mean_iou for band in found.bands.values()],
    )
    worst = read_image(paths[3])
    assert worst.shape[0] > 3 * 48 and worst.shape[1] > 4 * 48
    assert all(path.is_file() for path in paths)
    result = invoke("evaluate", run, data, "--trimap", "edges")
    assert result.exit_code == 1
    assert "Received: kind='edges'" in result.stderr


@pytest.mark.once
def test_what_predict_would_write_is_scored(
    cluster, run, data, invoke, rows, tmp_path
):
    """By the masks that `predict` writes with the same options, and by Ray."""
    options = ("--scales", "0.5,1", "--mirror", "--crf")
    out = tmp_path / "scores"
    result = invoke("evaluate", run, data, "--out", out, *options)
    assert result.exit_code == 0, result.output
    said = "--scales 0.5,1 --mirror --crf"
    assert f"--out predictions {said}" in result.stdout
    facts = json.loads((out / "evaluation_val.json").read_text())
    assert " ".join(facts["options"]) == said
    masks = tmp_path / "masks"
    invoke("predict", run, data / "val" / "images", "--out", masks, *options)
    pairs = from_folder(data, "val")
    matrix = sum(
        count_pairs(mask, read_mask(masks / pair.image.name), 2)
        for (_, mask), pair in zip(pairs, pairs.pairs, strict=True)
    )
    np.testing.assert_allclose(
        [float(row["iou"]) for row in rows(out / "evaluation_val.csv")],
        scores(matrix).per_class_iou,
    )
    several = tmp_path / "several"
    options += ("--ray", "local", "--workers", "1")
    found = invoke("evaluate", run, data, "--out", several, *options)
    assert found.stdout == result.stdout.replace(str(out), str(several))
    for file in out.iterdir():
        assert (several / file.name).read_bytes() == file.read_bytes()
    refused = invoke("evaluate", run, data, "--mirror", "--calibration")
    assert refused.exit_code == 1
    assert "Fix: leave out --mirror." in refused.stderr


@pytest.mark.once
@pytest.mark.parametrize(
    "option",
    ("--mirror", "--bucket=64", "--bands=3,2,1", "--mask-values=0:1,1:0"),
)
def test_files_of_an_evaluation_with_other_options_go(
    option, run, data, invoke, tmp_path
):
    command = ("evaluate", run, data, "--out", tmp_path / "scores")
    invoke(*command, option, "--trimap", "label_change")
    bands = tmp_path / "scores" / "evaluation_val_trimap.csv"
    assert bands.is_file()
    assert invoke(*command).exit_code == 0
    assert not bands.exists()


@pytest.mark.once
def test_scores_of_a_stopped_command_are_not_named_as_of_another_model(
    run, data, invoke, rows, tmp_path, monkeypatch
):
    command = ("evaluate", run, data, "--out", tmp_path)
    best = [invoke(*command), rows(tmp_path / "evaluation_val.csv")][1]
    with monkeypatch.context() as patch:
        patch.setattr(Evaluation, "show_worst", lambda *_: 1 / 0)
        invoke(*command, "--last")
    facts = json.loads((tmp_path / "evaluation_val.json").read_text())
    assert facts["model"] == "model.keras"
    assert rows(tmp_path / "evaluation_val.csv")
    assert not (tmp_path / "evaluation_val_worst.png").exists()
    assert invoke(*command).exit_code == 0
    assert rows(tmp_path / "evaluation_val.csv") == best


@pytest.mark.once
def test_evaluate_splits_of_other_names(run, data, invoke, tmp_path):
    shutil.copytree(data / "train", tmp_path / "Train")
    shutil.copytree(data / "val", tmp_path / "Validation")
    shutil.copy(data / "classes.csv", tmp_path)
    result = invoke("evaluate", run, tmp_path)
    assert result.exit_code == 0, result.output
    assert f"{run}/evaluation_Validation.csv" in result.stdout


@pytest.mark.once
def test_evaluate_another_split(run, data, invoke):
    result = invoke("evaluate", run, data, "--split", "train", "--last")
    assert result.exit_code == 0, result.output
    assert "model.keras, 4 images" in result.stdout
    assert (run / "evaluation_train.csv").is_file()


@pytest.mark.once
def test_evaluate_other_data(run_copy, data, invoke, rows, tmp_path):
    """Which was evaluated is known, and of no other data is it replaced."""
    run = run_copy
    other = tmp_path / "other"
    images, masks = synthetic.membranes(2, size=32, seed=9)
    synthetic.write_folder(
        other, images, masks, synthetic.MEMBRANE_CLASSES, "val"
    )
    for kind in ("images", "labels"):
        shutil.copy(data / "train" / kind / "0001.png", other / "val" / kind)
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


@pytest.mark.once
def test_evaluate_a_file(run, data, invoke, rows, tmp_path, monkeypatch):
    """The scores are those of its run; a run can be written elsewhere."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(run / "best.keras", "moved.keras")
    result = invoke("evaluate", "moved.keras", data)
    assert result.exit_code == 0, result.output
    assert "Next: keras-seg predict --model moved.keras" in result.stdout
    found = rows("evaluations/moved.keras/evaluation_val.csv")
    assert found == rows(run / "per_class_iou.csv")
    before = sorted(run.iterdir())
    result = invoke("evaluate", run, data, "--name", "b", "--out", "elsewhere")
    assert result.exit_code == 0, result.output
    assert rows("elsewhere/b.csv") == found and sorted(run.iterdir()) == before
    result = invoke("evaluate", run, data, "--out", "moved.keras")
    assert "--out is a folder. Received: moved.keras" in result.stderr


def test_mask_values(run, data, invoke, rows, tmp_path):
    """Masks of 0 and 255, for a run that was trained on masks of ids."""
    other = shutil.copytree(data, tmp_path / "data")
    for file in other.glob("val/labels/*.png"):
        mask = np.asarray(Image.open(file))
        Image.fromarray(255 * mask).save(file)
    same = "--name", "drawn", "--overwrite"
    assert invoke("evaluate", run, other, *same).exit_code == 1
    values = "--mask-values", "0:0,255:1"
    result = invoke("evaluate", run, other, *values, *same)
    assert result.exit_code == 0, result.output
    assert rows(run / "drawn.csv") == rows(run / "per_class_iou.csv")
