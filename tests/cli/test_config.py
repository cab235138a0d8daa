"""`--config FILE.yaml`: options of a command from a file."""

import dataclasses
import functools

import pytest

from keras_seg import training
from keras_seg.cli import fit_options
from keras_seg.cli.train import train
from keras_seg.losses.named import LOSSES
from keras_seg.runs import RunFolder
from keras_seg.runs import Settings
from keras_seg.runs.settings import OPTIMIZERS
from keras_seg.runs.settings import PRECISIONS
from keras_seg.runs.settings import TRACKERS

pytestmark = pytest.mark.once


def test_a_run_from_a_file(data, invoke, tmp_path):
    """What is given on the command line counts more."""
    weights = tmp_path / "weights.yaml"
    weights.write_text("membrane: 2\n")
    config = tmp_path / "a.yaml"
    config.write_text(
        f"data: {data}\n"
        "model: unet\n"
        "backbone: none\n"
        "options: {filters: 4, depth: 1}\n"
        "crop: [24, 32]\n"
        "scale: [0.5, 1]\n"
        "flip: false\n"
        "augment: [light, {color: {hue: 0.1}, blur: 1}]\n"
        "epochs: 2\n"
        "batch_size: 4\n"
        "loss: cross_entropy+lovasz\n"
        f"class_weights: {weights}\n"
        "optimizer: sgd\n"
        "learning_rate: 1e-2\n"
        "accumulate: 2\n"
        "repeat: 3\n"
        "ema: 0.5\n"
        "workers: 1\n"
        "val_fraction: 0\n"
        "train_split: train\n"
    )
    out = tmp_path / "run"
    result = invoke(
        "train", "--config", config, "--out", out, "--epochs", 1, "--json"
    )
    assert result.exit_code == 0, result.output
    found = RunFolder.open(out).settings
    assert (
        found
        == dataclasses.replace(
            Settings(),
            model="unet",
            backbone=None,
            weights=None,
            options={"filters": 4, "depth": 1},
            crop=(24, 32),
            scale=(0.5, 1.0),
            flip=False,
            augment=["light", {"color": {"hue": 0.1}, "blur": 1}],
            epochs=1,
            batch_size=4,
            loss="cross_entropy+lovasz",
            class_weights={"membrane": 2},
            optimizer="sgd",
            learning_rate=1e-2,
            accumulate=2,
            repeat=3,
            ema=0.5,
            workers=1,
        ).resolved()
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("epoch: 3", "'epoch', which is no option. Did you mean 'epochs'?"),
        ("epochs:", "'epochs' without a value"),
        ("epochs: {a: 1}", "'epochs' with a mapping"),
        ("- epochs", "a line NAME: VALUE for each option. Received: list"),
        ("epochs: 1\nepochs: 2", "the key 'epochs' again"),
        ("epochs: few", "--epochs takes a whole number of 1 or more"),
        ("resume: run", "'resume', which is no option"),
        ("loss: dise", "Did you mean 'dice'?"),
        ("class_weights: rare", "must be one of none, 'median_frequency'"),
        ("learning_rate: high", "a number such as 1e-3, or auto"),
        ("augment: strongest", "Did you mean 'strong'?"),
        ("track: [csv, wandby]", "'mlflow'. Received: --track wandby"),
        ("time: soon", "such as 1h30m, 20m or 90s. Received: soon"),
        ("time: 5m\nepochs: 3", "--time finds the number of epochs"),
    ],
)
def test_refused(data, invoke, tmp_path, text, said):
    config = tmp_path / "a.yaml"
    config.write_text(text)
    result = invoke(
        "train", data, "--config", config, "--out", tmp_path / "run"
    )
    assert result.exit_code, result.output
    assert said in " ".join(result.stderr.split()), result.stderr
    assert not (tmp_path / "run").exists()


def test_no_file(data, invoke, tmp_path):
    result = invoke("train", data, "--config", tmp_path / "no.yaml")
    assert result.exit_code == 2 and "no.yaml is no file" in result.stderr


def test_every_setting_is_an_option_of_the_same_name():
    """But for the number of validation images, which changes no result."""
    parameters = {*train.__annotations__, "options"}
    fields = {field.name for field in dataclasses.fields(Settings)}
    assert fields - parameters == {"validation_batch_size"}


def test_what_help_names():
    assert fit_options.LOSSES == tuple(LOSSES)
    assert fit_options.OPTIMIZERS == OPTIMIZERS
    assert fit_options.PRECISIONS == PRECISIONS
    assert fit_options.TRACKERS == TRACKERS


def test_time_and_rate(data, invoke, monkeypatch):
    """Measured and fitted; a dry run says what would be."""
    monkeypatch.setattr("keras_seg.training.estimates.STEPS", 3)
    short = functools.partial(training.find_learning_rate, steps=10)
    monkeypatch.setattr(training, "find_learning_rate", short)
    options = "--model unet --backbone none --option filters=4 --dry-run"
    result = invoke(
        "train",
        *(data, *options.split(), "--option", "depth=1"),
        *("--time", "2m", "--learning-rate", "auto"),
    )
    assert result.exit_code == 0, result.output
    for said in ("Found by a range test: --learning-rate ", "Fitted to 2 min"):
        assert said in result.stdout
    (line,) = (x for x in result.stdout.splitlines() if "Time:" in x)
    assert " for 1 epochs" not in line
