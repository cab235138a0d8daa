"""`keras-seg train`: trains a network on a folder of images and masks."""

import pathlib
from typing import Annotated
from typing import Any

import typer

from keras_seg.cli.options import DATA
from keras_seg.cli.options import BitDepth
from keras_seg.cli.options import MaskValues
from keras_seg.cli.options import MaxAnnotationBytes
from keras_seg.cli.options import MaxPixels
from keras_seg.cli.options import SkipUnlabeled
from keras_seg.cli.options import parse_option
from keras_seg.cli.options import parse_size
from keras_seg.cli.options import refuse_options
from keras_seg.cli.options import set_limits
from keras_seg.cli.start import use_backend

__all__ = ["BACKBONES", "MODELS", "train"]

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
# Groups of options.
NETWORK = "Network"
IMAGES = "Images in training"
TRAINING = "Training"

# Parameters that can be given with --resume.
WITH_RESUME = (
    *("resume", "data", "max_pixels", "max_annotation_bytes"),
    *("json_lines", "quiet"),
)


def train(
    ctx: typer.Context,
    data: Annotated[
        pathlib.Path | None,
        typer.Argument(
            help="Folder of images and masks: DATA/images and DATA/labels, "
            "or the same in DATA/train and DATA/val. With --resume, only if "
            "it has moved.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        pathlib.Path, typer.Option(help="Run folder to write.")
    ] = pathlib.Path("run"),
    resume: Annotated[
        pathlib.Path | None,
        typer.Option(
            metavar="RUN",
            help="Go on with a run that was stopped, in its own settings.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Take a few steps; print memory and time; write nothing.",
        ),
    ] = False,
    overfit: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Learn N images by heart, as a test of data and settings.",
            show_default=False,
        ),
    ] = None,
    json_lines: Annotated[
        bool,
        typer.Option(
            "--json", help="Print a JSON object a line, an epoch a line."
        ),
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print warnings and errors only.")
    ] = False,
    model: Annotated[
        str,
        typer.Option(
            help=f"What to build: {', '.join(MODELS)}.",
            autocompletion=lambda: list(MODELS),
            rich_help_panel=NETWORK,
        ),
    ] = "fcn8s",
    backbone: Annotated[
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
    ] = "mobilenet_v2",
    weights: Annotated[
        str,
        typer.Option(
            help="Weights of the backbone: imagenet (downloaded), a file, or "
            "none. A model without a backbone has none.",
            rich_help_panel=NETWORK,
        ),
    ] = "imagenet",
    option: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="A further argument of the model, such as filters=32.",
            show_default=False,
            rich_help_panel=NETWORK,
        ),
    ] = None,
    start_from: Annotated[
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
    ] = None,
    train_split: Annotated[
        str | None,
        typer.Option(
            help="Split to train on.",
            show_default="train, or all images",
            rich_help_panel=DATA,
        ),
    ] = None,
    val_split: Annotated[
        str | None,
        typer.Option(
            help="Split to choose the best model by.",
            show_default="val, if there is one",
            rich_help_panel=DATA,
        ),
    ] = None,
    val_fraction: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=0.9,
            help="Share of the images to hold out where there is no such "
            "split, whole films and near-duplicates together; 0 for none.",
            show_default="0.2",
            rich_help_panel=DATA,
        ),
    ] = None,
    mask_values: MaskValues = None,
    bit_depth: BitDepth = None,
    skip_unlabeled: SkipUnlabeled = False,
    max_pixels: MaxPixels = None,
    max_annotation_bytes: MaxAnnotationBytes = None,
    size: Annotated[
        str | None,
        typer.Option(
            metavar="N|none",
            help="Longest side in pixels that larger images are shrunk to. "
            "Masks are predicted at the size of the images all the same.",
            show_default="by the size of the objects",
            rich_help_panel=IMAGES,
        ),
    ] = None,
    crop: Annotated[
        str | None,
        typer.Option(
            metavar="N|HxW|none",
            help="Size of the random crop, in pixels.",
            show_default="256, or what half of the images have",
            rich_help_panel=IMAGES,
        ),
    ] = None,
    scale: Annotated[
        tuple[float, float],
        typer.Option(
            metavar="LOW HIGH",
            help="Range of the random scale.",
            rich_help_panel=IMAGES,
        ),
    ] = (0.75, 1.5),
    flip: Annotated[
        bool,
        typer.Option(
            help="Mirror every second image.",
            rich_help_panel=IMAGES,
        ),
    ] = True,
    epochs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="How often every image is seen, such as 20.",
            show_default="as many as make 1,000 steps, 20 to 100",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Images in a step, such as 8.",
            show_default="8, or as many images as there are",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    learning_rate: Annotated[
        float,
        typer.Option(
            help="Of the first step; it falls to 0.",
            rich_help_panel=TRAINING,
        ),
    ] = 1e-3,
    backbone_rate: Annotated[
        float | None,
        typer.Option(
            help="Factor of the learning rate of the backbone.",
            show_default="0.1 with pretrained weights, else 1",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    weight_decay: Annotated[
        float,
        typer.Option(
            help="Of AdamW.",
            rich_help_panel=TRAINING,
        ),
    ] = 1e-4,
    freeze_batch_norm: Annotated[
        bool | None,
        typer.Option(
            help="Keep the statistics of the backbone.",
            show_default="yes with pretrained weights",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(
            min=0,
            help="Of weights, order and augmentation.",
            rich_help_panel=TRAINING,
        ),
    ] = 0,
) -> None:
    """Train a network on your own images and masks.

    All files are checked before anything is written. After a crash, continue
    with --resume RUN.
    """
    if resume is not None:
        refuse_options(
            ctx,
            WITH_RESUME,
            "--resume goes on in the settings of the run.",
        )
    elif data is None:
        raise typer.BadParameter("is missing.", ctx=ctx, param_hint="DATA")
    if overfit is not None:
        refuse_options(
            ctx,
            set(ctx.params)
            - {"crop", "scale", "flip", "val_split", "val_fraction"},
            "--overfit takes whole images as they are, and validates on them.",
        )
        crop, flip, epochs = "none", False, epochs or 100
    if start_from is not None:
        refuse_options(
            ctx,
            set(ctx.params) - {"model", "backbone", "weights", "option"},
            "--from takes a network with its weights as it is.",
        )
        if pathlib.Path(start_from).exists():
            start_from = str(pathlib.Path(start_from).absolute())
    if backbone.endswith(".keras"):
        refuse_options(
            ctx,
            set(ctx.params) - {"weights"},
            "names the weights of a backbone given by name.",
        )
        backbone = str(pathlib.Path(backbone).absolute())
    options = dict(map(parse_option, option or []))
    no_backbone = backbone.lower() == "none"
    random = weights.lower() == "none" or (
        no_backbone and weights == "imagenet"
    )
    use_backend()

    from keras_seg import training
    from keras_seg.cli import train_flow

    set_limits(max_pixels, max_annotation_bytes)
    reporter = train_flow.Reporter(json_lines, quiet)
    if resume is not None:
        train_flow.resume(resume, data, reporter)
        return
    chosen: dict[str, Any] = {"epochs": epochs, "batch_size": batch_size}
    chosen = {key: value for key, value in chosen.items() if value is not None}
    if size is not None:
        sides = parse_size("--size", size)
        chosen["size"] = sides and max(sides)
    if crop is not None:
        chosen["crop"] = parse_size("--crop", crop)
    whole = crop is not None and chosen["crop"] is None
    settings = training.Settings(
        model=model,
        backbone=None if no_backbone else backbone,
        weights=None if random else weights,
        options=options,
        start_from=start_from,
        scale=None if whole else scale,
        flip=flip,
        learning_rate=learning_rate,
        backbone_rate=backbone_rate,
        weight_decay=weight_decay,
        freeze_batch_norm=freeze_batch_norm,
        seed=seed,
        **chosen,
    )
    source = training.DataSource(
        str(data),
        train_split,
        val_split,
        overfit=overfit,
        mask_values=mask_values,
        bit_depth=bit_depth,
        skip_unlabeled=skip_unlabeled,
        val_fraction=0.2 if val_fraction is None else val_fraction,
    )
    known = source.resolved().validation_split if val_fraction else None
    if known is not None:
        raise ValueError(
            f"--val-fraction is for data that have no split to choose the best "
            f"model by, and {data} has {known}. Fix: leave it out."
        )
    flow = train_flow.try_out if dry_run else train_flow.begin
    flow(settings, source, out, reporter, set(chosen))
