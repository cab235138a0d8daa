"""Options of `keras-seg train`, as types: the run, its network and images."""

import pathlib
from typing import Annotated

import typer

from keras_seg.cli.options import DATA

# For help and completion, which import no Keras.
MODELS = (
    *("fcn2s", "fcn8s", "fcn16s", "fcn32s", "unet", "deeplabv1", "deeplabv2"),
    *("deeplabv3", "deeplabv3plus", "segnet", "segnetbasic", "deconvnet"),
    *("slidingwindow", "linearhead"),
)
BACKBONES = (
    *("mobilenet_v2", "mobilenet_v3_large", "efficientnet_b0", "resnet50"),
    *("resnet101", "densenet121", "vgg16", "xception", "convnext_tiny"),
)
# Groups of options.
NETWORK = "Network"
IMAGES = "Images in training"
DEVICES = "Several devices"

Data = Annotated[
    pathlib.Path | None,
    typer.Argument(
        help="Folder of images and masks: DATA/images and DATA/labels, "
        "or the same in DATA/train and DATA/val. With --resume, only if "
        "it has moved.",
        show_default=False,
    ),
]

Out = Annotated[pathlib.Path, typer.Option(help="Run folder to write.")]

Resume = Annotated[
    pathlib.Path | None,
    typer.Option(
        metavar="RUN",
        help="Go on with a run that was stopped, in its own settings.",
        show_default=False,
    ),
]

DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Take a few steps; print memory and time; write nothing.",
    ),
]

Overfit = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Learn N images by heart, as a test of data and settings.",
        show_default=False,
    ),
]

JSONLines = Annotated[
    bool,
    typer.Option("--json", help="Print a JSON object a line, an epoch a line."),
]

Quiet = Annotated[
    bool, typer.Option("--quiet", help="Print warnings and errors only.")
]

Devices = Annotated[
    str | None,
    typer.Option(
        metavar="N|all",
        help="Train on so many GPUs of this machine, or all, which divide "
        "every batch among them.",
        show_default="1",
        rich_help_panel=DEVICES,
    ),
]

Process = Annotated[
    str | None,
    typer.Option(
        metavar="I/N",
        help="One of several machines that train one model, by its number "
        "from 0 and how many: the same command on each.",
        show_default=False,
        rich_help_panel=DEVICES,
    ),
]

Coordinator = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS:PORT",
        help="Of machine 0, which the others can reach.",
        show_default=False,
        rich_help_panel=DEVICES,
    ),
]

Hosts = Annotated[
    pathlib.Path | None,
    typer.Option(
        help="In place of both: a file with the name of a machine a line, "
        "the first one with a port, such as node0:29500.",
        show_default=False,
        rich_help_panel=DEVICES,
    ),
]

Model = Annotated[
    str,
    typer.Option(
        help=f"What to build: {', '.join(MODELS)}.",
        autocompletion=lambda: list(MODELS),
        rich_help_panel=NETWORK,
    ),
]

Backbone = Annotated[
    str,
    typer.Option(
        metavar="NAME|FILE.keras|none",
        help="Its encoder: a name of keras.applications such as "
        f"{', '.join(BACKBONES)}; none; or a classifier of your own "
        "with its weights, which must take RGB images of 0...255: the "
        "preprocessing that is in the file is kept, and none is added.",
        autocompletion=lambda: list(BACKBONES),
        rich_help_panel=NETWORK,
    ),
]

Weights = Annotated[
    str,
    typer.Option(
        help="Weights of the backbone: imagenet (downloaded), a file, or "
        "none. A model without a backbone has none.",
        rich_help_panel=NETWORK,
    ),
]

Option = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE",
        help="A further argument of the model, such as filters=32.",
        show_default=False,
        rich_help_panel=NETWORK,
    ),
]

StartFrom = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="NAME|RUN|FILE|hf://USER/NAME",
        help="Train a network that segments already for the classes of "
        "DATA: a name of keras-seg models, a run folder or a .keras "
        "file of it, or a run on the Hub. All but its class scores is "
        "kept, and learns slowly.",
        show_default=False,
        rich_help_panel=NETWORK,
    ),
]

TrainSplit = Annotated[
    str | None,
    typer.Option(
        help="Split to train on.",
        show_default="train, or all images",
        rich_help_panel=DATA,
    ),
]

ValSplit = Annotated[
    str | None,
    typer.Option(
        help="Split to choose the best model by.",
        show_default="val, if there is one",
        rich_help_panel=DATA,
    ),
]

ValFraction = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=0.9,
        help="Share of the images to hold out where there is no such "
        "split, whole films and near-duplicates together; 0 for none.",
        show_default="0.2",
        rich_help_panel=DATA,
    ),
]

Size = Annotated[
    str | None,
    typer.Option(
        metavar="N|none",
        help="Longest side in pixels that larger images are shrunk to. "
        "Masks are predicted at the size of the images all the same.",
        show_default="by the size of the objects",
        rich_help_panel=IMAGES,
    ),
]

Crop = Annotated[
    str | None,
    typer.Option(
        metavar="N|HxW|none",
        help="Size of the random crop, in pixels.",
        show_default="256, or what half of the images have",
        rich_help_panel=IMAGES,
    ),
]

Scale = Annotated[
    tuple[float, float],
    typer.Option(
        metavar="LOW HIGH",
        help="Range of the random scale.",
        rich_help_panel=IMAGES,
    ),
]

Flip = Annotated[
    bool,
    typer.Option(
        help="Mirror every second image.",
        rich_help_panel=IMAGES,
    ),
]

Augment = Annotated[
    str,
    typer.Option(
        metavar="NAME[=NUMBER],...",
        help="Augmentation by strength, none, light, standard or strong, and "
        "by name, such as strong,cutmix or standard,blur=1.",
        rich_help_panel=IMAGES,
    ),
]
