"""The callbacks in a `fit` of one's own."""

import keras
import numpy as np

from keras_seg.data import Batches
from keras_seg.data import synthetic
from keras_seg.data.augment import RandomFlip
from keras_seg.metrics import MeanIoU
from keras_seg.training import RunFolder
from keras_seg.training import SaveRun
from keras_seg.training import run_callbacks

CLASSES = synthetic.MEMBRANE_CLASSES


def compiled():
    keras.utils.set_random_seed(0)
    image = keras.Input((None, None, 3))
    model = keras.Model(image, keras.layers.Conv2D(2, 3, padding="same")(image))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=[MeanIoU(2)])
    return model


def test_fit_of_ones_own(tmp_path):
    """Two epochs at once, and one after the other, end alike."""
    images, masks = synthetic.membranes(4, size=32)
    pairs = list(zip(images, masks, strict=True))
    held_out = Batches(pairs[:2], 2)
    ends = []
    for name, parts in (("at once", [2]), ("apart", [1, 2])):
        run = RunFolder.create(tmp_path / name, None, CLASSES)
        for epochs in parts:
            batches = Batches(pairs, 2, [RandomFlip()], shuffle=True)
            model = compiled()
            callbacks = run_callbacks(run, pairs[:2])
            assert isinstance(callbacks[-1], SaveRun)
            begin = callbacks[-1].restore(model, batches)
            model.fit(
                batches,
                epochs=epochs,
                initial_epoch=begin,
                validation_data=held_out,
                callbacks=callbacks,
                verbose=0,
            )
        ends.append(run.load_model(best=False).get_weights())
        assert len(list((run.path / "samples").iterdir())) == 2
    for first, second in zip(*ends, strict=True):
        np.testing.assert_allclose(first, second, atol=1e-6)
