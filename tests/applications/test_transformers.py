"""The systems on Vision Transformers, at sizes their patches do not divide."""

import keras
import numpy as np
import pytest

from keras_seg import applications
from keras_seg.runs.model_file import load_model
from keras_seg.surgery import pyramid
from tests.applications.test_deeplab_v3 import tiny_resnet
from tests.networks import outputs
from tests.networks import randomize
from tests.surgery.test_tokens import TRANSFORMERS

BUILDERS = {
    "LinearHead": {},
    "FCN8s": {},
    "UNet": {"filters": 2},
    "DeepLabV3": {},
    "DeepLabV3Plus": {"output_stride": 8},
}
# Two heads or three for each; each head on patches of 14 pixels and of 16.
PAIRS = [
    ("vit", "UNet"),
    ("dinov3", "LinearHead"),
    ("vit", "DeepLabV3"),
    ("dinov2", "DeepLabV3Plus"),
    ("dinov2", "LinearHead"),
    ("dinov2", "DeepLabV3"),
    ("dinov3", "FCN8s"),
    ("other_vit", "LinearHead"),
    ("other_vit", "DeepLabV3Plus"),
    ("other_dinov2", "UNet"),
    ("other_dinov2", "FCN8s"),
    ("other_dinov3", "DeepLabV3"),
    ("other_dinov3", "UNet"),
]
if keras.backend.backend() != "torch":
    PAIRS = PAIRS[:2]


@pytest.mark.parametrize(("backbone", "builder"), PAIRS)
def test_training_and_what_a_corner_changes(backbone, builder, tmp_path):
    """It learns, the corner of an image changes the map there more than at
    the opposite one, and it comes back from its file."""
    network = randomize(TRANSFORMERS[backbone]())
    # Each token is most of all its own, as in a trained network.
    for weight in network.weights:
        if "kernel" in weight.path and len(weight.shape) < 4:
            weight.assign(0.2 * weight)
    build = getattr(applications, builder)
    model = build(network, classes=2, **BUILDERS[builder])
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (2, 134, 117, 3)).astype("float32")
    masks = (x[..., 0] > 0).astype("int32")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss)
    # FCN's scores begin at zero, and give the others no gradient.
    head = model.get_layer("score_fr")
    head.set_weights([rng.normal(size=w.shape) for w in head.weights])
    before = [np.copy(v) for v in map(np.asarray, model.get_weights())]
    history = model.fit(x, masks, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    moved = sum(
        np.abs(old - new).max() > 0
        for old, new in zip(before, model.get_weights(), strict=True)
    )
    statistics = 2 * (builder == "LinearHead")
    assert moved > (statistics if statistics else len(before) // 2)

    scores = outputs(model, x)
    assert scores.shape == (2, 134, 117, 2)
    changed = x.copy()
    changed[:, :14, :14] += 1
    change = np.abs(outputs(model, changed) - scores).mean((0, 3))
    assert change[:14, :14].mean() > 1.2 * change[-14:, -14:].mean()

    model.save(tmp_path / "model.keras")
    again = load_model(tmp_path / "model.keras")
    assert len(again.trainable_weights) == len(model.trainable_weights)
    np.testing.assert_allclose(outputs(again, x), scores, rtol=1e-4, atol=1e-4)


@pytest.mark.once
def test_strides_of_the_systems():
    """A patch of 14 pixels has a token for 16 in front of a pyramid, and for
    its own 14 in front of a linear head."""
    for builder, expected in (
        (applications.LinearHead, [14]),
        (applications.DeepLabV3, [16]),
    ):
        model = builder(TRANSFORMERS["dinov2"](), classes=2)
        patches = next(x for x in model.layers if hasattr(x, "patch_size"))
        assert [patches.stride] == expected
        assert patches.patch_size == 14
    model = applications.UNet(TRANSFORMERS["vit"](), classes=2, filters=2)
    assert model.get_layer("join5").output.shape[-1] > 256
    with pytest.raises(ValueError, match="geometry='paper' is that of VGG"):
        applications.FCN8s(TRANSFORMERS["vit"](), geometry="paper")


@pytest.mark.once
def test_patches_have_their_middle_where_scores_are_enlarged_from():
    """Maps of patches do not begin on the first pixel, others do."""
    hub = pytest.importorskip("keras_hub", exc_type=ImportError)
    swin = hub.models.SwinTransformerBackbone(
        (64, 64, 3), 4, (1, 1, 1, 1), (1, 1, 1, 1), window_size=2
    )
    for backbone, stride, corners in (
        (TRANSFORMERS["vit"](), 16, False),
        (swin, 32, False),
        (tiny_resnet(), 16, True),
    ):
        model = applications.DeepLabV3(
            backbone, output_stride=stride, classes=2
        )
        assert model.get_layer("pad").remainder == corners
        assert model.get_layer("upscore").align_corners == corners


@pytest.mark.once
def test_a_classifier_loses_its_class_token():
    """Builders remove the class scores, whatever they are made of."""
    tokens = randomize(TRANSFORMERS["vit"]())
    scores = keras.layers.Dense(3)(tokens.output[:, 0])
    classifier = keras.Model(tokens.input, scores)
    x = np.random.default_rng(0).uniform(-1, 1, (1, 70, 53, 3))
    models = [
        randomize(applications.LinearHead(x, classes=2))
        for x in (tokens, classifier)
    ]
    np.testing.assert_array_equal(*(outputs(m, x) for m in models))


@pytest.mark.once
def test_linear_head_is_linear():
    """Of a frozen network, only the scores are trained; at stride 8, too."""
    model = applications.LinearHead(
        "mobilenet_v2", weights=None, classes=3, output_stride=8
    )
    assert [x.name for x in model.layers if x.trainable_weights] == ["score_fr"]
    free = applications.LinearHead(tiny_resnet(), freeze_backbone=False)
    assert len(free.trainable_weights) > 20
    features = model.get_layer("score_norm").input
    assert max(pyramid(keras.Model(model.input, features))) == 8
