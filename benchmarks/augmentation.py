"""Strengths of augmentation, on photographs as they are and on worse ones.

    python benchmarks/augmentation.py --weights mobilenet_v2_notop.h5

FCN-8s learns from 40 of Weizmann's horses, at most 192 pixels large, and is
scored on 20 others, and on those after blur, noise, JPEG and less light. Prints
a Markdown table: the mean IoU, averaged over seeds. `KERAS_SEG_DATA` has the
data.
"""

import argparse
import io
import os
import pathlib

import keras
import numpy as np
from PIL import Image
from scipy import ndimage

from keras_seg.applications import FCN8s
from keras_seg.data import Batches
from keras_seg.data import Shrunk
from keras_seg.data import augment
from keras_seg.data import from_folder
from keras_seg.inference import predict
from keras_seg.training.recipes import finetune

DATA = pathlib.Path(os.environ.get("KERAS_SEG_DATA", "data"))


def blurred(image, rng):
    return ndimage.gaussian_filter(image.astype("float32"), (2, 2, 0))


def jpeg(image, rng):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=8)
    return np.asarray(Image.open(file))


CHANGES = {
    "as they are": lambda image, rng: image,
    "blur, 2 pixels": blurred,
    "noise, 25 levels": lambda image, rng: (
        image + rng.normal(0, 25, image.shape)
    ),
    "JPEG, quality 8": jpeg,
    "0.4 of the light": lambda image, rng: 0.4 * image,
}


def trained(strength, seed, pairs, arguments):
    keras.utils.set_random_seed(seed)
    model = FCN8s(
        "mobilenet_v2", arguments.weights, classes=2, freeze_batch_norm=True
    )
    chain = augment.named(strength, crop=128)
    batches = Batches(pairs, 8, chain, shuffle=True, seed=seed)
    model.compile(
        **finetune(
            pairs,
            model,
            classes=2,
            epochs=arguments.epochs,
            batch_size=8,
            backbone_rate=0.1,
        )
    )
    model.fit(batches, epochs=arguments.epochs, verbose=0)
    return model


def score(model, pairs, change):
    """Mean IoU on changed images."""
    matrix, rng = np.zeros((2, 2)), np.random.default_rng(0)
    for image, mask in pairs:
        changed = change(image, rng).astype("float32").clip(0, 255)
        ids = predict(model, changed)
        np.add.at(matrix, (mask[mask != 255], ids[mask != 255]), 1)
    hits = np.diag(matrix)
    return (hits / (matrix.sum(axis=0) + matrix.sum(axis=1) - hits)).mean()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--weights", required=True)
    parser.add_argument("--augment", nargs="+", default=["standard", "strong"])
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    horses = Shrunk(from_folder(DATA / "horses" / "train", check=False), 192)
    train, test = ([horses[i] for i in x] for x in (range(40), range(100, 120)))
    print("| | " + " | ".join(CHANGES) + " |")
    print("|---|" + "---:|" * len(CHANGES))
    for strength in arguments.augment:
        rows = []
        for seed in range(arguments.seeds):
            model = trained(strength, seed, train, arguments)
            rows.append([score(model, test, x) for x in CHANGES.values()])
        means = " | ".join(f"{x:.3f}" for x in np.mean(rows, axis=0))
        print(f"| `{strength}` | {means} |", flush=True)


if __name__ == "__main__":
    main()
