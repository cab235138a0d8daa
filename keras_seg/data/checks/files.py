"""Findings on files: unreadable, left out, of wrong size, resized."""

import collections
import dataclasses

from keras_seg.data.checks.finding import Finding
from keras_seg.data.checks.finding import merge
from keras_seg.data.errors import DataError
from keras_seg.data.layout import role_of
from keras_seg.data.text import listing

__all__ = [
    "find_interpolated",
    "find_left_out",
    "find_sizes",
    "find_unreadable",
]

_LOOSE = 5  # ids without an area; CamVid, VOC, horses and EM have none
_BETWEEN = 0.25  # of the pixels of such an id


def find_unreadable(survey):
    """Files that are missing, damaged, or no masks: KS-D001 to KS-D012."""
    errors = [*survey.errors]
    for pair in survey.pairs:
        errors += pair.errors
    return merge(errors)


def find_left_out(survey):
    """Images that are left out or have no annotation: KS-D002, KS-D004."""
    for finding in merge(survey.asides):
        yield dataclasses.replace(finding, severity="warning")
    parts = [part for part in survey.data.values() if hasattr(part, "pairs")]
    skipped = [path for part in parts for path in part.skipped]
    if skipped:
        yield Finding.of(
            "warning",
            "KS-D004",
            skipped,
            "has no mask and is left out",
            "--skip-unlabeled asks for it",
            fix="nothing, or add the masks",
        )
    if survey.left_out:
        roles = {role_of(name) for name in survey.data}
        yield Finding.of(
            # If there is no split to train on, these may be meant.
            "error" if roles <= {"val", "test"} else "note",
            "KS-D002",
            survey.left_out,
            "is in no split",
            "it is neither trained on nor measured",
            fix="nothing, or add it, with its mask, to a split",
        )
    bare = [
        pair.image
        for part in parts
        for pair in part.pairs
        if hasattr(part.masks, "is_bare") and part.masks.is_bare(pair)
    ]
    if bare:
        yield Finding.of(
            "note",
            "KS-D004",
            bare,
            "has no annotation, and is all background",
            "in this format an image without annotations has no object",
            fix="nothing, or annotate it, or remove it",
        )


def find_sizes(survey):
    """An image and a mask of different sizes: KS-D006, KS-D036."""
    errors, unsure = [], []
    for pair in survey.pairs:
        if pair.image is None or pair.mask is None:
            continue
        image, mask = pair.image, pair.mask
        if image.size != mask.size:
            errors.append(_size_error(pair))
        elif image.orientation > 1 and mask.orientation == 1:
            # If the turn exchanges height and width, equal sizes prove that
            # the mask was drawn on the turned image.
            if image.orientation < 5 or mask.size[0] == mask.size[1]:
                unsure.append(pair)
    yield from merge(errors)
    if unsure:
        first = unsure[0]
        yield Finding.of(
            "warning",
            "KS-D036",
            [pair.image_file for pair in unsure],
            f"is turned by EXIF (orientation {first.image.orientation}), "
            f"its mask {first.mask_file} is not",
            "a mask belongs to the image as a viewer shows it",
            guess="The sizes agree either way, so only the eye can tell.",
            fix="look at sheet.png of keras-seg check DATA --out REPORT",
        )


def find_interpolated(survey):
    """Ids only along edges: KS-D020, see `Edges` and `loose_ids`."""
    smooth = [p for p in survey.pairs if p.mask and p.mask.edges.smooth]
    if smooth:
        first = smooth[0].mask
        crossings = first.edges.slopes + first.edges.steps
        ids = sorted(set().union(*(pair.mask.between for pair in smooth)))
        only = (
            f"; the ids {listing(ids)} come nearly nowhere else" if ids else ""
        )
        yield _interpolated(
            smooth,
            f"has ids between the two sides at {first.edges.slopes} of "
            f"{crossings} crossings of an edge{only}",
            "The mask was resized by interpolation, or smoothed.",
        )
        return
    ids = _ids_along_edges(survey)
    if len(ids) < _LOOSE:
        return
    noisy = [p for p in survey.pairs if p.mask and ids & p.mask.loose.keys()]
    there = sorted(ids & noisy[0].mask.loose.keys())
    yield _interpolated(
        noisy,
        f"has the ids {listing(there)}, which in no mask fill 2x2 "
        "pixels and come along edges",
        "The masks may have been JPEG files, or smoothed.",
    )


def _interpolated(pairs, found, guess):
    return Finding.of(
        "error",
        "KS-D020",
        [pair.mask_file for pair in pairs],
        found,
        "an edge goes from one id to the other at once",
        guess=guess,
        fix="make the masks again from their source, and resize them by "
        "Image.open(mask).resize(size, Image.Resampling.NEAREST)",
    )


def _ids_along_edges(survey):
    """Ids that no mask has as an area, with many pixels between others."""
    pixels: collections.Counter = collections.Counter()
    between: collections.Counter = collections.Counter()
    solid = set(survey.ignore_classes)
    for pair in survey.pairs:
        if pair.mask is None:
            continue
        ids = pair.mask.ids.tolist()
        pixels.update(dict(zip(ids, pair.mask.pixels.tolist(), strict=True)))
        between.update(pair.mask.loose)
        solid.update(i for i in ids if i not in pair.mask.loose)
    return {
        i for i in pixels.keys() - solid if between[i] >= _BETWEEN * pixels[i]
    }


def _size_error(pair):
    (height, width), (rows, columns) = pair.image.size, pair.mask.size
    swapped = pair.image.size == pair.mask.size[::-1]
    turned = pair.image.orientation >= 5 and pair.mask.orientation == 1
    if swapped and turned:
        guess = (
            f"EXIF turns the image (orientation {pair.image.orientation}), "
            "and the mask was drawn on it as it was before."
        )
        fix = (
            "turn the mask as well: ImageOps.exif_transpose of a copy that "
            "has the image's EXIF, or Image.open(mask).rotate(angle, "
            "expand=True).save(mask)"
        )
    else:
        guess = "Width and height are exchanged." if swapped else ""
        fix = (
            "make the mask again from this image, or resize it: Image.open("
            f"mask).resize(({width}, {height}), Image.Resampling.NEAREST)"
            ".save(mask)"
        )
    return DataError(
        "KS-D006",
        pair.mask_file,
        f"is {columns}x{rows} and its image {pair.image_file} {width}x{height}",
        "an image and its mask have one size",
        guess=guess or None,
        fix=fix,
    )
