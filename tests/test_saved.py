"""What earlier versions saved can be loaded: see `goldens/make_saved.py`."""

import copy
import json
import pathlib

import keras
import numpy as np
import pytest

import keras_seg  # noqa: F401  (registers what files can name)

GOLDENS = pathlib.Path(__file__).parent / "goldens"
OBJECTS = json.loads((GOLDENS / "saved_objects.json").read_text())


@pytest.mark.once
@pytest.mark.parametrize(
    "number", range(len(OBJECTS)), ids=lambda i: OBJECTS[i]["class_name"]
)
def test_objects(number):
    """Every value of the config is what it was."""
    saved = copy.deepcopy(OBJECTS[number])  # Keras empties what it reads.
    found = keras.saving.deserialize_keras_object(saved)
    config = keras.saving.serialize_keras_object(found)["config"]
    assert json.loads(json.dumps(config)) == OBJECTS[number]["config"]


def test_model():
    model = keras.saving.load_model(GOLDENS / "saved_model.keras")
    arrays = np.load(GOLDENS / "saved_model.npz")
    logits = model.predict_on_batch(arrays["image"])
    np.testing.assert_allclose(logits, arrays["logits"], rtol=1e-4, atol=1e-5)
    assert type(model.optimizer).__name__ == "CaffeSGD"
    assert type(model.loss).__name__ == "CrossEntropy"
