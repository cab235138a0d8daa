"""Checked values, outlines and labels of annotation files."""

import dataclasses
import pathlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from keras_seg.data.classes import MAX_CLASSES
from keras_seg.data.classes import VOID
from keras_seg.data.classes import ClassTable
from keras_seg.data.errors import DataError
from keras_seg.data.readers.polygons import Region
from keras_seg.data.readers.polygons import paint
from keras_seg.data.stacks import label_table
from keras_seg.data.text import brief
from keras_seg.data.text import composed
from keras_seg.data.text import malformed
from keras_seg.data.text import refuse_alike

__all__ = [
    "NO_OUTLINE",
    "Labels",
    "check_size",
    "is_background",
    "is_void",
    "match_labels",
    "outline",
    "refuse_shape",
    "unique_stems",
    "value",
]

NO_OUTLINE = "a box does not tell which of its pixels are the object's"
_VOID = ("void", "ignore", "ignored", "__ignore__")
_BACKGROUND = ("background", "_background_")
_UNCOVERED = 65535  # no class, nor void
_FAR = 1e6  # pixels; farther out nothing was meant


def value(record, key, kind, file, where):
    """An entry of a JSON object, if it has the type or one of the types.

    `where` names the object in errors, such as "image 3". A bool is no int.
    """
    found = record.get(key) if isinstance(record, dict) else None
    if not isinstance(found, kind) or (
        isinstance(found, bool) and kind is not bool
    ):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        raise malformed(
            file,
            f"has for {key} of {where} {brief(found)}",
            f"{' or '.join(k.__name__ for k in kinds)} is expected",
        )
    return found


def outline(points, file, where):
    """The points of a polygon, at least three, as float64 `(points, 2)`."""
    try:
        xy = np.array(points, "float64")
    except (TypeError, ValueError, OverflowError):
        xy = np.empty(0)
    plain = xy.ndim == 2 and xy.shape[1] == 2
    if not plain or not (np.abs(xy) < _FAR).all():
        raise malformed(
            file,
            f"has for {where} the points {brief(points)}",
            "a point is two numbers, x and y in pixels",
        )
    if len(xy) < 3:
        raise refuse_shape(file, f"a polygon of {len(xy)} points", where)
    return xy


def refuse_shape(file, found, where, allowed="a shape must have an area"):
    """The `DataError` of a shape whose pixels are not known."""
    return DataError(
        "KS-D018",
        file,
        f"has for {where} {found}",
        allowed,
        fix="draw it as a polygon, or remove it",
    )


def check_size(declared, size, image, file):
    """Refuse annotations of an image that had another size.

    `declared` is the (height, width) in the file, `None` if it has none, and
    `size` that of the upright image.
    """
    if all(d is None or d == s for d, s in zip(declared, size, strict=True)):
        return
    turned = tuple(declared) == size[::-1]
    raise DataError(
        "KS-D006",
        file,
        f"says that {image.name} is {declared[1]}x{declared[0]}; it is "
        f"{size[1]}x{size[0]}",
        "shapes are in pixels of the image as viewers show it",
        guess=(
            "The image is turned by its EXIF orientation, which the tool "
            "did not see."
            if turned
            else None
        ),
        fix="annotate this image, or put the one back that was annotated",
    )


def unique_stems(names, file):
    """A stem for each file name, with its folders joined by underscores."""
    stems: dict[str, str] = {}
    for name in names:
        path = pathlib.PurePosixPath(name).with_suffix("")
        parts = [p for p in path.parts if p not in ("/", "..")]
        stem = "_".join(parts)
        if stem in stems:
            raise DataError(
                "KS-D012",
                file,
                f"names {stems[stem]} and {name}",
                "every image has a stem of its own",
                fix="rename or remove one of the two",
            )
        stems[stem] = name
    return list(stems)


@dataclasses.dataclass(frozen=True)
class Labels:
    """The ids of the labels of a data set.

    Args:
        class_table: `ClassTable`.
        ids: dictionary from each label to its id.
        background: int, the id of pixels in no shape.
        uncovered: optional `DataError`, raised for a pixel in no shape.
        multi_label: bool, whether classes may overlap; none is the
            background then.
    """

    class_table: ClassTable
    ids: dict[str, int]
    background: int = VOID
    multi_label: bool = False
    uncovered: DataError | None = None

    def knows(self, label):
        """Whether a label is a class or means void."""
        return composed(label) in self.ids or is_void(label)

    def id_of(self, label, file, where):
        """The id of a label; a `DataError` if it is unknown."""
        if self.knows(label):
            return self.ids.get(composed(label), VOID)
        if self.multi_label and is_background(label):
            raise _no_background(file, f"has {where}the label {label}")
        raise _unknown(label, self.class_table, file, where)

    def draw(
        self,
        regions: Iterable[tuple[Region, int]],
        size: tuple[int, int],
        by_area: bool = True,
        under: NDArray | None = None,
        value: int = 1,
        complete: bool = True,
    ) -> NDArray:
        """Draws regions of ids, see `paint`; each class by itself if several
        labels are allowed, void in all planes.

        Args:
            regions: iterable of tuples (`Region`, id).
            size: tuple (height, width).
            by_area: see `paint`.
            under: optional array that is drawn over.
            value: int, what a class has in its plane.
            complete: bool, whether nothing will be drawn over it.

        Returns:
            uint16 array `(height, width)` of ids, or uint8 `(height, width,
            classes)`.
        """
        if not self.multi_label:
            below = self.background if under is None else under
            ids = paint(regions, size, below, by_area)
            if complete and self.uncovered and (ids == _UNCOVERED).any():
                raise self.uncovered
            return ids
        if under is None:
            under = np.zeros((*size, len(self.class_table)), "uint8")
        regions = list(regions)
        for k in range(len(self.class_table)):
            own = [
                (region, value if i == k else VOID)
                for region, i in regions
                if i in (k, VOID)
            ]
            if own:
                under[..., k] = paint(own, size, under[..., k], by_area)
        return under

    def overlap(
        self, regions: Iterable[tuple[Region, int]], size: tuple[int, int]
    ) -> int:
        """The pixels that lie in regions of more than one class."""
        first = np.full(size, VOID, "uint8")
        several = np.zeros(size, bool)
        for region, i in regions:
            if i not in (VOID, self.background):
                window = region.window()
                below = first[window]
                several[window] |= (
                    region.inside & (below != VOID) & (below != i)
                )
                below[region.inside & (below == VOID)] = i
        return int(np.count_nonzero(several))


