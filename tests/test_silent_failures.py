"""What goes wrong in silence in Keras 3.15, and does not here.

Each test names the issue of Keras where there is one and says what happens
there; here it raises, warns, is NaN where nothing can be raised (inside a
compiled step), or simply comes out right. Others of the kind are tested where
they belong: `PolynomialDecay` that is NaN past its end in
`test_schedules.py`, layers that stay frozen in `training/test_freezing.py`,
a run folder that is deleted in `training/test_resume.py`, image pooling
that is dead on a batch of one in `layers/test_aspp.py`.
"""

import keras
import numpy as np
import pytest
from PIL import Image

from keras_seg import data
from keras_seg import losses
from keras_seg import metrics
from keras_seg.data import augment


def network(channels=3, classes=2):
    image = keras.Input((None, None, channels))
    return keras.Model(image, keras.layers.Conv2D(classes, 1)(image))


def compiled(model, classes=2):
    model.compile(
        "sgd", losses.CrossEntropy(), metrics=[metrics.MeanIoU(classes)]
    )
    return model


IMAGES = np.random.default_rng(0).random((2, 4, 4, 3)).astype("float32")


def test_black_and_white_masks():
    """keras#22844: with 2 classes Keras's loss falls, and its mean IoU is 1.0
    for any network that gets the background right."""
    white = np.zeros((2, 4, 4), "int32")
    white[:, :2] = 254  # White next to 255, which would be void.
    model = compiled(network())
    logs = model.train_on_batch(IMAGES, white, return_dict=True)
    assert np.isnan(logs["loss"]) and np.isnan(logs["mean_iou"])
    metric = metrics.MeanIoU(2)
    metric.update_state(white, model.predict_on_batch(IMAGES))
    with pytest.raises(ValueError, match="16 pixels of y_true"):
        metric.per_class()


def test_black_and_white_files(tmp_path):
    """The same with 255, which a loss must take for void: the files tell."""
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    pixels = np.zeros((4, 4), "uint8")
    pixels[:2] = 255
    for number in range(2):
        image = (100 * IMAGES[number]).astype("uint8")
        Image.fromarray(image).save(tmp_path / f"images/{number}.png")
        Image.fromarray(pixels).save(tmp_path / f"labels/{number}.png")
    with pytest.raises(data.DataError, match="black-and-white masks"):
        data.from_folder(tmp_path, class_table=2)
    with pytest.raises(data.DataError, match="black-and-white masks"):
        data.check(tmp_path, class_table=2).raise_if_failed()


def test_masks_divided_by_255():
    """Keras trains on `mask / 255.` as if all of it were class 0."""
    fractions = np.full((2, 4, 4), 128 / 255, "float32")
    model = compiled(network())
    logs = model.train_on_batch(IMAGES, fractions, return_dict=True)
    assert np.isnan(logs["loss"]) and np.isnan(logs["mean_iou"])


