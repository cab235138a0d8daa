"""The dense network of N4 against the loop over its windows.

    KERAS_BACKEND=jax python benchmarks/sliding_window.py

The loop is `predict_on_batch` of the classifier, batch after batch, over every
n-th pixel; its time for all pixels is that of those, times n. The dense network
runs after every part of it, on the whole slice. What a pixel costs is the time
over the number of pixels; the speed-up is the median of the rounds.
"""

import argparse
import statistics
import time

import machine


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--size", type=int, default=512, help="side of the slice (default: 512)"
    )
    parser.add_argument(
        "--windows", type=int, default=4096, help="of the loop (default: 4096)"
    )
    parser.add_argument(
        "--batch", type=int, default=256, help="windows at once (default: 256)"
    )
    parser.add_argument(
        "--rounds", type=int, default=4, help="parts of the loop (default: 4)"
    )
    parser.add_argument(
        "--threads", type=int, default=1, help="CPUs to use (default: 1)"
    )
    parser.add_argument(
        "--smoke", action="store_true", help="a tiny slice and few windows"
    )
    return parser.parse_args()


ARGUMENTS = parse_arguments()
machine.use(ARGUMENTS.threads)

import keras  # noqa: E402
import numpy as np  # noqa: E402

from keras_seg.applications import N4  # noqa: E402
from keras_seg.applications import SlidingWindow  # noqa: E402

BACKEND = keras.backend.backend()
SIDE = 95


def windows_of(image, pixels):
    """The windows around some pixels of the mirrored slice."""
    around = (SIDE // 2, SIDE // 2)
    mirrored = np.pad(image[0], (around, around, (0, 0)), mode="reflect")
    view = np.lib.stride_tricks.sliding_window_view(
        mirrored, (SIDE, SIDE), axis=(0, 1)
    )
    return np.moveaxis(view, 2, -1)[np.divmod(pixels, image.shape[2])]


def timed(function, *arguments):
    """What a function returns, and the seconds of wall-clock and CPU time."""
    start = time.perf_counter(), time.process_time()
    result = function(*arguments)
    end = time.perf_counter(), time.process_time()
    return result, [b - a for a, b in zip(start, end, strict=True)]


def main():
    size, count = ARGUMENTS.size, ARGUMENTS.windows
    batch, rounds = ARGUMENTS.batch, ARGUMENTS.rounds
    if ARGUMENTS.smoke:
        size, count, batch, rounds = 32, 8, 4, 2
    if BACKEND == "torch":
        import torch

        torch.set_num_threads(ARGUMENTS.threads)
    keras.utils.set_random_seed(0)
    classifier = N4()
    dense = SlidingWindow(classifier)
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (1, size, size, 1)).astype("uint8")
    # Of every round, as many from all over the slice.
    pixels = np.linspace(0, size**2 - 1, count).astype(int)
    parts = [pixels[start::rounds] for start in range(rounds)]

    def loop(windows):
        return np.concatenate(
            [
                classifier.predict_on_batch(windows[start : start + batch])
                for start in range(0, len(windows), batch)
            ]
        )

    loop(windows_of(image, pixels[:batch])), dense.predict_on_batch(image)
    times, gap = [], 0
    for part in parts:
        expected, of_loop = timed(loop, windows_of(image, part))
        found, of_dense = timed(dense.predict_on_batch, image)
        found = found.reshape(-1, found.shape[-1])[part]
        gap = max(gap, np.abs(found - expected).max() / np.abs(expected).max())
        times.append((np.array(of_loop) / len(part), np.array(of_dense)))
    loops, slices = [np.array(column) for column in zip(*times, strict=True)]
    per_pixel = slices / size**2
    print(
        f"keras {keras.__version__} on {BACKEND}, slice {size}×{size}, windows "
        f"{count} in batches of {batch}, threads: {ARGUMENTS.threads}, rounds: "
        f"{rounds}\n"
    )
    print(
        "| slice, s | pixel, µs | loop, a pixel, µs | loop, all pixels, s | "
        "speed-up | by CPU time | difference |"
    )
    print("|---:|---:|---:|---:|---:|---:|---:|")
    speed_up, by_cpu = np.median(loops / per_pixel, axis=0)
    print(
        f"| {statistics.median(slices[:, 0]):.2f} "
        f"| {1e6 * statistics.median(per_pixel[:, 0]):.2f} "
        f"| {1e6 * statistics.median(loops[:, 0]):.0f} "
        f"| {size**2 * statistics.median(loops[:, 0]):.0f} "
        f"| {speed_up:.0f} | {by_cpu:.0f} | {gap:.1e} |"
    )


if __name__ == "__main__":
    main()
