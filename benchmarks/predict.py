"""`keras_seg.predict` of many photographs against the bare network.

    KERAS_BACKEND=tensorflow python benchmarks/predict.py

Photographs of mixed sizes are read, predicted and written, mask and overlay,
as `keras-seg predict` does. The peer is the same network on the same images,
which lie in memory, filled up and ready. Both take a share of the images in
turn. Beside it: the seconds from the start of the command to the first mask,
and the memory after some images and after all.
"""

import argparse
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

import machine


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument(
        "--rounds", type=int, default=10, help="shares (default: 10)"
    )
    parser.add_argument(
        "--threads", type=int, default=2, help="CPUs to use (default: 2)"
    )
    parser.add_argument(
        "--smoke", action="store_true", help="six small images in two shares"
    )
    return parser.parse_args()


ARGUMENTS = parse_arguments()
machine.use(ARGUMENTS.threads)

import keras  # noqa: E402
import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402

from keras_seg import inference  # noqa: E402
from keras_seg import surgery  # noqa: E402
from keras_seg.applications import DeepLabV3  # noqa: E402
from keras_seg.cli.predict_flow import predict_all  # noqa: E402
from keras_seg.data import ClassTable  # noqa: E402
from keras_seg.data import synthetic  # noqa: E402
from keras_seg.training import RunFolder  # noqa: E402

BACKEND = keras.backend.backend()
CLASSES = ClassTable.default(21)
# Of PASCAL VOC's photographs, by how many there are, and their height.
SIZES = [(375, 500)] * 5 + [(333, 500), (500, 375), (334, 500), (375, 499)]


def write_photographs(folder, count, scale):
    """JPEGs of mixed sizes; what they show does not matter."""
    rng = np.random.default_rng(0)
    images, _ = synthetic.membranes(8, size=128)
    paths = []
    for number in range(count):
        height, width = SIZES[rng.integers(len(SIZES))]
        picture = Image.fromarray(images[number % len(images)])
        picture = picture.resize((width // scale, height // scale))
        paths.append(folder / f"{number:03}.jpg")
        picture.save(paths[-1], quality=90)
    return paths


def filled(path):
    """An image as it comes to the network, on its own."""
    image = np.asarray(Image.open(path).convert("RGB"), "float32")
    rows, columns = (-n % 32 for n in image.shape[:2])
    return np.pad(image, ((0, rows), (0, columns), (0, 0)))[None]


def seconds_to_first(run, paths, out):
    """From the start of the command until a mask is there."""
    begin = time.perf_counter()
    command = [sys.executable, "-m", "keras_seg.cli", "predict"]
    process = subprocess.Popen([*command, run, *paths, "--out", out])
    while process.poll() is None and not any(out.glob("*[0-9].png")):
        time.sleep(0.01)
    seconds = time.perf_counter() - begin
    process.terminate()
    process.wait()
    return seconds


def peak():
    """The most memory this process has had, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main():
    count, rounds, scale = ARGUMENTS.images, ARGUMENTS.rounds, 1
    if ARGUMENTS.smoke:
        count, rounds, scale = 6, 2, 8
    with tempfile.TemporaryDirectory() as folder:
        measure(pathlib.Path(folder), count, rounds, scale)


def measure(folder, count, rounds, scale):
    network = DeepLabV3("mobilenet_v2", weights=None, classes=len(CLASSES))
    run = RunFolder.create(folder / "run", None, CLASSES)
    run.save_model(network, "model.keras")
    paths = write_photographs(folder, count, scale)
    network = surgery.fold_batch_norm(network)
    sizes = {filled(path).shape: path for path in paths}
    for path in sizes.values():  # compiles
        network.predict_on_batch(filled(path))
        list(inference.predict(network, [path]))

    ratios, speeds, memory = [], [], []
    for share in np.array_split(np.array(paths), rounds):
        share = list(map(pathlib.Path, share))
        images = list(map(filled, share))
        targets = {
            path: (path.with_suffix(".png"), path.with_suffix(".o.jpg"))
            for path in share
        }
        begin = time.perf_counter()
        for image in images:
            network.predict_on_batch(image)
        middle = time.perf_counter()
        done, errors = predict_all(
            network,
            targets,
            CLASSES,
            tiles=None,
            batch_size=1,
            progress=lambda done: None,
        )
        end = time.perf_counter()
        assert done == len(share) and not errors
        speeds.append(len(share) / (end - middle))
        ratios.append((middle - begin) / (end - middle))
        memory.append(peak())
    first = seconds_to_first(run.path, paths, folder / "out")
    print(
        f"keras {keras.__version__} on {BACKEND}, threads: "
        f"{ARGUMENTS.threads}, {count} images in {rounds} shares, "
        f"{len(sizes)} sizes after filling\n"
    )
    print(
        "| backend | images/s | of the bare speed | first mask, s | peak, MB |"
    )
    print("|---|---:|---:|---:|---:|")
    print(
        f"| {BACKEND} | {np.median(speeds):.2f} | {np.median(ratios):.2f} "
        f"| {first:.1f} | {memory[0]:.0f}, at the end {memory[-1]:.0f} |"
    )


if __name__ == "__main__":
    main()
