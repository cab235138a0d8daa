"""Readers of PASCAL VOC's layout, and of CVAT's export in it."""

import dataclasses
import os
import pathlib
import re

from keras_seg.data.class_tables import VOC
from keras_seg.data.classes import MAX_CLASSES
from keras_seg.data.classes import VOID
from keras_seg.data.classes import ClassTable
from keras_seg.data.errors import DataError
from keras_seg.data.folder import Folder
from keras_seg.data.folder import find_table
from keras_seg.data.folder import from_files
from keras_seg.data.layout import existing
from keras_seg.data.layout import missing_split
from keras_seg.data.layout import sorted_splits
from keras_seg.data.layout import visible
from keras_seg.data.mask_colors import ColorCode
from keras_seg.data.mask_files import MaskFiles
from keras_seg.data.pairs import find_pairs
from keras_seg.data.readers.annotations import Labels
from keras_seg.data.readers.annotations import is_void
from keras_seg.data.readers.annotations import match_labels
from keras_seg.data.text import brief
from keras_seg.data.text import malformed
from keras_seg.data.text import parse_id
from keras_seg.data.text import read_text
from keras_seg.data.text import refuse_alike
from keras_seg.data.text import text_holds

__all__ = [
    "cvat_splits",
    "from_cvat",
    "from_voc",
    "read_labelmap",
    "voc_splits",
]

_LISTS = pathlib.Path("ImageSets", "Segmentation")
_IMAGES, _MASKS = "JPEGImages", "SegmentationClass"
_NAMES = ("class_names.txt", "labels.txt", "labelmap.txt")
_VOC_STEM = re.compile(r"(\d{4}_)?\d{6}")  # of VOC 2012, and of VOC 2007


def from_voc(
    path: str | os.PathLike,
    split: str | None = None,
    *,
    class_table: ClassTable | int | None = None,
    check: bool = True,
    mask_values: dict[int, int] | None = None,
    channels: int | None = 3,
    problems: list[DataError] | None = None,
    skip_unlabeled: bool = False,
) -> Folder:
    """Read a folder in the layout of PASCAL VOC as a `Folder`.

    `path` holds `JPEGImages`, `SegmentationClass` and
    `ImageSets/Segmentation/<split>.txt`, with a stem on each line. Masks are
    PNG files with a palette, whose indices are the ids; 255 is void. Masks
    with colors are decoded by the colors of the class table.

    Args:
        path: str or path.
        split: optional str, the name of a list; required if there are
            several.
        class_table: optional `ClassTable` or number of classes. By default
            `classes.csv` in the folder or above; or else the names, one on
            each line in the order of ids, in `class_names.txt`, `labels.txt`
            or `labelmap.txt`, where a first line `__ignore__` has no id; or
            else VOC's 21 if the stems are VOC's, such as 2007_000032; or
            else the ids that the masks have.
        check, mask_values, channels, skip_unlabeled: see `from_folder`.
        problems: optional list to which errors of single files are appended;
            the others are read.

    Raises:
        DataError: If a file or the folder cannot be used.
    """
    pairs, skipped = _find_pairs(path, split, problems, skip_unlabeled)
    class_table = _classes(path, pairs, class_table)
    return from_files(
        pairs, skipped, class_table, check, mask_values, channels, problems
    )


def _classes(path, pairs, classes):
    """The classes of VOC's layout, `None` if only the masks can tell."""
    classes = find_table(path, classes)
    files = [pathlib.Path(path) / name for name in _NAMES]
    files = [file for file in files if os.path.lexists(file)]
    if classes is None and files:
        tables = [_own_names(file) for file in files]
        for file, names in zip(files[1:], tables[1:], strict=True):
            if names != tables[0]:
                raise DataError(
                    "KS-D011",
                    file,
                    f"has the classes {brief(names)}",
                    f"{files[0].name} has {brief(tables[0])}",
                    fix="remove one of the two",
                )
        default = ClassTable.default(len(tables[0]))
        return ClassTable(tables[0], default.colors, colors_given=False)
    if classes is None and all(_VOC_STEM.fullmatch(p.stem) for p in pairs):
        return VOC
    return classes


def _own_names(file):
    """Names by line, as labelme2voc writes and reads them."""
    names = [line.strip() for line in read_text(file).strip().splitlines()]
    if names and names[0] == "__ignore__":
        names = names[1:]
    wrong = [name for name in names if not name or is_void(name)]
    if wrong or not 1 <= len(names) <= MAX_CLASSES:
        raise DataError(
            "KS-D011",
            file,
            f"has the line {wrong[0]!r}"
            if wrong
            else f"has {len(names)} names",
            f"1..{MAX_CLASSES} names are expected, of the ids 0, 1, 2, ... in "
            "turn",
            fix="write classes.csv, where the role void marks ids",
        )
    refuse_alike(names, file)
    return tuple(names)


def voc_splits(path):
    """The lists of a folder in VOC's layout; `None` of another layout."""
    path = existing(path)
    if not (path / _MASKS).is_dir() or not (path / _LISTS).is_dir():
        return None
    return sorted_splits({f.stem for f in visible(path / _LISTS, ".txt")})


