"""Findings on images: duplicates, leaks between splits, sizes and modes."""

import collections
import shlex

import numpy as np

from keras_seg import words
from keras_seg.data.checks.finding import Finding

__all__ = [
    "CONSTANT",
    "close_groups",
    "find_constant",
    "find_copies",
    "find_few",
    "find_lookalikes",
    "find_modes",
    "find_same_masks",
    "find_varying_sizes",
]

FEW = 10

_MODES = {
    "1": "black and white, and becomes RGB by repeating",
    "L": "gray, and becomes RGB by repeating",
    "P": "a palette, and becomes RGB by its colors",
    "PA": "a palette with alpha, which is dropped",
    "LA": "gray with alpha, which is dropped",
    "RGBA": "RGB with alpha, which is dropped",
    "CMYK": "CMYK, and becomes RGB by a formula",
    "YCbCr": "YCbCr, and becomes RGB by a formula",
    "LAB": "CIELAB, and becomes RGB by a formula",
    "HSV": "HSV, and becomes RGB by a formula",
}


def find_constant(survey):
    """Images whose pixels are nearly all equal: KS-D032."""
    flat = [p for p in survey.pairs if p.image and p.image.deviation < CONSTANT]
    if not flat:
        return
    deviation = flat[0].image.deviation
    yield Finding.of(
        "warning",
        "KS-D032",
        [pair.image_file for pair in flat],
        f"has gray values of standard deviation {deviation:.1f}",
        "an image shows something",
        guess="It may be blank, or have been scaled to 0..1 before it "
        "was saved.",
        fix="look at it; save it again from its source, or leave it out",
    )


def find_varying_sizes(survey):
    """Images of more than one size: KS-D033."""
    sizes = sorted(
        {p.image.size for p in survey.pairs if p.image},
        key=lambda size: size[0] * size[1],
    )
    if len(sizes) < 2:
        return
    small, large = (
        f"{width}x{height}" for height, width in (sizes[0], sizes[-1])
    )
    yield Finding.of(
        "note",
        "KS-D033",
        [survey.source],
        f"has images of {len(sizes)} sizes, from {small} to {large}",
        "a batch has one size, so smaller images are padded with void up "
        "to the largest",
        fix="nothing, or train on crops of one size",
    )


def find_few(survey):
    """Splits of very few images: KS-D034."""
    yield from (
        Finding.of(
            "note",
            "KS-D034",
            [survey.source],
            f"({name}) has {words.count(len(pairs), 'image')}",
            f"with fewer than {FEW} a measured difference is mostly chance",
            fix="label more images, or look at the pictures more than at the "
            "numbers",
        )
        for name, pairs in survey.facts.items()
        if 0 < len(pairs) < FEW
    )


def find_modes(survey):
    """Images that are not plain RGB, and how they are read: KS-D035."""
    modes = collections.defaultdict(list)
    for pair in survey.pairs:
        if pair.image and pair.image.mode not in ("", "RGB"):
            modes[pair.image.mode].append(pair.image_file)
    yield from (
        Finding.of(
            "note",
            "KS-D035",
            files,
            "is " + _MODES.get(mode, f"of mode {mode}, more than 8 bits deep"),
            "networks take three channels of 0..255",
            fix="nothing, if that is meant",
        )
        for mode, files in modes.items()
    )


CONSTANT = 2.0  # gray levels; an image of a smaller deviation shows nothing
CLOSE = 2  # gray levels between the cells of two thumbnails
CONTRAST = 24  # gray levels; flatter thumbnails are not compared


def find_copies(survey):
    """Images with equal pixels: KS-D021 to KS-D024."""
    groups = collections.defaultdict(list)
    for pair in survey.pairs:
        if pair.image and pair.image.deviation >= CONSTANT:
            groups[pair.image.digest].append(pair)
    leaked, doubled, torn = [], [], []
    for first, *rest in groups.values():
        for pair in rest:
            if pair.split != first.split:
                leaked.append((first, pair))
            elif pair.image_file == first.image_file:
                continue
            elif _digest(pair) == _digest(first):
                doubled.append((first, pair))
            if _digest(pair) != _digest(first):
                torn.append((first, pair))
    if leaked:
        first, pair = leaked[0]
        one_file = first.image_file == pair.image_file
        yield Finding.of(
            "error",
            "KS-D021",
            [pair.image_file for _, pair in leaked],
            f"is in {first.split} and in {pair.split}"
            if one_file
            else f"({pair.split}) has the very pixels of "
            f"{first.image_file} ({first.split})",
            "what a model is measured on must not be trained on",
            fix=f"take the stem {pair.stem} out of one of the two lists"
            if one_file
            else _removal(pair),
        )
    if doubled:
        first, pair = doubled[0]
        yield Finding.of(
            "warning",
            "KS-D022",
            [pair.image_file for _, pair in doubled],
            f"has the very pixels and the mask of {first.image_file}",
            "an image that comes twice weighs double",
            fix=_removal(pair),
        )
    if torn:
        first, pair = torn[0]
        yield Finding.of(
            "warning",
            "KS-D023",
            [pair.image_file for _, pair in torn],
            f"has the very pixels of {first.image_file}, but the masks "
            f"{pair.mask_file} and {first.mask_file} differ",
            "an image has one truth",
            fix="keep the better mask and remove the other pair",
        )
    yield from _shared_stems(survey, leaked)


