"""The facts of a whole data set, read in one pass."""

import concurrent.futures
import dataclasses
import itertools
import os
import pathlib

from keras_seg.data.checks.facts import PairFacts
from keras_seg.data.checks.facts import read_facts
from keras_seg.data.classes import ClassTable
from keras_seg.data.errors import DataError
from keras_seg.data.folder import Folder
from keras_seg.data.ids import classes_of_ids
from keras_seg.data.layout import find_classes
from keras_seg.data.layout import find_folders
from keras_seg.data.layout import splits
from keras_seg.data.pairs import find_pairs

__all__ = ["Survey", "survey"]

ALL = "all"  # the name of what is in no split


@dataclasses.dataclass(frozen=True)
class Survey:
    """What the families of checks look at.

    Args:
        source: str, the folder, or "data".
        data: dictionary from the names of the splits to a `Folder` or
            another sequence of pairs.
        facts: dictionary from the names of the splits to a list of
            `PairFacts`, in order.
        classes: `ClassTable`, or `None` where not even that can be told.
        given: bool, whether the classes were given or in a table; otherwise
            they are the ids that the masks have.
        errors: list of `DataError`, on what is not a pair.
    """

    source: str
    data: dict[str, object]
    facts: dict[str, list[PairFacts]]
    classes: ClassTable | None
    given: bool
    errors: list[DataError]

    @property
    def pairs(self):
        """The facts of all pairs, split after split."""
        return list(itertools.chain.from_iterable(self.facts.values()))

    @property
    def void_ids(self):
        """The ids that mean void."""
        return self.classes.void_ids | {255} if self.classes else {255}


def survey(data, split=None, classes=None, progress=None):
    """Find the pairs of a data set and read each of them once.

    Args:
        data: see `check`.
        split: see `check`.
        classes: see `check`.
        progress: see `check`.

    Returns:
        A `Survey`.

    Raises:
        DataError: a path has no data set, or not that split.
    """
    errors: list[DataError] = []
    if isinstance(classes, int):
        classes = ClassTable.default(classes)
    if isinstance(data, str | pathlib.Path):
        source = str(data)
        if classes is None:
            classes = _read_classes(data, errors)
        parts = _open(data, split, errors)
    else:
        source = "data"
        parts = data if isinstance(data, dict) else {split or ALL: data}
        for part in parts.values():
            classes = classes or getattr(part, "classes", None)
    items = [(part, name, i) for name, part in parts.items()
             for i in range(len(part))]  # fmt: skip
    facts: dict[str, list[PairFacts]] = {name: [] for name in parts}
    for done, found in enumerate(_read(items), start=1):
        facts[found.split].append(found)
        if progress:
            progress(done, len(items))
    given = classes is not None
    everything = list(itertools.chain.from_iterable(facts.values()))
    if classes is None:
        classes = _found_classes(everything, errors)
    if isinstance(data, str | pathlib.Path):
        parts = {n: Folder(part.pairs, classes) for n, part in parts.items()}
    return Survey(source, parts, facts, classes, given, errors)


def _open(path, split, errors):
    """`{split: Folder}`; what keeps one split from opening is an error."""
    names = splits(path)
    if split is not None or not names:
        return {split or ALL: _open_split(path, split, errors)}
    parts = {}
    for name in names:
        try:
            parts[name] = _open_split(path, name, errors)
        except DataError as error:
            errors.append(error)
    return parts


def _open_split(path, split, errors):
    images, masks, stems = find_folders(path, split)
    return Folder(find_pairs(images, masks, stems, errors), None)


def _read_classes(path, errors):
    table = find_classes(path)
    try:
        return ClassTable.read(table) if table else None
    except DataError as error:
        errors.append(error)
        return None


def _found_classes(pairs, errors):
    """The classes that the masks ask for, as `from_folder` has them."""
    masks = [pair for pair in pairs if pair.mask is not None]
    good = []
    for pair in masks:
        try:
            if set(pair.mask.ids.tolist()) != {255}:
                classes_of_ids([pair.mask.ids.tolist()], [pair.mask_file])
            good.append(pair)
        except DataError as error:
            errors.append(error)
    if not good:
        return None
    try:
        return classes_of_ids(
            [pair.mask.ids.tolist() for pair in good],
            [pair.mask_file for pair in good],
        )
    except DataError as error:
        errors.append(error)
        return None


def _read(items):
    """`read_facts` on threads, in order; decoders let go of the GIL."""
    workers = min(8, os.cpu_count() or 1)
    items = iter(items)
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        # A few at a time, so that what is read does not pile up.
        while batch := list(itertools.islice(items, 8 * workers)):
            yield from pool.map(lambda item: read_facts(*item), batch)
