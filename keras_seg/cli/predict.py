"""`keras-seg predict`: masks and overlays of images and videos."""

import collections
import dataclasses
import functools
import pathlib
import shlex
from typing import Annotated
from typing import Any

import typer

from keras_seg.atomic import check_writable
from keras_seg.atomic import replacing
from keras_seg.cli import console
from keras_seg.cli.altering import FOR_KERAS
from keras_seg.cli.altering import PLAIN
from keras_seg.cli.altering import Crf
from keras_seg.cli.altering import Mirror
from keras_seg.cli.altering import OutputStride
from keras_seg.cli.altering import Scales
from keras_seg.cli.altering import altered
from keras_seg.cli.network import KINDS
from keras_seg.cli.network import open_network
from keras_seg.cli.network import say_tiles
from keras_seg.cli.options import Bands
from keras_seg.cli.options import Gpus
from keras_seg.cli.options import Last
from keras_seg.cli.options import MaxPixels
from keras_seg.cli.options import Ray
from keras_seg.cli.options import Tile
from keras_seg.cli.options import Workers
from keras_seg.cli.options import parse_numbers
from keras_seg.cli.options import refuse_options
from keras_seg.cli.options import set_limits
from keras_seg.cli.options import tiles_of
from keras_seg.hub.names import spelled

__all__ = ["predict"]

# Parameters that change no mask. A change of another makes masks outdated.
SAME_MASKS = {
    *("paths", "model", "out", "last", "probabilities", "polygons"),
    *("confidence",),
    *("batch_size", "max_pixels", "overwrite", "ray", "workers", "gpus"),
}


