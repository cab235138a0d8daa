"""`check`: reads every pair of a data set once and collects findings."""

import collections
import dataclasses
import itertools
import pathlib

from keras_seg.data.checks import files
from keras_seg.data.checks import ids
from keras_seg.data.checks import images
from keras_seg.data.checks.facts import PairFacts
from keras_seg.data.checks.facts import read_facts
from keras_seg.data.checks.finding import SEVERITIES
from keras_seg.data.checks.report import Report
from keras_seg.data.checks.report import SplitSummary
from keras_seg.data.classes import ClassTable
from keras_seg.data.errors import DataError
from keras_seg.data.folder import find_table
from keras_seg.data.folder import from_pairs
from keras_seg.data.folder import map_threads
from keras_seg.data.ids import classes_of_ids
from keras_seg.data.ids import statistics_of_counts
from keras_seg.data.layout import role_of
from keras_seg.data.mask_files import share_palettes
from keras_seg.data.pairs import pictures_below
from keras_seg.data.readers.recognize import recognize
from keras_seg.data.readers.voc import from_cvat
from keras_seg.data.readers.voc import from_voc

__all__ = ["Survey", "check"]


def check(
    data,
    split=None,
    *,
    class_table=None,
    mask_values=None,
    progress=None,
    skip_unlabeled=False,
):
    """Look at every image and mask, and say all that is wrong with them.

    Each file is decoded once, on threads, and what is kept of it is a few
    hundred bytes. Nothing is raised for a finding: `Report.ok` tells whether
    the data can be trained on, `Report.raise_if_failed` raises if not. The
    codes and what they mean are listed at `DataError`.

    Args:
        data: str or path of a folder, see `from_folder`; a `Folder`; a
            sequence of `(image, mask)` arrays; or a dictionary from names
            such as "train" and "val" to any of the last two. Between its
            parts an image must not come twice.
        split: optional str, the one split of the folder to look at. By
            default all of them.
        class_table: optional `ClassTable` or number of classes. By default
            those of `data`, of `classes.csv`, or else the ids that are found.
        mask_values: optional dictionary, of a path, see `from_folder`.
        progress: optional function of the number of pairs done and of all.
        skip_unlabeled: bool, of a path, see `from_folder`.

    Returns:
        A `Report`.

    Raises:
        DataError: a path is no data set at all, or lacks the split.

    Example:

    >>> from keras_seg.data import check
    >>> from keras_seg.data import synthetic
    >>> images, masks = synthetic.membranes(12, size=64)
    >>> pairs = list(zip(images, masks))
    >>> report = check({"train": pairs, "val": pairs[:1]}, class_table=2)
    >>> report.ok, [finding.code for finding in report.findings]
    (False, ['KS-D021', 'KS-D034'])
    """
    found = survey(
        data, split, class_table, mask_values, progress, skip_unlabeled
    )
    statistics = {}
    if found.class_table is not None:
        for name, pairs in found.facts.items():
            counts = [(p.mask.ids, p.mask.pixels) for p in pairs if p.mask]
            statistics[name] = statistics_of_counts(
                counts, len(found.class_table), found.ignore_classes
            )
    wrong_ids = ids.find_wrong_ids(found)
    findings = [
        *files.find_unreadable(found),
        *files.find_left_out(found),
        *wrong_ids,
        *files.find_sizes(found),
        *files.find_interpolated(found),
        *files.find_elsewhere(found),
        *images.find_copies(found),
        *images.find_lookalikes(found),
        *images.find_same_masks(found),
        *images.find_constant(found),
        *images.find_varying_sizes(found),
        *images.find_few(found),
        *images.find_modes(found),
    ]
    if not wrong_ids:  # Else what the ids say of the classes is nothing.
        findings += [
            *ids.find_classes_without_pixels(found, statistics),
            *ids.find_balance(found, statistics),
            *ids.find_void(found, statistics),
        ]
    findings.sort(key=lambda f: (SEVERITIES.index(f.severity), f.code))
    splits = {
        name: SplitSummary(
            len(pairs),
            dict(
                collections.Counter(
                    pair.image.size for pair in pairs if pair.image
                ).most_common()
            ),
            statistics.get(name),
        )
        for name, pairs in found.facts.items()
    }
    return Report(
        found.source, found.class_table, splits, tuple(findings), found.data
    )


ALL = "all"  # the name of what is in no split
_NO_DATA = ("KS-D001", "KS-D002")  # the path is wrong, not its files


