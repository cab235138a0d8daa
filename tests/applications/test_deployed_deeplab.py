"""A network that others trained and deployed, carried over weight by weight.

TensorFlow's DeepLab v3 for phones: MobileNetV2 of half width at output stride
8, an ASPP of a 1×1 convolution and the mean, trained on PASCAL VOC 2012.
"""

import dataclasses
import warnings

import keras
import numpy as np
import pytest
from keras import layers

from keras_seg.applications import DeepLabV3
from keras_seg.data.augment import resize_image
from keras_seg.data.augment import resize_mask
from keras_seg.data.images import read_image
from keras_seg.data.masks import read_mask
from keras_seg.data.pairs import read_stems
from keras_seg.metrics import MeanIoU
from tests import tflite_weights
from tests.networks import outputs
from tests.networks import relative_difference

FILE = "weights/deeplabv3_257_mv_gpu.tflite"
CONVOLUTIONS = (layers.Conv2D, layers.DepthwiseConv2D)


@pytest.fixture(scope="module")
def path(data_dir):
    return data_dir / FILE


@pytest.fixture(scope="module")
def interpreter(path):
    """TensorFlow's own, as the reference."""
    tf = pytest.importorskip("tensorflow")
    with warnings.catch_warnings():
        # It says that it will move to a package of its own.
        warnings.simplefilter("ignore")
        interpreter = tf.lite.Interpreter(str(path))
    interpreter.allocate_tensors()
    return interpreter


def build(size, classes):
    """The network for images of any size, with random weights.

    The encoder is made for the size of the file: then its own padding is
    that of odd maps, which `DeepLabV3` has at every size.
    """
    encoder = keras.applications.MobileNetV2(
        alpha=0.5, include_top=False, weights=None, input_shape=(*size, 3)
    )
    last = encoder.get_layer("block_16_project_BN").output
    encoder = keras.Model(encoder.input, last)
    image = keras.Input((None, None, 3))
    return encoder, DeepLabV3(
        encoder,
        weights=None,
        input_tensor=layers.Rescaling(1 / 127.5, -1.0)(image),
        classes=classes,
        output_stride=8,
        atrous_rates=(),
    )


def carry(path, encoder, model):
    """Gives the network the weights of the file."""
    convolutions, resizes, joins = tflite_weights.read(path)
    assert all(resizes)  # Corners are aligned, as in `DeepLabV3`.
    named = {x.name: x for x in convolutions if "MobilenetV2" not in x.name}
    of_encoder = [x for x in convolutions if x.name not in named]
    strided = [x for x in encoder.layers if isinstance(x, CONVOLUTIONS)]
    norms = [
        model.get_layer(x.name)
        for x in encoder.layers
        if isinstance(x, layers.BatchNormalization)
    ]
    for read, layer, norm in zip(of_encoder, strided, norms, strict=True):
        layer = model.get_layer(layer.name)
        # What the surgery did is what the authors did.
        assert layer.strides == (read.stride, read.stride)
        assert layer.dilation_rate == (read.rate, read.rate)
        tflite_weights.give(read, layer, norm)

    form = model.get_layer("aspp").form
    scores = model.get_layer("score_fr")
    heads = {
        "aspp0/Relu": (form.convs[0], form.norms[0]),
        "image_pooling/Relu": (form.pool_conv, form.pool_norm),
        "concat_projection/Relu": (form.project_conv, form.project_norm),
        "logits/semantic/BiasAdd": (scores, None),
    }
    assert set(named) == set(heads)
    for name, (layer, norm) in heads.items():
        read = named[name]
        if layer is form.project_conv:
            read = mean_last(read, joins)
        tflite_weights.give(read, layer, norm)


def mean_last(read, joins):
    """The projection of [mean, 1×1], as that of `ASPP`, of [1×1, mean]."""
    (joined,) = joins
    assert joined[1] == "aspp0/Relu"
    mean, one = np.split(read.kernel, 2, axis=2)
    kernel = np.concatenate([one, mean], axis=2)
    return dataclasses.replace(read, kernel=kernel)


def pairs(folder, size):
    for stem in read_stems(folder / "ImageSets/Segmentation/val.txt"):
        image = read_image(folder / "JPEGImages" / f"{stem}.jpg")
        mask = read_mask(folder / "SegmentationClass" / f"{stem}.png")
        yield resize_image(image, size)[None], resize_mask(mask, size)[None]


def test_equals_the_deployed_network(path, interpreter, data_dir):
    (source,) = interpreter.get_input_details()
    (target,) = interpreter.get_output_details()
    size, classes = tuple(source["shape"][1:3]), int(target["shape"][3])
    encoder, model = build(size, classes)
    carry(path, encoder, model)
    theirs, ours = MeanIoU(classes), MeanIoU(classes)
    for image, mask in pairs(data_dir / "voc_samples", size):
        scaled = (image / 127.5 - 1).astype("float32")
        interpreter.set_tensor(source["index"], scaled)
        interpreter.invoke()
        expected = interpreter.get_tensor(target["index"])
        logits = outputs(model, image)
        # Some fifty convolutions in float32: 2e-6 was measured.
        assert relative_difference(logits, expected) < 1e-4
        agreement = np.mean(logits.argmax(-1) == expected.argmax(-1))
        assert agreement > 0.9999
        theirs.update_state(mask, expected)
        ours.update_state(mask, logits)
    # On five images, and with the masks: 0.505 was measured of the file.
    assert abs(float(ours.result()) - float(theirs.result())) < 1e-3
    assert float(ours.result()) > 0.45
