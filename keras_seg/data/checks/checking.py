"""`check`: reads every pair of a data set once and collects findings."""

import collections
import dataclasses
import itertools
import pathlib
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

from keras_seg.data.bands import check_bands
from keras_seg.data.checks import files
from keras_seg.data.checks import ids
from keras_seg.data.checks import images
from keras_seg.data.checks import maps
from keras_seg.data.checks import several
from keras_seg.data.checks.facts import PairFacts
from keras_seg.data.checks.facts import read_facts
from keras_seg.data.checks.finding import SEVERITIES
from keras_seg.data.checks.report import Report
from keras_seg.data.checks.report import SplitSummary
from keras_seg.data.classes import ClassTable
from keras_seg.data.errors import DataError
from keras_seg.data.folder import PairSequence
from keras_seg.data.folder import find_table
from keras_seg.data.folder import map_threads
from keras_seg.data.ids import classes_of_ids
from keras_seg.data.ids import statistics_of_counts
from keras_seg.data.ids import statistics_of_planes
from keras_seg.data.layout import choose_split
from keras_seg.data.layout import role_of
from keras_seg.data.mask_files import share_palettes
from keras_seg.data.pairs import pictures_below
from keras_seg.data.readers.recognize import BY_FILE
from keras_seg.data.readers.recognize import recognize
from keras_seg.data.readers.recognize import with_options
from keras_seg.data.sizes import sampled
from keras_seg.data.sizes import summarize
from keras_seg.data.stacks import label_table

__all__ = ["Survey", "check"]


