"""Findings on masks of several labels, and on shapes that overlap."""

from collections.abc import Sequence

from keras_seg.data.checks.finding import Finding
from keras_seg.data.checks.finding import merge
from keras_seg.data.checks.ids import DOMINANT
from keras_seg.data.checks.ids import names_of
from keras_seg.data.errors import DataError
from keras_seg.data.stacks import check_planes
from keras_seg.data.stacks import check_values
from keras_seg.data.stacks import label_table
from keras_seg.data.stacks import refuse_white_planes

__all__ = [
    "are_several",
    "find_overlaps",
    "find_rare",
    "find_wrong_values",
    "found_classes",
    "labelled",
    "overlap_share",
]


class _Labelled(Sequence):
    """Pairs of arrays whose masks have planes."""

    multi_label = True

    def __init__(self, data):
        self.data = data

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        return self.data[index]


def labelled(data):
    """The data, which say that classes may overlap.

    A data set that says otherwise is a `ValueError`.
    """
    known = getattr(data, "multi_label", None)
    if known is False:
        raise ValueError(
            "`multi_label` is for a path or arrays; a Folder is read with "
            "multi_label=True by from_folder. Received: multi_label=True for "
            f"{data!r:.80}"
        )
    return data if known else _Labelled(data)


def are_several(parts):
    """Whether classes may overlap, in all parts of a data set or in none."""
    found = {bool(getattr(part, "multi_label", False)) for part in parts}
    if len(found) > 1:
        raise ValueError(
            "Classes may overlap in all splits or in none. Received: splits "
            "of both kinds"
        )
    return True in found


def found_classes(pairs, errors):
    """As many classes as the first mask has planes."""
    for pair in pairs:
        if pair.mask is not None:
            count = len(pair.mask.planes)
            return label_table(f"class {k}" for k in range(count))
    return None


def find_wrong_values(survey):
    """Planes of other values or of another number: KS-D003, KS-D039."""
    if survey.class_table is None:
        return []
    errors: list[DataError] = []
    right: dict[str, list] = {name: [] for name in survey.facts}
    for pair in survey.pairs:
        if pair.mask is None:
            continue
        files = pair.mask_files
        of_classes = len(files) == len(survey.class_table) > 1
        files = files if of_classes else pair.mask_file
        planes = pair.mask.planes
        try:
            check_planes(len(planes), survey.class_table, files)
            values = [values for values, _ in planes]
            check_values(values, survey.class_table, files)
            if not pair.mapped:
                right[pair.split].append((planes, files))
        except DataError as error:
            errors.append(error)
    for own in () if errors else right.values():
        try:
            refuse_white_planes(
                [planes for planes, _ in own],
                survey.class_table,
                [files for _, files in own],
            )
        except DataError as error:
            errors.append(error)
    return merge(errors)


def find_rare(survey, statistics):
    """Classes that nearly all pixels have, or nearly none: KS-D030."""
    for name, part in statistics.items():
        shares = part.shares
        rare = [k for k, x in enumerate(shares) if 0 < x < 1 - DOMINANT]
        common = [k for k, x in enumerate(shares) if x > DOMINANT]
        for found, most in ((rare, min), (common, max)):
            if found:
                first = most(found, key=lambda k: shares[k])
                yield Finding.of(
                    "warning",
                    "KS-D030",
                    [survey.source],
                    f"({name}) has {names_of(survey, found)} in "
                    f"{100 * shares[first]:.2f} % of the pixels"
                    + (f" ({names_of(survey, [first])})" * (len(found) > 1)),
                    "a model that always says the same of them is nearly "
                    "always right",
                    guess="Pixel accuracy will look excellent; read the IoU "
                    "of each class instead.",
                    fix="weigh the classes in the loss, or crop around the "
                    "rare ones",
                )


def find_overlaps(survey):
    """Shapes that overlap unasked, KS-D038, or never: KS-D040."""
    pairs = [p for p in survey.pairs if p.mask and p.mask.overlap]
    if survey.multi_label:
        masks = [pair.mask for pair in survey.pairs if pair.mask is not None]
        classes = set().union(*(mask.ids.tolist() for mask in masks))
        if not pairs and len(classes) > 1:
            yield Finding.of(
                "note",
                "KS-D040",
                [survey.source],
                "has no pixel of more than one class",
                "classes that never overlap can share one softmax, which "
                "knows that a pixel has one class at most",
                fix="nothing, or write one id a pixel and read it without "
                "multi_label",
            )
    elif pairs:
        first, share = pairs[0], overlap_share(survey.pairs)
        yield Finding.of(
            "note",
            "KS-D038",
            [pair.image_file for pair in pairs],
            f"has {first.mask.overlap} pixels in shapes of more than one "
            f"class, as have {100 * share:.2g} % of all pixels",
            "one class a pixel is kept: that of the smaller shape, or in "
            "labelme's files of the later one",
            fix="nothing, or keep all classes with multi_label=True, on the "
            "command line --multi-label",
        )


def overlap_share(pairs):
    """The part of the pixels that have more than one class."""
    masks = [pair.mask for pair in pairs if pair.mask is not None]
    pixels = sum(mask.size[0] * mask.size[1] for mask in masks)
    return sum(mask.overlap for mask in masks) / max(1, pixels)
