"""What earlier versions saved can be loaded: see `goldens/make_saved.py`."""

import copy
import json
import pathlib

import keras
import numpy as np
import pytest

import keras_seg  # noqa: F401  (registers what files can name)

GOLDENS = pathlib.Path(__file__).parent / "goldens"
# Arguments that have another name or value since then.
RENAMED = {
    "ASPP": {"rates": "atrous_rates"},
    "AlignedScale": {"scale": "factor"},
    "AtrousAveragePool": {"rate": "dilation_rate"},
    "AtrousConv": {"rate": "dilation_rate"},
    "AtrousMaxPool": {"rate": "dilation_rate"},
    "BedOfNails": {"size": "factor"},
    "LovaszSoftmax": {"classes": "absent_classes"},
    "NearestUpsampling": {"size": "factor"},
    "RemovedStridePadding": {"rate": "dilation_rate"},
}
VALUES = {"all": None, "present": "truth"}
OBJECTS = json.loads((GOLDENS / "saved_objects.json").read_text())


def without_modules(saved):
    """A class may move, and be renamed: Keras finds it as registered."""
    if isinstance(saved, list):
        return [without_modules(value) for value in saved]
    if not isinstance(saved, dict):
        return saved
    moved = ("module", "class_name") if "registered_name" in saved else ()
    return {
        name: without_modules(value)
        for name, value in saved.items()
        if name not in moved
    }


@pytest.mark.once
@pytest.mark.parametrize(
    "number", range(len(OBJECTS)), ids=lambda i: OBJECTS[i]["class_name"]
)
def test_objects(number):
    """Every value of the config is what it was."""
    saved = copy.deepcopy(OBJECTS[number])  # Keras empties what it reads.
    found = keras.saving.deserialize_keras_object(saved)
    found = keras.saving.serialize_keras_object(found)
    found = json.loads(json.dumps(found))
    expected = copy.deepcopy(OBJECTS[number])
    for old, new in RENAMED.get(expected["class_name"], {}).items():
        value = expected["config"].pop(old)
        expected["config"][new] = value if old != "classes" else VALUES[value]
    # What has been added since has its default.
    config = found["config"]
    found["config"] = {name: config[name] for name in expected["config"]}
    assert without_modules(found) == without_modules(expected)


@pytest.mark.once
def test_model():
    model = keras.saving.load_model(GOLDENS / "saved_model.keras")
    arrays = np.load(GOLDENS / "saved_model.npz")
    logits = model.predict_on_batch(arrays["image"])
    np.testing.assert_allclose(logits, arrays["logits"], rtol=1e-4, atol=1e-5)
    assert type(model.optimizer).__name__ == "CaffeSGD"
    assert type(model.loss).__name__ == "CrossEntropy"
