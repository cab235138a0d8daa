"""A process for the tests of several devices.

python -m tests.distributed.trainer OUT.json DEVICES [I/N ADDRESS]
"""

import json
import random
import sys

import keras
import numpy as np

from keras_seg import distributed
from keras_seg.data import Batches
from keras_seg.data import synthetic
from keras_seg.data.augment import RandomCrop
from keras_seg.data.augment import RandomFlip
from keras_seg.layers import BatchNorm
from keras_seg.losses import named
from keras_seg.metrics import MeanIoU
from keras_seg.optimizers import AdamW
from keras_seg.training.distillation import distill
from keras_seg.training.setup import dtype_policy

__all__ = ["OPTIONS", "train_dropout", "train_steps"]

# Gradients of two batches make an update, and are clipped.
OPTIONS = {"gradient_accumulation_steps": 2, "global_clipnorm": 0.1}


class Losses(keras.callbacks.Callback):
    """The mean of the losses of an epoch, after each of its batches."""

    def __init__(self):
        super().__init__()
        self.values = []

    def on_train_batch_end(self, batch, logs=None):
        self.values.append(float(logs["loss"]))


def set_seed():
    """As `keras.utils.set_random_seed(0)`, which would import TensorFlow."""
    random.seed(0)
    if keras.config.backend() == "torch":
        import torch

        torch.manual_seed(0)


def pairs():
    """22 images, some of them mostly void."""
    images, masks = synthetic.membranes(22, size=32)
    for number, mask in enumerate(masks):
        mask[: 8 * (number % 4)] = 255
    return list(zip(images, masks, strict=True))


def small_fcn(seed=0):
    image = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(8, 3, padding="same", use_bias=False)(image)
    x = keras.layers.ReLU()(BatchNorm()(x))
    model = keras.Model(image, keras.layers.Conv2D(2, 1)(x))
    draw = np.random.default_rng(seed)
    for kernel in model.weights:
        if kernel.name == "kernel":
            kernel.assign(draw.normal(0, 0.2, kernel.shape))
    return model


def small_vit():
    """Patches, one block of attention, a decoder."""
    image = keras.Input((16, 16, 3))
    x = keras.layers.Rescaling(1 / 255)(image)
    x = keras.layers.Conv2D(64, 4, 4)(x)
    x = keras.layers.Reshape((16, 64))(x)
    x = x + keras.layers.MultiHeadAttention(4, 16)(x, x)
    x = x + keras.layers.Dense(64)(keras.layers.Dense(256, "gelu")(x))
    x = keras.layers.Conv2D(2, 1)(keras.layers.Reshape((4, 4, 64))(x))
    return keras.Model(image, keras.layers.UpSampling2D(4)(x))


def train_vit(engine):
    """The loss of three steps, and the bytes that each device holds."""
    set_seed()
    with engine.scope():
        model = small_vit()
        draw = np.random.default_rng(0)
        for weight in model.trainable_weights:
            weight.assign(draw.normal(0, 0.1, weight.shape))
        model.compile("adam", named("cross_entropy"))
        engine.prepare(model)
    batches = Batches(pairs()[:12], 4, [RandomCrop(16)])
    history = engine.fit(model, batches, verbose=0).history
    held: dict = {}
    for variable in (*model.variables, *model.optimizer.variables):
        for part in variable.value.addressable_shards:
            name = str(part.device)
            held[name] = held.get(name, 0) + part.data.nbytes
    return {"loss": history["loss"], "bytes": max(held.values())}


def train_dropout(engine):
    """How often each value was kept, in a step of an image a device."""
    set_seed()
    image = keras.Input((16, 16, 1))
    with engine.scope():
        x = keras.layers.Dropout(0.5)(image)
        x = keras.layers.Conv2D(1, 16, use_bias=False)(x)
        model = keras.Model(image, keras.layers.UpSampling2D(16)(x))
        model.compile(
            keras.optimizers.SGD(1.0),
            lambda y, scores: keras.ops.mean(scores, (1, 2)),
        )
        (kernel,) = model.trainable_weights
        kernel.assign(keras.ops.zeros(kernel.shape))
        engine.prepare(model)
    pair = np.ones((16, 16, 1), "uint8"), np.zeros((16, 16), "uint8")
    batches = Batches([pair] * engine.devices, engine.devices)
    engine.fit(model, batches, verbose=0)
    # A value that is kept is doubled, and the loss is a mean.
    kept = keras.ops.convert_to_numpy(kernel.value) / -2 * engine.devices
    return kept.ravel().tolist()


def train_steps(engine, mixed=False, **options):
    """Losses of 10 batches of 4, the last of 2; metrics, weights.

    `mixed`: by mixed precision, and with a teacher.
    """
    set_seed()
    data = pairs()
    batches = Batches(
        data[:18], 4, [RandomCrop(16), RandomFlip()], shuffle=True
    )
    held_out = Batches(data[18:], 4)
    seen = Losses()
    with engine.scope(), dtype_policy("mixed_bfloat16" if mixed else None):
        model = small_fcn()
        model.compile(
            AdamW(1e-2, **options),
            named("cross_entropy+dice"),
            metrics=[MeanIoU(2)],
        )
        if mixed:
            distill(model, small_fcn(1))
        engine.prepare(model)
    history = engine.fit(
        model, batches, held_out, epochs=2, callbacks=[seen], verbose=0
    )
    counts = model.metrics[-1].metrics[0].matrix()
    weights = [keras.ops.convert_to_numpy(w.value) for w in model.weights]
    return {
        "losses": seen.values,
        "history": history.history,
        "counts": np.asarray(counts).tolist(),
        "weights": [w.tolist() for w in weights],
    }


if __name__ == "__main__":
    out, devices, *others = sys.argv[1:]
    process, address = None, None
    if others:
        number, count = map(int, others[0].split("/"))
        process, address = (number, count), others[1]
    engine = distributed.distribute(
        int(devices), process=process, coordinator=address
    )
    engine.agree("the same")
    refused = False
    try:
        engine.agree(str(engine.process))
    except ValueError:
        refused = True
    assert refused == (engine.processes > 1)
    found = train_steps(engine, **OPTIONS)
    found["mixed"] = train_steps(engine, mixed=True)
    found["kept"] = train_dropout(engine)
    engine.leave()
    if keras.config.backend() == "jax" and process is None:
        split = distributed.distribute(int(devices), split=2)
        found["split"] = train_steps(split, **OPTIONS)
        found["vit"] = [train_vit(one) for one in (engine, split)]
    if engine.process == 0:
        with open(out, "w") as file:
            json.dump(found, file)
