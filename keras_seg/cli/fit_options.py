"""Options of `keras-seg train`, as types: how the network learns."""

from typing import Annotated

import typer

# For help and completion, which import no Keras.
LOSSES = ("cross_entropy", "dice", "focal", "lovasz", "tversky", "ohem")
OPTIMIZERS = ("adamw", "sgd")
PRECISIONS = ("float32", "mixed_bfloat16")
TRACKERS = ("csv", "tensorboard", "wandb", "mlflow")
TRAINING = "Training"  # The group of these options.

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
