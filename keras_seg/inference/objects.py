"""Objects of a class: counted, set apart where they touch, and measured."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from numpy.typing import NDArray

from keras_seg.arguments import check_positive
from keras_seg.arguments import check_share
from keras_seg.data.geotiff import pixel_area
from keras_seg.data.outlines import check_ids
from keras_seg.lazy import optional

__all__ = ["find_objects", "measure_objects"]


def find_objects(
    region: ArrayLike, *, min_area: int = 1, neck: float = 0.85
) -> NDArray[np.int32]:
    """Numbers the objects that the pixels of a class show.

    Pixels that touch at their sides are one object. Where it has a neck, it is
    two that touch: they are set apart by the
    [watershed](https://doi.org/10.1109/34.87344) of the distances to its
    border. Its markers are the maxima `d` of the distances from which every
    way to a larger one leads through less than `min(neck · d, d - 1)`; the
    pixel keeps rough borders from making objects.

    Args:
        region: array `(height, width)` of bool, or 0 and 1.
        min_area: int, pixels; smaller objects are left out. Defaults to 1.
        neck: float in 0...1: the width of a neck, relative to that of the
            narrower of the two, below which they are set apart. Defaults to
            0.85; with 0 nothing is.

    Returns:
        int32 array `(height, width)`: 0 for no object, else 1, 2, ....

    Raises:
        ImportError: If scikit-image is missing.
        ValueError: If an argument is out of range.

    Example:

    >>> import numpy as np
    >>> from keras_seg.inference import find_objects
    >>> y, x = np.mgrid[:40, :60]
    >>> left, right = np.hypot(x - 18, y - 20), np.hypot(x - 42, y - 20)
    >>> both = np.minimum(left, right) < 15
    >>> [int(find_objects(both, neck=n).max()) for n in (0.85, 0.5, 0)]
    [2, 1, 1]
    """
    user = "`find_objects`"
    measure = optional("skimage.measure", "classical", user)
    inside = check_ids("region", region) == 1
    check_positive(min_area=min_area)
    check_share(neck=neck)
    found = measure.label(inside, connectivity=1)
    if neck > 0 and found.any():
        found = _apart(inside, neck)
    large = np.bincount(found.ravel()) >= min_area
    large[0] = False
    return np.where(large, np.cumsum(large), 0).astype("int32")[found]


def _apart(inside: NDArray, neck: float) -> NDArray:
    from scipy.ndimage import distance_transform_edt
    from scipy.ndimage import generate_binary_structure
    from skimage import measure
    from skimage import morphology
    from skimage import segmentation

    around = np.pad(inside, 1)
    distance = np.where(around, distance_transform_edt(around), -1)
    cut = morphology.reconstruction(
        np.minimum(neck * distance, distance - 1),
        distance,
        footprint=generate_binary_structure(2, 1),
    )
    maxima = morphology.local_maxima(cut, connectivity=1) & around
    markers = measure.label(maxima, connectivity=1)
    found = segmentation.watershed(-distance, markers, mask=around)
    return found[1:-1, 1:-1]


def measure_objects(
    objects: ArrayLike, confidence: ArrayLike | None = None, place: Any = None
) -> list[dict[str, float]]:
    """Measures objects.

    Args:
        objects: integer array `(height, width)`, see `find_objects`.
        confidence: optional array `(height, width)`, such as the probability
            of the class.
        place: optional place of the image, see
            `keras_seg.data.geotiff.place_of`.

    Returns:
        List of dictionaries, one for each object: its number `object`;
        `area_px`; `area_m2` on the ellipsoid, if there is a place on Earth;
        the centroid `x` and `y`, and the box `left`, `top`, `right` and
        `bottom`, in pixels from the upper left corner of the image; the mean
        `confidence`, if it is given.

    Raises:
        ImportError: If scikit-image is missing.
        ValueError: If arrays differ in shape.

    Example:

    >>> import numpy as np
    >>> from keras_seg.inference import measure_objects
    >>> for row in measure_objects(np.array([[0, 1, 1], [0, 0, 1]])):
    ...     print(row)
    {'object': 1, 'area_px': 3, 'x': 2.166..., 'y': 0.833..., 'left': 1,
        'top': 0, 'right': 3, 'bottom': 2}
    """
    measure = optional("skimage.measure", "classical", "`measure_objects`")
    numbers = check_ids("objects", objects)
    if confidence is not None:
        confidence = np.asarray(confidence, "float64")
        if confidence.shape != numbers.shape:
            raise ValueError(
                "`confidence` must have the shape of `objects`. Received: "
                f"{confidence.shape} and {numbers.shape}"
            )
    rows = []
    for one in measure.regionprops(numbers, confidence):
        y, x = (float(c) + 0.5 for c in one.centroid)
        top, left, bottom, right = one.bbox
        row = {"object": one.label, "area_px": int(one.num_pixels)}
        area = place and pixel_area(place, [(x, y)])
        if area is not None:
            row["area_m2"] = float(area[0] * one.num_pixels)
        row |= {"x": x, "y": y, "left": left, "top": top}
        row |= {"right": right, "bottom": bottom}
        if confidence is not None:
            row["confidence"] = float(one.intensity_mean)
        rows.append(row)
    return rows
