"""`keras-seg evaluate`: the scores of a trained model on a data set."""

import dataclasses
import json
import pathlib
import shlex
from typing import TYPE_CHECKING
from typing import Annotated
from typing import Any

import typer

from keras_seg.cli import console
from keras_seg.cli.network import KINDS
from keras_seg.cli.network import open_network
from keras_seg.cli.network import say_tiles
from keras_seg.cli.options import Last
from keras_seg.cli.options import MaskValues
from keras_seg.cli.options import MaxAnnotationBytes
from keras_seg.cli.options import MaxPixels
from keras_seg.cli.options import SkipUnlabeled
from keras_seg.cli.options import set_limits
from keras_seg.cli.prediction_cache import digest
from keras_seg.cli.start import use_backend
from keras_seg.hub.names import is_name
from keras_seg.hub.names import spelled
from keras_seg.words import count

if TYPE_CHECKING:
    from keras_seg.data import Folder
    from keras_seg.inference import Evaluation
    from keras_seg.runs import RunFolder

__all__ = ["evaluate"]

EXAMPLES = 8
# Endings of the files of an evaluation.
PARTS = (
    *(".csv", "_images.csv", "_worst.png", "_confusion.png"),
    *("_trimap.csv", "_trimap.png"),
)


def evaluate(
    network: Annotated[
        pathlib.Path,
        typer.Argument(help=f"The network: {KINDS}.", show_default=False),
    ],
    data: Annotated[
        pathlib.Path,
        typer.Argument(help="Folder of images and masks.", show_default=False),
    ],
    split: Annotated[
        str | None,
        typer.Option(
            help="Split to evaluate; all, if there are none.",
            show_default="val, or what the run held out, or all images",
        ),
    ] = None,
    last: Last = False,
    trimap: Annotated[
        str | None,
        typer.Option(
            metavar="KIND",
            help="Scores in bands along the boundaries, too: label_change, "
            "or void, for masks with void contours as PASCAL VOC's.",
            show_default=False,
        ),
    ] = None,
    bucket: Annotated[
        int,
        typer.Option(
            min=1,
            help="Fill images up to multiples of so many pixels: with 32, as "
            "predict does, JAX compiles for fewer sizes.",
        ),
    ] = 1,
    mask_values: MaskValues = None,
    skip_unlabeled: SkipUnlabeled = False,
    max_pixels: MaxPixels = None,
    max_annotation_bytes: MaxAnnotationBytes = None,
    out: Annotated[
        pathlib.Path | None,
        typer.Option(
            help="Folder to write to.",
            show_default="the run folder, or evaluations/NETWORK",
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            help="Prefix of the names of the files.",
            show_default="evaluation_SPLIT",
        ),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace those of other data."),
    ] = False,
) -> None:
    """Compare the predictions of a network with the masks of a folder.

    Written into the run folder, or into --out: evaluation_SPLIT.csv, the
    scores of each class; evaluation_SPLIT_images.csv, those of each image;
    pictures of the confusion matrix and of the worst images;
    evaluation_SPLIT.json, which names the data and the model.
    """
    use_backend()

    from keras_seg import inference
    from keras_seg import runs
    from keras_seg.data import splits
    from keras_seg.data.layout import choose_split
    from keras_seg.runs.source import fingerprint

    set_limits(max_pixels, max_annotation_bytes)
    source = open_network(network, last)
    if out is None:
        own = pathlib.Path("evaluations") / network.name
        out = own if source.run is None else source.run.path
        if is_name(network):  # The Hub's cache is not to be written to.
            out = own
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out is a folder. Received: {out}, a file")
    folder = runs.RunFolder(out, None, source.class_table)
    run = source.run or folder
    names = splits(data)
    if split is None:
        split = choose_split(names, "val")
    pairs = _read(
        data,
        split,
        names,
        run,
        spelled(network),
        source.bit_depth,
        mask_values,
        skip_unlabeled,
        source.multi_label,
    )
    if pairs.skipped:
        console.complain(
            f"{len(pairs.skipped)} images without a mask are left out, "
            f"{pairs.skipped[0]} first."
        )
    name = name or (f"evaluation_{split}" if split else "evaluation")
    if pathlib.Path(name).name != name:
        raise ValueError(f"--name is a name without folders. Received: {name}")
    facts = {
        "data": str(data.absolute()),
        "split": split,
        "images": len(pairs),
        "fingerprint": fingerprint(pairs),
        "model": source.path.name,
        "sha256": digest(source.path),
    }
    record = _Record(folder, name, facts)
    if not overwrite:
        record.refuse_other_data()
    console.warn(_trained_on(run, pairs, facts["fingerprint"], data))
    model = source.load()
    say_tiles(model, [pair.image for pair in pairs.pairs])
    folder.path.mkdir(parents=True, exist_ok=True)
    with (
        console.progress("Evaluating", len(pairs)) as progress,
        console.warnings_as_lines(UserWarning),
    ):
        found = inference.evaluate(
            model, pairs, bucket=bucket, trimap=trimap, progress=progress
        )
    images = count(found.images, "image")
    console.show_scores(found.rows(), f"{facts['model']}, {images}")
    record.remove_earlier()
    written = _report(folder, name, found, pairs)
    record.write()
    console.say(f"Wrote {', '.join(map(str, written))}")
    option = "" if source.run else "--model "
    quoted = option + shlex.quote(spelled(network))
    console.say(f"Next: keras-seg predict {quoted} IMAGE... --out predictions")