def find_lookalikes(survey):
    """Images of two splits with equal thumbnails: KS-D025.

    Their gray 16x16 averages differ by at most 2 of 255 gray levels, as those
    of an image saved again with other settings, or of neighboring frames of a
    camera at rest.
    """
    names = list(survey.facts)
    close = []
    for position, name in enumerate(names):
        earlier = [_telling(survey.facts[n]) for n in names[:position]]
        pool = [pair for pairs in earlier for pair in pairs]
        if not pool:
            continue
        pool.sort(key=lambda pair: float(pair.image.thumbnail.mean()))
        cells = np.stack([p.image.thumbnail for p in pool]).astype("int16")
        means = cells.mean(axis=(1, 2))
        for pair in _telling(survey.facts[name]):
            for i in _close_to(pair.image.thumbnail, cells, means):
                other = pool[i]
                if other.image.digest != pair.image.digest:
                    close.append((other, pair))
                    break
    if not close:
        return
    first, pair = close[0]
    yield Finding.of(
        "note",
        "KS-D025",
        [pair.image_file for _, pair in close],
        f"({pair.split}) and {first.image_file} ({first.split}) differ "
        f"by at most {CLOSE} of 255 gray levels in 16x16 averages",
        "images that are nearly one make a measurement look better than it is",
        guess="They may be one image saved twice, or neighboring frames.",
        fix="look at both; split by scene or by day, not by frame",
    )


def close_groups(images):
    """Groups of images that are linked by close thumbnails.

    Args:
        images: sequence of `ImageFacts`.

    Returns:
        List of lists of indices. Flat images are in none.
    """
    indices = [i for i, image in enumerate(images) if _tells(image)]
    indices.sort(key=lambda i: float(images[i].thumbnail.mean()))
    if not indices:
        return []
    cells = np.stack([images[i].thumbnail for i in indices]).astype("int16")
    means = cells.mean(axis=(1, 2))
    free = np.ones(len(indices), bool)
    groups = []
    for start in range(len(indices)):
        members = [start] if free[start] else []
        free[start] = False
        for i in members:  # It grows.
            near = _close_to(cells[i], cells, means, free)
            free[near] = False
            members += near.tolist()
        if members:
            groups.append([indices[i] for i in members])
    return groups


def _close_to(own, cells, means, free=None):
    """The indices of close thumbnails, of those that are free.

    `cells` are sorted by `means`.
    """
    low = np.searchsorted(means, own.mean() - CLOSE)
    high = np.searchsorted(means, own.mean() + CLOSE, "right")
    near = np.arange(low, high)
    near = near if free is None else near[free[low:high]]
    far = np.abs(cells[near] - own.astype("int16")).max((1, 2), initial=0)
    return near[far <= CLOSE]


def find_same_masks(survey):
    """Different images with equal masks: KS-D026."""
    groups = collections.defaultdict(list)
    for pair in survey.pairs:
        # One id alone, such as all background, is common and says nothing.
        # Of several labels the background is no id.
        if (
            pair.image
            and pair.mask
            and len(pair.mask.ids) > (pair.mask.planes is None)
        ):
            groups[pair.mask.digest].append(pair)
    found = []
    for first, *rest in groups.values():
        for pair in rest:
            cells = [p.image.thumbnail.astype("int16") for p in (first, pair)]
            if np.abs(cells[0] - cells[1]).max() > 16:
                found.append((first, pair))
    if not found:
        return
    first, pair = found[0]
    yield Finding.of(
        "warning",
        "KS-D026",
        [pair.mask_file for _, pair in found],
        f"is the mask {first.mask_file} once more, and their images differ",
        "every image has a mask of its own",
        guess="A mask may have been copied, or saved under a wrong name.",
        fix="look at both pairs, and export the wrong mask again",
    )


def _shared_stems(survey, leaked):
    """Different images of one stem in two splits: KS-D024."""
    known = {pair.stem for _, pair in leaked}
    seen: dict = {}
    found = []
    for pair in survey.pairs:
        first = seen.setdefault(pair.stem, pair)
        files = hasattr(survey.data[pair.split], "pairs")
        if files and first.split != pair.split and pair.stem not in known:
            found.append((first, pair))
    if not found:
        return
    first, pair = found[0]
    yield Finding.of(
        "note",
        "KS-D024",
        [pair.image_file for _, pair in found],
        f"and {first.image_file} have one stem and are different images",
        "this is allowed, but the two cannot be put into one folder",
        fix="nothing, or rename one of them and its mask",
    )


def _telling(pairs):
    return [pair for pair in pairs if pair.image and _tells(pair.image)]


def _tells(image):
    return np.ptp(image.thumbnail) >= CONTRAST


def _digest(pair):
    return pair.mask.digest if pair.mask else None


def _removal(pair):
    if pair.image_file == pair.mask_file:
        return f"leave out {pair.image_file}"
    return f"rm {shlex.join((pair.image_file, *pair.mask_files))}"
