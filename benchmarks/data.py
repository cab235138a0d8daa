"""Batches beside grain, tf.data and PyTorch's DataLoader, in turn.

    python benchmarks/data.py --data FOLDER

PASCAL VOC's recipe: JPEGs of 500×375 and palette masks are read, scaled by a
factor of .5 to 2, padded, cropped to 513 and mirrored; a batch has uint8
images and int32 masks. Each engine has a process of its own, and all go round
after round: the table has medians of images a second and of the ratios to
ours. Nothing decoded is kept between epochs. `--data` is a folder that
`keras_seg.data.from_folder` reads, whose photographs are brought to that
size; without it they are drawn, which decode faster.
"""

import argparse
import itertools
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time

SIZE = (500, 375)  # width, height
CROP = 513
SCALES = (0.5, 2.0)
COLOR = (124, 116, 104)
ENGINES = ("ours", "grain", "grain processes", "tf.data", "DataLoader")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="a folder that from_folder reads")
    parser.add_argument("--split", help="its split")
    parser.add_argument("--images", type=int, default=96)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2, help="CPUs")
    parser.add_argument("--engines", nargs="+", default=ENGINES)
    parser.add_argument(
        "--smoke", action="store_true", help="whether it runs: a short round"
    )
    # What the processes are started with.
    parser.add_argument("--engine", help=argparse.SUPPRESS)
    parser.add_argument("--files", help=argparse.SUPPRESS)
    return parser.parse_args()


ARGUMENTS = parse_arguments()
os.environ.setdefault("KERAS_BACKEND", "torch")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ["OMP_NUM_THREADS"] = "1"
if hasattr(os, "sched_setaffinity"):
    processors = sorted(os.sched_getaffinity(0))[: ARGUMENTS.threads]
    os.sched_setaffinity(0, processors)


