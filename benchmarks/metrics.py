"""A training step with metrics and without, in turn in one process.

    KERAS_BACKEND=jax python benchmarks/metrics.py

One network, FCN-8s on MobileNetV2, is compiled without metrics and with those
of each row, and takes a training step of each in turn. The table has the
medians of wall-clock time, and the medians of the differences to the step
without metrics of the same round, in wall-clock time and in the process's CPU
time, which is disturbed less by what runs beside it.
"""

import argparse
import os
import time

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import keras  # noqa: E402
import numpy as np  # noqa: E402

from keras_seg import metrics  # noqa: E402
from keras_seg.applications import FCN8s  # noqa: E402

ROWS = {
    "MeanIoU": lambda n: [metrics.MeanIoU(n)],
    "PixelAccuracy, MeanIoU": lambda n: [
        metrics.PixelAccuracy(n),
        metrics.MeanIoU(n),
    ],
    "all four of the paper": lambda n: [
        metrics.PixelAccuracy(n),
        metrics.MeanAccuracy(n),
        metrics.MeanIoU(n),
        metrics.FrequencyWeightedIoU(n),
    ],
    "keras.metrics.MeanIoU": lambda n: [
        keras.metrics.MeanIoU(n, ignore_class=255, sparse_y_pred=False)
    ],
}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, help="(default: 15)")
    parser.add_argument("--batch", type=int, default=4, help="(default: 4)")
    parser.add_argument("--size", type=int, default=224, help="(default: 224)")
    parser.add_argument("--classes", type=int, default=21, help="(default: 21)")
    parser.add_argument(
        "--smoke", action="store_true", help="two rounds of tiny images"
    )
    return parser.parse_args()


def network(classes):
    keras.utils.set_random_seed(0)
    return FCN8s("mobilenet_v2", weights=None, classes=classes)


def stepper(classes, compiled_metrics, x, y):
    """A function that takes one training step, as `fit` does."""
    model = network(classes)
    model.compile(
        optimizer=keras.optimizers.SGD(1e-4),
        loss=keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, ignore_class=255
        ),
        metrics=compiled_metrics,
    )
    return lambda: model.train_on_batch(x, y)


def milliseconds(step):
    """Wall-clock and CPU time of a step."""
    start = time.perf_counter(), time.process_time()
    step()
    end = time.perf_counter(), time.process_time()
    return [1000 * (b - a) for a, b in zip(start, end, strict=True)]


def main():
    arguments = parse_arguments()
    rounds, size = arguments.rounds, arguments.size
    if arguments.smoke:
        rounds, size = 2, 32
    rng = np.random.default_rng(0)
    shape = (arguments.batch, size, size)
    x = rng.integers(0, 256, (*shape, 3)).astype("uint8")
    y = rng.integers(0, arguments.classes, shape).astype("int32")
    y[:, : size // 10] = 255
    steps = {"none": stepper(arguments.classes, [], x, y)}
    for name, make in ROWS.items():
        steps[name] = stepper(arguments.classes, make(arguments.classes), x, y)
    for step in steps.values():
        step(), step()
    times = {name: [] for name in steps}
    for turn in range(rounds):
        names = list(steps)
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            times[name].append(milliseconds(steps[name]))
    print(
        f"keras {keras.__version__} on {keras.backend.backend()}, batch "
        f"{shape}, {arguments.classes} classes, rounds: {rounds}\n"
    )
    print("| metrics | step, ms | more, % | more CPU time, % |")
    print("|---|---:|---:|---:|")
    plain = np.array(times["none"])
    for name, column in times.items():
        more = np.median(np.array(column) - plain, axis=0)
        share = 100 * more / np.median(plain, axis=0)
        step = np.median(column, axis=0)[0]
        print(f"| {name} | {step:.0f} | {share[0]:.1f} | {share[1]:.1f} |")


if __name__ == "__main__":
    main()
