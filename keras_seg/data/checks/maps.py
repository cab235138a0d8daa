"""Findings on rasters: masks in another place than images, missing data."""

import itertools
import pathlib
from typing import Any

import numpy as np

from keras_seg.data.arrays import tiff_tags
from keras_seg.data.checks.finding import Finding
from keras_seg.data.geotiff import is_on_earth
from keras_seg.data.geotiff import place_of
from keras_seg.data.opening import SUFFIXES
from keras_seg.lazy import is_installed

__all__ = ["find_on_maps"]

TOLERANCE = 0.01  # pixels
# ModelPixelScale, ModelTiepoint and ModelTransformation of GeoTIFF, and
# GDAL_NODATA.
_TAGS = {33550, 33922, 34264, 42113}


def find_on_maps(survey):
    """Findings on rasters: KS-D016, KS-D037, KS-D041, KS-D042."""
    yield from _find_elsewhere(survey)
    yield from _find_unread(survey)
    yield from _find_without_data(survey)


def _find_without_data(survey):
    """Images of which pixels are void, as they have no data: KS-D041."""
    some = [pair for pair in survey.pairs if pair.without_data]
    if some:
        count = sum(pair.without_data for pair in some)
        yield Finding.of(
            "note",
            "KS-D041",
            [pair.image_file for pair in some],
            f"has {some[0].without_data:,} pixels without data, of {count:,} "
            "in all images",
            "they are void: not trained on, and not measured",
            fix="nothing, or correct the nodata value, the mask or the alpha "
            "channel of the file",
        )


def _find_unread(survey):
    """Rasters that are read like any image without rasterio: KS-D016."""
    if is_installed("rasterio"):
        return
    files = [
        pair.image_file
        for pair in survey.pairs
        if pair.image
        and pair.image_file.lower().endswith((".tif", ".tiff"))
        and _TAGS & tiff_tags(pair.image_file).keys()
    ]
    if files:
        yield Finding.of(
            "note",
            "KS-D016",
            files,
            "has a place or a nodata value, and rasterio is not installed",
            "it is read like any image",
            fix='pip install "keras-seg[geo]"',
        )


def _find_elsewhere(survey):
    """Masks with another place on a map than their images: KS-D037, KS-D042.

    Otherwise a mask that is of another tile, shifted, upside down or in
    another coordinate system would be trained on. If only one of the two has
    a place, that is said.
    """
    kinds: dict[str, list] = {}
    alone = {}
    for pair in survey.pairs:
        if not pair.image or not pair.mask or pair.image.size != pair.mask.size:
            continue
        for file in pair.mask_files:
            files = pair.image_file, file
            places = [place_of(name) for name in files]
            known = [place is not None for place in places]
            if all(known):
                text, guess = _difference(pair.image.size, *places)
                if text:
                    kinds.setdefault(guess, []).append((file, text))
            elif any(known) and pathlib.Path(file).suffix.lower() in SUFFIXES:
                alone[files[known.index(False)]] = files[known.index(True)]
    for guess, found in kinds.items():
        yield Finding.of(
            "error",
            "KS-D037",
            [file for file, _ in found],
            found[0][1],
            "a mask lies where its image lies",
            guess=guess,
            fix="cut the mask anew from its source, with the system, the "
            "bounds and the grid of the image (gdalwarp -t_srs -te -tr)",
        )
    if alone:
        first, *_ = alone.values()
        yield Finding.of(
            "note",
            "KS-D042",
            list(alone),
            f"has no place on a map, and {first} has one",
            "whether both lie at one place is not known",
            fix="nothing, or write both as GeoTIFFs",
        )


def _difference(size, place, other):
    """How a mask, the other, lies on an image, and a guess; "" if alike."""
    (crs, image), (other_crs, mask) = place, other
    if image.is_degenerate or mask.is_degenerate:
        return "or its image has pixels without a size", "One is damaged."
    width, height = size[::-1]
    if crs and other_crs and crs != other_crs:
        text = f"is in {_named(other_crs)}, its image in {_named(crs)}"
        if is_on_earth(crs) and is_on_earth(other_crs):
            from rasterio.warp import transform

            x, y = mask * (width / 2, height / 2)
            (x,), (y,) = transform(other_crs, crs, [x], [y])
            center = np.subtract(~image * (x, y), (width / 2, height / 2))
            text += f", and its center lies {_offset(*center)}"
        return text, "It was never brought into the system of the image."
    on_image: Any = ~image * mask
    corners = list(itertools.product((0, width), (0, height)))
    moved = [np.subtract(on_image * corner, corner) for corner in corners]
    if np.abs(moved).max() <= TOLERANCE:
        return "", ""
    x, y = moved[0]
    if on_image.e < 0 < on_image.a:
        up = ("north", "south") if mask.e < 0 else ("south", "north")
        return (
            "is {}-up, its image {}-up, and its first pixel lies ".format(*up)
            + _offset(x, y),
            "Its rows come in the other order.",
        )
    if np.abs(np.subtract(moved, moved[0])).max() > TOLERANCE:
        farthest = moved[np.abs(moved).max(axis=1).argmax()]
        return (
            "has pixels of another size or direction than its image, and a "
            f"corner lies {_offset(*farthest)}",
            "It was warped by itself.",
        )
    guess = "It may be the mask of another tile."
    if {abs(round(2 * x, 2)), abs(round(2 * y, 2))} <= {0, 1}:
        guess = "A pixel's center was taken for its corner, or the reverse."
    return f"lies {_offset(x, y)}", guess


def _named(crs):
    """The number of a coordinate system, or its parameters."""
    number = crs.to_epsg()
    return f"EPSG:{number}" if number else crs.to_proj4() or crs.to_wkt()


def _offset(x, y):
    """Pixels to the right and down, in words.

    Example:

    >>> _offset(-0.5, 3)
    '0.5 pixels left of and 3 pixels below its image'
    """
    if not np.isfinite([x, y]).all():
        return "nowhere near"
    ways = (x, "left of", "right of"), (y, "above", "below")
    parts = [
        f"{abs(length):.4g} pixels {after if length > 0 else before}"
        for length, before, after in ways
        if abs(length) > TOLERANCE
    ]
    return f"{' and '.join(parts) or 'on'} its image"
