"""Facts that the check keeps of each pair, in a few hundred bytes."""

import dataclasses
import hashlib

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags
from PIL import Image
from PIL import ImageStat
from PIL import UnidentifiedImageError

from keras_seg.data.arrays import is_npy
from keras_seg.data.edges import Edges
from keras_seg.data.edges import find_edges
from keras_seg.data.edges import ids_in_between
from keras_seg.data.edges import loose_ids
from keras_seg.data.errors import DataError
from keras_seg.data.ids import count_ids
from keras_seg.data.mask_files import MaskFiles
from keras_seg.data.mask_files import is_mapped
from keras_seg.data.opening import FORMATS
from keras_seg.data.sizes import MaskSizes
from keras_seg.data.sizes import measure_mask
from keras_seg.data.stacks import count_planes

__all__ = [
    "ImageFacts",
    "MaskFacts",
    "PairFacts",
    "image_facts",
    "read_arrays",
    "read_facts",
]

THUMBNAIL = 16


@dataclasses.dataclass(frozen=True)
class ImageFacts:
    """Facts of an image.

    Args:
        size: tuple (height, width), orientation applied.
        mode: Pillow's mode of the file, "" for an array.
        orientation: int, EXIF's, 1 if there is none.
        digest: bytes, hash of the decoded pixels.
        deviation: float, standard deviation of the gray values.
        thumbnail: uint8 array, the gray image averaged to 16x16.
    """

    size: tuple[int, int]
    mode: str
    orientation: int
    digest: bytes
    deviation: float
    thumbnail: NDArray[np.uint8]


@dataclasses.dataclass(frozen=True)
class MaskFacts:
    """Facts of a mask.

    Args:
        size: tuple (height, width), orientation applied.
        orientation: int, EXIF's, 1 if there is none.
        digest: bytes, hash of the ids.
        ids: int64 array, sorted.
        pixels: int64 array, number of pixels of each id.
        edges: `Edges`.
        between: tuple of int, `ids_in_between` if the mask is interpolated.
        loose: dictionary, see `loose_ids`.
        sizes: `MaskSizes`, or `None` if the mask is not measured.
        overlap: int, the pixels of more than one class, in a mask of several
            labels or in the shapes that a mask was drawn from.
        planes: optional list, `count_planes` of a mask of several labels.
            `ids` are then the classes that some pixel has.
    """

    size: tuple[int, int]
    orientation: int
    digest: bytes
    ids: NDArray[np.int64]
    pixels: NDArray[np.int64]
    edges: Edges
    between: tuple[int, ...]
    loose: dict[int, int]
    sizes: MaskSizes | None = None
    overlap: int = 0
    planes: list[tuple[NDArray, NDArray]] | None = None

    def void_share(self, ignore_classes):
        """The part of the mask, or of all its planes, that is void."""
        planes = [(self.ids, self.pixels)]
        if self.planes is not None:
            planes, ignore_classes = self.planes, {*ignore_classes} - {0, 1}
        void, total = 0, 0
        for values, pixels in planes:
            void += pixels[np.isin(values, list(ignore_classes))].sum()
            total += pixels.sum()
        return void / total


@dataclasses.dataclass(frozen=True)
class PairFacts:
    """Facts of a pair; the image or the mask is `None` if it is unreadable.

    `without_data` is the number of pixels of the image that have none, and
    `mapped` whether ids come from `mask_values`, colors or shapes, instead of
    being the values of the file.

    Arrays have names such as "train[3]" for files.
    """

    split: str
    index: int
    stem: str
    image_file: str
    mask_file: str
    image: ImageFacts | None
    mask: MaskFacts | None
    errors: tuple[DataError, ...] = ()
    plane_files: tuple[str, ...] = ()
    without_data: int = 0
    mapped: bool = False

    @property
    def mask_files(self):
        """All files of the mask: there may be one for each class."""
        return self.plane_files or (self.mask_file,)


def read_facts(data, split, index, measure=False):
    """Decode a pair of a split once, and collect its facts and errors.

    `measure` is whether to measure the objects in the mask.
    """
    name = f"{split}[{index}]"
    stem, files = str(index), (name, name)
    mode, turned, mask_turned, overlap = "", 1, 1, 0
    planes: tuple[str, ...] = ()
    mapped = False
    image, ids, errors = read_arrays(data, index, split)
    if hasattr(data, "pairs"):
        pair = data.pairs[index]
        stem, files = pair.stem, (str(pair.image), str(pair.mask))
        if image is not None:
            mode, turned = _header(pair.image)
        if ids is not None and isinstance(data.masks, MaskFiles):
            mask_turned = _header(pair.mask)[1]
        if ids is not None and ids.ndim == 2 and hasattr(data.masks, "overlap"):
            overlap = data.masks.overlap(pair)
        planes = tuple(str(file) for file in pair.planes or () if file)
        mapped = is_mapped(data.masks, pair)
    return PairFacts(
        split,
        index,
        stem,
        *files,
        None if image is None else image_facts(image, mode, turned),
        None
        if ids is None
        else _mask_facts(ids, mask_turned, measure, overlap),
        tuple(errors),
        planes,
        getattr(data, "without_data", {}).get(index, 0),
        mapped,
    )


