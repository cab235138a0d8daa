"""Finding the images in folders, without the masks beside them."""

import os
import pathlib
import re
from collections.abc import Callable
from collections.abc import Iterable

from keras_seg.data.errors import DataError
from keras_seg.data.layout import MASK_FOLDERS
from keras_seg.data.masks import has_colors
from keras_seg.data.opening import SUFFIXES
from keras_seg.data.opening import is_image_file
from keras_seg.data.readers.named_masks import mask_folders
from keras_seg.data.remote import reached
from keras_seg.data.stacks import BETWEEN
from keras_seg.data.video import is_video

__all__ = ["find_images", "find_remote"]

# The folders of masks and of images in a data set, PASCAL VOC's among them.
_MASKS = (*MASK_FOLDERS, "SegmentationClass", "SegmentationObject")
_IMAGES = ("images", "JPEGImages")
_MASK_STEM = re.compile(
    r"(.+)[-_. ](masks?|labels?|seg|segmentation|gt|annotations?)", re.I
)
_JPEG = (".jpg", ".jpeg")


def find_images(
    paths: Iterable[str | os.PathLike],
    skip: Callable[[pathlib.Path], bool] = lambda folder: False,
    masks: list[pathlib.Path] | None = None,
) -> list[pathlib.Path]:
    """List files, and the images in folders sorted by name.

    Folders are searched recursively, except hidden ones and links to folders
    that were already searched. Masks beside their images are left out: in a
    folder such as labels or masks beside images, or in the folder of the
    images; as 0001_mask.png beside 0001.jpg; a PNG of one channel beside a JPEG
    of the same stem; and those of a data set that `from_named_masks` reads.

    Args:
        paths: iterable of str or path. Files may have any name, and need not
            exist.
        skip: function from the path of a folder inside one of `paths` to
            whether it is left out.
        masks: optional list, to which the masks left out are appended.

    Raises:
        DataError: If a folder holds no image.

    Example:

    >>> from keras_seg.data import find_images
    >>> [path.name for path in find_images(["photograph.jpg"])]
    ['photograph.jpg']
    """
    found: list[pathlib.Path] = []
    for path in map(pathlib.Path, paths):
        if not path.is_dir():
            found.append(path)
            continue
        files = list(_inside(path, skip, set()))
        if not files:
            raise DataError(
                "KS-D010",
                path,
                "holds no image",
                "PNG, JPEG, TIFF, BMP, WEBP, GIF or NPY files are expected",
                fix="correct the path",
            )
        beside = _masks_among(files)
        for folder in mask_folders(path):
            beside.update(x for x in files if folder in x.parents)
        found += [file for file in files if file not in beside]
        if masks is not None:
            masks += [file for file in files if file in beside]
    return found


def find_remote(address, masks=None):
    """List an image, or those below a prefix, as `find_images` does a folder.

    Args:
        address: `RemoteImage`. Hidden folders below it are left out, and masks,
            which are told by their names alone.
        masks: optional list, to which the masks left out are appended.
    """
    with reached(address) as (system, path):
        if system.isfile(path):
            return [address]
        names = map(pathlib.PurePosixPath, sorted(system.find(path)))
    # The store would name them by another of its schemes, as s3 for s3a.
    found = [address / name.relative_to(path) for name in names]
    found = [
        image
        for image in found
        if (image.suffix.lower() in SUFFIXES or is_video(image))
        and not any(
            part.startswith(".") for part in image.relative_to(address).parts
        )
    ]
    if not found:
        raise DataError(
            "KS-D010",
            address,
            "holds no image",
            "PNG, JPEG, TIFF, BMP, WEBP, GIF or NPY files are expected",
            fix="correct the address",
        )
    beside = _masks_among(found)
    if masks is not None:
        masks += [image for image in found if image in beside]
    return [image for image in found if image not in beside]


def _inside(folder, skip, seen):
    """The images of a folder, then those of its folders."""
    seen.add(folder.resolve())
    entries = sorted(folder.iterdir())
    yield from filter(is_image_file, entries)
    for entry in entries:
        hidden = entry.name.startswith(".")
        if hidden or not entry.is_dir() or entry.resolve() in seen:
            continue
        if not skip(entry):
            yield from _inside(entry, skip, seen)


def _masks_among(files):
    """The files that are masks of other ones, by their places and names."""
    stems: dict[pathlib.Path, dict[str, list[pathlib.Path]]] = {}
    for file in files:
        inside = stems.setdefault(file.parent, {})
        inside.setdefault(file.stem, []).append(file)
    found: set[pathlib.Path] = set()
    for folder, inside in stems.items():
        places = [stems.get(place, {}) for place in _image_folders(folder)]
        if any(
            stem in images or _bare(stem) in images or _ends(stem, images)
            for stem in inside
            for images in places
        ):
            found.update(*inside.values())
            continue
        for stem, alike in inside.items():
            if _bare(stem) in inside:
                found.update(alike)
            elif any(file.suffix.lower() in _JPEG for file in alike):
                found.update(filter(_has_one_channel, alike))
    return found


def _image_folders(folder):
    """Where the images of a folder of masks may be, such as images/train.

    The last folder may be a class, as in labels/train/road.
    """
    for index, name in enumerate(folder.parts):
        if name in _MASKS:
            before, after = folder.parts[:index], folder.parts[index + 1 :]
            for part in (*_IMAGES, ""):
                yield pathlib.Path(*before, part, *after)
                yield pathlib.Path(*before, part, *after[:-1])


def _ends(stem, images):
    """Whether a stem is that of an image with the name of a class behind."""
    return any(stem[:i] in images for i, x in enumerate(stem) if x in BETWEEN)


def _bare(stem):
    """The stem of the image of a mask such as 0001_mask, or None."""
    named = _MASK_STEM.fullmatch(stem)
    return named and named[1]


def _has_one_channel(file):
    """Whether a file may hold ids, from its header; a JPEG holds none."""
    try:
        return file.suffix.lower() not in _JPEG and not has_colors(file)
    except DataError:
        return False
