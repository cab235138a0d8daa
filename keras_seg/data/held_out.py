"""Holds out a share of a data set, with neighbors and copies kept together."""

import bisect
import hashlib
import re
from collections.abc import Sequence

import numpy as np

from keras_seg import words
from keras_seg.data.checks.facts import image_facts
from keras_seg.data.checks.facts import read_arrays
from keras_seg.data.checks.images import CONSTANT
from keras_seg.data.checks.images import close_groups
from keras_seg.data.classes import VOID
from keras_seg.data.folder import Folder
from keras_seg.data.folder import map_threads
from keras_seg.data.ids import ids_of_mask
from keras_seg.data.stacks import classes_in

__all__ = ["CannotHoldOut", "hold_out", "way_of"]

_NUMBER = re.compile(r"\d+$")


class CannotHoldOut(ValueError):
    """No image of a data set can be held out; the message says why."""


def hold_out(folder: Folder, fraction: float = 0.2) -> tuple[Folder, Folder]:
    """Split a data set into images to train on and images held out.

    Frames of a film are nearly one image: a network that has seen one of them
    looks better on the next than it is. Images of one series, whose stems
    differ in the number at the end only, are therefore held out together, and
    so are near-duplicates: images with equal pixels, or with 16x16 gray
    averages that differ by at most 2 of 255 gray levels.

    A series longer than the share, such as the sections of a volume, is cut
    instead: a block of neighbors is held out, its last if possible. Every
    class stays in the part to train on. The choice depends on the stems and
    the content of the images alone, not on their order.

    Args:
        folder: `Folder`.
        fraction: float, share of the images to hold out, more than 0, less
            than 1. At least one image is held out. The number of images
            differs from the share by less than a series or a group of
            near-duplicates, unless classes would be lost.

    Returns:
        Tuple (train, held_out) of `Folder`, each in the order of `folder`.

    Raises:
        ValueError: If `fraction` is out of range, or if no image can be held
            out: there is only one, or all are near-duplicates, or each has a
            class that no other has.

    Example:

    >>> import tempfile
    >>> from keras_seg.data import from_folder
    >>> from keras_seg.data import hold_out
    >>> from keras_seg.data import synthetic
    >>> path = tempfile.mkdtemp()
    >>> images, masks = synthetic.membranes(10, size=64)
    >>> synthetic.write_folder(
    ...     path, images, masks, synthetic.MEMBRANE_CLASSES)
    >>> train, held_out = hold_out(from_folder(path, "train"))
    >>> len(train), [pair.stem for pair in held_out.pairs]
    (8, ['0008', '0009'])
    """
    if not 0 < fraction < 1:
        raise ValueError(
            "`fraction` is more than 0 and less than 1. "
            f"Received: fraction={fraction}"
        )
    if len(folder) < 2:
        raise CannotHoldOut(f"there is {words.count(len(folder), 'image')}")
    order = sorted(
        range(len(folder)), key=lambda i: _sort_key(folder.pairs[i].stem)
    )
    facts = list(map_threads(lambda i: _facts(folder, i), order))
    classes = sorted(set().union(*(found for _, found in facts)))
    present = np.array(
        [[i in found for i in classes] for _, found in facts], bool
    ).reshape(len(facts), -1)
    stems = [folder.pairs[i].stem for i in order]
    alike = list(_lookalikes([image for image, _ in facts]))
    chosen = _choose(stems, alike, present, fraction)
    held = sorted(order[i] for i in chosen)
    train = folder.subset(sorted(set(order) - set(held)))
    train.skipped = folder.skipped
    return train, folder.subset(held)


def way_of(train: Folder, held_out: Folder) -> str:
    """In words, how the images were chosen that `hold_out` held out."""
    prefixes = [
        [_prefix(pair.stem) for pair in part.pairs]
        for part in (train, held_out)
    ]
    if set(prefixes[0]) & set(prefixes[1]):
        return "a block of neighboring names"
    if len(set(prefixes[0] + prefixes[1])) < len(train) + len(held_out):
        return "whole series of names"
    return "single names"


