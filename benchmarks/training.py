"""A step of training against plain PyTorch, side by side in one process.

    KERAS_BACKEND=tensorflow python benchmarks/training.py

Forward, loss, backward and update: ours is `train_on_batch` of a compiled
model on images of 0 … 255, with the way from NumPy; the peers are torchvision's
DeepLab v3 of the same weights and segmentation_models.pytorch's U-Net, with
channels-last memory, on images that are normalized already and in place. Loss
is the cross-entropy, the optimizer SGD with momentum, dropout is off. The
losses of the first steps must agree: "losses" has their largest difference and
by how much the loss changes, as shares of it. Both run in turn, round after
round; the table has the medians and the median of the ratios of the rounds. The
two U-Nets have encoders of one kind and decoders of their own: parameters and
multiplications of either are printed below.
"""

import argparse
import math
import statistics
import sys
from pathlib import Path

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
        "--jit", action="store_true", help="XLA on TensorFlow (JAX always)"
    )
    parser.add_argument(
        "--smoke", action="store_true", help="one round of small images"
    )
    return parser.parse_args()


# The side of the images, how many, and the learning rate. ResNet-50's steps
# must be small ones: with random weights a change of 1e-7 of the image changes
# the gradients of its first layers by 0.6 %, in float64, where ours and the
# peer's differ by 0.04 %.
NETWORKS = {
    "deeplabv3_mobilenet_v3_large": (320, 4, 1e-3),
    "deeplabv3_resnet50": (321, 2, 1e-6),
    "unet_mobilenet_v2": (320, 4, 1e-3),
}

ARGUMENTS = parse_arguments()
machine.use(ARGUMENTS.threads)
# The tests know how to import torchvision beside any PyTorch.
sys.path.insert(0, str(Path(__file__).parents[1]))

import keras  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402

from keras_seg import applications  # noqa: E402
from keras_seg import losses  # noqa: E402
from keras_seg import pretrained  # noqa: E402
from tests import torchvision_oracle  # noqa: E402

BACKEND = keras.backend.backend()
CLASSES = 21
MOMENTUM = 0.9
# Steps whose losses are compared, before any is timed.
STEPS = 3
MEAN = np.array([0.485, 0.456, 0.406], "float32")
DEVIATION = np.array([0.229, 0.224, 0.225], "float32")


def pair_of(name, side):
    """Our network and the peer's, of the same weights but for the U-Net."""
    if name == "unet_mobilenet_v2":
        torchvision_oracle.models()
        import segmentation_models_pytorch as smp

        ours = applications.UNet(
            "mobilenet_v2",
            weights=None,
            classes=CLASSES,
            input_shape=(side, side, 3),
        )
        peer = smp.Unet("mobilenet_v2", encoder_weights=None, classes=CLASSES)
    else:
        peer = torchvision_oracle.network(name, CLASSES, auxiliary=False)
        state = {key: x.numpy() for key, x in peer.state_dict().items()}
        ours = pretrained.from_torchvision(state)
    for layer in ours._flatten_layers():
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0
    for module in peer.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return ours, peer


def runners(ours, peer, side, batch, rate):
    """Functions that take a step of ours and of the peer's: its loss."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (batch, side, side, 3)).astype("uint8")
    masks = rng.integers(0, CLASSES, (batch, side, side)).astype("int32")
    masks[:, :9] = 255
    ours.compile(
        keras.optimizers.SGD(rate, momentum=MOMENTUM),
        losses.CrossEntropy(),
        jit_compile=ARGUMENTS.jit or BACKEND == "jax",
    )
    normalized = torch.from_numpy((images / np.float32(255) - MEAN) / DEVIATION)
    normalized = normalized.permute(0, 3, 1, 2)
    truth = torch.from_numpy(masks).long()
    peer = peer.to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(peer.parameters(), rate, momentum=MOMENTUM)
    loss_of = torch.nn.CrossEntropyLoss(ignore_index=255)

    def step():
        return float(ours.train_on_batch(images, masks))

    def peer_step():
        optimizer.zero_grad()
        scores = peer(normalized)
        if isinstance(scores, dict):
            scores = scores["out"]
        loss = loss_of(scores, truth)
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step, peer_step


def multiplications(model):
    """Of an image, in the convolutions of a model whose sizes are known."""
    total = 0
    for layer in model._flatten_layers():
        kernel = getattr(layer, "kernel", None)
        if kernel is None or len(kernel.shape) != 4:
            continue
        is_transposed = isinstance(layer, keras.layers.Conv2DTranspose)
        tensor = layer.input if is_transposed else layer.output
        total += math.prod(tensor.shape[1:3]) * math.prod(kernel.shape)
    return total


def peer_multiplications(network, side):
    total = 0

    def count(module, inputs, output):
        nonlocal total
        total += math.prod(output.shape[2:]) * module.weight.numel()

    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(count)
    with torch.inference_mode():
        network.eval()(torch.zeros(1, 3, side, side))
    return total


def sizes(ours, peer, side):
    """A sentence on what two networks that differ have."""
    parameters = sum(math.prod(w.shape) for w in ours.trainable_weights)
    theirs = sum(p.numel() for p in peer.parameters())
    return (
        f"parameters {parameters / 1e6:.2f} M, the peer {theirs / 1e6:.2f} M; "
        f"multiplications for an image {multiplications(ours) / 1e9:.2f} "
        f"billion, the peer {peer_multiplications(peer, side) / 1e9:.2f}"
    )


def main():
    torch.set_num_threads(ARGUMENTS.threads)
    rounds = 1 if ARGUMENTS.smoke else ARGUMENTS.rounds
    compiled = " with XLA" if ARGUMENTS.jit and BACKEND == "tensorflow" else ""
    print(
        f"keras {keras.__version__} on {BACKEND}{compiled}, "
        f"torch {torch.__version__}, threads: {ARGUMENTS.threads}, "
        f"rounds: {rounds}\n"
    )
    print("| network | images | ours, ms | peer, ms | ratio | losses |")
    print("|---|---|---:|---:|---:|---|")
    notes = []
    for name in ARGUMENTS.only:
        side, batch, rate = NETWORKS[name]
        if ARGUMENTS.smoke:
            side, batch = 64 if name.startswith("unet") else 65, 2
        ours, peer = pair_of(name, side)
        is_equal = not name.startswith("unet")
        if not is_equal:
            notes.append(f"{name}: {sizes(ours, peer, side)}.")
        step, peer_step = runners(ours, peer, side, batch, rate)
        first = [(step(), peer_step()) for _ in range(STEPS)]
        off = max(abs(a - b) / abs(b) for a, b in first)
        change = abs(first[-1][1] / first[0][1] - 1)
        if is_equal and off > change / 10:
            raise AssertionError(f"The losses of {name} differ: {first}")
        times = machine.measure((step, peer_step), rounds)
        mine, other = [
            statistics.median(column) for column in zip(*times, strict=True)
        ]
        ratio = statistics.median(a / b for a, b in times)
        same = f"{off:.0e} of {change:.0e}" if is_equal else "other weights"
        print(
            f"| {name} | {batch}×{side}×{side} | {mine:.0f} | {other:.0f} | "
            f"{ratio:.2f} | {same} |",
            flush=True,
        )
    print("", *notes, sep="\n")


if __name__ == "__main__":
    main()
