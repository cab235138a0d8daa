"""The layers that give the classes, on every system."""

import pytest

from keras_seg.training.recipes import score_layers
from tests.applications.systems import SYSTEMS
from tests.applications.systems import small

pytestmark = pytest.mark.once
CLASSES = 5

# Summed scores have several: of three strides, of two, of two rates.
SEVERAL = {"fcn2s": 5, "fcn8s": 3, "fcn16s": 2, "deeplabv2": 2}


@pytest.mark.parametrize("name", sorted(set(SYSTEMS) - {"sliding_window"}))
def test_their_channels_are_the_classes(name):
    found = score_layers(small(name, classes=CLASSES))
    assert len(found) == SEVERAL.get(name, 1)
    assert {layer.filters for layer in found} == {CLASSES}


def test_auxiliary_heads():
    found = score_layers(small("deeplabv2", classes=CLASSES, auxiliary=True))
    assert len(found) == 3  # Two rates, shared by the scales, and a head.
    assert {layer.filters for layer in found} == {CLASSES}
