"""The options of `keras-seg train`, as types of its parameters."""

import pathlib
from typing import Annotated

import typer

from keras_seg.cli.options import DATA

# For help and completion, which import no Keras.
MODELS = (
    *("fcn8s", "fcn16s", "fcn32s", "unet", "deeplabv1", "deeplabv2"),
    *("deeplabv3", "deeplabv3plus", "segnet", "segnetbasic", "deconvnet"),
    *("slidingwindow", "linearhead"),
)
BACKBONES = (
    *("mobilenet_v2", "mobilenet_v3_large", "efficientnet_b0", "resnet50"),
    *("resnet101", "densenet121", "vgg16", "xception", "convnext_tiny"),
)
LOSSES = ("cross_entropy", "dice", "focal", "lovasz", "tversky", "ohem")
OPTIMIZERS = ("adamw", "sgd")
PRECISIONS = ("float32", "mixed_bfloat16")
TRACKERS = ("csv", "tensorboard", "wandb", "mlflow")
# Groups of options.
NETWORK = "Network"
IMAGES = "Images in training"
TRAINING = "Training"

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

Epochs = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="How often every image is seen, such as 20.",
        show_default="as many as make 1,000 steps, 20 to 100",
        rich_help_panel=TRAINING,
    ),
]

BatchSize = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Images in a step, such as 8.",
        show_default="8, or as many images as there are",
        rich_help_panel=TRAINING,
    ),
]

LearningRate = Annotated[
    str,
    typer.Option(
        metavar="RATE|auto",
        help="Of the first step; it falls to 0. auto finds one by a "
        "range test of 80 steps.",
        rich_help_panel=TRAINING,
    ),
]

BackboneRate = Annotated[
    float | None,
    typer.Option(
        help="Factor of the learning rate of the backbone.",
        show_default="0.1 with pretrained weights, else 1",
        rich_help_panel=TRAINING,
    ),
]

WeightDecay = Annotated[
    float,
    typer.Option(
        help="Of the optimizer, decoupled from its gradients.",
        rich_help_panel=TRAINING,
    ),
]

FreezeBatchNorm = Annotated[
    bool | None,
    typer.Option(
        help="Keep the statistics of the backbone.",
        show_default="yes with pretrained weights",
        rich_help_panel=TRAINING,
    ),
]

Seed = Annotated[
    int,
    typer.Option(
        min=0,
        help="Of weights, order and augmentation.",
        rich_help_panel=TRAINING,
    ),
]

Time = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Time of the whole run, such as 30m or 1h30m: as many epochs as "
        "it holds, by a measurement.",
        show_default=False,
        rich_help_panel=TRAINING,
    ),
]

Repeat = Annotated[
    int,
    typer.Option(
        min=1,
        help="How often an epoch goes through the images, for fewer "
        "validations.",
        rich_help_panel=TRAINING,
    ),
]

Loss = Annotated[
    str,
    typer.Option(
        metavar="NAME[+NAME]",
        help=f"{', '.join(LOSSES)}, or several joined by +.",
        autocompletion=lambda: [*LOSSES, "cross_entropy+dice"],
        rich_help_panel=TRAINING,
    ),
]

ClassWeights = Annotated[
    str | None,
    typer.Option(
        metavar="balanced|median_frequency|FILE",
        help="Weights of the classes in the loss: by a rule, or a file with "
        "lines NAME: WEIGHT.",
        show_default="1 each",
        rich_help_panel=TRAINING,
    ),
]

Optimizer = Annotated[
    str,
    typer.Option(
        help=f"{' or '.join(OPTIMIZERS)}, which has a momentum of 0.9 and "
        "takes ten times the rate.",
        autocompletion=lambda: list(OPTIMIZERS),
        rich_help_panel=TRAINING,
    ),
]

Accumulate = Annotated[
    int,
    typer.Option(
        min=1,
        help="Batches in an update, for large batches in little memory.",
        rich_help_panel=TRAINING,
    ),
]

Ema = Annotated[
    float | None,
    typer.Option(
        help="Momentum of a moving average of the weights, such as 0.99, "
        "which is validated and saved.",
        show_default="none",
        rich_help_panel=TRAINING,
    ),
]

Patience = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Epochs without a better model after which training ends, such "
        "as 5.",
        show_default="all epochs",
        rich_help_panel=TRAINING,
    ),
]

Precision = Annotated[
    str | None,
    typer.Option(
        help=f"{' or '.join(PRECISIONS)}.",
        autocompletion=lambda: list(PRECISIONS),
        show_default="Keras's setting",
        rich_help_panel=TRAINING,
    ),
]

Workers = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Threads that read images, such as 4.",
        show_default="CPUs plus one",
        rich_help_panel=TRAINING,
    ),
]

Teacher = Annotated[
    str | None,
    typer.Option(
        metavar="RUN|FILE|hf://USER/NAME",
        help="A trained network of the same classes to learn from, too.",
        show_default=False,
        rich_help_panel=TRAINING,
    ),
]

Temperature = Annotated[
    float,
    typer.Option(
        help="Of the teacher: above 1, its second guesses count more.",
        rich_help_panel=TRAINING,
    ),
]

TeacherWeight = Annotated[
    float,
    typer.Option(
        min=0,
        max=1,
        help="Share of the teacher in the loss.",
        rich_help_panel=TRAINING,
    ),
]

Track = Annotated[
    str,
    typer.Option(
        metavar="NAME,...",
        help=f"What the run is sent to: {', '.join(TRACKERS)}, or several. "
        "csv are the files of the run folder, which are always written.",
        autocompletion=lambda: list(TRACKERS),
        rich_help_panel=TRAINING,
    ),
]
