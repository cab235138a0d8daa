"""Where a run has its data from, so that it can read them again."""

import dataclasses
import hashlib
import itertools
import pathlib
import warnings
from typing import Any
from typing import Self

import numpy as np

from keras_seg.data import Folder
from keras_seg.data import from_folder
from keras_seg.data import hold_out
from keras_seg.data import splits
from keras_seg.data.bands import parse_bands
from keras_seg.data.folder import map_threads
from keras_seg.data.held_out import CannotHoldOut
from keras_seg.data.images import find_bit_depth
from keras_seg.data.layout import choose_split
from keras_seg.data.mask_files import parse_mask_values
from keras_seg.data.mask_files import share_palettes
from keras_seg.runs.files import RunError
from keras_seg.runs.files import RunWarning

__all__ = [
    "DataSource",
    "describe",
    "fingerprint",
    "held_out_part",
    "recorded_source",
    "refuse_changes",
]


@dataclasses.dataclass(frozen=True)
class DataSource:
    """A folder of data, and which of its images are used for what.

    Args:
        path: str, the folder, see `keras_seg.data.from_folder`.
        split: optional str, the split to train on; by default `"train"`, or
            one such as `"Train"` or `"train2017"`, or the only one that is
            not for validation or tests, if the folder has splits, or else
            all images.
        validation_split: optional str, the split that tells which model is
            the best; by default `"val"`, or one such as `"valid"` or
            `"Validation"`, if there is one.
        overfit: optional int: train on so many images, the first ones, and
            validate on the same.
        mask_values: optional str such as `"0:0,255:1"`, what the values of
            the masks mean, see `keras_seg.data.from_folder`.
        skip_unlabeled: bool, leave out images without a mask.
        bit_depth: optional int, of images of 16 bits, see
            `keras_seg.data.read_image`. By default what the largest value of
            all images needs.
        val_fraction: float from 0 to below 1, the share of the images to
            train on that is held out where there is no split for validation,
            see `keras_seg.data.hold_out`. 0 holds nothing out.
        held_out: optional tuple of strs, the stems of the images that are
            held out instead, as `describe` records them.
        multi_label, missing_classes: whether classes may overlap, and what it
            means if a class has no file, see `keras_seg.data.from_folder`.
        bands: optional str such as `"4,3,2"` or `"nir,red,green"`, the bands
            of the images that are read, see `keras_seg.data.read_image`.

    Example:

    >>> import pathlib
    >>> import tempfile
    >>> from keras_seg.data import synthetic
    >>> path = pathlib.Path(tempfile.mkdtemp())
    >>> images, masks = synthetic.membranes(2, size=32)
    >>> synthetic.write_folder(
    ...     path, images, masks, synthetic.MEMBRANE_CLASSES, "train")
    >>> data, validation = DataSource(str(path)).read()
    >>> len(data), validation
    (2, None)
    """

    path: str
    split: str | None = None
    validation_split: str | None = None
    overfit: int | None = None
    mask_values: str | None = None
    skip_unlabeled: bool = False
    bit_depth: int | None = None
    val_fraction: float = 0.0
    held_out: tuple[str, ...] | None = None
    multi_label: bool = False
    missing_classes: str | None = None
    bands: str | None = None

    @property
    def band_list(self) -> tuple[int | str, ...] | None:
        """The bands, numbers from 1 and names, or `None`."""
        return None if self.bands is None else parse_bands(self.bands)

    @property
    def reading(self) -> dict[str, Any]:
        """How files are read, as arguments of `keras_seg.data.from_folder`."""
        options: dict[str, Any] = {"bands": self.band_list}
        if self.skip_unlabeled:
            options["skip_unlabeled"] = True
        if self.mask_values is not None:
            options["mask_values"] = parse_mask_values(self.mask_values)
        if self.multi_label:
            options["multi_label"] = True
        if self.missing_classes is not None:
            options["missing_classes"] = self.missing_classes
        return options

    def resolved(self) -> Self:
        """The same source: an absolute path, the splits that are chosen."""
        split, validation_split = self._splits()
        return dataclasses.replace(
            self,
            path=str(pathlib.Path(self.path).resolve()),
            split=split,
            validation_split=validation_split,
        )

    def read(self, check: bool = True) -> tuple[Folder, Folder | None]:
        """Reads the pairs.

        Args:
            check: bool, decode every file first.

        Returns:
            Tuple (data, validation) of `keras_seg.data.Folder`; validation
            is `None` if there is none. Where `val_fraction` asks for one that
            there cannot be, a `RunWarning` says why.

        Raises:
            DataError: if the data cannot be trained on.
            RunError: if there are fewer images than `overfit`, or an image
                of `held_out` is missing.
        """
        split, validation_split = self._splits()
        options: dict[str, Any] = {"check": False, **self.reading}
        data = from_folder(self.path, split, **options)
        if self.overfit is not None:
            if self.overfit > len(data):
                raise RunError(
                    f"{self.path} has {len(data)} images to train on. "
                    f"Received: overfit={self.overfit}"
                )
            data = validation = data.subset(range(self.overfit))
        elif validation_split is None:
            validation = None
        else:
            validation = from_folder(
                self.path,
                validation_split,
                class_table=data.class_table,
                **options,
            )
        both = [data] if validation is None else [data, validation]
        bit_depth = self.bit_depth or find_bit_depth(
            [(pair.image, pair.page) for part in both for pair in part.pairs],
            self.band_list,
        )
        share_palettes(both)
        for part in both:
            part.bit_depth = bit_depth
            if check:
                part.check()
        if self.overfit is None and validation is None:
            return self._hold_out(data)
        return data, validation

    def _hold_out(self, data):
        if self.held_out:
            return _split_by_stems(data, self.held_out, self.path)
        if self.val_fraction and self.held_out is None:
            try:
                return hold_out(data, self.val_fraction)
            except CannotHoldOut as error:
                warnings.warn(
                    f"No image of {self.path} is held out: {error}. The "
                    "scores are those of the training images themselves.",
                    RunWarning,
                    stacklevel=3,
                )
        return data, None

    def _splits(self):
        names = splits(self.path)
        split, validation_split = self.split, self.validation_split
        if split is None and names:
            split = choose_split(names, "train") or "train"
        if validation_split is None:
            validation_split = choose_split(names, "val")
        return split, validation_split


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
        _, part = _split_by_stems(folder, source.held_out, source.path)
    except RunError:
        return None
    facts = run.data.get("validation")
    known = isinstance(facts, dict) and facts.get("fingerprint")
    return part if fingerprint(part) == known else None


def _split_by_stems(data, stems, path):
    """Tuple (train, held_out): the pairs of other stems, and of these."""
    places = {pair.stem: i for i, pair in enumerate(data.pairs)}
    missing = [stem for stem in stems if stem not in places]
    if missing:
        raise RunError(
            f"{path} has no image {missing[0]}, which was held out when the "
            "run began. Fix: put it back, or train into a new folder."
        )
    held = {places[stem] for stem in stems}
    train = data.subset(i for i in range(len(data)) if i not in held)
    train.skipped = data.skipped
    return train, data.subset(sorted(held))


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


def _content(file):
    """Digest of a file; an image without objects may have no annotations."""
    if file is None or not file.is_file():
        return None
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