def predict(
    ctx: typer.Context,
    paths: Annotated[
        list[pathlib.Path],
        typer.Argument(
            metavar="[RUN] IMAGE...",
            help="The folder that keras-seg train wrote, or hf://USER/NAME, "
            "unless --model is given, and image files, videos, lists of them, "
            "or folders.",
            show_default=False,
        ),
    ],
    model: Annotated[
        pathlib.Path | None,
        typer.Option(
            help=f"The network, in place of RUN: {KINDS}. A folder or file "
            "of that name comes first. What was exported needs no backend.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        pathlib.Path, typer.Option(help="Folder to write to.")
    ] = pathlib.Path("predictions"),
    last: Last = False,
    tile: Tile = None,
    scales: Scales = "1",
    mirror: Mirror = False,
    dropout_samples: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="COUNT",
            help="Average so many predictions with dropout left on "
            "(Monte-Carlo dropout), such as 20.",
            show_default=False,
        ),
    ] = None,
    output_stride: OutputStride = None,
    crf: Crf = False,
    probabilities: Annotated[
        bool,
        typer.Option(
            "--probabilities",
            help="Write those of all classes, too: NAME.npz, float16.",
        ),
    ] = False,
    polygons: Annotated[
        str | None,
        typer.Option(
            metavar="KIND",
            help="Write outlines, too, holes kept: geojson, gpkg, coco, "
            "labelme, yolo or cvat.",
            show_default=False,
        ),
    ] = None,
    tolerance: Annotated[
        str,
        typer.Option(
            metavar="PIXELS",
            help="How far outlines may be moved to be simpler; 2m for meters "
            "on a map. Up to 0.5 they enclose the same pixels.",
        ),
    ] = "0.5",
    objects: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CLASS",
            help="Count and measure the objects of a class; may be repeated.",
            show_default=False,
        ),
    ] = None,
    min_area: Annotated[
        int,
        typer.Option(min=1, help="Pixels of the smallest object."),
    ] = 1,
    confidence: Annotated[
        bool,
        typer.Option(
            "--confidence", help="Write maps of how sure the network is, too."
        ),
    ] = False,
    pseudo: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            metavar="T",
            help="Write a folder of data to train on: pixels whose class has "
            "a probability below T, such as 0.9, are void.",
            show_default=False,
        ),
    ] = None,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Images of one size at once.")
    ] = 1,
    bands: Bands = None,
    max_pixels: MaxPixels = None,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite", help="Predict again what was predicted before."
        ),
    ] = False,
    ray: Ray = None,
    workers: Workers = 2,
    gpus: Gpus = None,
) -> None:
    """Predict the class of every pixel of images of any size.

    Each image gets a mask of class ids with the colors of the classes as its
    palette, NAME.png, and an overlay with a legend, NAME_overlay.jpg. The mask
    of a GeoTIFF is NAME.tif, at the same place on the map; with --tile it is
    predicted in the memory of some tiles. Pixels without data are void. The
    ids of a video are the gray values of NAME.mkv (lossless), its overlay is
    NAME_overlay.mp4, and NAME_shares.csv and .png are the shares of the classes
    over time. Where classes may overlap, each has a mask of 0 and 1,
    CLASS/NAME.png. Folders are searched recursively, without the masks beside
    images, and the output has the same folders. Files that the same model wrote
    before with the same options are kept, unless the image has changed;
    predict.jsonl records what each file was made of.

    A list of images, CSV or Parquet, has a column image, and maybe one named
    name, for paths in the output. With --ray images are shared by processes,
    and may be in an object store, s3://BUCKET/FOLDER.

    With --polygons outlines are NAME.geojson (in longitude and latitude for a
    GeoTIFF), NAME.gpkg (in its own coordinates), NAME.json (labelme),
    labels/NAME.txt (YOLO), or all in coco.json or cvat.xml.

    With --objects NAME_objects.csv has area, centroid, box and mean probability
    of each object, NAME_objects.jpg shows them, and objects.csv counts those
    of each image. With --confidence NAME_confidence.png is the largest
    probability, NAME_entropy.png the entropy of all, 255 for 1; for a GeoTIFF
    they are the bands of NAME_confidence.tif, too.

    With --pseudo the output is a folder of data: images, copied, labels and
    classes.csv; there are no overlays.
    """
    views = parse_numbers("--scales", scales, 0.1, 10)
    images = paths
    if model is None:
        model, *images = paths
    if not images:
        raise typer.BadParameter("is missing.", ctx=ctx, param_hint="IMAGE")
    as_data = pseudo is not None
    for option, given in (
        ("--probabilities", probabilities),
        ("--polygons", polygons),
        ("--objects", objects),
        ("--confidence", confidence),
    ):
        if as_data and given:
            raise typer.BadParameter(
                "comes with masks to look at, and --pseudo writes masks to "
                "train on.",
                ctx=ctx,
                param_hint=option,
            )

    from keras_seg.cli.predict_extras import Confidence
    from keras_seg.cli.predict_extras import Extra
    from keras_seg.cli.predict_extras import Objects
    from keras_seg.cli.predict_extras import Polygons
    from keras_seg.cli.predict_extras import Probabilities
    from keras_seg.cli.predict_extras import write_whole
    from keras_seg.cli.predict_flow import predict_all
    from keras_seg.cli.predict_plan import output_names
    from keras_seg.cli.predict_plan import plan
    from keras_seg.cli.prediction_cache import PredictionCache
    from keras_seg.data import VOID
    from keras_seg.data.bands import parse_bands
    from keras_seg.data.bands import say_void

    set_limits(max_pixels)
    # Before a network is downloaded or loaded.
    extras: list[Extra] = [Probabilities()] if probabilities else []
    if polygons is not None:
        extras.append(Polygons.of(polygons, tolerance))
    if confidence:
        extras.append(Confidence())
    names = output_names(images, out, remote=ray is not None)
    targets = plan(names, out, extras, pseudo=as_data)
    check_writable(out)
    tiles = tiles_of(tile)
    source = open_network(model, last)
    if source.is_exported:
        others = {*PLAIN, "last", "dropout_samples"}
        refuse_options(ctx, set(ctx.params) - others, FOR_KERAS)
    options = {k: v for k, v in ctx.params.items() if k not in SAME_MASKS}
    table = source.class_table
    if objects:
        extras.append(Objects.of(objects, min_area, table))
    if source.multi_label or objects:
        labels = table.names if source.multi_label else ()
        targets = plan(names, out, extras, labels, as_data)
    every = targets
    read = source.bands if bands is None else parse_bands(bands)
    options |= {"bit_depth": source.bit_depth, "bands": read}
    if source.run is not None:
        options["temperature"] = source.run.temperature(best=not last)
    options["classes"] = [
        table.names,
        table.colors,
        sorted(table.ignore_classes),
    ]
    cache = PredictionCache(out, source.path, options)
    done_before = {i for i, files in targets.items() if cache.has(i, files)}
    if done_before and not overwrite:
        targets = targets.of(i for i in targets if i not in done_before)
        console.say(
            f"{len(done_before)} predicted before, and left as they are "
            "(--overwrite predicts them again)."
        )
    cache.refuse_foreign(targets, overwrite)
    whole = [out / extra.whole for extra in extras if extra.whole]
    classes = out / "classes.csv"
    cache.expect([*whole, *[classes] * as_data], overwrite)
    if not targets:
        write_whole(extras, every, names, out, source, cache)
        console.warn(cache.left_over())
        return
    alter = functools.partial(
        altered,
        scales=views,
        mirror=mirror,
        output_stride=output_stride,
        crf=crf,
        dropout_samples=dropout_samples,
    )
    if ray is None:
        network = source.load()
        if not source.is_exported:
            network = alter(network)
        say_tiles(network, targets)
    out.mkdir(parents=True, exist_ok=True)
    console.warn(cache.begin(targets))
    counts: collections.Counter = collections.Counter()
    if as_data:
        voids = frozenset({*table.ignore_classes, VOID})
        with replacing(classes) as temporary:
            dataclasses.replace(table, ignore_classes=voids).write(temporary)
        cache.note(classes, [classes])

    settings: dict[str, Any] = {
        "tiles": tiles,
        "batch_size": batch_size,
        "extras": extras,
        "bit_depth": source.bit_depth,
        "bands": read,
        "pseudo": pseudo,
    }
    with console.progress("Predicting", len(targets)) as progress:
        if ray is not None:
            from keras_seg.cli.predict_ray import Job
            from keras_seg.cli.predict_ray import predict_by_ray

            done, errors = predict_by_ray(
                Job(
                    *(spelled(model), last, alter, table, cache),
                    limits=(max_pixels,),
                    **settings,
                ),
                targets,
                address=ray,
                workers=workers,
                gpus=gpus,
                several=source.multi_label,
                progress=progress,
                counts=counts,
            )
        else:
            done, errors = predict_all(
                network,
                targets,
                table,
                counts=counts,
                progress=progress,
                written=cache.note,
                **settings,
            )
    write_whole(extras, every, names, out, source, cache)
    if said := say_void(counts[image] for image in targets):
        console.say(said)
    if done and as_data:
        share = 100 * counts["void"] / max(counts["all"], 1)
        console.say(
            f"Wrote {done} of {len(targets)} images and masks to {out}; "
            f"{share:.1f} % of their pixels are void, less sure than {pseudo}."
        )
        console.say(f"Next: keras-seg check {shlex.quote(str(out))}")
    elif done:
        console.say(
            f"Wrote {done} of {len(targets)} masks, and overlays, to {out}"
        )
        if source.run is not None:
            quoted = shlex.quote(spelled(model))
            console.say(f"Next: keras-seg evaluate {quoted} DATA")
    console.warn(cache.left_over())
    for error in errors:
        console.complain(str(error))
    if errors:
        raise typer.Exit(1)
