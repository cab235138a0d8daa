"""DeepLab v3, U-Net, the CRF and the input pipeline on a GPU.

    KERAS_BACKEND=torch python benchmarks/gpu.py
    KERAS_BACKEND=jax python benchmarks/gpu.py

Networks run beside torchvision's of the same weights, channels-last, under
autocast, as they are and by `torch.compile`, in turn in one process. Rows are
added to gpu.csv. `--smoke` runs all of it small, on any device.
"""

import argparse
import contextlib
import csv
import datetime
import os
import pathlib
import statistics
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
NETWORKS = ("deeplabv3_resnet50", "deeplabv3_resnet101", "unet")
PRECISIONS = ("float32", "bfloat16")
PARTS = ("training", "inference", "crf", "input")
COLUMNS = (
    *("part", "network", "precision", "backend", "images", "ms", "peer_ms"),
    *("compiled_peer_ms", "ratio", "per_second", "device", "versions", "date"),
)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=NETWORKS)
    parser.add_argument(
        "--precisions", nargs="+", default=PRECISIONS, choices=PRECISIONS
    )
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--no-compile", action="store_true")
    parser.add_argument("--out", type=pathlib.Path, default=HERE / "gpu.csv")
    parser.add_argument("--smoke", action="store_true", help="small, one round")
    return parser.parse_args()


ARGUMENTS = parse_arguments()
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
# The tests know how to import torchvision beside any PyTorch.
sys.path.insert(0, str(HERE.parent))

import keras  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402

from keras_seg import applications  # noqa: E402
from keras_seg import crf  # noqa: E402
from keras_seg import data  # noqa: E402
from keras_seg import losses  # noqa: E402
from keras_seg import pretrained  # noqa: E402
from keras_seg.data import augment  # noqa: E402
from tests import torchvision_oracle  # noqa: E402

BACKEND = keras.backend.backend()
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
CLASSES = 21
# NVIDIA's U-Net takes 572×572 and has two classes; its figures on an A100 are
# 119 images/s of training with mixed precision, 283 of inference in float16.
SIDES = {"unet": 572}
MEAN = torch.tensor([0.485, 0.456, 0.406]).reshape(1, 3, 1, 1)
DEVIATION = torch.tensor([0.229, 0.224, 0.225]).reshape(1, 3, 1, 1)


def pair_of(name):
    """Our network, and torchvision's of the same weights or None."""
    if name == "unet":
        # 64 filters at the top, no padding: the paper's.
        return applications.UNet(
            classes=2,
            padding="valid",
            filters=4 if ARGUMENTS.smoke else 64,
        ), None
    peer = torchvision_oracle.network(name, CLASSES, auxiliary=False)
    state = {key: x.numpy() for key, x in peer.state_dict().items()}
    for module in peer.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    ours = pretrained.from_torchvision(state)
    for layer in ours._flatten_layers():
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0
    return ours, peer.to(DEVICE, memory_format=torch.channels_last)


def forward_of(model, images):
    """A function that runs a model on images that lie on the device."""
    images = keras.ops.convert_to_tensor(images)
    if BACKEND == "torch":

        def run():
            with torch.inference_mode():
                model(images, training=False)
            synchronize()

        return run
    if BACKEND == "jax":
        import jax

        function = jax.jit(
            lambda *state: model.stateless_call(*state, training=False)[0]
        )
        state = [
            [variable.value for variable in variables]
            for variables in (
                model.trainable_variables,
                model.non_trainable_variables,
            )
        ]
        return lambda: function(*state, images).block_until_ready()
    import tensorflow as tf

    function = tf.function(lambda x: model(x, training=False))
    return lambda: function(images).numpy()


def synchronize():
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def autocast(precision):
    if precision == "float32":
        return contextlib.nullcontext()
    return torch.autocast(DEVICE, torch.bfloat16)


def peer_forward(peer, images, precision):
    """The same of the peer, normalization on the device."""
    x = torch.from_numpy(images).to(DEVICE).permute(0, 3, 1, 2)
    mean, deviation = MEAN.to(DEVICE), DEVIATION.to(DEVICE)

    def run():
        with torch.inference_mode(), autocast(precision):
            peer((x / 255 - mean) / deviation)
        synchronize()

    return run


def peer_step(peer, images, masks, precision):
    """A step of the peer from NumPy, as ours: its loss."""
    optimizer = torch.optim.SGD(peer.parameters(), 1e-6, momentum=0.9)
    loss_of = torch.nn.CrossEntropyLoss(ignore_index=data.VOID)
    mean, deviation = MEAN.to(DEVICE), DEVIATION.to(DEVICE)

    def step():
        x = torch.from_numpy(images).to(DEVICE).permute(0, 3, 1, 2)
        truth = torch.from_numpy(masks).to(DEVICE).long()
        optimizer.zero_grad()
        with autocast(precision):
            scores = peer((x / 255 - mean) / deviation)["out"]
            loss = loss_of(scores, truth)
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step


def compiled(peer):
    if peer is None or ARGUMENTS.no_compile:
        return None
    return torch.compile(peer)


