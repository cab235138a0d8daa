"""Membranes by k-means, sliding window and U-Net: one table, one figure.

    python applications/em_membranes/run.py --data ISBI2012 --out results

ISBI2012 is the data in the layout `images`, `labels`, `train.txt`, `val.txt`,
where a mask is 0 at membranes and 255 elsewhere. Without it, sections are
drawn by the package. With `--weights`, MobileNetV2's of ImageNet, U-Net is
trained on these, too; `--only` takes some of the systems.
"""

import argparse
import json
import pathlib
import time

import keras
import numpy as np
import systems

from keras_seg import data
from keras_seg import visualization
from keras_seg.data import synthetic
from keras_seg.metrics import count_pairs
from keras_seg.metrics import em
from keras_seg.metrics import scores

CLASSES = synthetic.MEMBRANE_CLASSES
MEMBRANE = CLASSES.names.index("membrane")
# Of the time: U-Net makes more of another minute.
WINDOW_SHARE = 0.25


def read(path, membrane):
    """Pairs to train on and to validate on, gray."""
    if path is None:
        drawn = synthetic.membranes(8, size=256)
        pairs = [(i[..., :1], m) for i, m in zip(*drawn, strict=True)]
        return pairs[:6], pairs[6:]
    values = {membrane: MEMBRANE, 255 - membrane: 1 - MEMBRANE}
    parts = [
        data.from_folder(
            path, split, class_table=CLASSES, mask_values=values, channels=1
        )
        for split in ("train", "val")
    ]
    share = np.mean([mask.mean() for _, mask in parts[0]])
    if share > 0.5:
        raise SystemExit(
            f"{share:.0%} of the pixels of {path} would be membrane, which "
            "is the smaller part of tissue. Fix: --membrane "
            f"{255 - membrane}"
        )
    return [[part[i] for i in range(len(part))] for part in parts]


def evaluate(system, validation):
    """The row of a system, and what it says of each slice."""
    system.membrane(validation[0][0])  # Compiles.
    begin = time.monotonic()
    found = np.stack([system.membrane(image) for image, _ in validation])
    seconds = (time.monotonic() - begin) / len(validation)
    truth = np.stack([mask for _, mask in validation])
    matrix = count_pairs(truth, (found > 0.5).astype("uint8"), 2)
    board = em.leader_board(1 - truth, np.clip(1 - found, 0, 1))
    row = {
        "pixel accuracy": round(float(scores(matrix).pixel_accuracy), 4),
        "IoU of membrane": round(
            float(scores(matrix).per_class_iou[MEMBRANE]), 4
        ),
        "V_Rand": round(board.v_rand, 4),
        "V_Info": round(board.v_info, 4),
        "seconds a slice": round(seconds, 2),
        "parameters": system.parameters,
        "seconds of training": round(system.seconds),
    }
    return row, found


def table(rows):
    """The rows as Markdown."""
    names = list(next(iter(rows.values())))
    lines = [f"| | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for system, row in rows.items():
        cells = [f"{row[name]:,}" for name in names]
        lines.append(f"| {system} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def draw(pair, maps):
    """A slice, its truth, and the membranes that each system finds."""
    image, mask = pair
    gray = np.repeat(image, 3, axis=-1)
    pictures = [gray, visualization.overlay(gray, mask, CLASSES.colors)]
    for found in maps.values():
        ids = (found > 0.5).astype("uint8")
        pictures.append(visualization.overlay(gray, ids, CLASSES.colors))
    return visualization.panel(pictures, ["slice", "truth", *maps])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=pathlib.Path)
    parser.add_argument("--membrane", type=int, choices=(0, 255), default=0)
    parser.add_argument("--out", type=pathlib.Path, default="em_membranes")
    parser.add_argument(
        "--minutes", type=float, default=56, help="of training, in all"
    )
    parser.add_argument(
        "--filters", type=int, default=16, help="of U-Net; the paper's 64"
    )
    parser.add_argument("--weights", help="MobileNetV2's, a file")
    parser.add_argument("--only", nargs="+", help="systems, as in the table")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    train, validation = read(options.data, options.membrane)
    keras.utils.set_random_seed(options.seed)
    unet_minutes = options.minutes * (1 - WINDOW_SHARE)
    runs = {
        "k-means": lambda: systems.kmeans(train),
        "sliding window": lambda: systems.sliding_window(
            train, options.minutes * WINDOW_SHARE
        ),
        "U-Net": lambda: systems.unet(train, unet_minutes, options.filters),
    }
    if options.weights is not None:
        runs["U-Net on MobileNetV2"] = lambda: systems.unet_on_weights(
            train, unet_minutes, options.weights
        )
    if options.only is not None:
        runs = {name: runs[name] for name in options.only}
    options.out.mkdir(parents=True, exist_ok=True)
    rows, maps = {}, {}
    for name, run in runs.items():
        rows[name], found = evaluate(run(), validation)
        maps[name] = found[0]
        print(name, rows[name], flush=True)
        (options.out / "results.json").write_text(json.dumps(rows, indent=2))
        (options.out / "table.md").write_text(table(rows))
        picture = draw(validation[0], maps)
        visualization.save_image(options.out / "figure.png", picture)
    print(table(rows))


if __name__ == "__main__":
    main()
