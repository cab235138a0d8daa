"""Ids outside the classes, and the options that would read them rightly."""

import dataclasses

from keras_seg import words
from keras_seg.data.checks.finding import merge
from keras_seg.data.classes import VOID
from keras_seg.data.errors import DataError
from keras_seg.data.ids import normalize_mask
from keras_seg.data.ids import refuse_black_and_white
from keras_seg.data.text import listing

__all__ = ["find_wrong_ids", "from_one", "without_gaps"]

_LONGEST = 32  # values in a command; nobody types more
_MANY = 12  # ids outside the classes; nobody draws as many by mistake


def find_wrong_ids(survey):
    """Ids that are neither a class nor void, and 0/255 masks: KS-D003."""
    if survey.classes is None and survey.given:
        return []
    masks = [pair for pair in survey.pairs if pair.mask is not None]
    id_lists = [pair.mask.ids.tolist() for pair in masks]
    found = set().union(*id_lists)
    if not found:
        return []
    classes = survey.classes
    white = [pair for pair in masks if VOID in pair.mask.ids]
    if white and not survey.mapped:
        try:
            refuse_black_and_white(
                id_lists,
                classes if survey.given else None,
                [pair.mask_file for pair in masks],
            )
        except DataError as error:
            finding = merge([error])[0]
            files = [pair.mask_file for pair in white]
            return [
                dataclasses.replace(
                    finding, count=len(files), files=tuple(files[:5])
                )
            ]
    if not survey.given or classes is None:
        return []
    errors = []
    for pair in masks:
        try:
            # A mask of these ids stands for the file.
            normalize_mask(pair.mask.ids[None], classes, pair.mask_file)
        except DataError as error:
            errors.append(error)
    if not errors:
        return []
    guess, fix = _guess_all(found, survey)
    if guess is None:
        return [_named(f, masks, survey) for f in merge(errors)]
    files = [error.file for error in errors]
    return [
        dataclasses.replace(
            merge(errors)[0],
            guess=guess,
            fix=fix or errors[0].fix,
            count=len(files),
            files=tuple(files[:5]),
        )
    ]


def _guess_all(found, survey):
    """What the ids of all masks together say, which no single mask does.

    Gives a guess and its fix, each `None` where there is none.
    """
    outside = _outside(found, survey)
    if outside == [len(survey.classes)] and 0 not in found:
        return (
            "No mask has a 0, and the largest id is the number of classes: "
            "the ids start at 1 instead of 0.",
            from_one(found, survey),
        )
    if len(outside) > _MANY and max(found) <= VOID:
        return (
            f"There are {len(outside)} ids outside the classes: the masks "
            "look as if JPEG or an interpolation had gone over them, or as "
            "if they were photographs.",
            None,
        )
    return None, None


def _outside(ids, survey):
    count = len(survey.classes)
    return sorted(i for i in ids - survey.void_ids if not 0 <= i < count)


def _named(finding, masks, survey):
    """The finding, with the ids at fault told from the others."""
    if finding.guess is not None:
        return finding
    mask = next(p.mask for p in masks if p.mask_file == finding.file)
    pixels = dict(zip(mask.ids.tolist(), mask.pixels.tolist(), strict=True))
    outside = _outside(set(pixels), survey)
    count = sum(pixels[i] for i in outside)
    return dataclasses.replace(
        finding,
        guess=f"Neither class nor void: {listing(outside)} ("
        f"{words.count(count, 'pixel')}).",
    )


def from_one(found, survey):
    """The fix for ids that start at 1: each becomes one less."""
    ids = sorted(found - survey.void_ids)
    return _option({i: i - 1 for i in ids}, found, survey)


def without_gaps(found, survey):
    """The fix for ids with gaps, such as gray levels: 0 and on, in order."""
    ids = sorted(found - survey.void_ids)
    return _option({i: rank for rank, i in enumerate(ids)}, found, survey)


def _option(values, found, survey):
    if len(values) > _LONGEST or survey.mapped:
        return "number the ids from 0 without a gap"
    values |= {i: VOID for i in sorted(found & survey.void_ids)}
    text = ",".join(f"{value}:{index}" for value, index in values.items())
    return f"read the masks with --mask-values {text}"
