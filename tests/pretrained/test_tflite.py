"""A network that others trained and deployed, carried over weight by weight."""

import warnings

import numpy as np
import pytest

from keras_seg.data.augment import resize_image
from keras_seg.data.augment import resize_mask
from keras_seg.data.images import read_image
from keras_seg.data.masks import read_mask
from keras_seg.data.pairs import read_stems
from keras_seg.metrics import MeanIoU
from keras_seg.pretrained.tflite import mobile_deeplab
from tests.networks import outputs
from tests.networks import relative_difference

FILE = "weights/deeplabv3_257_mv_gpu.tflite"


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


def pairs(folder, size):
    for stem in read_stems(folder / "ImageSets/Segmentation/val.txt"):
        image = read_image(folder / "JPEGImages" / f"{stem}.jpg")
        mask = read_mask(folder / "SegmentationClass" / f"{stem}.png")
        yield resize_image(image, size)[None], resize_mask(mask, size)[None]


def test_equals_the_deployed_network(path, interpreter, data_dir):
    (source,) = interpreter.get_input_details()
    (target,) = interpreter.get_output_details()
    size, classes = tuple(source["shape"][1:3]), int(target["shape"][3])
    model = mobile_deeplab(path, "mobile")
    assert model.output_shape == (None, None, None, classes)
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


def test_other_files(path, tmp_path):
    damaged = tmp_path / "damaged.tflite"
    damaged.write_bytes(path.read_bytes()[:50_000])
    with pytest.raises(ValueError, match="damaged.tflite is no LiteRT file"):
        mobile_deeplab(damaged, "mobile")
