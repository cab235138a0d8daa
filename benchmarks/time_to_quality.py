"""Mean IoU after 5, 10, 20 and 40 minutes, beside what people use instead.

    KERAS_BACKEND=tensorflow python benchmarks/time_to_quality.py

Ours is `keras-seg train DATA --time 5m` with its defaults; the peer is
segmentation_models.pytorch as its examples train it (`smp_recipe.py`), with
their batch and with one of 8. Both start from torchvision's MobileNetV2, see
the same images, and are scored alike. A cell of the table is one run, a row of
time_to_quality.csv; those that are in there are not repeated. README.md says
more.
"""

import argparse
import csv
import datetime
import functools
import itertools
import json
import os
import pathlib
import resource
import shlex
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
# The tests know how to make torchvision's MobileNetV2 in Keras.
sys.path.insert(0, str(HERE.parent))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import keras  # noqa: E402
import numpy as np  # noqa: E402
from defaults import DATA  # noqa: E402
from defaults import write  # noqa: E402
from PIL import Image  # noqa: E402

from keras_seg import metrics  # noqa: E402
from keras_seg.data import ClassTable  # noqa: E402
from keras_seg.data import from_folder  # noqa: E402
from keras_seg.data import synthetic  # noqa: E402
from tests import trained_networks  # noqa: E402

# How often the peer's batch is not the example's.
LIBRARIES = {"keras-seg": None, "smp": None, "smp-batch-8": 8}
NETWORKS = ("unet", "deeplabv3plus")
MINUTES = (5, 10, 20, 40)
KEYS = ("set", "network", "library", "minutes", "seed")
COLUMNS = (
    *(*KEYS, "mean_iou", "seconds", "processor_seconds", "images"),
    *("load", "date", "versions"),
)


def camvid(path):
    """CamVid: all 367 frames of "train", scored on all 101 of "val"."""
    for name, split in (("data", "train"), ("test", "val")):
        folder = from_folder(DATA / "camvid", split, check=False)
        write(path / name, folder, range(len(folder)))


def horses(path):
    """Weizmann's horses: the first 100, scored on the 20 that follow."""
    folder = from_folder(DATA / "horses" / "train", check=False)
    write(path / "data", folder, range(100))
    write(path / "test", folder, range(100, 120))


SETS = {"camvid": (camvid, "streets"), "horses": (horses, "pets")}


def drawn(path, classes):
    """Eight tiny images, scored on two others, in place of a set."""
    images, masks = synthetic.shapes(10, size=64, classes=classes)
    table = synthetic.shape_classes(classes)
    for split, part in (("data", slice(8)), ("test", slice(8, 10))):
        synthetic.write_folder(path, images[part], masks[part], table, split)
        table.write(path / split / "classes.csv")


@functools.cache
def backbones(place):
    """Writes torchvision's MobileNetV2 for either network of ours.

    By name, DeepLab takes MobileNetV2 up to its second last map, of 320
    channels; so does the file. The peer has the last one, of 1280.
    """
    whole = trained_networks.mobilenet_v2()
    narrow = next(
        layer
        for layer in reversed(whole.layers)
        if layer.output.shape[1:] == (7, 7, 320)
    )
    files = {name: pathlib.Path(place) / f"{name}.keras" for name in NETWORKS}
    whole.save(files["unet"])
    keras.Model(whole.input, narrow.output).save(files["deeplabv3plus"])
    return files


def call(*command):
    """Runs a process: its seconds on the clock, and of all processors."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.monotonic()
    subprocess.run(
        [sys.executable, *map(str, command)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    seconds = time.monotonic() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": round(seconds), "processor_seconds": round(used)}


def ours(cell, path, place, arguments):
    """Trains and predicts by our command: masks, and what it took."""
    run, masks = place / "run", place / "masks"
    cli = ("-m", "keras_seg.cli")
    train = [*cli, "train", path / "data", "--model", cell["network"]]
    train += ["--backbone", backbones(arguments.place)[cell["network"]]]
    train += ["--seed", cell["seed"], "--out", run, "--quiet"]
    smoke = ("--epochs", 1)
    train += smoke if arguments.smoke else ("--time", f"{cell['minutes']}m")
    found = call(*train, *shlex.split(arguments.options))
    call(*cli, "predict", run, path / "test" / "images", "--out", masks)
    settings = json.loads((run / "settings.json").read_text())
    images = json.loads((run / "data.json").read_text())["train"]["images"]
    images *= settings["epochs"] * settings["repeat"]
    return masks, {**found, "images": images}


def theirs(cell, path, place, arguments):
    """Trains and predicts by the peer: masks, and what it took."""
    classes = len(ClassTable.read(path / "data" / "classes.csv"))
    options = ["--recipe", SETS[cell["set"]][1], "--network", cell["network"]]
    options += ["--classes", classes, "--out", place]
    script = HERE / "smp_recipe.py"
    weights = trained_networks.mobilenet_v2_file()
    train = ["--weights", weights, "--seed", cell["seed"]]
    train += ["--minutes", 0.01 if arguments.smoke else cell["minutes"]]
    batch = LIBRARIES[cell["library"]]
    train += ["--batch", batch] if batch else []
    found = call(script, "train", path / "data", *options, *train)
    call(script, "predict", path / "test", *options)
    facts = json.loads((place / "found.json").read_text())
    return place, {**found, "images": facts["images"]}


def score(masks, test):
    """Mean IoU of one confusion matrix over all images, void left out."""
    folder = from_folder(test, check=False)
    classes = len(folder.class_table)
    matrix = np.zeros((classes, classes), "int64")
    for pair, (_, truth) in zip(folder.pairs, folder, strict=True):
        with Image.open(masks / f"{pair.stem}.png") as file:
            matrix += metrics.count_pairs(truth, np.asarray(file), classes)
    return round(metrics.scores(matrix).mean_iou, 4)


def measure(cell, path, arguments):
    load = round(os.getloadavg()[0], 2)
    run = ours if cell["library"] == "keras-seg" else theirs
    with tempfile.TemporaryDirectory() as place:
        masks, found = run(cell, path, pathlib.Path(place), arguments)
        found["mean_iou"] = score(masks, path / "test")
    found["load"] = load
    found["date"] = datetime.date.today().isoformat()
    return {**cell, **found, "versions": versions(cell["library"])}


def versions(library):
    from importlib.metadata import version

    names = ["keras", keras.config.backend()]
    if library != "keras-seg":
        names = ["segmentation-models-pytorch", "torch"]
    names = ["tensorflow-cpu" if n == "tensorflow" else n for n in names]
    return " ".join(f"{name} {version(name)}" for name in names)


def mean_of(rows, **cell):
    """Mean of the seeds of a cell, or None."""
    values = [
        float(row["mean_iou"])
        for row in rows
        if all(row[key] == str(value) for key, value in cell.items())
    ]
    return sum(values) / len(values) if values else None


def table(rows):
    """Markdown: a line for each mark, ours before the peer's."""
    lines = [
        f"| set | network | minutes | {' | '.join(LIBRARIES)} | ahead by |",
        f"|---|---|{'---:|' * (2 + len(LIBRARIES))}",
    ]
    for key in itertools.product(SETS, NETWORKS, MINUTES):
        cell = dict(zip(KEYS, [*key[:2], None, key[2]], strict=False))
        found = [mean_of(rows, **{**cell, "library": n}) for n in LIBRARIES]
        if not any(found):
            continue
        peers = [value for value in found[1:] if value is not None]
        ahead = "–"
        if found[0] is not None and peers:
            ahead = f"{found[0] - max(peers):+.3f}"
        values = ["–" if v is None else f"{v:.3f}" for v in found]
        lines.append(f"| {' | '.join([*map(str, key), *values, ahead])} |")
    return "\n".join(lines) + "\n"


