"""Settings that are fitted to time, and the range test of the rate."""

import dataclasses

import numpy as np
import pytest

from keras_seg.data import synthetic
from keras_seg.runs import RunError
from keras_seg.training import Settings
from keras_seg.training import find_learning_rate
from keras_seg.training import fit_epochs
from keras_seg.training import suggest
from keras_seg.training.estimates import DryRun

pytestmark = pytest.mark.once

CLASSES = synthetic.MEMBRANE_CLASSES
SETTINGS = Settings(
    model="unet",
    backbone=None,
    weights=None,
    options={"filters": 4, "depth": 2},
    batch_size=2,
    crop=32,
)


@pytest.fixture(scope="module")
def pairs():
    return list(zip(*synthetic.membranes(4, size=32), strict=True))


def test_every_default_has_a_reason():
    fields = [field.name for field in dataclasses.fields(Settings)]
    assert sorted(suggest.REASONS) == sorted(fields)


def measured(**values):
    """10 steps of a second, 20 seconds before and 5 behind the epochs."""
    found = {field.name: 0 for field in dataclasses.fields(DryRun)}
    found |= {"steps": 10, "seconds_per_step": 1.0, "start_seconds": 20.0}
    return DryRun(**{**found, "end_seconds": 5.0, **values})


@pytest.mark.parametrize(
    ("after", "seconds", "epochs", "repeat"),
    [
        (0.0, 125, 10, 1),
        (1.0, 135, 10, 1),  # A tenth of the epoch.
        (1.0, 134, 9, 1),
        (4.0, 25 + 44 * 3, 3, 4),  # A tenth of four passes.
        # Two of four passes would leave 43 seconds, which hold two more each.
        (4.0, 25 + 44 * 3 - 1, 2, 6),
        (4.0, 25 + 14, 1, 1),  # No more than the time holds.
        (4.0, 25 + 24, 1, 2),
    ],
)
def test_epochs_that_fit(monkeypatch, after, seconds, epochs, repeat):
    found = measured(validation_seconds=after / 2, save_seconds=after / 2)
    monkeypatch.setattr(suggest, "dry_run", lambda *args, **options: found)
    # What the measurement takes itself is nothing here.
    fitted = fit_epochs(SETTINGS, [], seconds=seconds + 0.5)
    assert (fitted.epochs, fitted.repeat) == (epochs, repeat)
    assert dataclasses.replace(fitted, epochs=20, repeat=1) == SETTINGS


def test_no_epoch_fits(monkeypatch):
    monkeypatch.setattr(suggest, "dry_run", lambda *args, **options: measured())
    with pytest.raises(ValueError, match="takes 35 s.*Received: 34 s"):
        fit_epochs(SETTINGS, [], seconds=34)


def test_range_test(pairs):
    """Of 30 steps from 1e-6 to 1e3; the last ones diverge."""
    found = find_learning_rate(
        SETTINGS, pairs, class_table=CLASSES, steps=30, high=1e3
    )
    again = find_learning_rate(
        SETTINGS, pairs, class_table=CLASSES, steps=30, high=1e3
    )
    assert found == again
    ratios = np.diff(np.log(found.rates))
    np.testing.assert_allclose(ratios, np.log(1e9) / 29, rtol=1e-6)
    assert len(found.rates) == len(found.losses) < 30
    assert found.losses[-1] > 4 * min(found.losses)
    lowest = np.argmin(found.losses)
    near = np.searchsorted(found.rates, 3 * found.learning_rate * 0.99)
    # Smoothing by 0.9 is late, by no more than ten steps.
    assert lowest <= near <= lowest + 10


def test_losses_of_zero_are_left_out():
    """Dice of crops without an object is 0; the first such end nothing."""
    image = np.zeros((16, 16, 3), "uint8")
    empty, full = np.zeros((2, 16, 16), "uint8")
    full[4:8] = 1
    settings = dataclasses.replace(
        SETTINGS, binary=True, loss="dice", crop=16, scale=None, seed=1
    )
    pairs = [(image, empty)] * 6 + [(image, full)] * 2
    found = find_learning_rate(settings, pairs, class_table=CLASSES, steps=10)
    assert found.losses[0] == 0 and len(found.rates) == 10
    assert found.losses[found.rates.index(3 * found.learning_rate)] > 0


@pytest.mark.filterwarnings("ignore:.*NaN", "ignore:The image holds float64")
def test_no_loss_that_tells():
    pairs = [(np.full((32, 32, 3), 3e38), np.zeros((32, 32), "uint8"))] * 2
    with pytest.raises(RunError, match="above 0.*losses=.inf.$"):
        find_learning_rate(SETTINGS, pairs, class_table=CLASSES, steps=5)
