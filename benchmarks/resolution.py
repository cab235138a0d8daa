"""What it costs to preserve the resolution: memory by output stride.

    KERAS_BACKEND=torch python benchmarks/resolution.py

FCN-32s on the convolutions of VGG16, and the same weights with one stride
after the other removed, up to maps of the size of the image throughout. A
training step of each runs in a process of its own; memory is what its peak is
above that of the built network.
"""

import argparse
import subprocess
import sys
import time

import machine


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--size", type=int, default=128, help="of the image (default: 128)"
    )
    parser.add_argument(
        "--strides",
        type=int,
        nargs="+",
        default=[32, 16, 8, 4, 2, 1],
        help="output strides (default: all)",
    )
    parser.add_argument(
        "--threads", type=int, default=1, help="CPUs to use (default: 1)"
    )
    parser.add_argument(
        "--one", action="store_true", help="run the first stride, and stop"
    )
    return parser.parse_args()


ARGUMENTS = parse_arguments()
machine.use(ARGUMENTS.threads)


def run(stride):
    """Prints a row: the map's side, the maps' MiB, the peak's, the seconds."""
    import keras
    import numpy as np

    from keras_seg.applications import FCN32s
    from keras_seg.surgery import set_output_stride
    from keras_seg.training.estimates import peak_memory

    size = ARGUMENTS.size
    encoder = keras.applications.VGG16(include_top=False, weights=None)
    encoder = set_output_stride(encoder, stride)
    model = FCN32s(encoder, classes=2, input_shape=(size, size, 3))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, jit_compile=False)
    maps = sum(
        np.prod(layer.output.shape[1:])
        for layer in model.layers
        if layer.name.startswith("block")
    )
    image = np.random.default_rng(0).uniform(0, 255, (1, size, size, 3))
    before, _ = peak_memory()
    start = time.perf_counter()
    model.train_on_batch(image, np.zeros((1, size, size), "int32"))
    seconds = time.perf_counter() - start
    side = model.get_layer("score_fr").output.shape[1]
    peak = (peak_memory()[0] - before) / 2**20
    print(
        f"| {stride} | {side}×{side} | {4 * maps / 2**20:.0f} | {peak:.0f} "
        f"| {seconds:.1f} |"
    )


def main():
    if ARGUMENTS.one:
        run(ARGUMENTS.strides[0])
        return
    print("| output stride | scores | maps, MiB | peak, MiB | seconds |")
    print("|---:|---:|---:|---:|---:|")
    size, threads = str(ARGUMENTS.size), str(ARGUMENTS.threads)
    for stride in map(str, ARGUMENTS.strides):
        options = ["--one", "--size", size, "--threads", threads]
        command = [sys.executable, __file__, "--strides", stride, *options]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
