"""`keras-seg train DATA` as it is, beside options that a patient person tries.

    python benchmarks/defaults.py --weights mobilenet_v2_notop.h5

Each set is a folder of images without splits, as people have them, and a folder
of other images on which every run is evaluated. `KERAS_SEG_DATA` has the data
(CamVid, ISBI 2012, Weizmann's horses). Every run goes into defaults.csv, the
table of the sets into defaults.md. Runs that are in there are not repeated.
"""

import argparse
import csv
import itertools
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile
import time

import keras
import numpy as np
from PIL import Image

from keras_seg.data import ClassTable
from keras_seg.data import from_folder
from keras_seg.data.augment.scaling import resize_mask

HERE = pathlib.Path(__file__).parent
MEMBRANES = ClassTable(("membrane", "cell"), ((0, 0, 0), (255, 255, 255)))
DATA = pathlib.Path(os.environ.get("KERAS_SEG_DATA", "data"))
COLUMNS = (
    *("set", "options", "mean_iou", "seconds", "images", "time", "backend"),
)


def camvid(path):
    """40 frames at equal distances of 367, evaluated on 20 of 101."""
    train = from_folder(DATA / "camvid", "train", check=False)
    test = from_folder(DATA / "camvid", "val", check=False)
    write(path / "data", train, range(0, 360, 9))
    write(path / "test", test, range(0, 100, 5))


def membranes(path):
    """20 sections of 512×512, evaluated on the 4 that follow."""
    for name, split, count in (("data", "train", 20), ("test", "val", 4)):
        part = from_folder(
            DATA / "isbi2012_em",
            split,
            class_table=MEMBRANES,
            mask_values={0: 0, 255: 1},
            check=False,
        )
        write(path / name, part, range(count))


def horses(path):
    """40 photographs of at most 480 pixels, evaluated on 20 others."""
    write_horses(path, 40)


def phone(path):
    """20 of the horses at 7.5 times their size, evaluated on 10 others."""
    write_horses(path, 20, 10, scale=7.5)


def twelve(path):
    """12 of the horses, evaluated on 20 others."""
    write_horses(path, 12)


def write_horses(path, count, others=20, scale=1.0):
    horses = from_folder(DATA / "horses" / "train", check=False)
    write(path / "data", horses, range(count), scale)
    write(path / "test", horses, range(100, 100 + others), scale)


SETS = {
    "camvid": camvid,
    "membranes": membranes,
    "horses": horses,
    "phone": phone,
    "twelve": twelve,
}
OPTIONS = ("", "--model unet", "--learning-rate 3e-3")


def write(path, folder, indices, scale=1.0):
    """Writes pairs to `path/images` and `path/labels`, masks as ids."""
    for name in ("images", "labels"):
        (path / name).mkdir(parents=True)
    for index in indices:
        stem = folder.pairs[index].stem
        image, mask = folder[index]
        height, width = (round(scale * side) for side in mask.shape)
        picture = Image.fromarray(image)
        if scale != 1:
            picture = picture.resize((width, height), Image.Resampling.BICUBIC)
            mask = resize_mask(mask, (height, width))
        picture.save(path / "images" / f"{stem}.jpg", quality=95)
        Image.fromarray(mask).save(path / "labels" / f"{stem}.png")
    folder.class_table.write(path / "classes.csv")


def run(path, options, arguments):
    """Trains and evaluates: mean IoU, and seconds of the training."""
    images = len(list((path / "data" / "images").iterdir()))
    with tempfile.TemporaryDirectory() as place:
        out = pathlib.Path(place) / "run"
        train = ["train", path / "data", "--out", out, *shlex.split(options)]
        train += ["--quiet", "--weights", arguments.weights]
        train += ["--time", arguments.time] if arguments.time else []
        begin = time.monotonic()
        call(train)
        seconds = time.monotonic() - begin
        call(["evaluate", out, path / "test", "--name", "test"])
        with open(out / "test.csv", newline="") as file:
            values = [float(row["iou"]) for row in csv.DictReader(file)]
    return {
        "options": options,
        "mean_iou": round(float(np.nanmean(values)), 4),
        "seconds": round(seconds),
        "images": images,
        "time": arguments.time or "",
        "backend": keras.config.backend(),
    }


def call(arguments):
    command = [sys.executable, "-m", "keras_seg.cli", *map(str, arguments)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def table(rows):
    lines = [
        "| set | images | time | backend | default | best | options of the "
        "best | seconds | seconds of the best |",
        "|---|---:|---|---|---:|---:|---|---:|---:|",
    ]
    groups = {}
    for row in rows:
        key = row["set"], row["images"], row["time"], row["backend"]
        groups.setdefault(key, []).append(row)
    for facts, found in groups.items():
        default = next(row for row in found if not row["options"])
        best = max(found, key=lambda row: float(row["mean_iou"]))
        named = f"`{best['options']}`" if best["options"] else "none"
        cells = (
            *(*facts, f"{float(default['mean_iou']):.3f}"),
            *(f"{float(best['mean_iou']):.3f}", named),
            *(default["seconds"], best["seconds"]),
        )
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def text(rows):
    tried = {}
    for row in rows:
        if row["options"]:
            on = f"{row['set']} ({row['time'] or 'whole'})"
            tried.setdefault(row["options"], []).append(on)
    return "\n\n".join(
        [
            "# The default command",
            "Written by `benchmarks/defaults.py`: mean IoU of `keras-seg train "
            "DATA`, and the best of it and of the options tried, on images "
            "that none of the runs has seen. A time is `--time`; runs of 80 "
            "steps were cut by `--epochs`; without either the number of epochs "
            "is that of the command. Seconds are those of training on a CPU.",
            table(rows),
            "\n".join(f"* {name}: {SETS[name].__doc__}" for name in SETS),
            "Tried: "
            + "; ".join(f"`{o}` on {', '.join(on)}" for o, on in tried.items())
            + ". Every run is in `defaults.csv`.",
        ]
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--weights", required=True, help="MobileNetV2's, without top"
    )
    parser.add_argument("--only", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--time", help="of each run, as for `keras-seg train`")
    parser.add_argument(
        "--seconds", type=float, default=float("inf"), help="begin no run after"
    )
    arguments = parser.parse_args()
    results = HERE / "defaults.csv"
    rows = []
    if results.exists():
        with open(results, newline="") as file:
            rows = list(csv.DictReader(file))
    limit = arguments.time or ""
    done = {(row["set"], row["options"], row["time"]) for row in rows}
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        paths = {name: pathlib.Path(place) / name for name in arguments.only}
        for name, path in paths.items():
            SETS[name](path)
        for options, name in itertools.product(OPTIONS, paths):
            late = time.monotonic() - begin > arguments.seconds
            if late or (name, options, limit) in done:
                continue
            found = run(paths[name], options, arguments)
            rows.append({"set": name, **found})
            print(rows[-1], flush=True)
            with open(results, "w", newline="") as file:
                writer = csv.DictWriter(file, COLUMNS)
                writer.writeheader()
                writer.writerows(rows)
            (HERE / "defaults.md").write_text(text(rows) + "\n")


if __name__ == "__main__":
    main()
