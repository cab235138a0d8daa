"""Every system with one score a pixel, and with labels that overlap."""

import pytest

from keras_seg.from_logits import gives_logits
from keras_seg.score_form import is_multi_label
from keras_seg.score_form import number_of_classes
from tests.applications.systems import SYSTEMS
from tests.applications.systems import small


@pytest.mark.once
@pytest.mark.parametrize("name", SYSTEMS)
def test_one_score(name):
    """`classes=1` builds."""
    model = small(name, classes=1)
    assert model.compute_output_shape((1, 97, 33, 3)) == (1, 97, 33, 1)
    assert gives_logits(model) and number_of_classes(model) == 2


@pytest.mark.once
def test_a_sigmoid_is_of_labels():
    model = small("unet", classes=3, classifier_activation="sigmoid")
    assert is_multi_label(model) and gives_logits(model) is False
    one = small("unet", classes=1, classifier_activation="sigmoid")
    assert not is_multi_label(one) and number_of_classes(one) == 2
    assert not is_multi_label(small("unet", classes=3))


@pytest.mark.once
def test_a_crf_is_of_classes():
    model = small("deeplabv1", crf=True, classes=1)
    assert model.output_shape == (None, None, None, 1)
    options = {"crf": True, "classifier_activation": "sigmoid"}
    with pytest.raises(ValueError, match="do not exclude each other"):
        small("deeplabv1", classes=3, **options)