def is_background(label):
    """Whether a label is a usual name of the background."""
    return label.casefold() in _BACKGROUND


def is_void(label):
    """Whether a label is a usual name of void."""
    return label.casefold() in _VOID


def match_labels(
    labels, class_table, file, background="background", multi_label=False
):
    """Assign ids to labels, from a class table or in their order.

    Without a table the background is class 0, even if a label is called so,
    and the others follow. The labels void, ignore, ignored and __ignore__
    mean void.

    Args:
        labels: list of str, in order.
        class_table: `ClassTable` with the names of the labels, or number of
            classes, including the background, or `None`.
        file: str or path, named in errors.
        background: optional str, the class of pixels in no shape, added if
            there is none; `None` makes them void.
        multi_label: bool, whether classes may overlap. The background is no
            class then.

    Returns:
        `Labels`.
    """
    labels = [composed(x) for x in labels if not is_void(x)]
    refuse_alike(labels, file)
    if multi_label:
        return _several(labels, class_table, file, background)
    if isinstance(class_table, ClassTable):
        return _in_table(labels, class_table, file, background)
    names = [x for x in labels if is_background(x) or x == background]
    if background is not None and not names:
        names = [background]
    if len(names) > 1:
        raise DataError(
            "KS-D015",
            file,
            f"has the classes {names[0]} and {names[1]}",
            "one name stands for the background",
            fix="write the name in one way everywhere",
        )
    names += [x for x in labels if x not in names]
    _check_count(len(names), class_table, file)
    default = ClassTable.default(len(names))
    table = ClassTable(tuple(names), default.colors, colors_given=False)
    ids = {name: i for i, name in enumerate(names)}
    return Labels(table, ids, VOID if background is None else 0)


def _in_table(labels, classes, file, background):
    refuse_alike(classes.names, "the class table")
    ids = {composed(name): i for i, name in enumerate(classes.names)}
    known = [i for name, i in ids.items() if is_background(name)]
    for label in labels:
        if is_background(label) and known:
            ids.setdefault(label, known[0])
        if label not in ids:
            raise _unknown(label, classes, file, "")
    ids |= {name: known[0] for name in _BACKGROUND if known and name not in ids}
    if background is None:
        return Labels(classes, ids)
    if background not in ids and not known:
        uncovered = DataError(
            "KS-D015",
            file,
            "has pixels that no shape covers",
            f"one of the classes {', '.join(classes.names)} must be called "
            f"{background}, to be theirs",
            fix=(
                "add the class to the table, or name another one, or None "
                "for void, with background= of the reader"
            ),
        )
        return Labels(classes, ids, _UNCOVERED, uncovered=uncovered)
    return Labels(classes, ids, ids.get(background, *known[:1]))


def _several(labels, classes, file, background):
    if background is None:
        raise ValueError(
            "`background` must name the label of pixels without a class "
            "where classes may overlap, for these are 0 in all planes. "
            "Received: background=None, multi_label=True"
        )
    labels = [x for x in labels if not (is_background(x) or x == background)]
    if isinstance(classes, ClassTable):
        table = classes
        refuse_alike(table.names, "the class table")
        for name in table.names:
            if is_background(name) or name == background:
                raise _no_background("the class table", f"has the class {name}")
    else:
        if not labels or classes not in (None, len(labels)):
            raise DataError(
                "KS-D015",
                file,
                f"has {len(labels)} classes, without the background",
                "one is needed"
                if classes is None
                else f"{classes} are asked for",
                fix="correct the number, or leave it out"
                if labels
                else "label some objects",
            )
        table = label_table(labels)
    ids = {composed(name): i for i, name in enumerate(table.names)}
    for label in labels:
        if label not in ids:
            raise _unknown(label, table, file, "")
    return Labels(table, ids, multi_label=True)


def _no_background(file, found):
    return DataError(
        "KS-D015",
        file,
        found,
        "where classes may overlap, a pixel of none of them is background, "
        "and that is no class",
        fix="remove it",
    )


def _check_count(count, classes, file):
    if classes is not None and classes != count:
        raise DataError(
            "KS-D015",
            file,
            f"has {count} classes, the background included",
            f"{classes} are asked for",
            fix="correct the number, or leave it out",
        )
    if not 1 <= count <= MAX_CLASSES:
        raise DataError(
            "KS-D015",
            file,
            f"has {count} classes",
            f"1..{MAX_CLASSES} are possible",
            fix="merge some of them",
        )


def _unknown(label, classes, file, where):
    near = [x for x in classes.names if x.casefold() == label.casefold()]
    return DataError(
        "KS-D015",
        file,
        f"has {where}the label {label}",
        f"the classes are {', '.join(classes.names[:20])}"
        + (", ..." if len(classes) > 20 else ""),
        guess=f"{near[0]} is written in another case." if near else None,
        fix=(
            "correct the label, add it to the class table, or call it "
            "__ignore__ for void"
        ),
    )
