import numpy as np
import pytest

from keras_seg.data import ClassTable
from keras_seg.inference import Evaluation
from keras_seg.runs import RunFolder
from keras_seg.runs import Settings
from keras_seg.training.finish import model_card

CLASSES = ClassTable(("sky", "a|b", "car"), ((0, 0, 0),) * 3)
ROWS = [{"epoch": i + 1, "loss": 1.0, "seconds": 90.0} for i in range(2)]
# Of 40 pixels 30 are right; car is nowhere.
MATRIX = np.array([[25, 5, 0], [5, 5, 0], [0, 0, 0]])


@pytest.fixture
def run(tmp_path):
    facts = {
        "source": {"path": "/data/street"},
        "train": {"images": 8, "fingerprint": "ab"},
        "validation": {"images": 1, "fingerprint": "cd"},
    }
    return RunFolder.create(tmp_path / "run", Settings(), CLASSES, facts)


def card(run, held_out=True, best=2):
    found = Evaluation(MATRIX, CLASSES, 4)
    return model_card(run, found, held_out, ROWS, best)


@pytest.mark.parametrize(
    "line",
    [
        "# fcn2s on mobilenet_v2 for sky, a|b, car",
        "| sky | 0.714 | 0.833 | 75.0 % |",  # 25 / 35, 25 / 30
        "| a\\|b | 0.333 | 0.500 | 25.0 % |",  # 5 / 15, 5 / 10
        "| car | – | – | 0.0 % |",
        "| **mean** | **0.524** | 0.667 | |",
        "2 epochs, 3 min. The model is that of epoch 2, the best of "
        "them. `history.csv` has every epoch.",
        "| learning_rate | 0.001 |",
        "| freeze_batch_norm | True |",
        "From `/data/street`.",
        "8 images trained on (fingerprint ab).",
        "1 image held out (fingerprint cd).",
        "* Not tested at all: car.",
        "* Weak, with an IoU below 0.5: a|b 0.33.",
        "keras-seg predict run IMAGE... --out predictions",
    ],
)
def test_facts(run, line):
    assert line in card(run).splitlines()


def test_versions_and_licence(run):
    text = card(run)
    assert (run.path / "environment.txt").read_text() in text
    assert "## Licence\n\nTo be filled in" in text


def test_scores_on_what_was_trained_on(run):
    text = card(run, held_out=False, best=None)
    assert "On the 4 images it was trained on, which says little" in text
    assert "not been tested on images it was not trained on" in text
    assert "The model is that of the last epoch." in text
