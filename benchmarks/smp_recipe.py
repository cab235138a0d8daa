"""Trains and runs segmentation_models.pytorch as its own examples do.

    python benchmarks/smp_recipe.py train DATA --recipe streets --network unet \
        --weights mobilenet_v2.pth --minutes 5 --out FOLDER
    python benchmarks/smp_recipe.py predict DATA --recipe streets \
        --network unet --out FOLDER

A process of `time_to_quality.py`. README.md says which choices are those of
the examples, and where this departs from them.
"""

import argparse
import json
import math
import os
import pathlib
import sys
import time

# torchvision imports beside any PyTorch as the tests do it.
sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

from tests import torchvision_oracle

torchvision_oracle.models()

import segmentation_models_pytorch as smp  # noqa: E402

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
RATE, LAST_RATE = 2e-4, 1e-5
VOID = 255
NETWORKS = {
    "unet": smp.Unet,
    "deeplabv3plus": smp.DeepLabV3Plus,
}


class Streets:
    """Of `camvid_segmentation_multiclass.ipynb`: void is class 0."""

    batch = 32

    def __init__(self, classes):
        self.outputs = classes + 1
        self.loss = smp.losses.DiceLoss(
            smp.losses.MULTICLASS_MODE, from_logits=True
        )

    def transform(self, image, mask):
        if not hasattr(self, "compose"):
            self.compose = augmentation()
        mask = np.where(mask == VOID, 0, mask + 1).astype("uint8")
        found = self.compose(image=image, mask=mask)
        return found["image"], found["mask"].astype("int64")

    def predict(self, network, image):
        """Padded to a multiple of 32 on all sides; void is no answer."""
        height, width = image.shape[1:]
        bottom, right = -height % 32, -width % 32
        top, left = bottom // 2, right // 2
        pads = (left, right - left, top, bottom - top)
        scores = network(normalized(functional.pad(image[None], pads)))
        scores = scores[0, 1:, top : top + height, left : left + width]
        return scores.argmax(0)


class Pets:
    """Of `binary_segmentation_intro.ipynb`: images of 256×256, one logit."""

    batch = 64
    size = (256, 256)

    def __init__(self, classes):
        assert classes == 2
        self.outputs = 1
        self.loss = smp.losses.DiceLoss(
            smp.losses.BINARY_MODE, from_logits=True
        )

    def transform(self, image, mask):
        image = Image.fromarray(image).resize(
            self.size, Image.Resampling.BILINEAR
        )
        mask = Image.fromarray(mask).resize(self.size, Image.Resampling.NEAREST)
        return np.asarray(image), np.asarray(mask)[None].astype("float32")

    def predict(self, network, image):
        """The logits are brought back to the size of the image."""
        array = image.permute(1, 2, 0).numpy().astype("uint8")
        small, _ = self.transform(array, array[..., 0])
        small = torch.tensor(small).permute(2, 0, 1)[None].float()
        scores = functional.interpolate(
            network(normalized(small)), image.shape[1:], mode="bilinear"
        )
        return (scores[0, 0] > 0).long()


RECIPES = {"streets": Streets, "pets": Pets}


def augmentation():
    """The example's, in the arguments of albumentations 2."""
    import albumentations as A

    one_of = [
        [A.CLAHE(p=1), A.RandomBrightnessContrast(p=1), A.RandomGamma(p=1)],
        [
            A.Sharpen(p=1),
            A.Blur(blur_limit=3, p=1),
            A.MotionBlur(blur_limit=3, p=1),
        ],
        [A.RandomBrightnessContrast(p=1), A.HueSaturationValue(p=1)],
    ]
    return A.Compose(
        [
            A.HorizontalFlip(p=0.5),
            A.ShiftScaleRotate(
                scale_limit=0.5,
                rotate_limit=0,
                shift_limit=0.1,
                p=1,
                border_mode=0,
            ),
            A.PadIfNeeded(min_height=320, min_width=320),
            A.RandomCrop(height=320, width=320),
            # The example is of version 1, whose default is a variance of 10
            # to 50 of 255²; that of version 2 is 250 times as much.
            A.GaussNoise(
                std_range=(math.sqrt(10) / 255, math.sqrt(50) / 255), p=0.2
            ),
            A.Perspective(p=0.5),
            *(A.OneOf(transforms, p=0.9) for transforms in one_of),
        ]
    )


def normalized(images):
    mean, deviation = (
        torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, DEVIATION)
    )
    return (images / 255 - mean) / deviation


class Dataset(torch.utils.data.Dataset):
    def __init__(self, folder, recipe):
        self.images = sorted((folder / "images").iterdir())
        self.recipe = recipe

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        image, mask = read(self.images[index])
        image, mask = self.recipe.transform(image, mask)
        return np.ascontiguousarray(image.transpose(2, 0, 1)), mask


def read(path):
    """An image, and the mask of the same name."""
    mask = path.parents[1] / "labels" / f"{path.stem}.png"
    with Image.open(path) as image, Image.open(mask) as ids:
        return np.asarray(image.convert("RGB")), np.asarray(ids)


def train(arguments, recipe, network):
    begin = time.monotonic()
    state = torch.load(arguments.weights, "cpu", weights_only=True)
    network.encoder.load_state_dict(state)
    loader = torch.utils.data.DataLoader(
        Dataset(arguments.data, recipe),
        arguments.batch or recipe.batch,
        shuffle=True,
        num_workers=os.cpu_count(),
        persistent_workers=True,
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    network.train()
    steps = images = 0
    done = False
    while not done:
        for image, mask in loader:
            # A cosine of all the time there is, where the example's is one
            # of all the steps.
            share = (time.monotonic() - begin) / (60 * arguments.minutes)
            done = share >= 1 and steps > 0
            if done:
                break
            cosine = (1 + math.cos(math.pi * min(share, 1))) / 2
            for group in optimizer.param_groups:
                group["lr"] = LAST_RATE + (RATE - LAST_RATE) * cosine
            optimizer.zero_grad()
            loss = recipe.loss(network(normalized(image)).contiguous(), mask)
            loss.backward()
            optimizer.step()
            steps, images = steps + 1, images + len(image)
    torch.save(network.state_dict(), arguments.out / "network.pt")
    found = {"steps": steps, "images": images, "loss": loss.item()}
    (arguments.out / "found.json").write_text(json.dumps(found))


def predict(arguments, recipe, network):
    state = torch.load(arguments.out / "network.pt", weights_only=True)
    network.load_state_dict(state)
    network.eval()
    for path in sorted((arguments.data / "images").iterdir()):
        image = torch.tensor(read(path)[0]).permute(2, 0, 1).float()
        with torch.inference_mode():
            ids = recipe.predict(network, image).numpy().astype("uint8")
        Image.fromarray(ids).save(arguments.out / f"{path.stem}.png")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", choices=("train", "predict"))
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--recipe", choices=RECIPES, required=True)
    parser.add_argument("--network", choices=NETWORKS, required=True)
    parser.add_argument("--classes", type=int, required=True)
    parser.add_argument("--weights", help="torchvision's MobileNetV2")
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--batch", type=int, help="default: the example's")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    arguments.out.mkdir(exist_ok=True)
    recipe = RECIPES[arguments.recipe](arguments.classes)
    network = NETWORKS[arguments.network](
        "mobilenet_v2", encoder_weights=None, classes=recipe.outputs
    )
    {"train": train, "predict": predict}[arguments.task](
        arguments, recipe, network
    )


if __name__ == "__main__":
    main()
