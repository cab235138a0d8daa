"""`evaluate --calibration`, and what follows its temperature."""

import json

import keras
import numpy as np
import pytest

from keras_seg.inference import predict
from keras_seg.runs import RunFolder
from keras_seg.score_form import known_facts

pytestmark = pytest.mark.once


def test_the_run_keeps_the_temperature(
    run_copy, data, images, invoke, rows, tmp_path
):
    run = run_copy
    result = invoke("evaluate", run, data, "--calibration")
    assert result.exit_code == 0, result.output
    table = rows(run / "evaluation_val_reliability.csv")
    assert (
        len(table) == 15 and (run / "evaluation_val_reliability.png").exists()
    )
    kept = RunFolder.open(run).temperature()
    assert f"at the temperature {kept:.3f}, which is kept in" in result.stdout
    plain = keras.models.load_model(run / "best.keras")
    assert known_facts(plain).get("temperature") is None
    model = RunFolder.open(run).load_model()
    assert known_facts(model)["temperature"] == kept
    result = invoke(
        "predict", run, images[0], "--out", tmp_path / "a", "--probabilities"
    )
    assert result.exit_code == 0, result.output
    with np.load(tmp_path / "a" / "0000.npz") as file:
        written = file["probabilities"]
    (found,) = predict(model, [images[0]], probabilities=True)
    np.testing.assert_array_equal(written, found.probabilities)
    (other,) = predict(plain, [images[0]], probabilities=True)
    assert abs(other.probabilities - written).max() > 1e-3
    # A scale is another network, and another model file has none.
    options = "--scales", "0.5,1", "--out", tmp_path / "b"
    result = invoke("predict", run, images[0], *options)
    assert "The temperature of the run is left out" in result.stderr
    known = json.loads((run / "temperature.json").read_text())
    known["best.keras"]["sha256"] = "0"
    (run / "temperature.json").write_text(json.dumps(known))
    assert RunFolder.open(run).temperature() is None


def test_not_of_images_that_were_trained_on(run_copy, data, invoke):
    result = invoke(
        "evaluate", run_copy, data, "--split", "train", "--calibration"
    )
    assert result.exit_code == 0, result.output
    assert "which is kept by no run" in result.stdout
    assert not (run_copy / "temperature.json").exists()
