"""Which files of a folder are images."""

import pathlib

from keras_seg.data.errors import DataError
from keras_seg.data.opening import SUFFIXES

__all__ = ["find_images", "is_image_file"]


def is_image_file(path):
    """Whether a path is a visible file with the suffix of an image.

    Args:
        path: `pathlib.Path`.
    """
    return (
        path.suffix.lower() in SUFFIXES
        and not path.name.startswith(".")
        and path.is_file()
    )


def find_images(paths, skip=lambda folder: False):
    """Files as they are, folders as the images in them, sorted by name.

    Folders within folders are searched, too, but for hidden ones; a link to
    a folder that was searched already is not followed.

    Args:
        paths: iterable of str or path. A file may have any name, and need
            not exist.
        skip: function of the path of a folder within one of `paths`, whether
            it is left out.

    Returns:
        List of paths.

    Raises:
        DataError: a folder holds no image.

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
        found += files
    return found


def _inside(folder, skip, seen):
    """The images of a folder, and then of those in it."""
    seen.add(folder.resolve())
    entries = sorted(folder.iterdir())
    yield from filter(is_image_file, entries)
    for entry in entries:
        hidden = entry.name.startswith(".")
        if hidden or not entry.is_dir() or entry.resolve() in seen:
            continue
        if not skip(entry):
            yield from _inside(entry, skip, seen)
