"""`keras-seg predict`: images to index masks and overlays."""

import collections
import os
import pathlib
import shlex
from typing import Annotated

import typer

from keras_seg.cli import console
from keras_seg.cli.networks import altered
from keras_seg.cli.networks import exported
from keras_seg.cli.networks import trained
from keras_seg.cli.options import MaxPixels
from keras_seg.cli.options import numbers
from keras_seg.cli.options import refuse_options

__all__ = ["predict"]

# Parameters that change no mask. The others decide what was predicted before.
SAME_MASKS = {
    *("paths", "model", "out", "last", "probabilities"),
    *("batch_size", "max_pixels", "overwrite"),
}
# What can be said of a network that is as it was exported.
WITH_EXPORTED = (
    *("paths", "model", "out", "tile", "probabilities"),
    *("batch_size", "max_pixels", "overwrite"),
)


def predict(
    ctx: typer.Context,
    paths: Annotated[
        list[pathlib.Path],
        typer.Argument(
            metavar="[RUN] IMAGE...",
            help="The folder that keras-seg train wrote, unless --model is "
            "given, and image files, or folders of them.",
            show_default=False,
        ),
    ],
    model: Annotated[
        pathlib.Path | None,
        typer.Option(
            help="What keras-seg export wrote, in place of RUN; needs no "
            "backend.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        pathlib.Path, typer.Option(help="Folder to write to.")
    ] = pathlib.Path("predictions"),
    last: Annotated[
        bool,
        typer.Option("--last", help="Take the last model, not the best."),
    ] = False,
    tile: Annotated[
        int | None,
        typer.Option(
            min=64,
            help="Side of the tiles of large images, a multiple of 32.",
            show_default="whole images",
        ),
    ] = None,
    scales: Annotated[
        str,
        typer.Option(
            metavar="SCALE,...",
            help="Look at each image at several scales, such as 0.5,1,1.5.",
        ),
    ] = "1",
    mirror: Annotated[
        bool, typer.Option("--mirror", help="Look at it mirrored, too.")
    ] = False,
    output_stride: Annotated[
        int | None,
        typer.Option(
            help="Denser maps than in training, such as 8.", show_default=False
        ),
    ] = None,
    crf: Annotated[
        bool,
        typer.Option("--crf", help="Refine borders by a fully connected CRF."),
    ] = False,
    probabilities: Annotated[
        bool,
        typer.Option(
            "--probabilities",
            help="Write those of all classes, too: NAME.npz, float16.",
        ),
    ] = False,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Images of one size at once.")
    ] = 1,
    max_pixels: MaxPixels = None,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite", help="Predict again what was predicted before."
        ),
    ] = False,
):
    """Write the class of every pixel of images, of any size.

    For each image a mask of class ids with the colours of the classes as its
    palette, NAME.png, and the colours over the image with a legend,
    NAME_overlay.jpg. The mask of a GeoTIFF is NAME.tif, which keeps its
    place; with --tile it is predicted in the memory of some tiles. Of a video
    the ids are the grey values of NAME.mkv, exactly, and the overlay is
    NAME_overlay.mp4. Folders are searched with all folders in them, which the
    output has, too. What was written before by the same model with the same
    options is left as it is, unless its image has changed; predict.jsonl says
    of each file what it was made of.
    """
    views = numbers("--scales", scales, 0.1, 10)
    if model is not None:
        refuse_options(ctx, WITH_EXPORTED, "is for a run, not for --model.")
        source, images = exported(model), paths
    elif len(paths) > 1:
        source, images = trained(paths[0], last), paths[1:]
    else:
        raise typer.BadParameter("is missing.", ctx=ctx, param_hint="IMAGE")

    from keras_seg import inference
    from keras_seg.cli.earlier import Earlier
    from keras_seg.cli.predict_flow import predict_all
    from keras_seg.data.opening import limit_pixels

    if max_pixels is not None:
        limit_pixels(max_pixels)
    names = output_names(images, out)
    targets = plan(names, out, probabilities)
    tiles = None
    if tile is not None:
        tiles = inference.Tiles(tile, overlap=min(128, tile // 64 * 32))
    options = {k: v for k, v in ctx.params.items() if k not in SAME_MASKS}
    table = source.classes
    options["bit_depth"] = source.bit_depth
    options["classes"] = [table.names, table.colors, sorted(table.void_ids)]
    earlier = Earlier(out, source.path, options)
    done_before = [i for i, files in targets.items() if earlier.has(i, files)]
    if done_before and not overwrite:
        for image in done_before:
            del targets[image]
        console.say(
            f"{len(done_before)} predicted before, and left as they are "
            "(--overwrite predicts them again)."
        )
        if not targets:
            console.warn(earlier.left_over())
            return
    earlier.refuse_foreign(targets, overwrite)
    network = source.load()
    if model is None:
        network = altered(network, views, mirror, output_stride, crf)
    out.mkdir(parents=True, exist_ok=True)
    console.warn(earlier.begin(targets))

    with console.progress("Predicting", len(targets)) as progress:
        done, errors = predict_all(
            network,
            targets,
            source.classes,
            tiles=tiles,
            batch_size=batch_size,
            probabilities=probabilities,
            bit_depth=source.bit_depth,
            progress=progress,
            written=earlier.note,
        )
    if done:
        console.say(
            f"Wrote {done} of {len(targets)} masks, and overlays, to {out}"
        )
        if model is None:
            quoted = shlex.quote(str(paths[0]))
            console.say(f"Next: keras-seg evaluate {quoted} DATA")
    console.warn(earlier.left_over())
    for error in errors:
        console.complain(str(error))
    if errors:
        raise typer.Exit(1)


def output_names(paths, out):
    """What the images are called in the output: as in their folders.

    Folders are searched with all that is in them, but for hidden ones, the
    output, other predictions and runs, which are named. Where images are in
    several, it is said how many.

    Args:
        paths: paths of images and of folders.
        out: path of the folder to write to.

    Returns:
        Dictionary from the path of each image to its name in the output, a
        relative path without suffix.
    """
    from keras_seg.cli.earlier import NAME
    from keras_seg.data import find_images

    names: dict[pathlib.Path, pathlib.Path] = {}
    for path in paths:
        counts: collections.Counter = collections.Counter()
        left_out: list[pathlib.Path] = []

        def skip(folder, left_out=left_out):
            ours = folder.resolve() == out.resolve() or any(
                (folder / name).is_file() for name in (NAME, "environment.txt")
            )
            left_out.extend([folder] * ours)
            return ours

        for image in find_images([path], skip):
            inside = pathlib.Path(image.name)
            if path.is_dir():
                inside = image.relative_to(path)
                counts[image.parent] += 1
            names.setdefault(image, inside.with_suffix(""))
        if len(counts) > 1:
            found = ", ".join(f"{n} in {at}" for at, n in counts.items())
            console.say(f"Images: {found}.")
        for folder in left_out:
            console.say(f"{folder} is left out: it holds predictions or a run.")
    return names


def plan(names, out, probabilities=False):
    """What is written for each image, and that it overwrites no other.

    Args:
        names: dictionary from `output_names`.
        out: path of the folder to write to.
        probabilities: bool, whether they are written.

    Returns:
        Dictionary from each image to (mask, overlay), or (mask, overlay,
        probabilities).

    Raises:
        ValueError: if an input would be overwritten, or two images have one
            name.
    """
    inputs = {image.resolve() for image in names}
    from keras_seg.data.geotiff import is_geotiff
    from keras_seg.data.video import is_video

    targets: dict[pathlib.Path, tuple[pathlib.Path, ...]] = {}
    taken: dict[str, pathlib.Path] = {}
    for image, name in names.items():
        if is_video(image):
            endings = [".mkv", "_overlay.mp4"]
        else:
            endings = [".tif" if is_geotiff(image) else ".png", "_overlay.jpg"]
            endings += [".npz"] * probabilities
        written = tuple(out / f"{name}{end}" for end in endings)
        for target in written:
            if target.resolve() in inputs:
                raise ValueError(
                    f"{target} is one of the images, and would be "
                    "overwritten. Fix: choose another folder with --out."
                )
            # Some file systems do not tell A.png from a.png.
            key = os.path.normcase(target)
            if key in taken:
                raise ValueError(
                    f"{taken[key]} and {image} would both be written to "
                    f"{target}. Fix: predict them into different folders."
                )
            taken[key] = image
        targets[image] = written
    return targets