def _find_pairs(path, split, problems, skip_unlabeled):
    """`find_pairs` of a split; `None` is the only one."""
    path = existing(path)
    names: tuple[str, ...] = voc_splits(path) or ()
    if split is None and len(names) == 1:
        split = names[0]
    for folder in (_IMAGES, _MASKS):
        if not (path / folder).is_dir():
            raise DataError(
                "KS-D001",
                path,
                f"has no folder {folder}",
                f"images are looked for in {_IMAGES}, masks in {_MASKS}",
                guess=(
                    "The masks seem exported without the images."
                    if folder == _IMAGES
                    else None
                ),
                fix=f"put them into {folder}, or correct the path",
            )
    if split not in names:
        name = f"{split or '*'}.txt"
        looked = f": there is no {(_LISTS / name).as_posix()}"
        raise missing_split(path, split, names, looked)
    list_file = path / _LISTS / f"{split}.txt"
    return find_pairs(
        path / _IMAGES, path / _MASKS, list_file, problems, skip_unlabeled
    )


_LABELMAP = "labelmap.txt"
_COLON = re.compile(rb"^(?!#).*:", re.MULTILINE)
_LINE = "a line is name:red,green,blue:parts:actions"


def from_cvat(
    path: str | os.PathLike,
    split: str | None = None,
    *,
    class_table: ClassTable | int | None = None,
    check: bool = True,
    channels: int | None = 3,
    problems: list[DataError] | None = None,
    skip_unlabeled: bool = False,
) -> Folder:
    """Read a CVAT export "Segmentation mask 1.1" as a `Folder`.

    `path` holds `labelmap.txt` and VOC's layout. Every mask, even one with a
    palette, is read through its colors: CVAT guarantees neither indices nor
    the same colors in two exports. Classes are the labels in the order of
    `labelmap.txt`, including the background; the labels void, ignore, ignored
    and __ignore__ mean void.

    Args:
        path: str or path of the unpacked archive.
        split: optional str, the name of a list; required if there are
            several.
        class_table: optional `ClassTable` with the names of the labels, or
            number of classes. By default `classes.csv` in the folder or
            above, or else the labels.
        check, channels, skip_unlabeled: see `from_folder`.
        problems: see `from_voc`.

    Raises:
        DataError: If a file or the folder cannot be used.
    """
    file = existing(path) / _LABELMAP
    colors = read_labelmap(file)
    pairs, skipped = _find_pairs(path, split, problems, skip_unlabeled)
    table = _of(find_table(path, class_table), colors, file)
    labels = match_labels([], table, file, None)
    # A label that a class table leaves out may be in no mask.
    others = tuple(name for name in colors if not labels.knows(name))
    ids = [
        -1 - others.index(name)
        if name in others
        else labels.id_of(name, file, "")
        for name in colors
    ]
    code = ColorCode(tuple(ids), tuple(colors), tuple(colors.values()))
    masks = _CvatMasks(None, code, True, labels, file, others)
    folder = Folder(pairs, labels.class_table, masks, channels, skipped)
    return folder.check() if check else folder


def cvat_splits(path):
    """The lists of CVAT's layout; `None` of another layout."""
    file = existing(path) / _LABELMAP
    if not os.path.lexists(file):
        return None
    # A file without a colon lists names in the order of ids: see `from_voc`.
    return voc_splits(path) if text_holds(file, _COLON) else None


def read_labelmap(path):
    """Read the color of each label, in order, from `labelmap.txt`.

    Lines are `name:red,green,blue:parts:actions`; empty lines and those that
    begin with # are skipped.
    """
    colors: dict[str, tuple[int, int, int]] = {}
    lines = read_text(pathlib.Path(path)).splitlines()
    for number, line in enumerate(lines, start=1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        # From the right: CVAT allows a colon in the name of a label.
        name, *rest = line.rsplit(":", 3)
        cells = rest[0].split(",") if len(rest) == 3 else []
        color = tuple(parse_id(c.strip()) for c in cells)
        if (
            not name
            or len(color) != 3
            or any(c is None or c > 255 for c in color)
        ):
            raise malformed(
                path,
                f"has on line {number} {brief(line)}",
                _LINE,
            )
        if name in colors:
            raise malformed(
                path,
                f"has on line {number} the label {name} again",
                "every label comes once",
                "remove one of the two lines",
            )
        colors[name] = color
    if all(map(is_void, colors)):
        raise DataError(
            "KS-D010", path, "names no label", _LINE, fix="export it again"
        )
    return colors


@dataclasses.dataclass(frozen=True)
class _CvatMasks(MaskFiles):
    """Reads colors, and refuses labels that the classes do not have."""

    labels: Labels | None = None
    file: pathlib.Path | None = None
    others: tuple[str, ...] = ()

    def __call__(self, pair):
        ids = super().__call__(pair)
        if self.labels is not None and (lowest := int(ids.min())) < 0:
            self.labels.id_of(self.others[-1 - lowest], self.file, "")
        return ids


def _of(classes, colors, file):
    """The labels as a class table, in order and in their own colors."""
    if isinstance(classes, ClassTable):
        return classes
    names = [name for name in colors if not is_void(name)]
    if classes is not None and classes != len(names):
        raise DataError(
            "KS-D015",
            file,
            f"names {len(names)} labels",
            f"{classes} classes are asked for",
            fix="correct the number, or leave it out",
        )
    void = [name for name in colors if is_void(name)]
    return ClassTable(
        tuple(names),
        tuple(colors[name] for name in names),
        ignore_colors=tuple((VOID, colors[name]) for name in void),
    )
