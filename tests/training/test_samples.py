import keras
import numpy as np
from PIL import Image

from keras_seg.data import ClassTable
from keras_seg.training import RunFolder
from keras_seg.training import SamplePanels


def test_the_same_images_every_epoch(tmp_path):
    image = keras.Input((None, None, 3))
    output = keras.layers.Conv2D(2, 1, bias_initializer="ones")(image)
    run = RunFolder.create(tmp_path, None, ClassTable.default(2))
    pairs = [
        (np.full((8, 9, 3), i, "uint8"), np.zeros((8, 9), "uint8"))
        for i in range(12)
    ]
    panels = SamplePanels(run, pairs, count=3)
    assert panels.indices == [2, 6, 10]  # the middles of three parts
    panels.set_model(keras.Model(image, output))
    for epoch in (0, 11):
        panels.on_epoch_end(epoch, {})
    sizes = []
    for name in ("epoch_001.png", "epoch_012.png"):
        with Image.open(tmp_path / "samples" / name) as picture:
            sizes.append(picture.size)
    assert sizes[0] == sizes[1]


def test_fewer_images_than_asked_for(tmp_path):
    panels = SamplePanels(None, [0, 1], count=3)
    assert panels.indices == [0, 1]
