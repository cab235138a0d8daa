"""Images and masks in two folders, or in two stacks."""

import pathlib

from keras_seg.data.arrays import tiff_pages
from keras_seg.data.class_files import refuse_alike
from keras_seg.data.classes import ClassTable
from keras_seg.data.errors import DataError
from keras_seg.data.folder import Folder
from keras_seg.data.folder import map_threads
from keras_seg.data.ids import classes_of_ids
from keras_seg.data.ids import ids_of_mask
from keras_seg.data.ids import refuse_black_and_white
from keras_seg.data.layout import find_classes
from keras_seg.data.layout import find_folders
from keras_seg.data.mask_files import MaskFiles
from keras_seg.data.mask_files import color_code
from keras_seg.data.pairs import Pair
from keras_seg.data.pairs import find_pairs

__all__ = ["find_table", "from_files", "from_pairs", "from_stack"]


def from_pairs(
    path,
    split=None,
    *,
    classes=None,
    check=True,
    mask_values=None,
    channels=3,
    skip_unlabeled=False,
):
    """Read the layout that `from_folder` documents first; see there."""
    skipped: list | None = [] if skip_unlabeled else None
    images, masks, stems = find_folders(path, split)
    pairs = find_pairs(images, masks, stems, skipped=skipped)
    classes = find_table(path, classes)
    return from_files(
        pairs, classes, check, mask_values, channels, skipped or ()
    )


def find_table(path, classes):
    """The classes given, or else the `ClassTable` of a folder, or `None`."""
    if classes is None and (table := find_classes(pathlib.Path(path))):
        classes = ClassTable.read(table)
        refuse_alike(classes.names, table)
    return classes


def from_files(pairs, classes, check, mask_values, channels, skipped=()):
    """A `Folder` of pairs that have a mask file each; see `from_folder`.

    Classes that nothing names are found in the masks, which decodes them all.
    """
    masks = MaskFiles(mask_values, color_code(classes))
    if isinstance(classes, int):
        classes = ClassTable.default(classes)
    if classes is None:
        files = [pair.mask for pair in pairs]
        id_lists = list(map_threads(lambda p: ids_of_mask(masks(p)), pairs))
        if mask_values is None:
            refuse_black_and_white(id_lists, None, files)
        classes = classes_of_ids(id_lists, files)
    folder = Folder(pairs, classes, masks, channels, skipped)
    return folder.check() if check else folder


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
