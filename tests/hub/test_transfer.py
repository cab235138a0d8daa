"""Runs are pushed to a stand-in of the Hub, and pulled from there."""

import csv
import pathlib
import re
import shutil
import sys

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

import keras_seg
from keras_seg.cli import app
from keras_seg.runs import RunError
from keras_seg.runs import RunFolder
from keras_seg.runs import RunWarning
from tests.hub.stand_in import READER

pytestmark = pytest.mark.once


def predicted(run, photo):
    model = RunFolder.open(run).load_model()
    (found,) = keras_seg.predict(model, photo)
    return found.ids


def downloads(stand_in):
    return [
        x for x in stand_in.requests if x[0] == "GET" and "/resolve/" in x[1]
    ]


def test_a_run_goes_there_and_back(run, desk, stand_in, tmp_path, monkeypatch):
    url = keras_seg.hub.push(run, "me/horses", license="apache-2.0")
    assert url == f"{stand_in.url}/me/horses"
    there = stand_in.repositories["me/horses"]
    first = there.branches["main"]
    names = {str(x.relative_to(run)) for x in run.rglob("*") if x.is_file()}
    assert set(there.commits[first]) == names
    assert {"best.keras", "state.npz", "samples/epoch_001.png"} <= names
    assert not there.private

    # Pulled into an empty cache, it predicts the same; so does its card.
    expected = predicted(run, desk / "photo.jpg")
    found = predicted("hf://me/horses", desk / "photo.jpg")
    np.testing.assert_array_equal(found, expected)
    card = there.commits[first]["README.md"].decode()
    monkeypatch.chdir(desk)
    names = {}
    exec(re.search(r"```python\n(.*?)```", card, re.DOTALL)[1], names)
    np.testing.assert_array_equal(names["masks"], [expected])

    # What is in the cache is not downloaded again, but for `state.npz`.
    before = downloads(stand_in)
    assert not any("state.npz" in path for _, path in before)
    folder = keras_seg.hub.pull("me/horses")
    assert folder.name == first
    (last,) = downloads(stand_in)[len(before) :]
    assert last[1].endswith("/state.npz")
    assert keras_seg.hub.pull("me/horses") == folder
    assert len(downloads(stand_in)) == len(before) + 1

    # A run that has changed; what it has no more is removed, and no more.
    there.commits[there.branches["main"]]["LICENSE"] = b"of the owner"
    (run / "best.keras").unlink()
    shutil.rmtree(run / "samples")
    message = {"commit_message": "The last epoch"}
    keras_seg.hub.push(run, "me/horses", ignore_patterns="state.npz", **message)
    now = there.commits[there.branches["main"]]
    assert {"LICENSE", "model.keras"} <= set(now)
    assert not {"best.keras", "state.npz", "samples/epoch_001.png"} & set(now)
    again = RunFolder.open("hf://me/horses")
    assert again.model_path().name == "model.keras"
    old = RunFolder.open(f"hf://me/horses@{first}")
    assert old.model_path().name == "best.keras"

    # A branch, a folder of one's own, and a copy of what was pulled.
    url = keras_seg.hub.push(run, "me/horses@small")
    assert url == f"{stand_in.url}/me/horses/tree/small"
    assert "hf://me/horses@small" in (
        there.commits[there.branches["small"]]["README.md"].decode()
    )
    own = keras_seg.hub.pull("hf://me/horses@small", to=tmp_path / "own")
    assert own == tmp_path / "own"
    names = {x.name for x in run.iterdir()}
    assert {x.name for x in own.iterdir()} == names | {"LICENSE"}
    with pytest.raises(RunError, match="is not empty"):
        keras_seg.hub.pull("me/horses", to=own)
    keras_seg.hub.push(own, "me/ponies", private=True)
    ponies = stand_in.repositories["me/ponies"]
    assert ponies.private
    card = ponies.commits[ponies.branches["main"]]["README.md"].decode()
    assert card.count("library_name") == card.count("## Load it") == 1


