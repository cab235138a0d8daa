"""`keras-seg train`: trains a network on a folder of images and masks."""

import json
import pathlib
from typing import Any

import typer

from keras_seg.cli import fit_options as fit
from keras_seg.cli import train_options as opts
from keras_seg.cli.config import Config
from keras_seg.cli.options import Bands
from keras_seg.cli.options import Binary
from keras_seg.cli.options import BitDepth
from keras_seg.cli.options import MaskValues
from keras_seg.cli.options import MaxAnnotationBytes
from keras_seg.cli.options import MaxPixels
from keras_seg.cli.options import MissingClasses
from keras_seg.cli.options import MultiLabel
from keras_seg.cli.options import SkipUnlabeled
from keras_seg.cli.options import Threshold
from keras_seg.cli.options import parse_option
from keras_seg.cli.options import parse_size
from keras_seg.cli.options import parse_time
from keras_seg.cli.options import refuse_options
from keras_seg.cli.options import set_limits
from keras_seg.cli.start import use_backend
from keras_seg.cli.train_devices import DEVICES
from keras_seg.cli.train_devices import Place
from keras_seg.cli.train_devices import engine_for

__all__ = ["train"]

# Parameters that can be given with --resume.
WITH_RESUME = (
    *("resume", "data", "max_pixels", "max_annotation_bytes"),
    *("json_lines", "quiet", *DEVICES),
)


