"""What a model file says of its classes."""

import keras
import pytest

from keras_seg import surgery
from keras_seg.applications import FCN8s
from keras_seg.data import ClassTable
from keras_seg.runs import class_table_of
from keras_seg.runs import set_class_table
from tests.applications.test_deeplab_v3 import tiny_resnet
from tests.networks import randomize

TABLE = ClassTable(
    ("sky", "road", "car"),
    ((1, 2, 3), (4, 5, 6), (7, 8, 9)),
    frozenset({9, 255}),
)


@pytest.fixture
def model():
    model = randomize(FCN8s(tiny_resnet(), None, classes=3))
    assert class_table_of(model) is None
    set_class_table(model, TABLE)
    return model


@pytest.mark.once
def test_classes_are_kept(model, tmp_path):
    model.save(tmp_path / "a.keras")
    dense = surgery.set_output_stride(model, 8)
    for other in (
        model,
        keras.models.load_model(tmp_path / "a.keras"),
        keras.models.clone_model(model),
        dense,
        surgery.set_output_stride(dense, 32),
        surgery.drop_biases(model),
    ):
        assert class_table_of(other) == TABLE


@pytest.mark.once
def test_what_is_noted_on_a_dense_network_is_kept(model):
    table = ClassTable.default(3)
    dense = surgery.set_output_stride(model, 8)
    set_class_table(dense, table)
    assert class_table_of(surgery.set_output_stride(dense, 32)) == table
    assert class_table_of(model) == TABLE


@pytest.mark.once
@pytest.mark.parametrize("classes", [3, 4])
def test_other_classes_have_no_names(model, classes):
    other = surgery.replace_classes(model, classes)
    assert class_table_of(other) is None
    assert class_table_of(model) == TABLE


@pytest.mark.once
def test_refused(model):
    with pytest.raises(ValueError, match="2 classes, a model of 3"):
        set_class_table(model, ClassTable.default(2))
    image = keras.Input((None, None, 3))
    other = keras.Model(image, keras.layers.Conv2D(3, 1)(image))
    with pytest.raises(ValueError, match="has no `Metadata` layer"):
        set_class_table(other, TABLE)
    assert class_table_of(other) is None
