import numpy as np

from keras_seg.applications import UNet
from keras_seg.data import Batches
from keras_seg.data import augment
from keras_seg.data import synthetic
from keras_seg.training.recipes import finetune
from tests.networks import randomize


def test_first_steps(parity):
    """Same weights, same batches: the same losses on every backend.

    Only the first ones: AdamW divides by the size of a gradient, so what
    differs by rounding grows from step to step.
    """
    images, masks = synthetic.shapes(8, size=40, classes=3)
    batches = Batches(
        list(zip(images, masks, strict=True)),
        4,
        [
            augment.RandomScale(0.75, 1.5),
            augment.RandomCrop(32),
            augment.RandomFlip(),
        ],
        shuffle=True,
    )
    model = randomize(UNet(classes=3, filters=4, depth=2, dropout=0.0))
    model.compile(**finetune(images, classes=3, epochs=10))
    losses = [float(model.train_on_batch(*batches[i])[0]) for i in range(2)]
    assert np.isfinite(losses).all() and losses[0] != losses[1]
    parity("training_losses", np.array(losses))
