"""The default command on CamVid in a given time, by several seeds: one table.

    python applications/camvid/budget.py DATA WEIGHTS --out OUT --time 10m

DATA and WEIGHTS as for `run.py`. Each run is `keras-seg train` with no option
but the time and the seed; `--options="--model fcn8s"` adds others. It is scored
as it is, and as the mean of two scales and their mirror images. What OUT has
already is not repeated.
"""

import argparse
import csv
import pathlib
import shlex
import subprocess
import sys

import numpy as np

VIEWS = ["--scales", "1,1.5", "--mirror"]


def command(name, *arguments):
    """Runs a command of keras-seg."""
    line = [sys.executable, "-m", "keras_seg.cli", name, *map(str, arguments)]
    subprocess.run(line, check=True)


def scores_of(path):
    """The IoU of each class on the validation frames, by its name."""
    with open(path, newline="") as file:
        return {row["name"]: float(row["iou"]) for row in csv.DictReader(file)}


def table(runs):
    """Scores by seed as a table, with their mean and their standard deviation.

    Args:
        runs: dictionary from seed to scores by class.
    """
    rows = {"**mean IoU**": [np.mean([*x.values()]) for x in runs.values()]}
    for name in next(iter(runs.values())):
        rows[name] = [scores[name] for scores in runs.values()]
    heads = [*(f"seed {seed}" for seed in runs), "mean", "deviation"]
    lines = [f"| | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for name, values in rows.items():
        cells = [f"{x:.3f}" for x in (*values, np.mean(values))]
        several = len(values) > 1
        cells.append(f"{np.std(values, ddof=1):.3f}" if several else "")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("weights")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--time", default="10m")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--options", default="")
    arguments = parser.parse_args()
    plain, views = {}, {}
    for seed in arguments.seeds:
        run = arguments.out / f"seed{seed}"
        if not (run / "per_class_iou.csv").is_file():
            command(
                *("train", arguments.data, "--weights", arguments.weights),
                *("--time", arguments.time, "--seed", seed, "--out", run),
                *shlex.split(arguments.options),
            )
        if not (run / "views.csv").is_file():
            command("evaluate", run, arguments.data, "--name", "views", *VIEWS)
        plain[seed] = scores_of(run / "per_class_iou.csv")
        views[seed] = scores_of(run / "views.csv")
    for title, found in (("As it is", plain), (" ".join(VIEWS), views)):
        print(f"{title}:\n\n{table(found)}\n")


if __name__ == "__main__":
    main()