def write_files(folder):
    """JPEGs of VOC's size and quality, palette masks of the same size."""
    import numpy as np
    from PIL import Image

    from keras_seg import data

    if ARGUMENTS.data:
        source = data.from_folder(ARGUMENTS.data, ARGUMENTS.split, check=False)
    else:
        source = list(
            zip(*data.synthetic.shapes(16, size=375, classes=5), strict=True)
        )
    for name in ("images", "labels"):
        (folder / name).mkdir()
    step = max(1, len(source) // ARGUMENTS.images)
    for number in range(ARGUMENTS.images):
        image, mask = source[number * step % len(source)]
        stem = f"{number:04d}"
        image = Image.fromarray(image).resize(SIZE, Image.Resampling.LANCZOS)
        image.save(folder / "images" / f"{stem}.jpg", quality=90)
        ids = Image.fromarray(np.asarray(mask).astype("uint8"))
        ids = ids.resize(SIZE, Image.Resampling.NEAREST)
        ids.putpalette(data.voc_colormap(256).tobytes())
        ids.save(folder / "labels" / f"{stem}.png")


def paths(folder):
    return [
        [str(path) for path in sorted((folder / name).iterdir())]
        for name in ("images", "labels")
    ]


def ours(folder):
    from keras_seg import data
    from keras_seg.data import augment

    source = data.from_folder(folder, class_table=255, check=False)
    batches = data.Batches(
        source,
        ARGUMENTS.batch,
        [
            augment.RandomScale(*SCALES),
            augment.RandomCrop(CROP),
            augment.RandomFlip(),
        ],
        shuffle=True,
        cache=False,
    )

    def epoch():
        yield from batches
        batches.on_epoch_end()

    return epoch


def with_grain(folder, processes):
    """The same functions of ours, called by grain."""
    import grain

    from keras_seg import data
    from keras_seg.data import augment

    transforms = [
        augment.RandomScale(*SCALES),
        augment.RandomCrop(CROP),
        augment.RandomFlip(),
    ]

    def transformed(pair, rng):
        image, mask = augment.apply(transforms, *pair, rng)
        return image, mask.astype("int32")

    source = data.from_folder(folder, class_table=255, check=False)
    dataset = (
        grain.MapDataset.source(source)
        .seed(0)
        .shuffle()
        .random_map(transformed)
        .batch(ARGUMENTS.batch)
    )
    if not processes:
        dataset = dataset.to_iter_dataset(
            grain.ReadOptions(
                num_threads=ARGUMENTS.threads, prefetch_buffer_size=2
            )
        )
        return lambda: iter(dataset)
    from absl import flags

    flags.FLAGS.mark_as_parsed()  # Or its workers cannot start.
    # They start anew for every pass, for seconds: one pass goes on. What is
    # ready when a round begins is taken first, and not counted.
    dataset = dataset.repeat().to_iter_dataset(
        grain.ReadOptions(num_threads=1, prefetch_buffer_size=2)
    )
    dataset = dataset.mp_prefetch(
        grain.MultiprocessingOptions(num_workers=ARGUMENTS.threads)
    )
    endless = iter(dataset)
    count = -(-ARGUMENTS.images // ARGUMENTS.batch)

    def epoch():
        for _ in range(4 * ARGUMENTS.threads):
            next(endless)
        return itertools.islice(endless, count)

    return epoch


def with_tensorflow(folder):
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(ARGUMENTS.threads)
    tf.config.threading.set_inter_op_parallelism_threads(ARGUMENTS.threads)

    def load(image, mask):
        image = tf.io.decode_jpeg(tf.io.read_file(image), channels=3)
        # TensorFlow knows no palettes: it gives colors, as many bytes more
        # to resize as there are channels. The masks written for it are gray.
        mask = tf.io.decode_png(tf.io.read_file(mask), channels=1)
        factor = tf.random.uniform([], *SCALES)
        size = tf.cast(tf.shape(image)[:2], tf.float32) * factor
        size = tf.cast(tf.round(size), tf.int32)
        image = tf.image.resize(image, size)
        image = tf.cast(tf.round(image), tf.uint8)
        mask = tf.image.resize(mask, size, method="nearest")
        missing = tf.maximum(CROP - size, 0)
        padding = [[0, missing[0]], [0, missing[1]]]
        image = tf.stack(
            [
                tf.pad(image[..., c], padding, constant_values=COLOR[c])
                for c in range(3)
            ],
            axis=-1,
        )
        mask = tf.pad(mask[..., 0], padding, constant_values=255)
        room = tf.maximum(size, CROP) - CROP
        top = tf.random.uniform([], 0, room[0] + 1, tf.int32)
        left = tf.random.uniform([], 0, room[1] + 1, tf.int32)
        image = image[top : top + CROP, left : left + CROP]
        mask = mask[top : top + CROP, left : left + CROP]
        flip = tf.random.uniform([]) < 0.5
        image = tf.cond(flip, lambda: image[:, ::-1], lambda: image)
        mask = tf.cond(flip, lambda: mask[:, ::-1], lambda: mask)
        image.set_shape((CROP, CROP, 3))
        mask.set_shape((CROP, CROP))
        return image, tf.cast(mask, tf.int32)

    images, masks = paths(folder)
    dataset = (
        tf.data.Dataset.from_tensor_slices((images, gray(masks)))
        .shuffle(len(images))
        .map(load, num_parallel_calls=tf.data.AUTOTUNE)
        .batch(ARGUMENTS.batch)
        .prefetch(tf.data.AUTOTUNE)
    )
    return lambda: iter(dataset)


def gray(masks):
    """The same masks without palettes, in a folder beside theirs."""
    from PIL import Image

    folder = pathlib.Path(masks[0]).parents[1] / "gray"
    folder.mkdir(exist_ok=True)
    files = [folder / pathlib.Path(mask).name for mask in masks]
    for mask, file in zip(masks, files, strict=True):
        with Image.open(mask) as ids:
            Image.frombytes("L", ids.size, ids.tobytes()).save(file)
    return [str(file) for file in files]


def with_torch(folder):
    import torch
    from PIL import Image

    from tests.torchvision_oracle import models

    models()  # torchvision beside any PyTorch
    from torchvision.transforms.v2 import InterpolationMode
    from torchvision.transforms.v2 import functional

    torch.set_num_threads(1)
    images, masks = paths(folder)

    class Dataset(torch.utils.data.Dataset):
        def __len__(self):
            return len(images)

        def __getitem__(self, index):
            with Image.open(images[index]) as file:
                image = functional.pil_to_tensor(file.convert("RGB"))
            with Image.open(masks[index]) as file:
                mask = functional.pil_to_tensor(file)
            factor = random.uniform(*SCALES)
            size = [round(side * factor) for side in image.shape[1:]]
            image = functional.resize(image, size)  # bilinear, anti-aliased
            mask = functional.resize(
                mask, size, interpolation=InterpolationMode.NEAREST
            )
            padding = [0, 0, *(max(0, CROP - side) for side in size[::-1])]
            image = functional.pad(image, padding, fill=COLOR)
            mask = functional.pad(mask, padding, fill=255)
            top, left = (
                random.randint(0, side - CROP) for side in image.shape[1:]
            )
            image = functional.crop(image, top, left, CROP, CROP)
            mask = functional.crop(mask, top, left, CROP, CROP)
            if random.random() < 0.5:
                image = functional.horizontal_flip(image)
                mask = functional.horizontal_flip(mask)
            return image, mask[0].to(torch.int32)

    loader = torch.utils.data.DataLoader(
        Dataset(),
        ARGUMENTS.batch,
        shuffle=True,
        num_workers=ARGUMENTS.threads,
        persistent_workers=True,
    )
    return lambda: iter(loader)


def serve():
    """Run an epoch for every line, and say how long it took."""
    folder = pathlib.Path(ARGUMENTS.files)
    epoch = {
        "ours": ours,
        "grain": lambda folder: with_grain(folder, processes=False),
        "grain processes": lambda folder: with_grain(folder, processes=True),
        "tf.data": with_tensorflow,
        "DataLoader": with_torch,
    }[ARGUMENTS.engine](folder)
    for _ in sys.stdin:
        begin = time.perf_counter()
        batches = epoch()
        if ARGUMENTS.engine == "grain processes":
            begin = time.perf_counter()
        count = sum(len(images) for images, _ in batches)
        seconds = time.perf_counter() - begin
        # Repeated, grain makes batches across the end of an epoch.
        assert count >= ARGUMENTS.images
        print("seconds", seconds, flush=True)


class Engine:
    """A process that serves, and what it has used."""

    def __init__(self, name, folder):
        self.process = subprocess.Popen(
            [sys.executable, *sys.argv]
            + ["--engine", name, "--files", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def epoch(self):
        """Seconds on the clock, and of the CPUs or `None`."""
        before = self.used()
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("seconds"):
                after = self.used()
                return float(line.split()[1]), after and after - before
        raise OSError(f"{self.process.args} has ended")

    def used(self):
        """CPU seconds of the process and its workers, where Linux tells."""
        session, total = str(self.process.pid), 0
        if not pathlib.Path("/proc/self/stat").exists():
            return None
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if fields[3] == session:
                total += int(fields[11]) + int(fields[12])
        return total / os.sysconf("SC_CLK_TCK")


def main():
    if ARGUMENTS.engine:
        return serve()
    if ARGUMENTS.smoke:
        ARGUMENTS.images, ARGUMENTS.rounds = ARGUMENTS.batch, 1
        sys.argv += ["--images", str(ARGUMENTS.batch)]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write_files(folder)
        engines = {e: Engine(e, folder) for e in ARGUMENTS.engines}
        rounds = []
        try:
            for number in range(ARGUMENTS.rounds + 2):
                # In an order of its own: what ran before leaves its mark.
                names = random.Random(number).sample(
                    list(engines), len(engines)
                )
                found = {e: engines[e].epoch() for e in names}
                if number > 1:  # Two to start, compile and tune itself.
                    rounds.append(found)
        finally:
            for engine in engines.values():
                engine.process.stdin.close()
                engine.process.wait()
    sizes = f"{ARGUMENTS.images} images, {ARGUMENTS.threads} CPUs"
    print(f"{sizes}, {ARGUMENTS.rounds} rounds\n")
    print("| engine | images a second | ours, times this | CPU ms an image |")
    print("|---|---:|---:|---:|")
    for engine in engines:
        seconds = statistics.median(r[engine][0] for r in rounds)
        ratio = "–"
        if "ours" in engines:
            ratio = statistics.median(
                r[engine][0] / r["ours"][0] for r in rounds
            )
            ratio = f"{ratio:.2f}"
        used = "–"
        if rounds[0][engine][1] is not None:
            used = statistics.median(r[engine][1] for r in rounds)
            used = f"{1000 * used / ARGUMENTS.images:.1f}"
        rate = ARGUMENTS.images / seconds
        print(f"| {engine} | {rate:.0f} | {ratio} | {used} |")


if __name__ == "__main__":
    main()
