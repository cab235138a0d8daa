"""The data of an evaluation, and whether they were trained on."""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from keras_seg.cli import console
from keras_seg.cli.prediction_cache import digest
from keras_seg.words import count

if TYPE_CHECKING:
    from keras_seg.data import Folder
    from keras_seg.runs import RunFolder

__all__ = ["read_pairs", "trained_on"]


def read_pairs(
    path: pathlib.Path,
    split: str | None,
    names: tuple[str, ...],
    run: "RunFolder",
    network: str,
    bit_depth: int | None,
    bands: Sequence[int | str] | None,
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
    from keras_seg.runs.recorded import fingerprint
    from keras_seg.runs.recorded import held_out_part
    from keras_seg.runs.recorded import recorded_source

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
    options |= {"bit_depth": bit_depth, "bands": bands}
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


def trained_on(
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
    from keras_seg.runs.recorded import recorded_source

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
