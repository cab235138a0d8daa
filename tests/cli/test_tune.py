"""The search: what is tried, kept, pruned, and gone on with."""

import csv
import json
import math

import numpy as np
import pytest

from keras_seg.runs import RunError
from keras_seg.runs import Settings
from keras_seg.training import default_search
from keras_seg.training import tune
from keras_seg.training import tuning
from keras_seg.training.suggest import TooSlow

pytestmark = pytest.mark.once
pytest.importorskip("optuna")

SEARCH = {"learning_rate": (1e-5, 1.0), "batch_size": [2, 4]}
SETTINGS = Settings(weights=None, epochs=10)


class Training:
    """Stands for `train`: a value from the settings, best at 1e-3 and 4."""

    def __init__(self):
        self.seen = []
        self.kill = None

    def __call__(self, settings, data, validation, out, *, callbacks, **_):
        self.seen.append(settings)
        out.mkdir()
        (out / "rate.txt").write_text(str(settings.learning_rate))
        away = abs(math.log10(settings.learning_rate) + 3)
        best = 0.9 - 0.1 * away - 0.05 * (settings.batch_size == 2)
        for epoch in range(settings.epochs):
            if len(self.seen) == self.kill and epoch == 1:
                raise KeyboardInterrupt
            value = best * (epoch + 1) / settings.epochs
            callbacks[0].on_epoch_end(epoch, {"val_mean_iou": value})


@pytest.fixture
def training(monkeypatch):
    fake = Training()
    monkeypatch.setattr(tuning, "train", fake)
    # Between trials; no network is left by these.
    monkeypatch.setattr(tuning.gc, "collect", lambda: None)
    return fake


