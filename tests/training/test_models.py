import dataclasses

import pytest

from keras_seg import applications
from keras_seg.training import Settings
from keras_seg.training import build_model

UNET = Settings(
    model="UNet",
    backbone=None,
    weights=None,
    options={"filters": 4, "depth": 2},
)


def change(**values):
    return dataclasses.replace(UNET, **values)


def test_case_does_not_count():
    for name in ("unet", "UNET"):
        model = build_model(change(model=name), 3)
        assert model.compute_output_shape((1, 33, 17, 3)) == (1, 33, 17, 3)


def test_unknown_model():
    systems = set(applications.__all__) - {"N4", "from_torchvision"}
    names = ", ".join(sorted(n.lower() for n in systems))
    with pytest.raises(ValueError) as caught:
        build_model(change(model="fcn8"), 3)
    assert str(caught.value) == (
        f"`model` must be one of keras_seg.applications: {names}. "
        "Did you mean 'fcn8s'? Received: model='fcn8'"
    )


def test_unknown_option():
    with pytest.raises(ValueError) as caught:
        build_model(change(options={"filter": 3}), 3)
    assert str(caught.value) == (
        "`options` are further arguments of UNet, which has no 'filter' to "
        "set there. Did you mean 'filters'? Received: options={'filter': 3}"
    )
    for name in ("classes", "classifier_activation"):
        with pytest.raises(ValueError, match=f"no '{name}' to set there"):
            build_model(change(options={name: None}), 3)


def test_backbone_needed():
    with pytest.raises(ValueError, match="FCN8s needs a backbone"):
        build_model(change(model="fcn8s", options={}), 3)


def test_encoder_of_its_own():
    settings = change(model="segnet", options={"filters": 2})
    model = build_model(settings, 3)
    assert model.compute_output_shape((1, 33, 17, 3)) == (1, 33, 17, 3)
    settings = dataclasses.replace(settings, backbone="vgg16")
    with pytest.raises(ValueError, match="own.*Received: backbone='vgg16'"):
        build_model(settings, 3)


def test_no_pretrained_weights():
    settings = change(model="segnetbasic", options={"filters": 2})
    model = build_model(settings, 3)
    assert model.compute_output_shape((1, 33, 17, 3)) == (1, 33, 17, 3)
    settings = dataclasses.replace(settings, weights="imagenet")
    with pytest.raises(ValueError, match="begins from random.*'imagenet'"):
        build_model(settings, 3)


def test_one_output_of_the_size_of_the_image():
    for model, name in (("unet", "padding"), ("deeplabv3", "auxiliary")):
        with pytest.raises(ValueError, match=f"no '{name}' to set there"):
            build_model(change(model=model, options={name: True}), 3)