def test_the_page_of_the_docs(run, stand_in, tmp_path, monkeypatch):
    page = pathlib.Path(__file__).parents[2] / "docs/howto/hub.md"
    (code,) = re.findall(r"```py\n(.*?)```", page.read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(code, names := {})
    assert names["url"] == f"{stand_in.url}/me/horses"
    assert RunFolder.open("HORSES").class_table == names["run"].class_table


def test_the_card(run):
    """Its header is what the Hub reads; its body what the owner wrote."""
    readme = (run / "README.md").read_text()
    files = keras_seg.hub.published(run, "me/horses", license="mit")
    card = files["README.md"].decode()
    _, header, body = card.split("---\n", 2)
    header = yaml.safe_load(header)
    assert header["library_name"] == "keras"
    assert header["pipeline_tag"] == "image-segmentation"
    assert header["license"] == "mit"
    assert "keras_seg" in header["tags"]
    (model,) = header["model-index"]
    results = {x["dataset"]["split"]: x for x in model["results"]}
    for split, table in (
        ("validation", "per_class_iou.csv"),
        ("train", "evaluation_train.csv"),
    ):
        with open(run / table, newline="") as file:
            iou = [float(row["iou"]) for row in csv.DictReader(file)]
        (metric,) = results[split]["metrics"]
        assert metric["value"] == pytest.approx(np.nanmean(iou), abs=5e-5)
        assert results[split]["dataset"]["name"] == "my DATA"
    title, *rest = readme.splitlines()
    assert body.lstrip().startswith(title)
    lost = [x for x in rest if x not in body.splitlines()]
    assert [x.partition(" ")[0] for x in lost] == ["From", "command"]
    for text in (
        f"| 1 | {RunFolder.open(run).class_table.names[1]} | `#",
        "Void, not trained on: 255.",
        "![epoch_001](samples/epoch_001.png)",
        "![evaluation_train_worst](evaluation_train_worst.png)",
        "hf://me/horses",
    ):
        assert text in body
    # A header of the owner's own, in what was edited.
    (run / "README.md").write_text(
        "---\nlicense: cc0-1.0\nlanguage: en\ntags: [x]\n---\n# Mine\n\nText.\n"
    )
    card = keras_seg.hub.published(run, "me/horses")["README.md"].decode()
    _, header, body = card.split("---\n", 2)
    header = yaml.safe_load(header)
    assert header["license"] == "cc0-1.0" and header["language"] == "en"
    assert body.startswith("\n# Mine\n\n<!--") and body.endswith("\n\nText.\n")


def test_the_command_line(run, desk, stand_in, tmp_path, monkeypatch):
    """Every command takes hf://; none writes into the cache of the Hub."""

    def invoke(*words):
        done = CliRunner().invoke(app, list(map(str, words)))
        assert done.exit_code == 0, done.output
        return done.output

    monkeypatch.chdir(tmp_path)
    out = invoke("push", run, "me/horses", "--dry-run", "--exclude", "*.npz")
    assert (
        "which everybody can see: your images are shown in 2 of them, " in out
    )
    assert "names are in evaluation_train_images.csv and data.json, and" in out
    assert "best.keras" in out and "state.npz" not in out
    assert not stand_in.repositories
    out = invoke("push", run, "me/horses", "--private", "--exclude", "*.npz")
    assert f"Published {stand_in.url}/me/horses\n" in out
    assert stand_in.repositories["me/horses"].private
    name = "hf://me/horses"
    out = invoke("predict", name, desk / "photo.jpg", "--out", "there")
    assert f"Next: keras-seg evaluate {name} DATA" in out
    invoke("predict", run, desk / "photo.jpg", "--out", "here")
    here, there = (tmp_path / x / "photo.png" for x in ("here", "there"))
    assert here.read_bytes() == there.read_bytes()
    cached = sorted(x for x in (tmp_path / "cache").rglob("*") if x.is_file())
    # The same data, which have moved: known by their fingerprint.
    data = shutil.copytree(desk / "my DATA", tmp_path / "moved")
    out = invoke("evaluate", name, data)
    assert "held out are evaluated" in out
    assert (tmp_path / "evaluations/horses/evaluation.csv").is_file()
    options = "--size", "32", "--no-verify", "--format"
    invoke("export", name, *options, "torch")
    assert (tmp_path / "horses.pt2").is_file()
    invoke(
        *("train", data, "--from", name, "--epochs", 1, "--crop", 32),
        *("--size", "none", "--batch-size", 2, "--out", "finer"),
    )
    finer = RunFolder.open("finer")
    assert finer.settings.start_from == name
    card = keras_seg.hub.published(finer, "me/finer")["README.md"].decode()
    assert "base_model: me/horses\n" in card
    assert cached == sorted(
        x for x in (tmp_path / "cache").rglob("*") if x.is_file()
    )


def test_offline(run, desk, stand_in, monkeypatch):
    """What was pulled is there without a network, or without the Hub."""
    keras_seg.hub.push(run, "me/horses")
    expected = predicted("hf://me/horses", desk / "photo.jpg")
    seen = len(stand_in.requests)
    stand_in.close()
    found = predicted("hf://me/horses", desk / "photo.jpg")
    np.testing.assert_array_equal(found, expected)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    found = predicted("hf://me/horses", desk / "photo.jpg")
    np.testing.assert_array_equal(found, expected)
    assert len(stand_in.requests) == seen
    with pytest.raises(ConnectionError, match="HF_HUB_OFFLINE must not be set"):
        keras_seg.hub.pull("me/ponies")


@pytest.mark.parametrize("name", ["horses", "a/b/c", "hf://me", "me/ho rses"])
def test_other_names_are_refused(name, run):
    for call in (
        lambda: keras_seg.hub.pull(name),
        lambda: keras_seg.hub.push(run, name),
        lambda: keras_seg.hub.published(run, name),
    ):
        with pytest.raises(ValueError, match="user/name.*Received") as error:
            call()
        assert str(error.value).endswith(name)


def test_what_the_hub_refuses(run, stand_in, tmp_path, monkeypatch):
    push, pull = keras_seg.hub.push, keras_seg.hub.pull
    host = stand_in.url

    def refused(kind, sentence, call, *arguments, **options):
        with pytest.raises(kind) as error:
            call(*arguments, **options)
        assert type(error.value) is kind
        assert str(error.value).startswith(sentence), str(error.value)
        assert "\n" not in str(error.value)

    missing = f"{host} has no me/horses, or it is private. Fix: "
    refused(FileNotFoundError, missing, pull, "me/horses")
    refused(FileNotFoundError, missing, pull, "me/horses", token=False)
    logged_in = f"{host} knows no user by this token, or none is logged in (4"
    refused(PermissionError, logged_in, push, run, "me/horses", token=False)
    refused(PermissionError, logged_in, push, run, "me/horses", token="hf_no")
    refused(PermissionError, logged_in, pull, "me/horses", token="hf_no")
    broken = f"{host} refuses me/broken (500): "
    refused(OSError, broken, pull, "me/broken")
    forbidden = f"{host} refuses to write me/horses (403). Fix: log in with"
    refused(PermissionError, forbidden, push, run, "me/horses", token=READER)
    others = f"{host} refuses to write you/horses (403)"
    refused(PermissionError, others, push, run, "you/horses")
    header = 'Invalid metadata in README.md. - "license" must be one of'
    refused(ValueError, header, push, run, "me/horses", license="forbidden")

    push(run, "me/horses")
    public = f"{host}/me/horses is there already, and public. Fix: make it"
    refused(PermissionError, public, push, run, "me/horses", private=True)
    no = f"{host}/me/horses has no revision v2."
    refused(FileNotFoundError, no, pull, "me/horses@v2")
    files = dict(stand_in.repositories["me/horses"].commits)
    files = dict(next(reversed(files.values())))
    del files["classes.csv"]
    stand_in.repositories["me/horses"].commit("bare", files)
    no = f"{host}/me/horses is not a run of keras_seg: it has no classes.csv."
    refused(RunError, no, pull, "me/horses", revision="bare")

    refused(
        RunError,
        f"{tmp_path} is not a run folder: it has no environment.txt",
        *(push, tmp_path, "me/horses"),
    )
    table = run / "evaluation_train.csv"
    table.write_text("id,name\n0,x\n")
    damaged = f"{table} is not as keras-seg evaluate wrote it. Fix: remove"
    refused(RunError, damaged, push, run, "me/horses")
    table.unlink()
    (run / "README.md").unlink()
    unfinished = f"{run} is not finished: it has no README.md. Fix: keras-seg"
    refused(RunError, unfinished, push, run, "me/horses")
    done = CliRunner().invoke(app, ["push", str(run), "me/horses"])
    assert done.exit_code == 1
    assert done.stderr.startswith(unfinished)
    assert done.stderr.count("\n") == 1

    stand_in.close()
    away = f"{host} cannot be reached, and me/ponies was not pulled before."
    refused(ConnectionError, away, pull, "me/ponies")
    (run / "README.md").write_text("# A run\n")
    away = f"{host} cannot be reached. Fix: connect"
    refused(ConnectionError, away, push, run, "me/ponies")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    fix = "hf://me/ponies needs huggingface_hub. Fix: pip install 'keras-seg[h"
    refused(ImportError, fix, pull, "me/ponies")


def test_paths_of_the_machine_stay_here(run, desk, stand_in):
    """Those that a run records, those in a text of the owner's, and others."""
    (run / "log.txt").write_text(
        "Read /srv/films/part 1, wrote `/srv/films/a/b.png`, (/srv/x/y.csv).\n"
        r"From C:\Users\me\x.png; see https://a.org/b/c and 1/2/3, <a/b/c>."
        "\n"
    )
    settings = (run / "settings.json").read_text()
    (run / "settings.json").write_text(
        settings.replace(
            '"start_from": null', '"start_from": "/home/me/my run"'
        )
    )
    (run / "extra.onnx").write_bytes(b"\0" + str(desk / "my DATA").encode())
    with pytest.warns(RunWarning, match="^extra.onnx holds paths of this mach"):
        keras_seg.hub.push(run, "me/horses")
    there = stand_in.repositories["me/horses"]
    files = there.commits[there.branches["main"]]
    for name, content in files.items():
        if name != "extra.onnx":
            for path in (desk, run.parent, sys.prefix, "/home/me"):
                assert str(path).encode() not in content, name
    assert files["log.txt"].decode() == (
        "Read part 1, wrote `b.png`, (y.csv).\n"
        "From x.png; see https://a.org/b/c and 1/2/3, <a/b/c>.\n"
    )
    assert b'"start_from": "my run"' in files["settings.json"]
    assert b'"path": "my DATA"' in files["data.json"]
    assert b"From `my DATA`." in files["README.md"]
    assert b"\nmy DATA/train/images/" in files["evaluation_train_images.csv"]
    for name in ("classes.csv", "history.csv", "per_class_iou.csv"):
        assert files[name] == (run / name).read_bytes()
