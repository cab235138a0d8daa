"""`keras-seg predict`: images to index masks and overlays."""

import pathlib
import shlex
from typing import Annotated

import typer

from keras_seg.cli import console
from keras_seg.cli.backend import use_backend

__all__ = ["predict"]


def predict(
    run: Annotated[
        pathlib.Path,
        typer.Argument(
            help="Folder that keras-seg train wrote.", show_default=False
        ),
    ],
    images: Annotated[
        list[pathlib.Path],
        typer.Argument(
            metavar="IMAGE...",
            help="Image files, or folders of them.",
            show_default=False,
        ),
    ],
    out: Annotated[
        pathlib.Path, typer.Option(help="Folder to write to.")
    ] = pathlib.Path("predictions"),
    last: Annotated[
        bool,
        typer.Option("--last", help="Take the last model, not the best."),
    ] = False,
):
    """Write the class of every pixel of images, of any size.

    For each image a mask of class ids with the colours of the classes as its
    palette, NAME.png, and the colours over the image with a legend,
    NAME_overlay.png.
    """
    use_backend()

    from keras_seg import inference
    from keras_seg import training
    from keras_seg import visualization
    from keras_seg.data import read_image

    folder = training.RunFolder.open(run)
    targets = plan(find_images(images), out)
    model = folder.load_model(best=not last)
    out.mkdir(parents=True, exist_ok=True)
    errors: list[ValueError] = []
    done = 0
    with console.progress("Predicting", len(targets)) as progress:
        for path, ids in inference.predict_files(
            model, targets, on_error=errors.append
        ):
            mask, overlay = targets[path]
            visualization.save_mask(mask, ids, folder.classes.colors)
            picture = visualization.overlay_with_legend(
                read_image(path), ids, folder.classes
            )
            visualization.save_image(overlay, picture)
            done += 1
            progress(done + len(errors))
    if done:
        console.say(
            f"Wrote {done} of {len(targets)} masks (NAME.png) and overlays "
            f"(NAME_overlay.png) to {out}"
        )
        quoted = shlex.quote(str(run))
        console.say(f"Next: keras-seg evaluate {quoted} DATA")
    for error in errors:
        console.complain(str(error))
    if errors:
        raise typer.Exit(1)


def find_images(paths):
    """Files as they are, folders as the images in them, sorted.

    Raises:
        DataError: a folder holds no image.
    """
    from keras_seg.data import DataError
    from keras_seg.data.opening import SUFFIXES

    found = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        files = [f for f in sorted(path.iterdir()) if f.is_file()]
        files = [f for f in files if f.suffix.lower() in SUFFIXES]
        files = [f for f in files if not f.name.startswith(".")]
        if not files:
            raise DataError(
                "KS-D010",
                path,
                "holds no image",
                "PNG, JPEG, TIFF, BMP or WEBP files are expected",
                fix="correct the path",
            )
        found += files
    return found


def plan(images, out):
    """What is written for each image, and that it overwrites no other.

    Args:
        images: list of paths.
        out: path of the folder to write to.

    Returns:
        Dictionary from each image to (mask, overlay).

    Raises:
        ValueError: if an input would be overwritten, or two images have one
            name.
    """
    inputs = {image.resolve() for image in images}
    targets: dict[pathlib.Path, tuple[pathlib.Path, pathlib.Path]] = {}
    taken: dict[pathlib.Path, pathlib.Path] = {}
    for image in images:
        if image in targets:
            continue
        pair = (out / f"{image.stem}.png", out / f"{image.stem}_overlay.png")
        for target in pair:
            if target.resolve() in inputs:
                raise ValueError(
                    f"{target} is one of the images, and would be "
                    "overwritten. Fix: choose another folder with --out."
                )
            if target in taken:
                raise ValueError(
                    f"{taken[target]} and {image} would both be written to "
                    f"{target}. Fix: predict them into different folders."
                )
            taken[target] = image
        targets[image] = pair
    return targets