def train(
    ctx: typer.Context,
    data: opts.Data = None,
    config: Config = None,
    out: opts.Out = pathlib.Path("run"),
    resume: opts.Resume = None,
    dry_run: opts.DryRun = False,
    overfit: opts.Overfit = None,
    devices: opts.Devices = None,
    process: opts.Process = None,
    coordinator: opts.Coordinator = None,
    hosts: opts.Hosts = None,
    json_lines: opts.JSONLines = False,
    quiet: opts.Quiet = False,
    model: opts.Model = "fcn2s",
    backbone: opts.Backbone = "mobilenet_v2",
    weights: opts.Weights = "imagenet",
    option: opts.Option = None,
    start_from: opts.StartFrom = None,
    train_split: opts.TrainSplit = None,
    val_split: opts.ValSplit = None,
    val_fraction: opts.ValFraction = None,
    mask_values: MaskValues = None,
    bit_depth: BitDepth = None,
    bands: Bands = None,
    skip_unlabeled: SkipUnlabeled = False,
    multi_label: MultiLabel = False,
    missing_classes: MissingClasses = None,
    max_pixels: MaxPixels = None,
    max_annotation_bytes: MaxAnnotationBytes = None,
    size: opts.Size = None,
    crop: opts.Crop = None,
    scale: opts.Scale = (0.75, 1.5),
    flip: opts.Flip = True,
    augment: opts.Augment = "standard",
    time: fit.Time = None,
    epochs: fit.Epochs = None,
    repeat: fit.Repeat = 1,
    batch_size: fit.BatchSize = None,
    loss: fit.Loss = "cross_entropy+dice",
    binary: Binary = False,
    threshold: Threshold = None,
    class_weights: fit.ClassWeights = None,
    optimizer: fit.Optimizer = "adamw",
    learning_rate: fit.LearningRate = "1e-3",
    backbone_rate: fit.BackboneRate = None,
    weight_decay: fit.WeightDecay = 1e-4,
    accumulate: fit.Accumulate = 1,
    ema: fit.Ema = None,
    patience: fit.Patience = None,
    teacher: fit.Teacher = None,
    temperature: fit.Temperature = 2.0,
    teacher_weight: fit.TeacherWeight = 0.5,
    precision: fit.Precision = None,
    freeze_batch_norm: fit.FreezeBatchNorm = None,
    workers: fit.Workers = None,
    track: fit.Track = "csv",
    seed: fit.Seed = 0,
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
            - {"crop", "scale", "flip", "augment"}
            - {"val_split", "val_fraction"},
            "--overfit takes whole images as they are, and validates on them.",
        )
        crop, flip, epochs = "none", False, epochs or 100
    if start_from is not None:
        refuse_options(
            ctx,
            set(ctx.params) - {"model", "backbone", "weights", "option"},
            "--from takes a network with its weights as it is.",
        )
        start_from = absolute(start_from)
    if backbone.endswith(".keras"):
        refuse_options(
            ctx,
            set(ctx.params) - {"weights"},
            "names the weights of a backbone given by name.",
        )
        backbone = str(pathlib.Path(backbone).absolute())
    options = dict(map(parse_option, option or []))
    if time is not None:
        refuse_options(
            ctx,
            set(ctx.params) - {"epochs", "repeat", "overfit"},
            "--time finds the number of epochs.",
        )
    no_backbone = backbone.lower() == "none"
    random = weights.lower() == "none" or (
        no_backbone and weights == "imagenet"
    )
    seconds = None if time is None else parse_time("--time", time)
    auto = learning_rate.lower() == "auto"
    place = Place.of(devices, process, coordinator, hosts)
    if place is not None:
        refuse_options(
            ctx,
            set(ctx.params) - {"dry_run", "time"},
            "measures one device. Leave --devices out.",
        )
    use_backend()
    engine = None if place is None else engine_for(place, resume or out)

    from keras_seg import training
    from keras_seg.cli import train_flow
    from keras_seg.cli.train_report import Reporter
    from keras_seg.data.bands import parse_bands

    set_limits(max_pixels, max_annotation_bytes)
    reporter = Reporter(json_lines, quiet)
    if resume is not None:
        train_flow.resume(resume, data, reporter, engine)
        return
    channels = 3 if bands is None else len(parse_bands(bands))
    if channels != 3 and start_from is None:
        options.setdefault("input_shape", [None, None, channels])
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
        augment=json.loads(augment) if augment[:1] in ("[", "{") else augment,
        repeat=repeat,
        loss=loss,
        binary=binary,
        threshold=threshold,
        class_weights=parse_class_weights(class_weights),
        optimizer=optimizer,
        learning_rate=1e-3 if auto else parse_rate(learning_rate),
        backbone_rate=backbone_rate,
        weight_decay=weight_decay,
        accumulate=accumulate,
        ema=ema,
        patience=patience,
        teacher=absolute(teacher),
        temperature=temperature,
        teacher_weight=teacher_weight,
        precision=precision,
        freeze_batch_norm=freeze_batch_norm,
        workers=workers,
        track=tuple(name.strip() for name in track.split(",")),
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
        multi_label=multi_label,
        missing_classes=missing_classes,
        bands=bands,
        val_fraction=0.2 if val_fraction is None else val_fraction,
    )
    known = source.resolved().validation_split if val_fraction else None
    if known is not None:
        raise ValueError(
            f"--val-fraction is for data that have no split to choose the best "
            f"model by, and {data} has {known}. Fix: leave it out."
        )
    plan = train_flow.Plan(settings, source, set(chosen), auto, seconds, engine)
    flow = train_flow.try_out if dry_run else train_flow.begin
    # Of a command that takes the options of this one, such as tune.
    flow = ctx.obj or flow
    flow(plan, out, reporter)


def absolute(name: str | None) -> str | None:
    """Returns the absolute path of what there is; names stay as they are."""
    path = pathlib.Path(name or "")
    return str(path.absolute()) if name and path.exists() else name


def parse_class_weights(text: str | None) -> str | dict[str, float] | None:
    """Returns a rule by its name, and a file of weights as a dictionary."""
    if text is None or text.lower() == "none":
        return None
    if not pathlib.Path(text).is_file():
        return text
    from keras_seg.data.text import read_yaml

    weights = read_yaml(text)
    if not isinstance(weights, dict):
        raise ValueError(
            f"{text} must have a line NAME: WEIGHT for each class. Received: "
            f"{type(weights).__name__}"
        )
    return weights


def parse_rate(text: str) -> float:
    """Returns a learning rate.

    Example:

    >>> parse_rate("3e-4")
    0.0003
    """
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(
            f"a learning rate is a number such as 1e-3, or auto. Received: "
            f"{text}",
            param_hint="--learning-rate",
        ) from None
