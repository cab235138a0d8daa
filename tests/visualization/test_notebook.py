"""Pictures and tables that notebooks show, of each kind that has them."""

import base64
import io
import re

import keras
import numpy as np
import pytest
from PIL import Image

from keras_seg import data
from keras_seg import inference
from keras_seg.applications import UNet
from keras_seg.data import synthetic
from keras_seg.runs import set_class_table
from keras_seg.visualization import gallery
from keras_seg.visualization.notebook import as_html

CLASSES = data.ClassTable(["sky", "cow & calf"], [[10, 20, 200], [200, 0, 0]])


def picture_in(text):
    found = re.search('src="data:image/png;base64,([^"]*)"', text)
    return Image.open(io.BytesIO(base64.b64decode(found[1])))


def pairs(count=5, size=48):
    return list(zip(*synthetic.membranes(count, size=size), strict=True))


@pytest.fixture
def folder(tmp_path):
    images, masks = synthetic.membranes(5, size=48)
    synthetic.write_folder(tmp_path, images, masks, CLASSES)
    return data.from_folder(tmp_path, "train")


@pytest.fixture
def model():
    keras.utils.set_random_seed(3)
    model = UNet(classes=2, filters=4, depth=1)
    set_class_table(model, CLASSES)
    return model


@pytest.mark.once
def test_a_gallery_has_each_image_its_overlay_and_the_shares():
    image = np.full((180, 240, 3), (90, 100, 110), "uint8")
    mask = np.zeros((180, 240), "uint8")
    mask[:, 60:] = 1
    sheet = gallery([("a", image, mask), ("b", image, mask)], CLASSES)
    assert (sheet == image[0, 0]).all(-1).sum() == 2 * 180 * 240
    # Half the color, half the image; outlines and the legend have others.
    for color, wide in (((50, 60, 155), 59), ((145, 50, 55), 179)):
        found = (sheet == color).all(-1).sum()
        assert found == 2 * 180 * wide
    one = gallery([("a", image, mask)], CLASSES)
    assert one.shape[0] > 480 and one.shape[1] > 2 * 640


@pytest.mark.once
def test_a_gallery_takes_void_other_channels_and_floats():
    table = data.ClassTable(["a"], [[9, 9, 9]], ignore_classes=[7])
    image = np.full((20, 30, 5), 40.4, "float32")
    mask = np.full((20, 30), 255, "int32")
    mask[:10] = 7
    assert gallery([("x", image, mask)], table).dtype == np.uint8
    with pytest.raises(ValueError, match="ids"):
        gallery([("x", image, np.full((20, 30), 3))], table)
    for wrong in (256, -1):  # 256 is 0 in eight bits.
        with pytest.raises(ValueError, match="ids"):
            gallery([("x", image, np.full((20, 30), wrong))], table)
    with pytest.raises(ValueError, match="groups"):
        gallery([], table)


@pytest.mark.once
def test_html_escapes_what_comes_from_files():
    text = as_html("<b> & c", ["<i>"], [["a<script>", 3]])
    assert "<script>" not in text and "<b>" not in text and "<i>" not in text
    assert "a&lt;script&gt;" in text and "<td>3</td>" in text


@pytest.mark.once
def test_a_folder_shows_pairs_spread_over_it(folder, tmp_path):
    assert repr(folder) == "<Folder: 5 pairs, 2 classes: sky, cow & calf>"
    every = folder.show(99)
    two = folder.show(2)
    assert every.height > two.height
    two.save(tmp_path / "two.png")
    with Image.open(tmp_path / "two.png") as file:
        assert file.size == two.size
    text = folder._repr_html_()
    assert "cow &amp; calf" in text
    assert picture_in(text).size == folder.show().size
    with pytest.raises(ValueError, match="count"):
        folder.show(0)


@pytest.mark.once
def test_a_folder_with_a_damaged_file_says_so(folder):
    folder.pairs[0].image.write_bytes(b"no image")
    assert "KS-D" in folder._repr_html_()


@pytest.mark.once
def test_batches_show_what_fit_gets(folder):
    transforms = [data.augment.RandomCrop(32)]
    batches = data.Batches(folder, 2, transforms, shuffle=True, outputs=2)
    images, masks = batches[1]
    order = [int(i) for i in batches._order(0)[2:4]]
    expected = gallery(
        [
            (f"pair {i}", image, mask)
            for i, image, mask in zip(order, images, masks[0], strict=True)
        ],
        CLASSES,
    )
    assert np.array_equal(np.asarray(batches.show(1)), expected)
    with pytest.raises(ValueError, match="3 batches"):
        batches.show(3)


@pytest.mark.once
def test_a_report_shows_its_findings_and_its_sheet(tmp_path):
    images, masks = synthetic.membranes(3, size=48)
    synthetic.write_folder(tmp_path, images, masks, CLASSES)
    Image.new("L", (9, 9)).save(next((tmp_path / "train/labels").iterdir()))
    report = data.check(tmp_path)
    text = report._repr_html_()
    assert "cannot be trained on" in text and "KS-D006" in text
    assert np.array_equal(np.asarray(report.show()), report.sheet())
    assert picture_in(text).size == report.show().size


def test_an_evaluation_shows_its_worst_images(model):
    found = inference.evaluate(model, pairs())
    picture = found.show_worst(2)
    assert picture.height < found.show_worst(4).height
    text = found._repr_html_()
    assert "5 images, mean IoU" in text and "cow &amp; calf" in text
    assert picture_in(text).size == found.show_worst(3).size
    bare = inference.Evaluation(found.matrix, CLASSES, 5)
    assert "<img" not in bare._repr_html_()
    with pytest.raises(ValueError, match="evaluate"):
        bare.show_worst()


def test_predictions_show_the_next_images_with_the_models_classes(
    model, tmp_path
):
    images = [image for image, _ in pairs(3)]
    Image.fromarray(images[0]).save(tmp_path / "first.png")
    stream = inference.predict(
        model, [tmp_path / "first.png", *images[1:]], bucket=1
    )
    two = stream.show(2)
    expected = gallery(
        [
            ("first.png", images[0], inference.predict(model, images[0])),
            ("image 1", images[1], inference.predict(model, images[1])),
        ],
        CLASSES,
    )
    assert np.array_equal(np.asarray(two), expected)
    assert [found.source for found in stream] == [2]
    # Of two outputs, without a table; pixels that are less sure are void.
    bare = keras.Model(model.inputs, [model.outputs[0]] * 2)
    for least in (None, 0.5, 1.0):
        assert inference.predict(bare, images, least=least).show().size
    with pytest.raises(ValueError, match="no more"):
        stream.show()


@pytest.mark.once
def test_class_255_is_not_shown_as_void():
    image, ids = np.zeros((4, 4, 3), "uint8"), np.full((4, 4), 255, "uint8")
    found = inference.Prediction(0, image, ids)
    stream = inference.Predictions((x for x in [found]), None, has_void=False)
    with pytest.raises(ValueError, match="the class 255"):
        stream.show()
