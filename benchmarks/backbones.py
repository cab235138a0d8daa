"""What surgery makes of small networks of three packages.

    KERAS_BACKEND=torch nice python benchmarks/backbones.py
    KERAS_BACKEND=torch python benchmarks/backbones.py --only hub

Each network gets random weights, biases and statistics. Every cell is measured
here again, on an image of its own, apart from the check of the surgery itself.
The rows go into backbones.csv, the table of all of them into backbones.md.
NASNet does not run on PyTorch: it is measured on TensorFlow.
"""

import argparse
import contextlib
import csv
import gc
import os
import pathlib
import re
import time
import warnings

import keras
import numpy as np
from classifiers import NETWORKS

from keras_seg.ops.backend import spatial_axes
from keras_seg.surgery import fully_convolutional
from keras_seg.surgery import pyramid
from keras_seg.surgery import set_output_stride
from keras_seg.surgery.graph import copy_model
from keras_seg.surgery.graph import data_format_of

HERE = pathlib.Path(__file__).parent
COLUMNS = ("network", "backend", "head", "pyramid", "stride")
TOLERANCE = 1e-4
PACKAGES = {
    "applications": "keras.applications",
    "hub": "keras-hub",
    "zeromodels": "zeromodels",
}

# What an error says, and the same in few words.
REASONS = (
    (
        r"'[^']+' \((\w+)\) .*does not run on random maps",
        r"`{}` knows one size",
    ),
    (r"'[^']+' \((\w+)\) .*depends on the place", r"`{}` sees neighbors"),
    (r"'[^']+' \((\w+)\) .*neither a convolution", r"`{}` is no known window"),
    (r"'[^']+' \((\w+)\) makes a sequence", r"`{}` makes a sequence"),
    (r"'[^']+' \((\w+)\) .*works on maps of one", r"`{}` knows one size"),
    (r"'[^']+' \((\w+)\) .*attention .*spread", r"`{}` can't be spread"),
    (r"'[^']+' \((\w+)\) .*enlarges its map", r"`{}` enlarges its map"),
    (r"'[^']+' \((\w+)\) of the classifier's head.*: (.*)\.", r"`{}`: {}"),
    (r"behind the layer '[^']+' \((\w+)\)", r"the two part behind `{}`"),
    (
        r"'[^']+' \((\w+)\) (?:can't be copied|has \d+ weights, its c)",
        r"`{}` can't be copied",
    ),
    (
        r"'[^']+' \((\w+)\) (?:states no stride|does not take a map)",
        r"`{}` knows one size",
    ),
    (r"'[^']+' \((\w+)\) would have stride", r"`{}` is no map"),
    (r"ends in its class token", "it ends in its class token"),
    (r"has no fully connected head", "no head of pooling and dense layers"),
    (r"output stride of .* is (\d+): strides", r"its stride is {}"),
)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--only", nargs="+", default=[""], help="parts of names"
    )
    parser.add_argument(
        "--again", action="store_true", help="rows that are there, too"
    )
    arguments = parser.parse_args()
    rows = read()
    for name, build in NETWORKS.items():
        wanted = any(part.lower() in name.lower() for part in arguments.only)
        here = keras.backend.backend()
        backend = "tensorflow" if "NASNet" in name else here
        if (
            not wanted
            or backend != here
            or name in rows
            and not arguments.again
        ):
            continue
        begin = time.monotonic()
        rows[name] = {"network": name, "backend": here, **measure(build)}
        print(f"{time.monotonic() - begin:.0f} s", rows[name], flush=True)
        # Others may have added rows meanwhile.
        rows = {**read(), name: rows[name]}
        write(rows)
        keras.utils.clear_session()
        gc.collect()
    write(rows)


def read():
    path = HERE / "backbones.csv"
    if not path.exists():
        return {}
    with open(path, newline="") as file:
        return {row["network"]: row for row in csv.DictReader(file)}