def test_logits_in_a_metric():
    """keras#16996: Keras's MeanIoU fails on scores without
    `sparse_y_pred=False`; tensorflow#46921: on one channel of them it counts
    what was rounded to 0."""
    truth = np.array([[[0, 1, 1, 255]]])
    logits = np.log(np.array([[[[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [1, 1]]]]))
    for scores in (logits, np.exp(logits)):
        metric = metrics.MeanIoU(2)
        metric.update_state(truth, scores)
        assert float(metric.result()) == pytest.approx(0.5)


def test_a_class_that_is_ignored():
    """keras#21907: ignored in the truth, a class that is predicted all the
    same lowers the mean."""
    with pytest.raises(ValueError, match="outside 0...num_classes - 1"):
        metrics.MeanIoU(3, ignore_class=0)


def test_weights_in_a_metric():
    """Keras cuts the fractions of weights off: 0.9 counts as nothing."""
    with pytest.raises(ValueError, match="takes no weights"):
        metrics.MeanIoU(2).update_state([[0]], [[0]], sample_weight=[[0.9]])


def test_a_weight_for_each_image():
    """Keras multiplies them along the width where that is as large as the
    batch, and fails elsewhere."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, (4, 3, 4))
    logits = rng.normal(size=(4, 3, 4, 2)).astype("float32")
    weights = np.array([0.0, 1.0, 2.0, 0.5], "float32")
    loss = losses.CrossEntropy()
    each = [
        float(loss(y[None], z[None]))
        for y, z in zip(truth, logits, strict=True)
    ]
    expected = np.mean(weights * each)
    assert float(loss(truth, logits, weights)) == pytest.approx(
        expected, rel=1e-5
    )


def test_class_weights():
    """keras#3653, #16674: `fit(class_weight=…)` fails on masks, by an error
    about arrays and scalars."""
    truth = np.array([[[0, 0, 0, 1]]])
    logits = np.zeros((1, 1, 4, 2), "float32")
    logits[..., 1] = -1.0
    weighted = losses.CrossEntropy(class_weights={1: 3.0})(truth, logits)
    zero, one = np.log(1 + np.exp(-1.0)), np.log(1 + np.exp(1.0))
    assert float(weighted) == pytest.approx((3 * zero + 3 * one) / 6, rel=1e-5)


def test_alpha_and_beta():
    """keras#23333: to 3.15.1 Keras's Tversky has them the other way round."""
    truth = np.zeros((1, 1, 2), "int32")
    logits = np.log(np.array([[[[0.5, 0.5], [0.5, 0.5]]]], "float32"))
    # Of class 0: TP 1, FP 0, FN 1.
    recall = losses.Tversky(alpha=0.0, beta=1.0)(truth, logits)
    precision = losses.Tversky(alpha=1.0, beta=0.0)(truth, logits)
    assert float(recall) == pytest.approx(0.5)
    assert float(precision) == pytest.approx(0.0, abs=1e-6)


def test_masks_for_several_outputs():
    """With as many images in a batch as outputs, Keras takes the mask of the
    first image for the first output."""

    def two_heads():
        image = keras.Input((None, None, 3))
        heads = [keras.layers.Conv2D(2, 1)(image) for _ in range(2)]
        model = keras.Model(image, heads)
        arguments = losses.deep_supervision(model, losses.CrossEntropy())
        model.compile("sgd", **arguments)
        return model

    masks = np.zeros((2, 4, 4), "int32")
    with pytest.raises(Exception, match="y_true|structure|losses|tensor"):
        two_heads().train_on_batch(IMAGES, masks)
    pairs = list(zip(255 * IMAGES, masks, strict=True))
    batches = data.Batches(pairs, 2, outputs=2)
    history = two_heads().fit(batches, verbose=0).history
    assert np.isfinite(history["loss"]).all()


@pytest.mark.once
def test_palettes_are_not_looked_through(tmp_path):
    """`keras.utils.load_img(color_mode="grayscale")` reads ids 1 and 2 as the
    gray values 38 and 75 of their colors."""
    ids = np.array([[0, 1, 2]], "uint8")
    picture = Image.fromarray(ids)
    picture.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
    picture.save(tmp_path / "mask.png")
    np.testing.assert_array_equal(data.read_mask(tmp_path / "mask.png"), ids)


@pytest.mark.once
def test_masks_stay_integers():
    """keras#23191: to 3.15.1 RandomFlip and RandomCrop make floats of masks,
    and CenterCrop invents classes; CutMix and MixUp mix ids."""
    mask = np.array([[0, 7], [7, 255]], "uint8")
    image = np.zeros((2, 2, 3), "uint8")
    rng = np.random.default_rng(0)
    transforms = [
        augment.RandomScale(0.5, 2),
        augment.RandomRotation(20),
        augment.RandomCrop(5),
        augment.RandomFlip(vertical=0.5),
    ]
    for _ in range(20):
        _, changed = augment.apply(transforms, image, mask, rng)
        assert changed.dtype == np.uint8
        assert set(np.unique(changed)) <= {0, 7, 255}
