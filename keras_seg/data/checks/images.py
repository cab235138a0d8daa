"""What is worth knowing of the images: contents, sizes, number, modes."""

import collections

from keras_seg.data.checks.finding import Finding
from keras_seg.data.checks.leakage import CONSTANT

__all__ = ["find_constant", "find_few", "find_modes", "find_varying_sizes"]

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
    """Images whose pixels are all alike: KS-D032."""
    flat = [p for p in survey.pairs if p.image and p.image.deviation < CONSTANT]
    if not flat:
        return []
    deviation = flat[0].image.deviation
    return [
        Finding.of(
            "warning",
            "KS-D032",
            [pair.image_file for pair in flat],
            f"has gray values of standard deviation {deviation:.1f}",
            "an image shows something",
            guess="It may be blank, or have been scaled to 0..1 before it "
            "was saved.",
            fix="look at it; save it again from its source, or leave it out",
        )
    ]


def find_varying_sizes(survey):
    """Images of more than one size: KS-D033."""
    sizes = sorted(
        {p.image.size for p in survey.pairs if p.image},
        key=lambda size: size[0] * size[1],
    )
    if len(sizes) < 2:
        return []
    small, large = (
        f"{width}x{height}" for height, width in (sizes[0], sizes[-1])
    )
    return [
        Finding.of(
            "note",
            "KS-D033",
            [survey.source],
            f"has images of {len(sizes)} sizes, from {small} to {large}",
            "a batch has one size, so smaller images are padded with void up "
            "to the largest",
            fix="nothing, or train on crops of one size",
        )
    ]


def find_few(survey):
    """Splits of very few images: KS-D034."""
    return [
        Finding.of(
            "note",
            "KS-D034",
            [survey.source],
            f"({name}) has {len(pairs)} image{'s' * (len(pairs) != 1)}",
            f"with fewer than {FEW} a measured difference is mostly chance",
            fix="label more images, or look at the pictures more than at the "
            "numbers",
        )
        for name, pairs in survey.facts.items()
        if 0 < len(pairs) < FEW
    ]


def find_modes(survey):
    """Images that are not plain RGB, and how they are read: KS-D035."""
    modes = collections.defaultdict(list)
    for pair in survey.pairs:
        if pair.image and pair.image.mode not in ("", "RGB"):
            modes[pair.image.mode].append(pair.image_file)
    return [
        Finding.of(
            "note",
            "KS-D035",
            files,
            "is " + _MODES.get(mode, f"of mode {mode}, more than 8 bits deep"),
            "networks take three channels of 0..255",
            fix="nothing, if that is meant",
        )
        for mode, files in modes.items()
    ]