def _choose(
    stems: Sequence[str],
    alike: list[tuple[int, int]],
    present: np.ndarray,
    fraction: float,
) -> list[int]:
    """The indices of the images to hold out.

    `stems` are sorted, `alike` are pairs of indices of near-duplicates, and
    `present` says which classes each image has.
    """
    count = len(stems)
    wanted = min(count - 1, max(1, round(fraction * count)))
    group = _components(count, alike)
    first: dict[str, int] = {}
    links = [(first.setdefault(_prefix(s), i), i) for i, s in enumerate(stems)]
    series = _members(_components(count, alike + links))
    images = present.sum(axis=0)

    def keeps_classes(held: list[int]) -> bool:
        left = images - present[held].sum(axis=0)
        return len(held) < count and bool((left > 0).all())

    held: list[int] = []
    for part in sorted(series, key=lambda part: _digest(stems[part[0]])):
        fits = len(held) + len(part) <= wanted
        if fits and keeps_classes(held + part):
            held += part
    if 2 * len(held) >= wanted:
        return held
    # What is left are series that are too long, or have classes of their own.
    rest = [part for part in series if part[0] not in held]
    rest.sort(key=len, reverse=True)
    size = wanted - len(held)
    while size:
        for part in rest:
            for block in _blocks(part, group, size):
                if keeps_classes(held + block):
                    return held + block
        size //= 2
    if held:
        return held
    if len(_members(group)) == 1:
        raise CannotHoldOut(f"all {count} images are near-duplicates")
    raise CannotHoldOut("each image has a class that would be left in no other")


def _blocks(part, group, wanted):
    """Neighboring groups of a series, nearest to the size wanted first.

    Of equal sizes the last block comes first.
    """
    last = {group[i]: i for i in part}
    part = sorted(part, key=lambda i: (last[group[i]], i))
    bounds = [0]
    bounds += [
        place
        for place in range(1, len(part))
        if group[part[place]] != group[part[place - 1]]
    ]
    found = []
    for end in [*bounds[1:], len(part)]:
        at = bisect.bisect_left(bounds, end - wanted)
        starts = [b for b in bounds[max(0, at - 1) : at + 1] if b < end]
        start = min(starts, key=lambda start: abs(end - start - wanted))
        found.append((abs(end - start - wanted), -end, part[start:end]))
    return [block for _, _, block in sorted(found)]


def _components(count, links):
    """The smallest index that each index is linked to, over others too."""
    roots = list(range(count))

    def root(i):
        while roots[i] != i:
            roots[i] = i = roots[roots[i]]
        return i

    for a, b in links:
        low, high = sorted((root(a), root(b)))
        roots[high] = low
    return [root(i) for i in range(count)]


def _members(components):
    found: dict[int, list[int]] = {}
    for i, component in enumerate(components):
        found.setdefault(component, []).append(i)
    return list(found.values())


def _lookalikes(images):
    """Pairs of indices that link images of equal pixels or thumbnails."""
    known = [i for i, image in enumerate(images) if image is not None]
    first: dict[bytes, int] = {}
    for i in known:
        if images[i].deviation >= CONSTANT:
            yield first.setdefault(images[i].digest, i), i
    for group in close_groups([images[i] for i in known]):
        yield from ((known[group[0]], known[i]) for i in group[1:])


def _facts(folder, index):
    """The `ImageFacts` of a pair, or `None`, and the ids of its classes."""
    # What is damaged is for `check` to say.
    image, ids, _ = read_arrays(folder, index, "")
    classes = set(range(len(folder.class_table))) - {VOID}
    classes -= folder.class_table.ignore_classes
    found: set[int] = set()
    if ids is not None:
        of = ids_of_mask(ids) if ids.ndim == 2 else classes_in(ids).tolist()
        found = classes & set(of)
    return None if image is None else image_facts(image), found


def _prefix(stem):
    return _NUMBER.sub("", stem)


def _sort_key(stem):
    prefix = _prefix(stem)
    return prefix, int(stem[len(prefix) :] or -1), stem


def _digest(text):
    return hashlib.sha256(text.encode()).digest()
