"""Whole networks against plain PyTorch, side by side in one process.

    KERAS_BACKEND=tensorflow python benchmarks/inference.py

Ours is what `keras-seg predict` computes: scores of an image of 0 … 255, with
what a backend compiles and the way from and to NumPy, batch norms folded;
the peer is torchvision's network of the same weights, or an FCN-8s written in
PyTorch, with channels-last memory in inference mode, on an image that is
normalized already. `--exported onnx openvino` runs files that ours is exported
to, too. All run in turn, round after round; the table has the medians and the
median of the ratios of the rounds. FCN-8s has weights of its own on either
side: its classes are compared with those of our model.
"""

import argparse
import functools
import pathlib
import sys
import tempfile

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
        "--exported",
        nargs="+",
        choices=SUFFIXES,
        default=[],
        help="ours as exported files, too, each run by its own runtime",
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

SUFFIXES = {
    "onnx": ".onnx",
    "litert": ".tflite",
    "openvino": ".xml",
    "bfloat16": ".xml",  # OpenVINO's, too.
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
from keras_seg import deployment  # noqa: E402
from keras_seg import pretrained  # noqa: E402
from keras_seg import surgery  # noqa: E402
from keras_seg.inference import scores  # noqa: E402
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
    return pretrained.from_torchvision(state), peer


def runners(name, side, folder):
    """Functions that run the peer and ours once, and give logits.

    Ours as a model is the second; as exported files, those that follow.
    """
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
        return scores.predict_scores(ours, image)

    files = []
    for kind in ARGUMENTS.exported:
        path = pathlib.Path(folder) / f"{name}{SUFFIXES[kind]}"
        # OpenVINO is slower with files for images of any size.
        if not path.exists():
            deployment.export(ours, path, size=(side, side), verify=False)
        half = kind == "bfloat16"
        files.append(deployment.ExportedModel(path, bfloat16=half))
    return [
        run_peer,
        run_ours,
        *(functools.partial(file.predict_on_batch, image) for file in files),
    ]


def main():
    torch.set_num_threads(ARGUMENTS.threads)
    rounds = 1 if ARGUMENTS.smoke else ARGUMENTS.rounds
    print(
        f"keras {keras.__version__} on {BACKEND}, torch {torch.__version__}, "
        f"threads: {ARGUMENTS.threads}, rounds: {rounds}\n"
    )
    print(
        "| network | image | run by | ms | PyTorch, ms | ratio | same class |"
    )
    print("|---|---|---|---:|---:|---:|---:|")
    for name in ARGUMENTS.only:
        side = 65 if ARGUMENTS.smoke else NETWORKS[name]
        with tempfile.TemporaryDirectory() as folder:
            peer, *ours = runners(name, side, folder)
        times = np.array(machine.measure([peer, *ours], rounds))
        # FCN-8s has other weights on either side.
        exact = ours[0]() if name == "fcn8s_vgg16" else peer_scores(peer)
        for way, run, mine in zip(
            [BACKEND, *ARGUMENTS.exported], ours, times.T[1:], strict=True
        ):
            same = (run().argmax(-1) == exact.argmax(-1)).mean()
            print(
                f"| {name} | {side}×{side} | {way} | {np.median(mine):.0f} "
                f"| {np.median(times[:, 0]):.0f} "
                f"| {np.median(mine / times[:, 0]):.2f} | {same:.2%} |",
                flush=True,
            )


def peer_scores(peer):
    return peer().permute(0, 2, 3, 1).numpy()


if __name__ == "__main__":
    main()