def draw(rows, path):
    """A panel for each set and network, a line for each library."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 6), layout="constrained")
    panels = figure.subplots(len(SETS), len(NETWORKS), sharex=True)
    for panel, (name, network) in zip(
        panels.flat, itertools.product(SETS, NETWORKS), strict=True
    ):
        for library in LIBRARIES:
            values = [
                mean_of(
                    rows,
                    set=name,
                    network=network,
                    library=library,
                    minutes=minutes,
                )
                for minutes in MINUTES
            ]
            values = [np.nan if v is None else v for v in values]
            panel.plot(MINUTES, values, marker="o", label=library)
        panel.set_title(f"{name}, {network}")
        panel.set_xscale("log", base=2)
        panel.set_xticks(MINUTES, map(str, MINUTES))
        panel.grid(alpha=0.3)
    panels[0, 0].legend()
    figure.supxlabel("minutes of training")
    figure.supylabel("mean IoU of held-out images")
    figure.savefig(path, dpi=120)


def read(path):
    if not path.exists():
        return []
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def chosen(cell, only):
    """Whether a cell has, of each kind of word in `only`, one of these."""
    kinds = {"set": SETS, "network": NETWORKS, "library": LIBRARIES}
    kinds["minutes"] = list(map(str, MINUTES))
    return all(
        not set(kinds[key]) & set(only) or str(cell[key]) in only
        for key in kinds
    )


def parse_arguments():
    words = (*SETS, *NETWORKS, *LIBRARIES, *map(str, MINUTES))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--only",
        nargs="+",
        choices=words,
        default=[],
        help="some sets, networks, libraries, minutes (default: all)",
    )
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[0], help="(default: 0)"
    )
    parser.add_argument(
        "--options", default="", help="of keras-seg train, to try them"
    )
    parser.add_argument(
        "--out", type=pathlib.Path, default=HERE, help="folder of results"
    )
    parser.add_argument(
        "--smoke", action="store_true", help="tiny images, a step or two"
    )
    arguments = parser.parse_args()
    if (arguments.options or arguments.smoke) and arguments.out == HERE:
        parser.error("other runs than those of the table need --out FOLDER.")
    return arguments


def main():
    arguments = parse_arguments()
    results = arguments.out / "time_to_quality.csv"
    rows = read(results)
    done = {tuple(row[key] for key in KEYS) for row in rows}
    # Short runs first, the libraries in turn.
    order = itertools.product(
        MINUTES, arguments.seeds, SETS, NETWORKS, LIBRARIES
    )
    with tempfile.TemporaryDirectory() as arguments.place:
        for minutes, seed, name, network, library in order:
            values = (name, network, library, minutes, seed)
            cell = dict(zip(KEYS, values, strict=True))
            if tuple(map(str, values)) in done:
                continue
            if not chosen(cell, arguments.only):
                continue
            path = pathlib.Path(arguments.place) / name
            if not path.exists():
                if arguments.smoke:
                    drawn(path, 7 if name == "camvid" else 2)
                else:
                    SETS[name][0](path)
            row = measure(cell, path, arguments)
            rows.append({key: str(value) for key, value in row.items()})
            print(rows[-1], flush=True)
            with open(results, "w", newline="") as file:
                writer = csv.DictWriter(file, COLUMNS)
                writer.writeheader()
                writer.writerows(rows)
    print(table(rows))
    draw(rows, arguments.out / "time_to_quality.png")


if __name__ == "__main__":
    main()
