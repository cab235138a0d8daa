"""Training of one score a pixel, and of labels that overlap."""

import numpy as np
import pytest

from keras_seg.data import ClassTable
from keras_seg.data import synthetic
from keras_seg.inference import evaluate
from keras_seg.inference import predict
from keras_seg.layers.metadata import facts_of
from keras_seg.runs import RunFolder
from keras_seg.runs import RunWarning
from keras_seg.score_form import is_multi_label
from keras_seg.training import Settings
from keras_seg.training import train

SETTINGS = {
    "model": "unet",
    "backbone": None,
    "weights": None,
    "options": {"filters": 4, "depth": 1},
    "epochs": 2,
    "batch_size": 2,
    "crop": 32,
    "scale": None,
    "learning_rate": 1e-2,
    "threshold": "iou",
}


class Labels(list):
    """Pairs of images and masks of two labels that overlap."""

    multi_label = True
    class_table = ClassTable(("dark", "left"), ((9, 0, 0), (0, 9, 0)))


@pytest.fixture(scope="module")
def pairs():
    return list(zip(*synthetic.membranes(4, size=32), strict=True))


@pytest.mark.once
def test_one_score(pairs, tmp_path):
    """From the settings to a saved model that knows its threshold."""
    table = synthetic.MEMBRANE_CLASSES
    settings = Settings(**SETTINGS, binary=True, loss="cross_entropy+dice")
    model, history = train(
        settings,
        pairs[:2],
        pairs[2:],
        tmp_path / "run",
        class_table=table,
        verbose=0,
    )
    assert model.output_shape[-1] == 1
    losses = history.history["loss"]
    assert losses[-1] < losses[0]
    run = RunFolder.open(tmp_path / "run")
    best = run.load_model()
    threshold = facts_of(best)["threshold"]
    last = facts_of(run.load_model(best=False))["threshold"]
    assert last is not None and facts_of(model)["threshold"] == last
    found = evaluate(best, pairs[2:], class_table=table)
    rows = [float(row["iou"]) for row in run.scores()]
    assert rows == pytest.approx(found.scores.per_class_iou.tolist())
    text = (run.path / "log.txt").read_text("utf-8")
    assert f"Threshold of best.keras, by iou: {threshold}" in text


def test_labels(pairs, tmp_path):
    data = Labels()
    for image, _ in pairs:
        mask = np.zeros((*image.shape[:2], 2), "uint8")
        mask[..., 0] = image.mean(axis=-1) < 128
        mask[:, :16, 1] = 1
        mask[:2] = 255
        data.append((image, mask))
    held_out = Labels(data[2:])
    del data[2:]
    settings = Settings(**SETTINGS)
    model, history = train(
        settings, data, held_out, tmp_path / "run", verbose=0
    )
    assert is_multi_label(model) and model.output_shape[-1] == 2
    losses = history.history["loss"]
    assert losses[-1] < losses[0]
    run = RunFolder.open(tmp_path / "run")
    best = run.load_model()
    assert len(facts_of(best)["threshold"]) == 2
    assert predict(best, pairs[0][0]).shape == (32, 32, 2)
    rows = [float(row["iou"]) for row in run.scores()]
    found = evaluate(best, held_out).scores
    assert rows == pytest.approx(found.per_class_iou.tolist())
    assert (run.path / "samples" / "epoch_002.png").is_file()


@pytest.mark.once
@pytest.mark.filterwarnings("ignore:Only:keras_seg.runs.RunWarning")
@pytest.mark.parametrize("held_out", [True, False])
def test_a_threshold_that_cannot_be_found_ends_no_run(
    pairs, tmp_path, held_out
):
    empty = [(image, np.zeros_like(mask)) for image, mask in pairs[2:]]
    settings = Settings(**{**SETTINGS, "epochs": 1}, binary=True)
    text = "no pixel of class 1" if held_out else "no images were held out"
    with pytest.warns(RunWarning, match=f"stays 0.5: .*{text}"):
        train(
            settings,
            pairs[:2],
            empty if held_out else None,
            tmp_path / "run",
            class_table=synthetic.MEMBRANE_CLASSES,
            verbose=0,
        )
    run = RunFolder.open(tmp_path / "run")
    assert run.is_finished and text in (run.path / "log.txt").read_text("utf-8")


@pytest.mark.once
def test_what_binary_is_for(pairs, tmp_path):
    table, two = ClassTable.default(3), {"class_table": ClassTable.default(2)}
    with pytest.raises(ValueError, match="for two classes.*3 classes"):
        train(
            Settings(**SETTINGS, binary=True),
            pairs,
            out=tmp_path / "run",
            class_table=table,
        )
    with pytest.raises(ValueError, match="of several classes.*'iou'"):
        train(Settings(**SETTINGS), pairs, out=tmp_path / "run", **two)
    with pytest.raises(ValueError, match="needs a run folder.*'iou'"):
        train(Settings(**SETTINGS, binary=True), pairs, **two)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="Received: threshold='dice'"):
        Settings(**{**SETTINGS, "threshold": "dice"})