def read_arrays(data, index, split):
    """Tuple (image, ids as written, list of `DataError`) of a pair.

    The image or the ids are `None` if they cannot be read.
    """
    errors = []
    if hasattr(data, "pairs"):
        readers = (
            lambda: data.read_image(index),
            lambda: data.read_ids(index),
        )
    else:
        name = f"{split}[{index}]"
        image, mask = data[index]
        readers = (
            lambda: np.asarray(image),
            lambda: _integers(
                np.asarray(mask), name, getattr(data, "multi_label", False)
            ),
        )
    arrays = []
    for read in readers:
        try:
            arrays.append(read())
        except DataError as error:
            errors.append(error)
            arrays.append(None)
    return arrays[0], arrays[1], errors


def _integers(mask, name, multi_label):
    """A mask from memory as integers, `(height, width)` or with planes."""
    whole = mask.dtype.kind in "biu"
    if multi_label and mask.ndim == 3 and whole:
        return mask.astype("uint8") if mask.dtype == bool else mask
    if not multi_label and mask.ndim == 3 and mask.shape[2] == 1:
        mask = mask[..., 0]
    if not multi_label and mask.ndim == 2 and whole:
        return mask.astype("uint8") if mask.dtype == bool else mask
    raise DataError(
        "KS-D007",
        name,
        f"has a mask of shape {mask.shape} and dtype {mask.dtype}",
        "a mask of several labels is an integer array (height, width, classes)"
        if multi_label
        else "a mask is an integer array (height, width) of class ids",
        guess=(
            "The ids may have been divided by 255."
            if mask.dtype.kind == "f" and mask.size and mask.max() <= 1
            else None
        ),
        fix="make it integers, for example mask.astype('uint8')",
    )


def _header(path):
    """Mode and EXIF orientation of a readable file."""
    if is_npy(path):
        return "", 1
    try:
        opened = Image.open(path, formats=FORMATS)
    except UnidentifiedImageError:  # Of more channels than Pillow has.
        return "", 1
    with opened as image:
        # Otherwise Pillow would decode a PNG to look for EXIF at its end.
        if image.format == "PNG" and "exif" not in image.info:
            return image.mode, 1
        return image.mode, image.getexif().get(ExifTags.Base.Orientation, 1)


def image_facts(image, mode="", orientation=1):
    """The `ImageFacts` of a decoded image."""
    gray = _gray(image)
    small = gray.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    return ImageFacts(
        image.shape[:2],
        mode,
        orientation,
        _digest(image),
        ImageStat.Stat(gray).stddev[0],
        np.array(small),
    )


def _mask_facts(mask, orientation, measure, overlap):
    if mask.ndim == 3:
        return _stack_facts(mask, orientation, measure)
    ids, pixels = count_ids(mask)
    edges = find_edges(mask)
    # Equal ids have equal hashes, whatever the depth of their files.
    small = ids.size == 0 or (ids[0] >= 0 and ids[-1] <= 255)
    return MaskFacts(
        mask.shape,
        orientation,
        _digest(mask.astype("uint8" if small else "int64")),
        ids,
        pixels,
        edges,
        ids_in_between(mask) if edges.smooth else (),
        loose_ids(mask),
        measure_mask(mask) if measure and mask.size else None,
        overlap,
    )


def _stack_facts(mask, orientation, measure):
    """Of several labels: a plane has no ids between others."""
    ones = mask == 1
    pixels = np.count_nonzero(ones, axis=(0, 1))
    return MaskFacts(
        mask.shape[:2],
        orientation,
        _digest(mask.astype("uint8")),
        np.flatnonzero(pixels),
        pixels[pixels > 0],
        Edges(0, 0),
        (),
        {},
        measure_mask(mask) if measure and mask.size else None,
        int(np.count_nonzero(ones.sum(axis=2) > 1)),
        count_planes(mask),
    )


def _gray(image):
    if image.dtype != np.uint8:
        image = np.clip(image, 0, 255).astype("uint8")
    if image.ndim == 3 and image.shape[2] == 3:
        return Image.fromarray(np.ascontiguousarray(image)).convert("L")
    if image.ndim == 3:
        image = image.mean(axis=2).astype("uint8")
    return Image.fromarray(image)


def _digest(array):
    hashed = hashlib.blake2b(digest_size=16)
    hashed.update(f"{array.shape} {array.dtype}".encode())
    hashed.update(np.ascontiguousarray(array).data)
    return hashed.digest()
