"""Whether GeoTIFFs and their masks lie at the same place on Earth."""

import itertools

from keras_seg.data.checks.finding import Finding
from keras_seg.data.geotiff import place_of

__all__ = ["find_elsewhere"]

TOLERANCE = 0.01  # pixels


def find_elsewhere(survey):
    """Masks that lie elsewhere than their images: KS-D037.

    Both are read as arrays, so that a mask of the next tile, half a pixel
    off, upside down or in another coordinate system would be learned as it
    is.
    """
    found = []
    for pair in survey.pairs:
        if pair.image and pair.mask and pair.image.size == pair.mask.size:
            text = _difference(pair)
            if text:
                found.append((pair.mask_file, text))
    if not found:
        return []
    return [
        Finding.of(
            "error",
            "KS-D037",
            [file for file, _ in found],
            found[0][1],
            "a mask lies where its image lies",
            guess="It may be the mask of another tile, or warped by itself.",
            fix="cut the mask anew from its source, with the bounds and the "
            "grid of the image (gdalwarp -te -tr)",
        )
    ]


def _difference(pair):
    """What follows the name of the mask in a sentence, or `None`."""
    places = [place_of(file) for file in (pair.image_file, pair.mask_file)]
    if None in places:
        return None
    (crs, image), (other, mask) = places
    if crs and other and crs != other:
        return f"is in {other.to_string()}, and its image in {crs.to_string()}"
    if mask.is_degenerate:
        return "has pixels without a size"
    height, width = pair.image.size
    there = ~mask * image
    corners = [
        (there * corner, corner)
        for corner in itertools.product((0, width), (0, height))
    ]
    off = max(max(abs(x - a), abs(y - b)) for (x, y), (a, b) in corners)
    if off <= TOLERANCE:
        return None
    return f"lies {off:.4g} pixels away from its image"