def table(out):
    with open(out / "trials.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_the_best_is_kept_and_the_worse_are_pruned(training, tmp_path):
    out, said = tmp_path / "tuned", []
    rows = tune(SETTINGS, [], [], out, SEARCH, trials=20, say=said.append)
    assert len(rows) == len(training.seen) == len(said) == 20
    assert [row["state"] for row in rows[:4]] == ["finished"] * 4
    finished = [row for row in rows if row["state"] == "finished"]
    pruned = [row for row in rows if row["state"] == "pruned"]
    values = [row["mean_iou"] for row in finished]
    assert values == sorted(values, reverse=True)
    assert pruned and all(row["epochs"] in range(3, 10) for row in pruned)
    best = rows[0]
    away = abs(math.log10(best["learning_rate"]) + 3)
    assert best["batch_size"] == 4 and away < 0.5
    assert best["mean_iou"] == pytest.approx(0.9 - 0.1 * away, abs=1e-4)
    text = (out / "best/rate.txt").read_text()
    assert float(text) == best["learning_rate"]
    assert {path.name for path in out.iterdir()} == {
        *("best", "study.log", "trials.csv", "tune.json"),
    }
    assert [int(row["trial"]) for row in table(out)] == [
        row["trial"] for row in rows
    ]


def test_it_goes_on_after_a_kill(training, tmp_path):
    """The trial that was killed is the next one, and no other is repeated."""
    out = tmp_path / "tuned"
    training.kill = 3
    with pytest.raises(KeyboardInterrupt):
        tune(SETTINGS, [], [], out, SEARCH, trials=5)
    assert len(table(out)) == 2
    rows = tune(SETTINGS, [], [], out, SEARCH, trials=5)
    assert len(rows) == 5 and len(training.seen) == 6
    assert training.seen[3] == training.seen[2]
    rates = [row["learning_rate"] for row in rows]
    assert len(set(rates)) == 5
    assert not list(out.glob("trial_*"))
    # All is done.
    assert tune(SETTINGS, [], [], out, SEARCH, trials=5) == rows


@pytest.mark.parametrize("kill", ["_keep_best", "_write_table"])
def test_the_best_outlives_a_kill(training, tmp_path, monkeypatch, kill):
    """Between what Optuna knows and what is moved."""

    def killed(*args):
        if len(training.seen) == 1:
            raise KeyboardInterrupt
        return own(*args)

    out, own = tmp_path / "tuned", getattr(tuning, kill)
    with monkeypatch.context() as patch:
        patch.setattr(tuning, kill, killed)
        with pytest.raises(KeyboardInterrupt):
            tune(SETTINGS, [], [], out, SEARCH, trials=1)
    (row,) = tune(SETTINGS, [], [], out, SEARCH, trials=1)
    assert len(training.seen) == 1
    text = (out / "best/rate.txt").read_text()
    assert float(text) == row["learning_rate"]
    assert not list(out.glob("finished_*"))


def test_too_slow_for_its_time(training, tmp_path, monkeypatch):
    def fit_epochs(settings, *data, seconds, class_table):
        if settings.batch_size == 2:
            raise TooSlow("One epoch takes 2 min.")
        return settings

    monkeypatch.setattr(tuning, "fit_epochs", fit_epochs)
    said, search = [], {"batch_size": [2, 4]}
    rows = tune(
        SETTINGS,
        *([], [], tmp_path / "tuned", search),
        trials=6,
        seconds=60,
        say=said.append,
    )
    slow = [row for row in rows if row["batch_size"] == 2]
    assert slow and len(slow) < 6
    assert {(row["state"], row["epochs"]) for row in slow} == {("pruned", 0)}
    assert f"Trial {slow[0]['trial']}: One epoch takes 2 min." in said


def test_what_ends_a_trial(training, tmp_path, monkeypatch):
    """A loss of NaN prunes it; any other error, such as a full disk, stops."""

    def train(settings, data, validation, out, *, callbacks, **_):
        callbacks[0].on_epoch_end(0, {"loss": loss, "val_mean_iou": 0.5})
        raise RunError("It ended.")

    monkeypatch.setattr(tuning, "train", train)
    loss = math.nan
    (row,) = tune(SETTINGS, [], [], tmp_path / "a", SEARCH, trials=1)
    assert row["state"] == "pruned"
    loss = 1.0
    with pytest.raises(RunError, match="It ended"):
        tune(SETTINGS, [], [], tmp_path / "b", SEARCH, trials=1)


def test_one_time_for_each(training, tmp_path, monkeypatch):
    shares = []

    def fit_epochs(settings, *data, seconds, class_table):
        shares.append(seconds)
        return settings

    monkeypatch.setattr(tuning, "fit_epochs", fit_epochs)
    out = tmp_path / "tuned"
    assert len(tune(SETTINGS, [], [], out, SEARCH, trials=4, seconds=60)) == 4
    assert shares == [15] * 4
    said = []
    out = tmp_path / "other"
    rows = tune(
        SETTINGS, [], [], out, SEARCH, trials=4, seconds=1e-9, say=said.append
    )
    assert len(rows) < 4 and said[-1].endswith("s are over.")


def test_refused(training, tmp_path):
    def refused(search, text, settings=SETTINGS):
        with pytest.raises(ValueError, match=text):
            tune(settings, [], [], tmp_path / "tuned", search, trials=1)

    refused({"learn_rate": (1, 2)}, "Did you mean 'learning_rate'?")
    refused({"loss": []}, "or a list of values")
    refused({"loss": ["dise"]}, "Did you mean 'dice'?")
    refused({"learning_rate": (0, 1)}, "`learning_rate` must be a number > 0")
    assert not (tmp_path / "tuned").exists()
    tune(SETTINGS, [], [], tmp_path / "tuned", SEARCH, trials=1)
    with pytest.raises(RunError, match="a search with other settings"):
        tune(SETTINGS, [], [], tmp_path / "tuned", {"seed": [1]}, trials=1)
    (tmp_path / "full").mkdir()
    (tmp_path / "full/a.txt").write_text("")
    with pytest.raises(RunError, match="holds no search"):
        tune(SETTINGS, [], [], tmp_path / "full", SEARCH, trials=1)


def test_backbones_are_searched_where_weights_come_by_name():
    pairs = [([], np.zeros((300, 200)))]
    found = default_search(Settings(), pairs)
    assert found["size"] == [300, 225]
    assert found["backbone"][0] == Settings().backbone
    assert "backbone" not in default_search(Settings(weights="a.h5"), pairs)


@pytest.mark.filterwarnings("ignore:Only:keras_seg.runs.RunWarning")
def test_command(data, invoke, tmp_path):
    """A real trial; the best run predicts as any other."""
    out = tmp_path / "tuned"
    options = "--model unet --backbone none --option filters=2 --option depth=1"
    result = invoke(
        "tune",
        *(data, "--trials", 1, "--out", out),
        *("--search", "learning_rate=1e-3..1e-2"),
        *("--search", "loss=cross_entropy,lovasz"),
        *options.split(),
        *("--epochs", 1, "--crop", 32),
    )
    assert result.exit_code == 0, result.output
    assert "Trial 0, finished: mean IoU 0." in result.stdout
    assert f"Wrote {out}: best/, trials.csv" in result.stdout
    settings = json.loads((out / "best/settings.json").read_text())
    (best,) = table(out)
    assert settings["learning_rate"] == float(best["learning_rate"])
    assert settings["loss"] == best["loss"]
    image = next((data / "val/images").iterdir())
    result = invoke(
        "predict", out / "best", image, "--out", tmp_path / "predictions"
    )
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--search rate", "NAME=LOW..HIGH, of numbers, or NAME=A,B,C"),
        ("--search loss=a..b", "NAME=LOW..HIGH, of numbers, or NAME=A,B,C"),
        ("--dry-run", "is of keras-seg train, not of tune"),
        ("--epoch 3", "No such option: --epoch"),
        ("--time soon", "such as 1h30m, 20m or 90s"),
    ],
)
def test_command_refuses(data, invoke, tmp_path, options, said):
    out = tmp_path / "tuned"
    result = invoke("tune", data, "--out", out, *options.split())
    assert result.exit_code and not out.exists()
    assert said in " ".join(result.stderr.split()), result.stderr