def write(rows):
    rows = {name: rows[name] for name in NETWORKS if name in rows}
    path = HERE / "backbones.csv"
    new = path.with_suffix(".new")
    with open(new, "w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows.values())
    os.replace(new, path)
    (HERE / "backbones.md").write_text(text(rows.values()))


def measure(build):
    """The three cells of a network."""
    cells = {}
    functions = {"head": head, "pyramid": levels, "stride": stride}
    for key, function in functions.items():
        try:
            model = randomize(build(key == "head"))
        except Exception as error:
            cells[key] = f"not built: {short(error)}"
            continue
        cells[key] = cell(function, model)
        # A transformer's backbone becomes a network on maps first.
        if key != "head" and cells[key].startswith("refused"):
            with contextlib.suppress(ValueError):
                cells[key] = cell(function, fully_convolutional(model))
    if cells["head"].startswith("not built"):
        cells["head"] = cell(tokens, randomize(build(False)))
    return cells


def cell(function, model):
    """`exact`, `approximate` or `refused`; `WRONG` if nothing was said."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            difference, note = function(model)
        except ValueError as error:
            return f"refused: {short(error)}"
        except Exception as error:
            return f"WRONG: {short(error)}"
    texts = [str(x.message) for x in said if x.category is UserWarning]
    if any("could not be verified" in x for x in texts):
        return f"WRONG: not verified, {difference:.1g}"
    if any("take in whole maps" in x for x in texts):
        return f"approximate: {100 * difference:.2g} %{note}"
    kind = "exact" if difference <= TOLERANCE else "WRONG"
    figure = f"{difference:.0e}" if difference else "0"
    return f"{kind}: {figure}{note}"


def short(error):
    message = " ".join(str(error).split())
    for pattern, words in REASONS:
        found = re.search(pattern, message)
        if found:
            return words.format(*found.groups())
    return f"{type(error).__name__} {message[:90]}"


def head(classifier):
    """The classifier's scores, and those of the network at one position."""
    network = fully_convolutional(classifier)
    shape = classifier.inputs[0].shape
    x = picture(classifier, shape[1:3])
    old, new = predict(classifier, x), predict(network, x)
    return relative(new[:, 0, 0], old), ""


def tokens(encoder):
    """A backbone's last tokens, and the same as a map."""
    network = fully_convolutional(encoder)
    x = picture(encoder, encoder.inputs[0].shape[1:3])
    old, new = last(predict(encoder, x)), last(predict(network, x))
    new = new.reshape(len(new), -1, new.shape[-1])
    return relative(new, old[:, -new.shape[1] :]), ", tokens"


def levels(encoder):
    """How far the growth of each map is from that which its stride says."""
    found = pyramid(encoder)
    model = keras.Model(encoder.inputs, list(found.values()))
    axes = spatial_axes(data_format_of(encoder))
    side, more = encoder.inputs[0].shape[1] or 64, 4 * max(found)
    try:
        model = copy_model(model)  # For images of any size.
        small, large = (
            keras.tree.flatten(predict(model, picture(model, (n, n))))
            for n in (side, side + more)
        )
    except Exception:
        maps = keras.tree.flatten(predict(model, picture(model, (side, side))))
        small, large, more = [np.zeros((0,) * 4)] * len(maps), maps, side
    gap = max(
        abs((y.shape[axis] - x.shape[axis]) * stride - more) / (more + stride)
        for stride, x, y in zip(found, small, large, strict=True)
        for axis in axes
    )
    # Networks that do not pad lose some rows at the border.
    gap = 0.0 if gap < 0.3 else gap
    return gap, ", strides " + " ".join(map(str, found))


def stride(encoder):
    """The map, and every k-th position of that of stride 8."""
    dense = set_output_stride(encoder, 8)
    if len(last(encoder.outputs).shape) == 3:
        encoder = fully_convolutional(encoder)
    height, width = encoder.inputs[0].shape[1:3]
    x = picture(encoder, (height or 90, width or 75))
    old, new = (last(predict(model, x)) for model in (encoder, dense))
    before, after = (max(pyramid(x, verify=False)) for x in (encoder, dense))
    step = before // after
    return relative(new[:, ::step, ::step], old), ""


def last(maps):
    """The last of several maps."""
    if isinstance(maps, dict):
        maps = list(maps.values())
    return maps[-1] if isinstance(maps, list) else maps


def picture(model, size):
    """Two random images, of 0 … 255 if the network preprocesses by itself."""
    own = (keras.layers.Normalization, keras.layers.Rescaling)
    raw = any(isinstance(layer, own) for layer in model.layers)
    rng = np.random.default_rng(7)
    x = rng.uniform(*((0, 255) if raw else (-2, 2)), (2, *size, 3))
    x[1] *= [0.1, 0.2, 0.7]  # Darker, and of another color.
    return x.astype("float32")


def predict(model, x):
    made = model(x, training=False)
    return keras.tree.map_structure(keras.ops.convert_to_numpy, made)


def relative(new, old):
    if new.shape != old.shape:
        raise AssertionError(f"shapes {new.shape} and {old.shape}")
    seen = np.abs(old[0] - old[1]).max() / np.abs(old).max()
    if not seen > 1e-4:
        raise AssertionError(f"the two images differ by {seen:.1g} only")
    return float(np.abs(new - old).max() / np.abs(old).max())


def randomize(model):
    """Random weights; biases and statistics that are not zero or one."""
    rng = np.random.default_rng(0)
    for variable in model.weights:
        shape, name = tuple(variable.shape), variable.path.split("/")[-1]
        if not keras.backend.is_float_dtype(variable.dtype):
            continue
        # Scales and variances, which begin at one.
        first = keras.ops.convert_to_numpy(variable)
        if first.size and (first == 1).all():
            value = rng.uniform(0.5, 1.5, shape)
        elif "kernel" in name and len(shape) > 1:
            depthwise = "depthwise" in name or shape[-1] == 1
            fan_in = np.prod(shape[:2] if depthwise else shape[:-1])
            value = rng.standard_normal(shape, "float32")
            value *= np.sqrt(1.5 / max(1, fan_in))
        else:
            value = rng.normal(0, 0.2, shape)
        variable.assign(value.astype("float32"))
    return model


def text(rows):
    """The page with the table."""
    cells = [row[x] for row in rows for x in ("head", "pyramid", "stride")]
    counts = {
        kind: sum(x.startswith(kind) for x in cells)
        for kind in ("exact", "approximate", "refused", "not built")
    }
    counted = ", ".join(f"{n} {kind}" for kind, n in counts.items() if n)
    lines = [
        "# Networks as backbones",
        "",
        f"{len(rows)} classifiers with random weights, small ones where there "
        "is a choice, after three operations of `keras_seg.surgery`. "
        "**Exact**: the largest difference, relative to the largest value, on "
        "an image that the operation did not see. **Approximate**: a layer "
        "takes in the whole map, and the difference is said in a warning. "
        "**Refused**: an error names the layer; builders that do not need the "
        "operation still take the network. No result is wrong without a word: "
        f"of {len(cells)} cells, {counted}.",
        "",
        "The approximate figures are those of random weights, and those of "
        "trained ones differ: the warning says the figure of the network at "
        "hand. `fully_convolutional` makes networks on maps of the backbones "
        "of transformers first. keras-hub has no classifier for the rows "
        "with tokens.",
        "",
        "Written by `python benchmarks/backbones.py`.",
    ]
    for key, package in PACKAGES.items():
        lines += ["", f"## {package}", ""]
        lines += ["| network | fully_convolutional | pyramid | stride 8 |"]
        lines += ["|---|---|---|---|"]
        for row in rows:
            if row["network"].startswith(f"{key} "):
                name = row["network"].removeprefix(f"{key} ")
                if row["backend"] != "torch":
                    name += f" ({row['backend']})"
                parts = (row["head"], row["pyramid"], row["stride"])
                lines.append(f"| {name} | {' | '.join(parts)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
