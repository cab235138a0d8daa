"""What a run writes down about its data, and what is read from that."""

import dataclasses
import hashlib
import itertools
import pathlib

import numpy as np

from keras_seg.data.folder import map_threads
from keras_seg.runs.files import RunError
from keras_seg.runs.folder import RunFolder
from keras_seg.runs.source import DataSource
from keras_seg.runs.source import split_by_stems

__all__ = [
    "describe",
    "file_digests",
    "fingerprint",
    "held_out_part",
    "recorded_source",
    "refuse_changes",
    "refuse_other_files",
]


def describe(data, validation, source):
    """What a run writes down about its data.

    Args:
        data: what it is trained on.
        validation: what is held out, or `None`.
        source: `DataSource`, or `None`.

    Returns:
        Dictionary for `data.json`.
    """
    facts = source and dataclasses.asdict(source.resolved())
    if facts:
        facts["bit_depth"] = getattr(data, "bit_depth", None)
        if facts["val_fraction"] and facts["validation_split"] is None:
            pairs = () if validation is None else validation.pairs
            facts["held_out"] = [pair.stem for pair in pairs]
    return {
        "source": facts,
        "train": _facts(data),
        "validation": None if validation is None else _facts(validation),
    }


def recorded_source(run):
    """Where a run has its data from, as `describe` wrote it down.

    Args:
        run: `keras_seg.runs.RunFolder`.

    Returns:
        `DataSource`, or `None` where the data were not read from a folder.

    Raises:
        RunError: if `data.json` is damaged.
    """
    facts = (run.data or {}).get("source")
    if facts is None:
        return None
    try:
        held_out = facts.get("held_out")
        if isinstance(held_out, list):
            facts = {**facts, "held_out": tuple(held_out)}
        source = DataSource(**facts)
        texts = [source.split, source.validation_split, source.mask_values]
        texts += source.missing_classes, source.bands
        good = (
            isinstance(source.path, str)
            and all(isinstance(text, str | None) for text in texts)
            and isinstance(source.skip_unlabeled, bool)
            and isinstance(source.multi_label, bool)
            and isinstance(source.val_fraction, float | int)
            and (
                source.held_out is None
                or isinstance(source.held_out, tuple)
                and all(isinstance(stem, str) for stem in source.held_out)
            )
            and all(
                number is None or type(number) is int
                for number in (source.overfit, source.bit_depth)
            )
        )
    except (TypeError, AttributeError):
        good = False
    if not good:
        raise RunError(
            f"{run.path / 'data.json'} does not say where the data are: "
            f"{facts!r:.80}. Fix: correct the file, or train again."
        )
    return source


def held_out_part(run, folder):
    """The images that a run held out, of a folder that may have moved.

    Args:
        run: `keras_seg.runs.RunFolder`.
        folder: `keras_seg.data.Folder`.

    Returns:
        `Folder`, or `None` if the run held none out of its training images,
        or the folder is of other data.
    """
    source = recorded_source(run)
    if source is None or not source.held_out:
        return None
    try:
        _, part = split_by_stems(folder, source.held_out, source.path)
    except RunError:
        return None
    facts = run.data.get("validation")
    known = isinstance(facts, dict) and facts.get("fingerprint")
    return part if fingerprint(part) == known else None


def refuse_changes(known, data, validation, path):
    """Refuses other data than those that a run began with.

    Args:
        known: dictionary from `describe`.
        data: what it is to be trained on now.
        validation: what is held out, or `None`.
        path: path of the run, for the message.

    Raises:
        RunError: if files were added, removed, renamed or changed, or the
            class table says something else.
    """
    now = describe(data, validation, None)
    for part, what in (("train", "to train on"), ("validation", "held out")):
        before, after = known.get(part), now[part]
        if before == after:
            continue
        tables = [
            (facts or {}).get("classes") or [] for facts in (before, after)
        ]
        for old, new in itertools.zip_longest(*tables):
            if old != new:
                raise RunError(
                    f"The classes have changed since {path} began, so that "
                    f"ids of masks mean something else: {new} instead of "
                    f"{old}. Fix: put the class table back, or train into a "
                    "new folder."
                )
        counts = [
            facts.get("images") if isinstance(facts, dict) else 0
            for facts in (before, after)
        ]
        changed = (
            "other files than"
            if counts[0] == counts[1]
            else f"{counts[1]} images instead of the {counts[0]}"
        )
        raise RunError(
            f"The data have changed since {path} began: the images {what} "
            f"are {changed} it was begun with. Fix: put them back, or train "
            "into a new folder."
        )


def _facts(data):
    facts = {"images": len(data), "fingerprint": fingerprint(data)}
    table = getattr(data, "class_table", None)
    if table is not None:
        facts["classes"] = [
            f"{i} {name} {color}"
            for i, (name, color) in enumerate(
                zip(table.names, table.colors, strict=True)
            )
        ] + [f"{i} void" for i in sorted(table.ignore_classes)]
    return facts


def fingerprint(data):
    """Digest of the names and the content of a data set, in order.

    Of a folder, every image, mask and annotation file is read to its end; the
    folder may have moved. CamVid's 367 pairs take 0.1 s. Of any other
    sequence, every pair of arrays counts.

    Args:
        data: `keras_seg.data.Folder`, or a sequence of `(image, mask)`.

    Returns:
        str of 16 hexadecimal digits.

    Example:

    >>> import numpy as np
    >>> pair = np.zeros((4, 4, 3), "uint8"), np.zeros((4, 4), "uint8")
    >>> fingerprint([pair]) == fingerprint([pair, pair])
    False
    """
    digest = hashlib.sha256(str(len(data)).encode())
    pairs = getattr(data, "pairs", None)
    if pairs is None:
        for index in range(len(data)):
            for array in map(np.asarray, data[index]):
                digest.update(f"{array.shape}{array.dtype}".encode())
                digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()[:16]
    files: list[pathlib.Path | None] = []
    for pair in pairs:
        files += pair.image, *(pair.planes or (pair.mask,))
    # Several pairs may share a file: a stack, or the annotations of COCO.
    unique = list(dict.fromkeys(files))
    contents = dict(zip(unique, map_threads(_content, unique), strict=True))
    for file in files:
        digest.update(f"{file and file.name}\n{contents[file]}\n".encode())
    return digest.hexdigest()[:16]


def file_digests(settings):
    """The SHA-256 of the files, or runs, that the weights of a run come from.

    Args:
        settings: `Settings`.

    Returns:
        Dictionary from what the settings name.
    """
    found = {}
    for name in (
        *(settings.start_from, settings.backbone_file, settings.weights),
        settings.teacher,
    ):
        path = name and pathlib.Path(name)
        # A folder may be called as weights by name, such as "imagenet".
        if path and path.is_dir() and name != settings.weights:
            path = RunFolder.open(name).model_path()
        if digest := _content(path):
            found[name] = digest
    return found


def refuse_other_files(run, settings, before):
    """Refuses other weights than a run began with, where they are needed.

    Args:
        run: `keras_seg.runs.RunFolder`.
        settings: `Settings`, of the run.
        before: what `file_digests` was then.

    Raises:
        RunError: If one has changed.
    """
    begun = (run.path / "state.npz").is_file()
    for name, digest in file_digests(settings).items():
        needed = name == settings.teacher or not begun
        if needed and before.get(name, digest) != digest:
            raise RunError(
                f"{name} has changed since {run.path} began. Fix: put the "
                "file back, or train into a new folder."
            )


def _content(file):
    """Digest of a file; an image without objects may have no annotations."""
    if file is None or not file.is_file():
        return None
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