def check(
    data: str | pathlib.Path | PairSequence | dict[str, Any],
    split: str | None = None,
    *,
    class_table: ClassTable | int | None = None,
    mask_values: dict[int, int] | None = None,
    progress: Callable[[int, int], object] | None = None,
    skip_unlabeled: bool = False,
    multi_label: bool = False,
    missing_classes: str | None = None,
    bands: Sequence[int | str] | None = None,
) -> Report:
    """Check every image and mask of a data set, and report all findings.

    Each file is decoded once, on threads. A finding is not raised: `Report.ok`
    is whether the data can be trained on, and `Report.raise_if_failed` raises
    if it cannot. `DataError` lists the codes.

    Args:
        data: str or path of a folder, see `from_folder`; a `Folder`; a
            sequence of `(image, mask)` arrays; or a dictionary from names
            such as "train" and "val" to any of the last two, which must have
            no image in common.
        split: optional str, the split of the folder to check. By default
            all are checked.
        class_table: optional `ClassTable` or number of classes. By default
            those of `data` or of `classes.csv`, or else the ids found.
        mask_values, skip_unlabeled, missing_classes, bands: for a path, see
            `from_folder`.
        multi_label: bool, whether classes may overlap; a `Folder` says so
            itself.
        progress: optional function of the number of pairs done and of all.

    Returns:
        A `Report`.

    Raises:
        DataError: If a path is not a data set, or has no such split.

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
        data,
        split,
        class_table,
        progress,
        multi_label,
        bands,
        mask_values=mask_values,
        skip_unlabeled=skip_unlabeled,
        missing_classes=missing_classes,
    )
    statistics = _statistics(found)
    find_wrong = ids.find_wrong_ids
    if found.multi_label:
        find_wrong = several.find_wrong_values
    wrong_ids = find_wrong(found)
    findings = [
        *files.find_unreadable(found),
        *files.find_left_out(found),
        *wrong_ids,
        *files.find_sizes(found),
        *files.find_interpolated(found),
        *maps.find_on_maps(found),
        *images.find_copies(found),
        *images.find_lookalikes(found),
        *images.find_same_masks(found),
        *images.find_constant(found),
        *images.find_varying_sizes(found),
        *images.find_few(found),
        *images.find_modes(found),
    ]
    if not wrong_ids:  # Otherwise ids say nothing about classes.
        balance = several.find_rare if found.multi_label else ids.find_balance
        findings += [
            *ids.find_classes_without_pixels(found, statistics),
            *balance(found, statistics),
            *ids.find_void(found, statistics),
            *several.find_overlaps(found),
            *ids.find_white_among(found),
        ]
    findings.sort(key=lambda f: (SEVERITIES.index(f.severity), f.code))
    splits = {}
    for name, pairs in found.facts.items():
        sizes = collections.Counter(p.image.size for p in pairs if p.image)
        splits[name] = SplitSummary(
            len(pairs),
            dict(sizes.most_common()),
            statistics.get(name),
            several.overlap_share(pairs) if found.multi_label else None,
        )
    return Report(
        found.source,
        found.class_table,
        splits,
        tuple(findings),
        found.data,
        _sizes(found),
        found.multi_label,
    )


def _statistics(survey):
    """The `ClassStatistics` of each split, if the classes are known."""
    if survey.class_table is None:
        return {}
    classes, void = len(survey.class_table), survey.ignore_classes
    found = {}
    for name, pairs in survey.facts.items():
        masks = [pair.mask for pair in pairs if pair.mask]
        if survey.multi_label:
            planes = [m.planes for m in masks if len(m.planes) == classes]
            found[name] = statistics_of_planes(planes, classes, void)
        else:
            counts = [(mask.ids, mask.pixels) for mask in masks]
            found[name] = statistics_of_counts(counts, classes, void)
    return found


def _sizes(survey):
    """The `Sizes` of the split to train on, or `None`."""
    name = _training_split(survey.facts)
    pairs = survey.facts.get(name, ())
    return summarize(
        name,
        [max(pair.image.size) for pair in pairs if pair.image],
        [pair.mask.sizes for pair in pairs if pair.mask and pair.mask.sizes],
        survey.ignore_classes,
    )


def _training_split(names):
    """The split whose objects are measured, or `None`."""
    if len(names) == 1:
        return next(iter(names))
    try:
        return choose_split(names, "train")
    except DataError:  # Several may be meant.
        return None


_ALL = "all"  # the name of a data set without splits
_NO_DATA = ("KS-D001", "KS-D002")  # The path is wrong, not its files.


@dataclasses.dataclass(frozen=True)
class Survey:
    """What is known of a data set after every pair was read once.

    Args:
        source: str, the folder, or "data".
        data: dictionary from the names of the splits to a `Folder` or
            another sequence of pairs.
        facts: dictionary from the names of the splits to a list of
            `PairFacts`, in order.
        class_table: `ClassTable`, or `None` if it is unknown.
        given: bool, whether the classes were given or in a table; otherwise
            they are the ids found in the masks.
        errors: list of `DataError` on files that are in no pair.
        asides: list of `DataError` on test splits, which are not needed for
            training.
        left_out: list of paths of images that are in no pair.
        multi_label: bool, whether classes may overlap.
    """

    source: str
    data: dict[str, object]
    facts: dict[str, list[PairFacts]]
    class_table: ClassTable | None
    given: bool
    errors: list[DataError]
    asides: list[DataError]
    left_out: list[pathlib.Path]
    multi_label: bool = False

    @property
    def pairs(self):
        """The facts of all pairs, split after split."""
        return list(itertools.chain.from_iterable(self.facts.values()))

    @property
    def mapped(self):
        """Whether the ids of some masks are not the values of the files."""
        return any(pair.mapped for pair in self.pairs)

    @property
    def ignore_classes(self):
        """The ids that mean void."""
        return {255}.union(
            self.class_table.ignore_classes if self.class_table else ()
        )


def survey(
    data,
    split=None,
    class_table=None,
    progress=None,
    multi_label=False,
    bands=None,
    **options,
):
    """Read every pair of a data set once; see `check` for the arguments.

    `options` are those of the reader of a path.
    """
    errors: list[DataError] = []
    asides: list[DataError] = []
    left_out: list[pathlib.Path] = []
    count = class_table if isinstance(class_table, int) else None
    if count is not None and not isinstance(data, str | pathlib.Path):
        class_table = _numbered(count, multi_label)
    if isinstance(data, str | pathlib.Path):
        source = str(data)
        if class_table is None:
            class_table = _read_classes(data, errors)
        parts = _open(
            data,
            split,
            class_table,
            multi_label,
            options,
            errors,
            asides,
        )
        check_bands(bands)
        for part in parts.values():
            part.bands = bands
        if split is None:
            named = {error.file for error in errors}
            left_out = [x for x in _left_out(parts) if str(x) not in named]
    else:
        source = "data"
        parts = data if isinstance(data, dict) else {split or _ALL: data}
        if multi_label:
            parts = {name: several.labelled(x) for name, x in parts.items()}
    multi_label = several.are_several(parts.values())
    share_palettes(parts.values())
    if isinstance(class_table, int):
        class_table = None  # A reader that knows the names has compared it.
    for part in parts.values():
        class_table = class_table or getattr(part, "class_table", None)
    if count is not None and class_table is None:
        class_table = _numbered(count, multi_label)
    training = _training_split(parts)
    items = []
    for name, part in parts.items():
        some = sampled(len(part)) if name == training else ()
        items += [(part, name, i, i in some) for i in range(len(part))]
    facts: dict[str, list[PairFacts]] = {name: [] for name in parts}
    read = map_threads(lambda item: read_facts(*item), items)
    for done, found in enumerate(read, start=1):
        facts[found.split].append(found)
        if progress:
            progress(done, len(items))
    given = class_table is not None
    everything = list(itertools.chain.from_iterable(facts.values()))
    if class_table is None:
        find = several.found_classes if multi_label else _found_classes
        class_table = find(everything, errors)
    if isinstance(data, str | pathlib.Path):
        for part in parts.values():
            part.class_table = class_table
    return Survey(
        source,
        parts,
        facts,
        class_table,
        given,
        errors,
        asides,
        left_out,
        multi_label,
    )


def _numbered(count, multi_label):
    """So many classes without names."""
    if multi_label:
        return label_table(f"class {k}" for k in range(count))
    return ClassTable.default(count)


def _open(path, split, classes, multi_label, given, errors, asides):
    """The splits of a folder, `{name: Folder}`, as far as they can be read.

    Errors are appended to `errors`, those of test splits to `asides`.
    """
    names, reader = recognize(path)
    reader, more = with_options(reader, path, multi_label=multi_label, **given)
    whole = split is not None or not names
    options = {"class_table": classes, "check": False} | more
    parts = {}
    for name in [split] if whole else names:
        aside = not whole and role_of(name) == "test"
        reports = asides if aside else errors
        if reader in BY_FILE:
            options["problems"] = reports
        try:
            parts[name or _ALL] = reader(path, name, **options)
        except DataError as error:
            if whole and error.code in _NO_DATA:
                raise
            reports.append(error)
    return parts


def _left_out(parts):
    """Images in the folders of the pairs that are in no pair."""
    pairs = [pair for part in parts.values() for pair in part.pairs]
    known = {pair.image for pair in pairs} | {pair.mask for pair in pairs}
    known |= {file for pair in pairs for file in pair.planes or () if file}
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