def measure(runs):
    """Median milliseconds of functions that run in turn; None stays None."""
    rounds = 1 if ARGUMENTS.smoke else ARGUMENTS.rounds
    for run in runs:
        for _ in range(0 if run is None else 3):  # compiles, warms up
            run()
    times = [[] for _ in runs]
    for _ in range(rounds):
        for run, column in zip(runs, times, strict=True):
            if run is not None:
                begin = time.perf_counter()
                run()
                column.append(1000 * (time.perf_counter() - begin))
    return [statistics.median(column) if column else None for column in times]


def networks(part):
    """Rows of training steps, or of forward passes."""
    for precision in ARGUMENTS.precisions:
        policy = "float32" if precision == "float32" else "mixed_bfloat16"
        keras.config.set_dtype_policy(policy)
        for name in ARGUMENTS.networks:
            side = SIDES.get(name, 513)
            batch = ARGUMENTS.batch
            if ARGUMENTS.smoke:
                side, batch = 188 if name == "unet" else 65, 2
            ours, peer = pair_of(name)
            rng = np.random.default_rng(0)
            shape = (batch, side, side, 3)
            images = rng.integers(0, 256, shape).astype("uint8")
            if part == "inference":
                runs = [forward_of(ours, images)]
                runs += [
                    network and peer_forward(network.eval(), images, precision)
                    for network in (peer, compiled(peer))
                ]
            else:
                runs = steps(ours, peer, images, precision)
            ms = measure(runs)
            yield {
                "network": name,
                "precision": precision,
                "images": f"{batch}×{side}×{side}",
                "per_second": 1000 * batch / ms[0],
                **times_of(*ms),
            }
            keras.backend.clear_session()
            del ours, peer, runs


def steps(ours, peer, images, precision):
    size = ours.compute_output_shape(images.shape)
    rng = np.random.default_rng(1)
    masks = rng.integers(0, size[-1], size[:3]).astype("int32")
    masks[:, :9] = data.VOID
    ours.compile(
        keras.optimizers.SGD(1e-6, momentum=0.9), losses.CrossEntropy()
    )
    runs = [lambda: float(ours.train_on_batch(images, masks))]
    return runs + [
        network and peer_step(network.train(), images, masks, precision)
        for network in (peer, compiled(peer))
    ]


def times_of(ours, peer, compiled_peer):
    known = [ms for ms in (peer, compiled_peer) if ms]
    return {
        "ms": ours,
        "peer_ms": peer,
        "compiled_peer_ms": compiled_peer,
        "ratio": ours / min(known) if known else None,
    }


def of_crf():
    """Ten iterations, 21 classes, on an image of VOC's size."""
    side = (60, 80) if ARGUMENTS.smoke else (375, 500)
    images, masks = data.synthetic.shapes(1, size=max(side), classes=5)
    image = images[0, : side[0], : side[1]]
    ids = masks[0, : side[0], : side[1]] % CLASSES
    scores = np.eye(CLASSES, dtype="float32")[ids]

    def run():
        found = crf.dense_crf(image, logits=3 * scores, iterations=10)
        keras.ops.convert_to_numpy(found)

    (ms,) = measure([run])
    yield {
        "network": "dense_crf",
        "images": f"1×{side[0]}×{side[1]}",
        "ms": ms,
        "per_second": 1000 / ms,
    }


def of_input():
    """Batches alone, with 1 to all CPUs: whether they feed a step."""
    count, batch = (8, 2) if ARGUMENTS.smoke else (256, ARGUMENTS.batch)
    crop = 65 if ARGUMENTS.smoke else 513
    with tempfile.TemporaryDirectory() as place:
        images, masks = data.synthetic.shapes(8, size=500, classes=5)
        repeat = np.arange(count) % 8
        data.synthetic.write_folder(
            pathlib.Path(place),
            images[repeat],
            masks[repeat],
            data.synthetic.shape_classes(5),
        )
        source = data.from_folder(place, "train", check=False)
        transforms = [
            augment.RandomScale(0.5, 2.0),
            augment.RandomCrop(crop),
            augment.RandomFlip(),
        ]
        workers = 1
        while workers <= os.cpu_count():
            batches = data.Batches(
                source, batch, transforms, shuffle=True, workers=workers
            )

            def run(batches=batches):
                for _ in batches:
                    pass
                batches.on_epoch_end()

            (ms,) = measure([run])
            yield {
                "network": f"Batches, {workers} workers",
                "images": f"{batch}×{crop}×{crop}",
                "ms": ms * batch / count,
                "per_second": 1000 * count / ms,
            }
            workers *= 2


def facts():
    name = torch.cuda.get_device_name() if DEVICE == "cuda" else "CPU"
    versions = [f"keras {keras.__version__}", f"torch {torch.__version__}"]
    if BACKEND == "jax":
        import jax

        versions.append(f"jax {jax.__version__}")
    return {
        "backend": BACKEND,
        "device": name,
        "versions": ", ".join(versions),
        "date": datetime.date.today().isoformat(),
    }


def main():
    makers = {"crf": of_crf, "input": of_input}
    is_new = not ARGUMENTS.out.exists()
    with open(ARGUMENTS.out, "a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if is_new:
            writer.writeheader()
        for part in ARGUMENTS.parts:
            rows = makers[part]() if part in makers else networks(part)
            for row in rows:
                row = {
                    key: round(x, 2) if isinstance(x, float) else x
                    for key, x in {"part": part, **row, **facts()}.items()
                }
                writer.writerow(row)
                file.flush()
                print(row, flush=True)


if __name__ == "__main__":
    main()