@dataclasses.dataclass(frozen=True)
class Survey:
    """What the families of checks look at.

    Args:
        source: str, the folder, or "data".
        data: dictionary from the names of the splits to a `Folder` or
            another sequence of pairs.
        facts: dictionary from the names of the splits to a list of
            `PairFacts`, in order.
        class_table: `ClassTable`, or `None` where not even that can be told.
        given: bool, whether the classes were given or in a table; otherwise
            they are the ids that the masks have.
        errors: list of `DataError`, on what is not a pair.
        asides: list of `DataError`, the same of splits for tests, which no
            training needs.
        left_out: list of paths, images beside those of the pairs.
        mapped: bool, whether the ids come through `mask_values`, colors or
            shapes, and are not the values of the files.
    """

    source: str
    data: dict[str, object]
    facts: dict[str, list[PairFacts]]
    class_table: ClassTable | None
    given: bool
    errors: list[DataError]
    asides: list[DataError]
    left_out: list[pathlib.Path]
    mapped: bool = False

    @property
    def pairs(self):
        """The facts of all pairs, split after split."""
        return list(itertools.chain.from_iterable(self.facts.values()))

    @property
    def ignore_classes(self):
        """The ids that mean void."""
        return (
            self.class_table.ignore_classes | {255}
            if self.class_table
            else {255}
        )


def survey(
    data,
    split=None,
    class_table=None,
    mask_values=None,
    progress=None,
    skip_unlabeled=False,
):
    """Find the pairs of a data set and read each once; see `check`."""
    errors: list[DataError] = []
    asides: list[DataError] = []
    left_out: list[pathlib.Path] = []
    count = class_table if isinstance(class_table, int) else None
    if count is not None and not isinstance(data, str | pathlib.Path):
        class_table = ClassTable.default(count)
    if isinstance(data, str | pathlib.Path):
        source = str(data)
        if class_table is None:
            class_table = _read_classes(data, errors)
        parts = _open(
            data,
            split,
            class_table,
            mask_values,
            skip_unlabeled,
            errors,
            asides,
        )
        if split is None:
            left_out = _left_out(parts)
    else:
        source = "data"
        parts = data if isinstance(data, dict) else {split or ALL: data}
    share_palettes(parts.values())
    if isinstance(class_table, int):
        class_table = None  # A reader that knows the names has compared it.
    for part in parts.values():
        class_table = class_table or getattr(part, "class_table", None)
    if count is not None and class_table is None:
        class_table = ClassTable.default(count)
    items = [(part, name, i) for name, part in parts.items()
             for i in range(len(part))]  # fmt: skip
    facts: dict[str, list[PairFacts]] = {name: [] for name in parts}
    read = map_threads(lambda item: read_facts(*item), items)
    for done, found in enumerate(read, start=1):
        facts[found.split].append(found)
        if progress:
            progress(done, len(items))
    given = class_table is not None
    everything = list(itertools.chain.from_iterable(facts.values()))
    if class_table is None:
        class_table = _found_classes(everything, errors)
    if isinstance(data, str | pathlib.Path):
        for part in parts.values():
            part.class_table = class_table
    readers = [part.masks for part in parts.values() if hasattr(part, "masks")]
    mapped = any(getattr(masks, "mapped", True) for masks in readers)
    return Survey(
        source,
        parts,
        facts,
        class_table,
        given,
        errors,
        asides,
        left_out,
        mapped,
    )


def _open(path, split, classes, mask_values, skip, errors, asides):
    """The splits of a folder, `{name: Folder}`, as far as they can be read.

    Errors are appended to `errors`, those of test splits to `asides`.
    """
    names, reader = recognize(path)
    whole = split is not None or not names
    options = {"class_table": classes, "check": False}
    if mask_values is not None:
        options["mask_values"] = mask_values
    if skip:
        options["skip_unlabeled"] = True
    parts = {}
    for name in [split] if whole else names:
        aside = not whole and role_of(name) == "test"
        reports = asides if aside else errors
        if reader in (from_pairs, from_voc, from_cvat):
            options["problems"] = reports
        try:
            parts[name or ALL] = reader(path, name, **options)
        except DataError as error:
            if whole and error.code in _NO_DATA:
                raise
            reports.append(error)
    return parts


def _left_out(parts):
    """Images in the folders of the pairs that are in no pair."""
    pairs = [pair for part in parts.values() for pair in part.pairs]
    known = {pair.image for pair in pairs} | {pair.mask for pair in pairs}
    known |= {path for part in parts.values() for path in part.skipped}
    folders = {pair.image.parent for pair in pairs}
    folders = {f.parent if f.parent.name == "images" else f for f in folders}
    found = {file for folder in folders for file in pictures_below(folder)}
    return sorted(found - known)


def _read_classes(path, errors):
    try:
        return find_table(path, None)
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
