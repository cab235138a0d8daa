import functools
import json
import pathlib

import keras
import numpy as np
import pytest

from keras_seg.pretrained import from_torchvision
from keras_seg.surgery import replace_classes
from tests import torchvision_oracle as oracle
from tests.networks import outputs
from tests.networks import relative_difference

BACKEND = keras.backend.backend()
GOLDEN = pathlib.Path(__file__).parents[2] / "goldens" / "torchvision.npz"
LRASPP = "lraspp_mobilenet_v3_large"

# Weights to train for 21 classes, with the auxiliary head: those of
# torchvision's meta data (peers.md 2.1, 3.1).
NETWORKS = {
    "deeplabv3_resnet50": 42_004_074,
    LRASPP: 3_221_538,
    "deeplabv3_mobilenet_v3_large": 11_029_328,
    "fcn_resnet50": 35_322_218,
    "deeplabv3_resnet101": 60_996_202,
    "fcn_resnet101": 54_314_346,
}

ON_TORCH = pytest.mark.skipif(
    BACKEND != "torch", reason="the graph is the same on every backend"
)


@functools.cache
def golden(key):
    with np.load(GOLDEN, allow_pickle=False) as arrays:
        return arrays[key]


def golden_state(name):
    return oracle.random_state(json.loads(str(golden(f"{name}_shapes"))))


@functools.cache
def lraspp():
    return from_torchvision(golden_state(LRASPP))


def as_list(x):
    return x if isinstance(x, list) else [x]


# The deeper ones differ in the number of units alone; on PyTorch all are
# compared with torchvision itself.
@pytest.mark.parametrize(
    "name",
    {
        "jax": [LRASPP],
        "tensorflow": ["deeplabv3_resnet50"],
        "torch": [LRASPP, "fcn_resnet50"],
    }[BACKEND],
)
def test_equals_torchvision(name):
    """Logits that torchvision gave for the same weights, without it here."""
    auxiliary = name != LRASPP
    model = (
        from_torchvision(golden_state(name), auxiliary=True)
        if auxiliary
        else lraspp()
    )
    assert model.name == name
    actual = as_list(model.predict_on_batch(golden("image")))
    assert len(actual) == 1 + auxiliary
    for number, array in enumerate(actual):
        expected = golden(f"{name}_{number}")
        assert array.dtype == expected.dtype == "float32"
        assert relative_difference(array, expected) < 1e-5


@pytest.mark.once
@pytest.mark.parametrize("name", NETWORKS)
def test_equals_torchvision_live(name):
    auxiliary = name != LRASPP
    theirs = oracle.network(name, 21, auxiliary)
    model = from_torchvision(
        theirs, include_preprocessing=False, auxiliary=auxiliary
    )
    learned = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    assert learned == NETWORKS[name]
    sizes = ((65, 97), (50, 33), (1, 1))
    for size in sizes[1:2] if "101" in name else sizes:
        rng = np.random.default_rng(0)
        image = rng.normal(size=(1, *size, 3)).astype("float32")
        actual = as_list(model.predict_on_batch(image))
        expected = oracle.logits(theirs, image)
        for ours, their in zip(actual, expected, strict=True):
            assert ours.shape == (1, *size, 21)
            gap = np.abs(ours - their).max() / np.abs(their).max()
            assert gap < 1e-5


@pytest.mark.once
@ON_TORCH
def test_auxiliary_head_is_left_out():
    """What it would have taken is no mistake."""
    name = "deeplabv3_mobilenet_v3_large"
    model = from_torchvision(golden_state(name))
    assert model.output_shape == (None, None, None, 3)
    expected = golden(f"{name}_0")
    actual = outputs(model, golden("image"))
    assert relative_difference(actual, expected) < 1e-5
    # peers.md 2.1, without the head: 10·40·3·3, 2·10, 21·10 + 21.
    model = replace_classes(model, 21)
    learned = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    assert learned == 11_029_328 - 3_600 - 20 - 231


@pytest.mark.once
@ON_TORCH
def test_saves_and_loads_safely(tmp_path):
    expected = outputs(lraspp(), golden("image"))
    lraspp().save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(outputs(loaded, golden("image")), expected)


@pytest.mark.once
@ON_TORCH
def test_any_size():
    x = np.full((1, 1, 2, 3), 127, "uint8")
    assert np.isfinite(outputs(lraspp(), x)).all()
    assert lraspp().compute_output_shape((2, 50, 33, 3)) == (2, 50, 33, 3)


@pytest.mark.once
@ON_TORCH
def test_channels_first_and_options():
    model = from_torchvision(
        golden_state(LRASPP),
        data_format="channels_first",
        classifier_activation="softmax",
        name="mine",
    )
    assert model.name == "mine"
    assert model.input_shape == (None, 3, None, None)
    actual = outputs(model, np.moveaxis(golden("image"), -1, 1))
    exponentials = np.exp(golden(f"{LRASPP}_0"))
    expected = exponentials / exponentials.sum(-1, keepdims=True)
    assert relative_difference(actual, expected) < 1e-5


@pytest.mark.once
@ON_TORCH
def test_trained_on_for_other_classes():
    model = replace_classes(lraspp(), 5)
    assert model.output_shape == (None, None, None, 5)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss)
    masks = np.zeros((1, 33, 26), "int32")
    history = model.fit(golden("image"), masks, verbose=0)
    assert np.isfinite(history.history["loss"][0])


@pytest.mark.once
def test_what_is_not_of_torchvision():
    state = golden_state(LRASPP)
    with pytest.raises(ValueError, match="pass the state dict .*names model, "):
        from_torchvision({"model": state, "epoch": 3})
    renamed = {f"module.{name}": value for name, value in state.items()}
    with pytest.raises(ValueError, match="one of lraspp_mob.*module.back"):
        from_torchvision(renamed)
    with pytest.raises(ValueError, match="Received: names 1, …"):
        from_torchvision({1: 2})
    with pytest.raises(ValueError, match="`x` must be .*Received: x=None"):
        from_torchvision(None)
    with pytest.raises(ValueError, match="Received: data_format='last'"):
        from_torchvision(state, data_format="last")


@pytest.mark.once
@ON_TORCH
def test_missing_and_superfluous_tensors():
    state = golden_state(LRASPP)
    with pytest.raises(ValueError, match="no 'aux_classifier.0.weight'"):
        from_torchvision(state, auxiliary=True)
    more = {**state, "classifier.bias": np.zeros(3)}
    with pytest.raises(ValueError, match="1 tensors .*: classifier.bias$"):
        from_torchvision(more)
    del state["classifier.low_classifier.weight"]
    with pytest.raises(ValueError, match="no 'classifier.low_classifier.wei"):
        from_torchvision(state)
