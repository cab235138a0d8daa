"""Naming a network: run folders, their files, and what is neither."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from keras_seg.applications import UNet
from keras_seg.cli.network import open_network
from keras_seg.layers.metadata import note
from keras_seg.runs import class_table_of
from keras_seg.runs import set_class_table


def test_a_run_and_its_file(run, images, invoke, tmp_path):
    """Both predict the same; a moved file still knows its classes."""
    moved = tmp_path / "moved.keras"
    moved.write_bytes((run / "best.keras").read_bytes())
    written = []
    for number, name in enumerate((run, moved)):
        out = tmp_path / f"out{number}"
        result = invoke("predict", "--model", name, images[0], "--out", out)
        assert result.exit_code == 0, result.output
        assert ("Next: keras-seg evaluate" in result.stdout) == (name == run)
        written.append((out / images[0].name).read_bytes())
    assert written[0] == written[1]
    result = invoke("predict", moved, images[0], "--out", out)
    assert result.stdout.startswith("1 predicted before")


def test_what_a_network_knows(run, tmp_path):
    found = open_network(run, last=True)
    assert found.path == run / "model.keras" and not found.is_exported
    model = found.load()
    assert class_table_of(model) == found.class_table == found.run.class_table
    note(model, bit_depth=12)
    model.save(tmp_path / "deep.keras")
    saved = open_network(tmp_path / "deep.keras")
    assert dataclasses.replace(saved, load=None) == dataclasses.replace(
        found, path=saved.path, bit_depth=12, load=None, run=None
    )
    # Of a run on data that were no folder, the model knows.
    copy = shutil.copytree(run, tmp_path / "copy")
    shutil.copy(saved.path, copy / "model.keras")
    facts = json.loads((copy / "data.json").read_text()) | {"source": None}
    (copy / "data.json").write_text(json.dumps(facts))
    again = open_network(copy, last=True)
    assert again.bit_depth == 12 and again.run.path == copy
    for a, b in zip(
        saved.load().get_weights(), model.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(a, b)


@pytest.mark.once
def test_what_is_no_network(run, images, invoke, tmp_path):
    nameless = tmp_path / "nameless.keras"
    model = UNet(classes=2, filters=2, depth=1)
    model.save(nameless)
    damaged = tmp_path / "damaged.keras"
    damaged.write_bytes(nameless.read_bytes()[:1000])
    for name, said in (
        (images[0], f"{images[0]} is no such file; a run folder, a .keras "),
        ("nope", "nope does not exist; a run folder, a .keras file of it, "),
        (tmp_path, f"{tmp_path} is not a run folder: it has no environment"),
        (tmp_path / "a.keras", "a.keras does not exist."),
        (tmp_path / "a.onnx", "a.onnx does not exist."),
        (damaged, f"{damaged} is not a Keras model, or is incomplete (1000 "),
        (nameless, f"{nameless} does not know the names of its 2 classes. Fix"),
    ):
        result = invoke("predict", "--model", name, images[0])
        assert result.exit_code == 1
        assert said in result.stderr and result.stderr.count("\n") == 1
    set_class_table(model, open_network(run).class_table)
    model.save(nameless)
    assert open_network(nameless).class_table.names == ("cell", "membrane")
    result = invoke("predict", "--model", nameless, images[0], "--last")
    assert "--last takes the last model of a run folder" in result.stderr
