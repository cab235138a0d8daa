"""Stacks: one TIFF of images, one of labels, a page of each for a pair."""

import pathlib

from keras_seg.data.arrays import tiff_pages
from keras_seg.data.errors import DataError
from keras_seg.data.pairs import Pair
from keras_seg.data.readers.plain import find_table
from keras_seg.data.readers.plain import from_files

__all__ = ["from_stack"]


def from_stack(
    images, labels, *, classes=None, check=True, mask_values=None, channels=3
):
    """Read two TIFF files of many pages, such as those of ISBI 2012.

    Page i of the one belongs to page i of the other. Where the labels are
    black and white, `mask_values={0: 0, 255: 1}` says what they mean.

    Args:
        images: str or path of the images.
        labels: str or path of the labels.
        classes: optional `ClassTable` or number of classes. By default
            `classes.csv` beside the images or above, or else the ids that the
            labels have.
        check: bool, decode and check every page now.
        mask_values: optional dictionary, see `from_folder`.
        channels: optional int, see `read_image`.

    Returns:
        A `Folder`, whose stems are the images' with the number of the page.

    Raises:
        DataError: a file or a page is not as it must be.
    """
    images, labels = pathlib.Path(images), pathlib.Path(labels)
    pages, others = tiff_pages(images), tiff_pages(labels)
    if pages != others:
        raise DataError(
            "KS-D019",
            labels,
            f"has {others} pages and {images.name} has {pages}",
            "page i of the one belongs to page i of the other",
            fix="export both stacks again from one volume",
        )
    digits = len(str(pages - 1))
    pairs = [
        Pair(f"{images.stem}_{page:0{digits}}", images, labels, page)
        for page in range(pages)
    ]
    classes = find_table(images.parent, classes)
    return from_files(pairs, classes, check, mask_values, channels)
