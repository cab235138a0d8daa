"""Transfer learning: an ImageNet classifier becomes a segmenter of your own.

    python tutorials/02_transfer_learning.py
    python tutorials/02_transfer_learning.py --data DATA --weights FILE

A classifier that has seen a million photographs knows edges, textures and
parts of things. Little of that depends on what it was asked to name, so a
segmenter of your own images can begin there, and needs hundreds of masks
where it would otherwise need thousands.

It takes eight statements, those of `transfer` below:

1. turn the classifier into a segmentation network: here a U-Net, whose way
   down is the classifier, with its weights and the preprocessing that it
   expects, and whose way up is new;
2. freeze what comes from the classifier: the new layers begin with random
   weights, and their first gradients would only spoil the old ones;
3. compile, and
4. train the new layers;
5. unfreeze all but batch normalization, which keeps the statistics of
   ImageNet: the moving averages of a short training are worse;
6. compile again, as Keras wants after such a change: `finetune` now lets what
   came from the classifier learn at a tenth of the rate of what is new;
7. train on, and
8. count the pixels of images that were held out.

The same network from random weights, trained as long, shows what the transfer
was worth. Without `--data`, images are drawn by the package: squares, disks
and triangles on noise, which need no transfer at all; and without
`--weights`, the weights of MobileNetV2 are downloaded.

On photographs of horses (120 of Weizmann's, every sixth held out) the eight
statements, 8 and 12 epochs, come to an IoU of horse of 0.84, a mean IoU of
0.89; the same network from random weights, 20 epochs, to 0.58 and 0.70. In
its overlays whatever is dark or brown is horse, rock and shade too; with
transfer the horses are whole, down to the hooves, and a rider is taken for a
part of his horse. Both together took 12 minutes on two CPU cores (TensorFlow
2.21, seed 0, one run, other work at the same time).
"""

import argparse
import pathlib

import keras
import numpy as np

from keras_seg import applications
from keras_seg import data
from keras_seg import inference
from keras_seg import training
from keras_seg import visualization
from keras_seg.data import augment
from keras_seg.data import synthetic
from keras_seg.training import recipes


def transfer(weights, train, held_out, batches, epochs):
    """A classifier to a segmenter, in eight statements.

    Args:
        weights: `"imagenet"`, the path of a file, or None for random ones.
        train: pairs to train on, with their `classes`.
        held_out: pairs that are not trained on.
        batches: `train` as `data.Batches`.
        epochs: tuple (with the classifier frozen, all of it).
    """
    first, second = epochs
    model = applications.UNet(
        "mobilenet_v2", weights=weights, classes=len(train.class_table)
    )
    training.freeze_backbone(model)
    model.compile(**recipes.finetune(train, model, epochs=first))
    model.fit(batches, epochs=first, verbose=2)
    training.freeze_batch_norm(training.unfreeze(model))
    model.compile(**recipes.finetune(train, model, epochs=second))
    model.fit(batches, epochs=second, verbose=2)
    return model, inference.evaluate(model, held_out)


def from_scratch(train, held_out, batches, epochs):
    """The same network without any transfer, trained as long at once.

    All weights learn at one rate, and batch norm learns its statistics.
    """
    model = applications.UNet(
        "mobilenet_v2", weights=None, classes=len(train.class_table)
    )
    momentum = recipes.momentum_for(sum(epochs) * len(batches))
    recipes.set_batch_norm_momentum(model, momentum)
    model.compile(**recipes.finetune(train, epochs=sum(epochs)))
    model.fit(batches, epochs=sum(epochs), verbose=2)
    return model, inference.evaluate(model, held_out)


def draw_data(path, count, size):
    """A folder of drawn images, as a user would have one of photographs."""
    images, masks = synthetic.shapes(count, size=size, classes=4)
    classes, first = synthetic.shape_classes(4), count // 5
    synthetic.write_folder(path, images[:first], masks[:first], classes, "val")
    synthetic.write_folder(
        path, images[first:], masks[first:], classes, "train"
    )


def read(path):
    """Pairs to train on and others held out: every sixth, if need be."""
    splits = data.splits(path)
    train = data.from_folder(path, "train" if splits else None)
    if "val" in splits:
        return train, data.from_folder(
            path, "val", class_table=train.class_table
        )
    held_out = range(0, len(train), 6)
    rest = sorted(set(range(len(train))) - set(held_out))
    return train.subset(rest), train.subset(held_out)


def draw_overlays(models, held_out, out, count=4):
    """Image, truth, and what each of the models makes of it."""
    out.mkdir(parents=True, exist_ok=True)
    classes = held_out.class_table
    for index in np.linspace(0, len(held_out) - 1, count).astype(int):
        image, mask = held_out[index]
        pictures = [visualization.overlay(image, mask, classes.colors)]
        for model in models.values():
            ids = inference.predict(model, image)
            pictures.append(visualization.overlay(image, ids, classes.colors))
        panel = visualization.panel(
            [image, *pictures], titles=["image", "truth", *models]
        )
        stem = held_out.pairs[index].stem
        visualization.save_image(out / f"{stem}.png", panel)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=pathlib.Path)
    parser.add_argument(
        "--weights", default="imagenet", help="imagenet, a file, or none"
    )
    parser.add_argument(
        "--epochs", type=int, nargs=2, default=(8, 12), metavar="N"
    )
    parser.add_argument("--crop", type=int, default=224)
    parser.add_argument(
        "--images", type=int, default=60, help="how many are drawn"
    )
    parser.add_argument("--out", type=pathlib.Path, default="transfer")
    options = parser.parse_args()
    weights = None if options.weights == "none" else options.weights

    if options.data is None:
        options.data = options.out / "data"
        draw_data(options.data, options.images, options.crop)
    print(data.check(options.data).raise_if_failed().to_text())
    train, held_out = read(options.data)
    keras.utils.set_random_seed(0)
    batches = data.Batches(
        train,
        8,
        [
            augment.RandomScale(0.75, 1.5),
            augment.RandomCrop(options.crop),
            augment.RandomFlip(),
        ],
        shuffle=True,
    )
    data_and_epochs = train, held_out, batches, options.epochs
    runs = {
        "transferred": transfer(weights, *data_and_epochs),
        "from scratch": from_scratch(*data_and_epochs),
    }
    models = {name: model for name, (model, _) in runs.items()}
    draw_overlays(models, held_out, options.out / "overlays")
    for name, (_, found) in runs.items():
        print(f"{name}: mean IoU {found.scores.mean_iou:.3f}")
        for row in found.rows():
            print(f"    {row['name']}: {row['iou']:.3f}")


if __name__ == "__main__":
    main()
