"""Findings on class ids: wrong ones, missing classes, balance, void."""

import dataclasses

from keras_seg import words
from keras_seg.data.checks.finding import Finding
from keras_seg.data.checks.finding import merge
from keras_seg.data.classes import VOID
from keras_seg.data.errors import DataError
from keras_seg.data.ids import normalize_mask
from keras_seg.data.ids import refuse_black_and_white
from keras_seg.data.layout import role_of
from keras_seg.data.text import listing

__all__ = [
    "find_balance",
    "find_classes_without_pixels",
    "find_void",
    "find_white_among",
    "find_wrong_ids",
    "names_of",
]

_LONGEST = 32  # values in a command; nobody types more
_MANY = 12  # ids outside the classes; nobody draws as many by mistake


def find_wrong_ids(survey):
    """Ids that are neither a class nor void, and 0/255 masks: KS-D003."""
    if survey.class_table is None and survey.given:
        return []
    masks = [pair for pair in survey.pairs if pair.mask is not None]
    found = set().union(*(pair.mask.ids.tolist() for pair in masks))
    if not found:
        return []
    classes = survey.class_table
    parts = list(_as_written(survey))
    # All masks together are refused by one sentence.
    errors, white = _black_and_white([sum(parts, [])], survey)
    if not errors:
        errors, white = _black_and_white(parts, survey)
    if errors:
        return [
            dataclasses.replace(
                merge(errors)[0], count=len(white), files=tuple(white[:5])
            )
        ]
    if not survey.given or classes is None:
        return []
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


def _black_and_white(parts, survey):
    """The errors in masks of 0 and 255, of each part, and their files."""
    errors: list[DataError] = []
    files: list[str] = []
    for pairs in parts:
        try:
            refuse_black_and_white(
                [pair.mask.ids.tolist() for pair in pairs],
                survey.class_table if survey.given else None,
                [pair.mask_file for pair in pairs],
            )
        except DataError as error:
            errors.append(error)
            files += [p.mask_file for p in pairs if VOID in p.mask.ids]
    return errors, files


def find_white_among(survey):
    """Masks of 0 and 255 in a split whose other masks are 0 and 1: KS-D003."""
    for pairs in () if survey.multi_label else _as_written(survey):
        found = [set(pair.mask.ids.tolist()) for pair in pairs]
        white = [
            pair.mask_file
            for pair, ids in zip(pairs, found, strict=True)
            if ids == {0, VOID}
        ]
        mixed = {1, VOID} <= set().union(*found) <= {0, 1, VOID}
        if white and mixed and not any({1, VOID} <= ids for ids in found):
            yield Finding.of(
                "warning",
                "KS-D003",
                white,
                f"has the ids 0, {VOID}",
                f"{VOID} is void",
                guess=f"No mask with {VOID} has a 1, and no mask with a 1 has "
                "void: these look like black-and-white masks, not like void.",
                fix="if they are, read the masks with mask_values={0: 0, "
                "1: 1, 255: 1}, on the command line --mask-values "
                "0:0,1:1,255:1",
            )


def _as_written(survey):
    """The pairs of each split whose ids are the values of their files."""
    for pairs in survey.facts.values():
        yield [p for p in pairs if p.mask is not None and not p.mapped]