def _read(
    path: pathlib.Path,
    split: str | None,
    names: tuple[str, ...],
    run: "RunFolder",
    network: str,
    bit_depth: int | None,
    mask_values: str | None,
    skip_unlabeled: bool,
    multi_label: bool,
) -> "Folder":
    """Reads the pairs, in the classes of the run.

    `split` is `None` for the images that the run held out, or for all where it
    held out none of these.
    """
    from keras_seg.data import ClassTable
    from keras_seg.data import from_folder
    from keras_seg.data.layout import find_classes
    from keras_seg.data.mask_files import MaskFiles
    from keras_seg.data.mask_files import parse_mask_values
    from keras_seg.data.stack_files import StackFiles
    from keras_seg.runs import RunError
    from keras_seg.runs.source import fingerprint
    from keras_seg.runs.source import held_out_part
    from keras_seg.runs.source import recorded_source

    table = find_classes(path)
    classes = ClassTable.read(table) if table else run.class_table
    if classes.names != run.class_table.names:
        raise RunError(
            f"{table} has the classes {', '.join(classes.names)}; "
            f"{network} was trained on {', '.join(run.class_table.names)}. "
            "Fix: evaluate on data of the same classes, or train again."
        )
    options: dict = {"skip_unlabeled": True} if skip_unlabeled else {}
    source = recorded_source(run)
    if mask_values is None and source is not None:
        mask_values = source.mask_values
    if mask_values is not None:
        options["mask_values"] = parse_mask_values(mask_values)
    options["bit_depth"] = bit_depth
    if multi_label:
        options["multi_label"] = True
    if source is not None and source.multi_label:
        options["missing_classes"] = source.missing_classes
    part = split
    if split is None and source is not None and source.held_out and names:
        part = source.split
    elif split == "all" and not names:
        part = None
    pairs = from_folder(path, part, class_table=classes, **options)
    held_out = held_out_part(run, pairs) if split is None else None
    if held_out is not None:
        console.say(
            f"Of {count(len(pairs), 'image')} the {len(held_out)} that "
            f"{run.path} held out are evaluated; --split {part or 'all'} takes "
            "all."
        )
        held_out.skipped, pairs = pairs.skipped, held_out
    by_name = any(pair.planes for pair in pairs.pairs)
    named = table or by_name
    named = named or not isinstance(pairs.masks, MaskFiles | StackFiles)
    unnamed = ClassTable.default(len(classes)).names == classes.names
    known = [
        facts.get("fingerprint")
        for facts in ((run.data or {}).get(p) for p in ("train", "validation"))
        if isinstance(facts, dict)
    ]
    own = source is not None and pathlib.Path(source.path) == path.resolve()
    file = run.path / "classes.csv"
    fix = f"copy {file} there" if file.exists() else "put a classes.csv there"
    if not (named or unnamed or own or fingerprint(pairs) in known):
        raise RunError(
            f"{path} does not say what its classes are, and {network} was "
            f"not trained on it: whether its ids mean "
            f"{', '.join(classes.names)}, in this order, cannot be known. "
            f"Fix: if they do, {fix}."
        )
    return pairs


