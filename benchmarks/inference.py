"""Whole networks against plain PyTorch, side by side in one process.

    KERAS_BACKEND=tensorflow python benchmarks/inference.py

Ours is `predict_on_batch` of an image of 0 … 255, with what a backend compiles
and the way from and to NumPy, batch norms folded as `keras-seg predict` does;
the peer is torchvision's network of the same weights, or an FCN-8s written in
PyTorch, with channels-last memory in inference mode, on an image that is
normalized already. Both run in turn, round after round; the table has the
medians and the median of the ratios of the rounds.
"""

import argparse
import pathlib
import statistics
import sys

import machine


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--only", nargs="+", choices=NETWORKS, default=list(NETWORKS)
    )
    parser.add_argument(
        "--rounds", type=int, default=7, help="of each network (default: 7)"
    )
    parser.add_argument(
        "--threads", type=int, default=2, help="CPUs to use (default: 2)"
    )
    parser.add_argument(
        "--unfolded", action="store_true", help="batch norms as in training"
    )
    parser.add_argument(
        "--smoke", action="store_true", help="one round of small images"
    )
    return parser.parse_args()


# The side of the image: those of the papers' test images.
NETWORKS = {
    "deeplabv3_resnet50": 513,
    "deeplabv3_resnet101": 513,
    "deeplabv3_mobilenet_v3_large": 513,
    "fcn8s_vgg16": 500,
}

ARGUMENTS = parse_arguments()
machine.use(ARGUMENTS.threads)
# The tests know how to import torchvision beside any PyTorch.
sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import keras  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch.nn import functional  # noqa: E402

from keras_seg import applications  # noqa: E402
from keras_seg import surgery  # noqa: E402
from tests import torchvision_oracle  # noqa: E402

BACKEND = keras.backend.backend()
CLASSES = 21
MEAN = np.array([0.485, 0.456, 0.406], "float32")
DEVIATION = np.array([0.229, 0.224, 0.225], "float32")


class FCN8s(torch.nn.Module):
    """What `applications.FCN8s("vgg16")` computes behind its padding."""

    def __init__(self):
        super().__init__()
        blocks, before = [], 3
        for filters, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
            layers = []
            for _ in range(count):
                layers += [
                    torch.nn.Conv2d(before, filters, 3, padding=1),
                    torch.nn.ReLU(),
                ]
                before = filters
            blocks.append(torch.nn.Sequential(*layers, torch.nn.MaxPool2d(2)))
        self.blocks = torch.nn.ModuleList(blocks)
        self.fc6 = torch.nn.Conv2d(512, 4096, 7, padding=3)
        self.fc7 = torch.nn.Conv2d(4096, 4096, 1)
        self.scores = torch.nn.ModuleList(
            torch.nn.Conv2d(n, CLASSES, 1) for n in (4096, 512, 256)
        )
        self.enlarge = torch.nn.ModuleList(
            torch.nn.ConvTranspose2d(
                CLASSES, CLASSES, 2 * n, n, padding=n // 2, bias=False
            )
            for n in (2, 2, 8)
        )

    def forward(self, x):
        height, width = x.shape[2:]
        x = functional.pad(x, (0, -width % 32, 0, -height % 32))
        maps = []
        for block in self.blocks:
            x = block(x)
            maps.append(x)
        x = torch.relu(self.fc7(torch.relu(self.fc6(x))))
        y = self.scores[0](x)
        y = self.enlarge[0](y) + self.scores[1](maps[3])
        y = self.enlarge[1](y) + self.scores[2](maps[2])
        return {"out": self.enlarge[2](y)[..., :height, :width]}


def pair_of(name):
    """Our network and the peer's, of the same weights where both name them."""
    if name == "fcn8s_vgg16":
        ours = applications.FCN8s("vgg16", weights=None, classes=CLASSES)
        return ours, FCN8s().eval()
    peer = torchvision_oracle.network(name, CLASSES, auxiliary=False)
    state = {key: x.numpy() for key, x in peer.state_dict().items()}
    return applications.from_torchvision(state), peer


def runners(name, side):
    """Functions that run ours and the peer once, and give logits."""
    ours, peer = pair_of(name)
    if not ARGUMENTS.unfolded:
        ours = surgery.fold_batch_norm(ours)
    peer = peer.to(memory_format=torch.channels_last)
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (1, side, side, 3)).astype("float32")
    normalized = torch.from_numpy((image / 255 - MEAN) / DEVIATION)
    normalized = normalized.permute(0, 3, 1, 2)

    def run_peer():
        with torch.inference_mode():
            return peer(normalized)["out"]

    def run_ours():
        return keras.ops.convert_to_numpy(ours.predict_on_batch(image))

    return run_ours, run_peer


def main():
    torch.set_num_threads(ARGUMENTS.threads)
    rounds = 1 if ARGUMENTS.smoke else ARGUMENTS.rounds
    print(
        f"keras {keras.__version__} on {BACKEND}, torch {torch.__version__}, "
        f"threads: {ARGUMENTS.threads}, rounds: {rounds}\n"
    )
    print("| network | image | ours, ms | PyTorch, ms | ratio | same class |")
    print("|---|---|---:|---:|---:|---:|")
    for name in ARGUMENTS.only:
        side = 65 if ARGUMENTS.smoke else NETWORKS[name]
        runs = runners(name, side)
        times = machine.measure(runs, rounds)
        mine, other = map(statistics.median, zip(*times, strict=True))
        ratio = statistics.median(a / b for a, b in times)
        same = "other weights"
        if name != "fcn8s_vgg16":
            ids = runs[0]().argmax(-1), runs[1]().argmax(1).numpy()
            same = f"{np.equal(*ids).mean():.2%}"
        print(
            f"| {name} | {side}×{side} | {mine:.0f} | {other:.0f} "
            f"| {ratio:.2f} | {same} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
