"""FCN's strides and DeepLab's on CamVid: same backbone, same budget.

    python applications/camvid/compare.py DATA WEIGHTS --out OUT

DATA and WEIGHTS as for `run.py`. Every network has a run folder in OUT, and
one that was stopped goes on where it stopped. `--only deeplabv3_16`, on the
other backends, is the comparison of the three.
"""

import argparse
import csv
import dataclasses
import json
import pathlib

import keras
from run import SETTINGS
from run import draw_overlays
from run import scores_of

from keras_seg import data
from keras_seg import surgery
from keras_seg import training

# The paper's rates are meant for crops of 513. The longer side of ours is 0.62
# of that, and so are these; at another stride they cover the same pixels.
RATES = {32: [2, 4, 6], 16: [4, 8, 12], 8: [8, 16, 24]}

# Name: the model, and its output stride where it has one to choose.
NETWORKS = {
    "fcn32s": ("fcn32s", None),
    "fcn16s": ("fcn16s", None),
    "fcn8s": ("fcn8s", None),
    "deeplabv3_32": ("deeplabv3", 32),
    "deeplabv3_16": ("deeplabv3", 16),
    "deeplabv3_8": ("deeplabv3", 8),
}


def settings_of(name, weights, epochs):
    """The settings of `run.py`, for another network."""
    model, stride = NETWORKS[name]
    options = {}
    if stride is not None:
        options = {"output_stride": stride, "atrous_rates": RATES[stride]}
    return dataclasses.replace(
        SETTINGS,
        model=model,
        weights=weights,
        epochs=epochs,
        options=options,
    )


def trained(settings, train, validation, out):
    """Trains, goes on with what was stopped, or takes what is finished."""
    if not out.exists():
        model, _ = training.train(settings, train, validation, out, verbose=2)
        return model
    run = training.RunFolder.open(out)
    if not run.is_finished:
        return training.resume(out, train, validation, verbose=2)[0]
    # A model that was read from a file does not know its strides.
    model = training.build_model(settings, len(train.class_table))
    model.set_weights(run.load_model(best=False).get_weights())
    return model


def seconds_of(out):
    """Of all epochs, validation included."""
    with open(out / "history.csv", newline="") as file:
        return round(sum(float(row["seconds"]) for row in csv.DictReader(file)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("weights")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument(
        "--only", choices=NETWORKS, nargs="+", default=list(NETWORKS)
    )
    parser.add_argument("--epochs", type=int, default=SETTINGS.epochs)
    options = parser.parse_args()

    train = data.from_folder(options.data, "train")
    validation = data.from_folder(
        options.data, "val", class_table=train.class_table
    )
    options.out.mkdir(parents=True, exist_ok=True)
    table = {}
    for name in options.only:
        out = options.out / name
        settings = settings_of(name, options.weights, options.epochs)
        model = trained(settings, train, validation, out)
        table[name] = {
            "backend": keras.config.backend(),
            "seconds": seconds_of(out),
            "weights": model.count_params(),
            **scores_of(model, validation),
        }
        if name == "deeplabv3_16":
            # As the paper evaluates: trained at 16, the holes filled at 8.
            denser = surgery.set_output_stride(model, 8)
            table[f"{name}, evaluated at 8"] = scores_of(denser, validation)
        text = json.dumps(table, indent=2)
        print(text, flush=True)
        (options.out / "results.json").write_text(text)
        draw_overlays(model, validation, options.out / "overlays" / name)


if __name__ == "__main__":
    main()
