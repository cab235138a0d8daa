"""The fully connected CRF beside pydensecrf, in turn in one process.

    KERAS_BACKEND=torch python benchmarks/crf.py --images FOLDER

Both get photographs of one size and scores such as a network of stride 8
gives, and return marginals after mean field; the time is from the image and
the scores to these. The table has medians over the images and rounds, and the
median of the ratios of the rounds. `pip install "keras-seg[crf-oracle]"`
builds the peer.
"""

import argparse
import pathlib
import statistics
import subprocess
import sys
import time

import machine

PRESETS = ("deeplab_v1", "deeplab_v2_vgg16", "deeplab_v2_resnet101")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--images", required=True, help="a folder with photographs"
    )
    parser.add_argument("--height", type=int, default=375)
    parser.add_argument("--width", type=int, default=500)
    parser.add_argument("--classes", type=int, default=21)
    parser.add_argument(
        "--presets", nargs="+", default=PRESETS, help="default: DeepLab's"
    )
    parser.add_argument(
        "--rounds", type=int, default=3, help="of each image (default: 3)"
    )
    parser.add_argument(
        "--threads", type=int, default=1, help="CPUs to use (default: 1)"
    )
    parser.add_argument(
        "--memory",
        choices=("ours", "reference"),
        help="print the peak of memory of one image, in MiB, and stop",
    )
    return parser.parse_args()


ARGUMENTS = parse_arguments()
machine.use(ARGUMENTS.threads)

import keras  # noqa: E402
import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402
from pydensecrf import densecrf  # noqa: E402

import keras_seg  # noqa: E402
from keras_seg.crf import PRESETS as SETTINGS  # noqa: E402
from tests.gradients import gradient  # noqa: E402

BACKEND = keras.backend.backend()


def photographs():
    """The images, of one size, and scores for each."""
    kinds = (".jpg", ".jpeg", ".png")
    size = ARGUMENTS.width, ARGUMENTS.height
    for number, path in enumerate(
        sorted(pathlib.Path(ARGUMENTS.images).rglob("*"))
    ):
        if path.suffix.lower() in kinds:
            image = Image.open(path).convert("RGB").resize(size)
            yield np.array(image), scores(image, number)


def scores(image, seed):
    """As a network of stride 8 gives them: coarse, blurred, and in doubt.

    The classes are those of the nearest of some colors of the image.
    """
    rng = np.random.default_rng(seed)
    coarse = image.resize([side // 8 + 1 for side in image.size])
    colors = np.asarray(coarse, np.float32).reshape(-1, 3)
    chosen = colors[rng.choice(len(colors), ARGUMENTS.classes)]
    distance = ((colors[:, None] - chosen) ** 2).sum(axis=-1)
    maps = 4 * np.eye(ARGUMENTS.classes)[distance.argmin(axis=1)]
    maps = (maps + rng.normal(size=maps.shape)).astype(np.float32)
    maps = maps.reshape(*coarse.size[::-1], -1)
    enlarged = keras_seg.ops.resize(
        maps[None], (ARGUMENTS.height, ARGUMENTS.width), align_corners=True
    )
    return keras.ops.convert_to_numpy(enlarged)[0]


def reference(image, logits, preset):
    settings = SETTINGS[preset]
    height, width, classes = logits.shape
    kind = {"normalization": densecrf.NORMALIZE_AFTER}
    crf = densecrf.DenseCRF2D(width, height, classes)
    unary = np.ascontiguousarray(-logits.reshape(-1, classes).T)
    crf.setUnaryEnergy(unary)
    kernel = settings.gaussian
    crf.addPairwiseGaussian(sxy=kernel.sxy, compat=kernel.weight, **kind)
    kernel = settings.bilateral
    crf.addPairwiseBilateral(
        sxy=kernel.sxy,
        srgb=kernel.srgb,
        rgbim=image,
        compat=kernel.weight,
        **kind,
    )
    q = np.array(crf.inference(settings.iterations))
    return q.T.reshape(logits.shape)


def ours(image, logits, preset):
    refined = keras_seg.dense_crf(image, logits, preset=preset)
    return keras.ops.convert_to_numpy(refined)


def peak_of(call):
    """Peak of resident memory during a call above that before, in MiB."""

    def status(field):
        for line in pathlib.Path("/proc/self/status").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1]) / 1024
        raise OSError("this system does not tell the peak of memory")

    pathlib.Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    call()
    return status("VmHWM") - before


def print_memory():
    run = ours if ARGUMENTS.memory == "ours" else reference
    image, logits = next(photographs())
    # What a first call imports and compiles is not the method's.
    run(image[:40, :40].copy(), logits[:40, :40].copy(), "deeplab_v1")
    preset = ARGUMENTS.presets[0]
    print(round(peak_of(lambda: run(image, logits, preset))))


def memory(preset, which):
    arguments = [a for a in sys.argv if a != "--presets"]
    result = subprocess.run(
        [sys.executable, *arguments, "--memory", which, "--presets", preset],
        capture_output=True,
        check=True,
        text=True,
    )
    return int(result.stdout.split()[-1])


def compare(preset, images):
    """Milliseconds of both, and how far the marginals are apart."""
    times, apart, agree = [], [], []
    for image, logits in images:
        expected, got = reference(image, logits, preset), None
        for number in range(ARGUMENTS.rounds + 1):
            marks = [time.perf_counter()]
            got = ours(image, logits, preset)
            marks.append(time.perf_counter())
            if number:  # The first compiles.
                reference(image, logits, preset)
                marks.append(time.perf_counter())
                times.append(np.diff(marks) * 1000)
        apart.append(np.abs(got - expected).max())
        agree.append((got.argmax(-1) == expected.argmax(-1)).mean())
    return np.array(times), max(apart), min(agree)


def backward(image, logits, preset):
    """Time of the backward pass over that of the forward one."""
    weights = np.random.default_rng(0).normal(size=logits.shape)
    weights = weights.astype(np.float32)

    def run(x):
        return keras_seg.dense_crf(image, x, preset=preset)

    ratios = []
    for _ in range(ARGUMENTS.rounds + 1):
        marks = [time.perf_counter()]
        keras.ops.convert_to_numpy(run(logits))
        marks.append(time.perf_counter())
        gradient(run, logits, weights)
        marks.append(time.perf_counter())
        forward, both = np.diff(marks)
        ratios.append((both - forward) / forward)
    return statistics.median(ratios[1:])


def main():
    if ARGUMENTS.memory:
        return print_memory()
    images = list(photographs())
    print(
        f"keras {keras.__version__} on {BACKEND}, threads: "
        f"{ARGUMENTS.threads}, images: {len(images)} of "
        f"{ARGUMENTS.width}×{ARGUMENTS.height}, rounds: {ARGUMENTS.rounds}\n"
    )
    print(
        "| preset | ours, ms | reference, ms | ratio | memory, MiB | of "
        "reference | largest difference | same class | backward / forward |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for preset in ARGUMENTS.presets:
        times, apart, agree = compare(preset, images)
        peaks = [memory(preset, which) for which in ("ours", "reference")]
        one, other = np.median(times, axis=0)
        ratio = statistics.median(times[:, 0] / times[:, 1])
        back = backward(*images[0], preset)
        print(
            f"| {preset} | {one:.0f} | {other:.0f} | {ratio:.2f} | "
            f"{peaks[0]} | {peaks[0] / peaks[1]:.2f} | {apart:.1e} | "
            f"{agree:.6f} | {back:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