def _report(
    run: "RunFolder",
    name: str,
    found: "Evaluation",
    pairs: "Folder",
) -> list[pathlib.Path]:
    """Writes the tables, and the pictures that can be drawn here."""
    import numpy as np

    from keras_seg import visualization

    images = [
        {"image": str(pair.image), "mean_iou": float(value)}
        for pair, value in zip(pairs.pairs, found.per_image, strict=True)
    ]
    written = [
        run.write_table(f"{name}.csv", found.rows()),
        run.write_table(f"{name}_images.csv", images),
    ]
    pictures = {}
    if found.worst(EXAMPLES):
        pictures["worst"] = np.asarray(found.show_worst(EXAMPLES))
    if visualization.can_plot():
        if found.matrix.ndim == 2:
            pictures["confusion"] = visualization.confusion(
                found.matrix, found.class_table.names
            )
        if found.bands is not None:
            pictures["trimap"] = visualization.trimap_curve(found.bands)
    if found.bands is not None:
        rows = [
            {"width": width, "mean_iou": float(band.mean_iou)}
            for width, band in found.bands.items()
        ]
        written.append(run.write_table(f"{name}_trimap.csv", rows))
    for part, picture in pictures.items():
        run.write_picture(f"{name}_{part}.png", picture)
        written.append(run.path / f"{name}_{part}.png")
    return written


class _Record:
    """The JSON file of facts about the data and the model of an evaluation."""

    def __init__(self, run: "RunFolder", name: str, facts: dict[str, Any]):
        self._run, self._name, self._facts = run, name, facts
        try:
            text = (run.path / f"{name}.json").read_text(encoding="utf-8")
            self._earlier = dict(json.loads(text))
        except (OSError, ValueError, TypeError):
            self._earlier = {}

    def refuse_other_data(self) -> None:
        """Refuses to replace the evaluation of other data."""
        table = self._run.path / f"{self._name}.csv"
        same = self._earlier.get("fingerprint") == self._facts["fingerprint"]
        if table.exists() and not same:
            raise ValueError(
                f"{table} is of other data: "
                f"{self._earlier.get('data', 'it is not known which')}. Fix: "
                "--name NAME for other names of the files, or --overwrite."
            )

    def remove_earlier(self) -> None:
        """Removes the files of an earlier, different evaluation."""
        known = {key: self._earlier.get(key) for key in self._facts}
        for part in () if known == self._facts else PARTS:
            (self._run.path / f"{self._name}{part}").unlink(missing_ok=True)

    def write(self) -> None:
        text = json.dumps(self._facts, indent=2) + "\n"
        self._run.write_text(f"{self._name}.json", text)


def _trained_on(
    run: "RunFolder", pairs: "Folder", fingerprint: str, path: pathlib.Path
) -> str:
    """A sentence on how many of the images the run was trained on, or "".

    Equal fingerprints mean all of them. Otherwise the contents of the files are
    compared, if the training data are where they were, or have moved to `path`.
    """
    facts = (run.data or {}).get("train")
    if isinstance(facts, dict) and facts.get("fingerprint") == fingerprint:
        shared = len(pairs)
    else:
        shared = _shared(run, pairs, path)
    if not shared:
        return ""
    return (
        f"{shared} of the {len(pairs)} images were trained on: their scores "
        "say nothing of images that the model has not seen."
    )


def _shared(run: "RunFolder", pairs: "Folder", path: pathlib.Path) -> int:
    """How many images have the contents of a file the run was trained on."""
    from keras_seg.runs.source import recorded_source

    source = recorded_source(run)
    if source is None:
        return 0
    if not pathlib.Path(source.path).exists():
        source = dataclasses.replace(source, path=str(path))
    try:
        trained, _ = source.read(check=False)
        images = [pair.image for pair in trained.pairs]
        sizes = {image.stat().st_size for image in images}
        found = [pair.image for pair in pairs.pairs]
        found = [image for image in found if image.stat().st_size in sizes]
        contents = set(map(digest, images)) if found else set()
    except (ValueError, OSError):
        return 0  # They were moved or changed.
    return sum(digest(image) in contents for image in found)
