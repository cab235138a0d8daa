"""Writes what version 0.1.0 saved, for later versions to load.

`saved_objects.json` holds an instance of every registered class as Keras
writes it, `saved_model.keras` a small compiled network with its removed
strides, `saved_model.npz` an image and its logits. Run with the version whose
files are to be held, from the root of the repository. Those that are here
are from before arguments were renamed: see `RENAMED` in `test_saved.py`.
"""

import json
import pathlib

import keras
import numpy as np

from keras_seg import applications
from keras_seg import crf
from keras_seg import layers
from keras_seg import losses
from keras_seg import metrics
from keras_seg import optimizers
from keras_seg import schedules
from tests.applications.test_deeplab_v3 import tiny_resnet
from tests.networks import randomize

FOLDER = pathlib.Path(__file__).parent

OBJECTS = [
    layers.ASPP(4, atrous_rates=(2, 3), version="v2", hidden_filters=5),
    layers.AlignedScale(1.5),
    layers.AtrousAveragePool(3, dilation_rate=2, padding="same"),
    layers.AtrousConv(4, 3, dilation_rate=2, separable=True, activation="relu"),
    layers.AtrousMaxPool(3, dilation_rate=2, removed_stride=2, padded=1),
    layers.BedOfNails(3),
    layers.BilinearConvTranspose(4, factor=3, trainable=True),
    layers.BilinearUpsampling(3, align_corners=True),
    crf.CRFAsRNN(iterations=3, training_iterations=2),
    layers.Conv(4, 3, dilation_rate=2),
    layers.CropLike(2),
    layers.CropToSmallest(),
    crf.DenseCRF(iterations=3),
    layers.DepthwiseConv(3, depth_multiplier=2),
    layers.LocalResponseNormalization(3),
    layers.MaxPool(3, 2),
    layers.MaxPoolWithIndices(3, 2, rounding="floor"),
    layers.MaxUnpool(3, 2),
    layers.ReflectionPadding(((1, 2), (3, 4))),
    layers.NearestUpsampling(3),
    layers.PadToMultiple(8, 1, 2),
    layers.Preprocess("caffe"),
    layers.RemovedStridePadding(3, removed_stride=2, dilation_rate=2),
    layers.ResizeLike(True),
    layers.SeparableConv(4, 3),
    losses.CrossEntropy(254, [1.0, 2.0], "sum", 2),
    losses.Dice(True, 1.0),
    losses.Focal(1.5),
    losses.LovaszSoftmax(None, True),
    losses.OnlineHardExamples(0.5, 0.1),
    losses.Sum([losses.Dice(), losses.Focal()], [1.0, 2.0]),
    losses.Tversky(0.4, 0.6),
    metrics.ClassIoU(3, 1, absent_classes="truth"),
    metrics.ConfusionMatrix(3, 254),
    metrics.FrequencyWeightedIoU(3),
    metrics.MeanAccuracy(3),
    metrics.MeanIoU(3, absent_classes="truth"),
    metrics.PixelAccuracy(3),
    optimizers.AdamW(schedules.Poly(1e-3, 9), multipliers={"^a/": 0.1}),
    optimizers.CaffeSGD(schedules.Step(1e-3, 9), multipliers={"^a/": 0.1}),
]


def main():
    saved = [keras.saving.serialize_keras_object(x) for x in OBJECTS]
    (FOLDER / "saved_objects.json").write_text(json.dumps(saved, indent=1))
    model = applications.DeepLabV2(
        tiny_resnet(), None, classes=3, atrous_rates=(2, 3)
    )
    randomize(model)
    model.compile(
        optimizers.CaffeSGD(schedules.Poly(1e-3, 9)),
        losses.CrossEntropy(),
        metrics=[metrics.MeanIoU(3)],
    )
    image = np.random.default_rng(0).integers(0, 256, (1, 33, 40, 3), "uint8")
    model.train_on_batch(image, image[..., 0] % 3)
    model.save(FOLDER / "saved_model.keras")
    logits = model.predict_on_batch(image)
    np.savez_compressed(FOLDER / "saved_model.npz", image=image, logits=logits)


if __name__ == "__main__":
    main()
