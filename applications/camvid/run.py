"""FCN-8s on CamVid: three runs, one table, five overlays.

    python applications/camvid/run.py DATA WEIGHTS --out OUT

DATA is the folder of CamVid (`train/images`, `train/labels`, `val/…`,
`classes.csv`), WEIGHTS a file of MobileNetV2's ImageNet weights.
"""

import argparse
import dataclasses
import json
import pathlib
import time

import keras

from keras_seg import data
from keras_seg import inference
from keras_seg import training
from keras_seg import visualization

SETTINGS = training.Settings(
    model="fcn8s",
    loss="cross_entropy",
    backbone="mobilenet_v2",
    epochs=10,
    batch_size=8,
    crop=(240, 320),
    scale=(0.75, 1.5),
    learning_rate=1e-3,
    seed=0,
)


def fine_tune(settings, train):
    """The network, trained whole."""
    return training.train(settings, train, verbose=2)


def linear_classifier(settings, train):
    """The class scores alone, on features that stay as they are."""
    keras.utils.set_random_seed(settings.seed)
    model = training.build_model(settings, len(train.class_table))
    if settings.weights is None:
        settle_batch_norm(model, train)
    for layer in model.layers:
        layer.trainable = layer.name.startswith("score_")
    batches = data.Batches(
        train,
        settings.batch_size,
        [
            data.augment.RandomScale(*settings.scale),
            data.augment.RandomCrop(settings.crop),
            data.augment.RandomFlip(),
        ],
        shuffle=True,
        seed=settings.seed,
    )
    model.compile(
        **training.recipes.finetune(
            train,
            epochs=settings.epochs,
            batch_size=settings.batch_size,
            learning_rate=settings.learning_rate,
            weight_decay=settings.weight_decay,
        )
    )
    history = model.fit(batches, epochs=settings.epochs, verbose=2)
    return model, history


def settle_batch_norm(model, train):
    """A random network has no statistics: it takes those of some frames."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    images, _ = data.Batches(train, 16, shuffle=True)[0]
    model(images, training=True)


def scores_of(model, validation):
    """Mean IoU, IoU of each class, rounded."""
    found = inference.evaluate(model, validation)
    classes = {row["name"]: round(row["iou"], 3) for row in found.rows()}
    return {"mean_iou": round(float(found.scores.mean_iou), 3), **classes}


def draw_overlays(model, validation, out, count=5):
    """Image, truth and prediction of frames spread over the drive."""
    out.mkdir(parents=True, exist_ok=True)
    classes = validation.class_table
    frames = range(0, len(validation), len(validation) // count)
    for index in frames[:count]:
        image, mask = validation[index]
        ids = inference.predict(model, image)
        panel = visualization.panel(
            [
                image,
                visualization.overlay(image, mask, classes.colors),
                visualization.overlay_with_legend(image, ids, classes),
            ],
            titles=["image", "truth", "prediction"],
        )
        stem = validation.pairs[index].stem
        visualization.save_image(out / f"{stem}.png", panel)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("weights")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    options = parser.parse_args()

    train = data.from_folder(options.data, "train")
    validation = data.from_folder(options.data, "val")
    tuned = dataclasses.replace(SETTINGS, weights=options.weights)
    frozen = dataclasses.replace(tuned, epochs=5, learning_rate=1e-2)
    runs = {
        "fine-tuned": (fine_tune, tuned),
        "linear classifier on ImageNet features": (linear_classifier, frozen),
        "linear classifier on random features": (
            linear_classifier,
            dataclasses.replace(frozen, weights=None),
        ),
    }
    table = {}
    for name, (run, settings) in runs.items():
        begin = time.monotonic()
        model, _ = run(settings, train)
        seconds = time.monotonic() - begin
        scores = scores_of(model, validation)
        table[name] = {"seconds": round(seconds), **scores}
        print(name, table[name], flush=True)
        if run is fine_tune:
            draw_overlays(model, validation, options.out / "overlays")
    (options.out / "results.json").write_text(json.dumps(table, indent=2))


if __name__ == "__main__":
    main()
