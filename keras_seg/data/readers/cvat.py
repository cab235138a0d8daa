"""CVAT's "Segmentation mask 1.1": VOC's layout, colors in labelmap.txt."""

import dataclasses
import os
import pathlib
import re

from keras_seg.data.classes import VOID
from keras_seg.data.classes import ClassTable
from keras_seg.data.errors import DataError
from keras_seg.data.folder import Folder
from keras_seg.data.layout import existing
from keras_seg.data.mask_files import ColorCode
from keras_seg.data.mask_files import MaskFiles
from keras_seg.data.readers.annotations import Labels
from keras_seg.data.readers.annotations import is_void
from keras_seg.data.readers.annotations import match_labels
from keras_seg.data.readers.plain import find_table
from keras_seg.data.readers.voc import find_voc_pairs
from keras_seg.data.readers.voc import voc_splits
from keras_seg.data.text import brief
from keras_seg.data.text import malformed
from keras_seg.data.text import parse_id
from keras_seg.data.text import read_text
from keras_seg.data.text import text_holds

__all__ = ["cvat_splits", "from_cvat", "read_labelmap"]

_LABELMAP = "labelmap.txt"
_COLON = re.compile(rb"^(?!#).*:", re.MULTILINE)
_LINE = "a line is name:red,green,blue:parts:actions"


def from_cvat(
    path,
    split=None,
    *,
    classes=None,
    check=True,
    channels=3,
    problems=None,
    skip_unlabeled=False,
):
    """Read an export of CVAT in the format "Segmentation mask 1.1".

    `path` holds `labelmap.txt`, `SegmentationClass`, `JPEGImages` and
    `ImageSets/Segmentation/default.txt`. Every mask is read through its
    colors, palettes as well: CVAT promises neither indices nor the same
    colors in two exports. Classes are the labels in the order of
    `labelmap.txt`, the background among them; the labels void, ignore,
    ignored and __ignore__ mean void.

    Args:
        path: str or path of the unpacked archive.
        split: optional str, the list's name; needed where there are several.
        classes: optional `ClassTable`, whose names the labels are matched
            with, or number of classes. By default `classes.csv` in the folder
            or above, or else the labels.
        check: bool, decode and check every file now.
        channels: optional int, see `read_image`.
        problems: optional list, see `from_voc`.
        skip_unlabeled: bool, leave out images without a mask.

    Returns:
        A `Folder`.

    Raises:
        DataError: a file or the folder is not as it must be.
    """
    file = existing(path) / _LABELMAP
    colors = read_labelmap(file)
    skipped: list | None = [] if skip_unlabeled else None
    pairs = find_voc_pairs(path, split, problems, skipped)
    table = _of(find_table(path, classes), colors, file)
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
    folder = Folder(pairs, labels.classes, masks, channels, skipped or ())
    return folder.check() if check else folder


def cvat_splits(path):
    """The lists of CVAT's layout; `None` of another layout."""
    file = existing(path) / _LABELMAP
    if not os.path.lexists(file):
        return None
    # Without a colon they are names in the order of their ids: VOC's way.
    return voc_splits(path) if text_holds(file, _COLON) else None


def read_labelmap(path):
    """The color of each label of `labelmap.txt`, in order.

    Lines are `name:red,green,blue:parts:actions`; empty ones and those that
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
                "export it again",
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
        void_colors=tuple((VOID, colors[name]) for name in void),
    )