def _guess_all(found, survey):
    """A guess from the ids of all masks together, and its fix, or `None`s."""
    outside = _outside(found, survey)
    if outside == [len(survey.class_table)] and 0 not in found:
        return (
            "No mask has a 0, and the largest id is the number of classes: "
            "the ids start at 1 instead of 0.",
            _from_one(found, survey),
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
    count = len(survey.class_table)
    return sorted(i for i in ids - survey.ignore_classes if not 0 <= i < count)


def _named(finding, masks, survey):
    """The finding with a guess that names the ids at fault."""
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


def _from_one(found, survey):
    """The fix for ids that start at 1."""
    ids = sorted(found - survey.ignore_classes)
    return _option({i: i - 1 for i in ids}, found, survey)


def _without_gaps(found, survey):
    """The fix for ids with gaps, such as gray levels."""
    ids = sorted(found - survey.ignore_classes)
    return _option({i: rank for rank, i in enumerate(ids)}, found, survey)


def _option(values, found, survey):
    if len(values) > _LONGEST or survey.mapped:
        return "number the ids from 0 without a gap"
    values |= {i: VOID for i in sorted(found & survey.ignore_classes)}
    text = ",".join(f"{value}:{index}" for value, index in values.items())
    return f"read the masks with --mask-values {text}"


DOMINANT = 0.995
HALF = 0.5


def find_classes_without_pixels(survey, statistics):
    """Classes missing in all splits or in some: KS-D027 to KS-D029."""
    if survey.class_table is None or not statistics:
        return
    total = sum(part.pixels for part in statistics.values())
    nowhere = [i for i, pixels in enumerate(total) if pixels == 0]
    if nowhere and any(total):
        yield _nowhere(survey, nowhere)
    # "train", or the only name with its role, such as train2017.
    trained_on = [name for name in statistics if role_of(name) == "train"]
    if "train" in statistics:
        trained_on = ["train"]
    if len(trained_on) != 1 or len(statistics) < 2:
        return
    train = statistics[trained_on[0]].pixels
    rest = total - train
    for code, severity, some, none, text in (
        ("KS-D028", "warning", rest, train, "none in train"),
        ("KS-D029", "note", train, rest, "none outside train"),
    ):
        missing = [i for i in range(len(total)) if some[i] > 0 and none[i] == 0]
        if missing and none.any():
            learn = code == "KS-D028"
            yield Finding.of(
                severity,
                code,
                [survey.source],
                f"has pixels of {names_of(survey, missing)}, but {text}",
                "a model learns only what it is trained on"
                if learn
                else "what has no pixel cannot be measured",
                fix="divide the images anew, so that every class is in "
                "train" + ("" if learn else " and in val"),
            )


def find_balance(survey, statistics):
    """Splits in which nearly all pixels are of one class: KS-D030."""
    for name, part in statistics.items():
        if len(part.pixels) < 2 or not part.labelled:
            continue
        largest = int(part.pixels.argmax())
        share = part.shares[largest]
        if share > DOMINANT:
            yield Finding.of(
                "warning",
                "KS-D030",
                [survey.source],
                f"({name}) has {100 * share:.2f} % of its pixels in "
                f"{names_of(survey, [largest])}",
                "a model that says nothing else is then nearly always right",
                guess="Pixel accuracy will look excellent; read the IoU "
                "of each class instead.",
                fix="weigh the classes in the loss, or crop around the "
                "rare ones",
            )


def find_void(survey, statistics):
    """Splits or masks that are mostly void: KS-D031."""
    mostly_void = False
    for name, part in statistics.items():
        if part.void_share > HALF:
            mostly_void = True
            yield Finding.of(
                "warning",
                "KS-D031",
                [survey.source],
                f"({name}) is void in {100 * part.void_share:.0f} % of "
                "its pixels",
                "void is not trained on and not measured",
                guess="The background may have been written as void.",
                fix="check which ids mean void",
            )
    if mostly_void:
        return
    voids = []
    for pair in survey.pairs:
        if pair.mask is not None:
            share = pair.mask.void_share(survey.ignore_classes)
            if share > HALF:
                voids.append((pair, share))
    if not voids:
        return
    pair, share = voids[0]
    yield Finding.of(
        "warning" if any(s == 1 for _, s in voids) else "note",
        "KS-D031",
        [pair.mask_file for pair, _ in voids],
        f"is void in {100 * share:.0f} % of its pixels",
        "void is not trained on and not measured",
        fix="label more of it, or leave the pair out",
    )


def _nowhere(survey, missing):
    masks = [pair.mask for pair in survey.pairs if pair.mask is not None]
    found = set().union(*(mask.ids.tolist() for mask in masks))
    if survey.given:
        guess = None
        table = "take the classes out of the table"
        if survey.mapped:  # Shapes and colors have names, not ids.
            table = "write a classes.csv without them"
        fix = f"{table}, or add images of them"
    elif survey.multi_label:
        guess, fix = None, "write a classes.csv, or remove the plane"
    else:
        guess = (
            "The classes are those up to the largest id that was found: the "
            "ids may be gray levels, drawn to be seen."
        )
        fix = f"write classes.csv, or {_without_gaps(found, survey)}"
    if 0 in missing and len(missing) == 1 and not survey.multi_label:
        guess = "No mask has a 0: the ids may start at 1 instead of 0."
        if not survey.given:
            fix = f"{_from_one(found, survey)}, or name class 0 in a table"
    return Finding.of(
        "warning",
        "KS-D027",
        [survey.source],
        f"has no pixel of {names_of(survey, missing)}",
        "a class without pixels is neither learned nor measured",
        guess=guess,
        fix=fix,
    )


def names_of(survey, ids):
    names = [survey.class_table.names[i] for i in ids]
    if len(names) > 8:
        names = [*names[:7], f"{len(names) - 7} more"]
    if len(names) < 2:
        return f"the class {names[0]}"
    return f"the classes {', '.join(names[:-1])} and {names[-1]}"
