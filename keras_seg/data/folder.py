"""`Folder`, a sequence of images and masks, and its plain readers."""

import concurrent.futures
import itertools
import os
import pathlib

from keras_seg.data.arrays import tiff_pages
from keras_seg.data.classes import ClassTable
from keras_seg.data.classes import refuse_alike
from keras_seg.data.errors import DataError
from keras_seg.data.ids import classes_of_ids
from keras_seg.data.ids import ids_of_mask
from keras_seg.data.ids import normalize_mask
from keras_seg.data.ids import refuse_black_and_white
from keras_seg.data.images import read_image
from keras_seg.data.images import read_size
from keras_seg.data.layout import find_classes
from keras_seg.data.layout import find_folders
from keras_seg.data.mask_files import MaskFiles
from keras_seg.data.mask_files import color_code
from keras_seg.data.pairs import Pair
from keras_seg.data.pairs import find_pairs

__all__ = [
    "Folder",
    "find_table",
    "from_files",
    "from_pairs",
    "from_stack",
    "map_threads",
]


class Folder:
    """A sequence of `(image, mask)` arrays, read from pairs of files.

    A mask is uint8 `(height, width)` with the ids of the classes and 255 for
    void, whichever ids the files have for it. Every read checks the ids.

    Args:
        pairs: sequence of `Pair`.
        classes: `ClassTable`.
        masks: optional callable from a `Pair` to an integer array
            `(height, width)` of the ids that were written. `None` reads the
            mask file of the pair.
        channels: optional int, see `read_image`: 3 gives uint8 RGB; `None`
            and other numbers the channels of the files, float32 of 0..255
            where they have more than 8 bits.
        skipped: sequence of paths, the images that were left out because
            they have no mask.
        bit_depth: optional int, of images of 16 bits, see `read_image`. An
            attribute that can be set: training finds it (`find_bit_depth`).
    """

    def __init__(
        self,
        pairs,
        classes,
        masks=None,
        channels=3,
        skipped=(),
        bit_depth=None,
    ):
        self.pairs = tuple(pairs)
        self.classes = classes
        self.masks = MaskFiles() if masks is None else masks
        self.channels = channels
        self.skipped = tuple(skipped)
        self.bit_depth = bit_depth

    def __len__(self):
        return len(self.pairs)

    def __getitem__(self, index):
        image, mask, _ = self._read(index)
        return image, mask

    def size(self, index):
        """Height and width of a pair, without decoding it."""
        return read_size(self.pairs[index].image, self.pairs[index].page)

    def read_image(self, index):
        """The image of a pair, see `keras_seg.data.read_image`."""
        pair = self.pairs[index]
        return read_image(pair.image, self.channels, pair.page, self.bit_depth)

    def read_ids(self, index):
        """The ids that were written, not yet checked, `(height, width)`."""
        return self.masks(self.pairs[index])

    def subset(self, indices):
        """The pairs at some indices, as a `Folder` of the same classes."""
        pairs = [self.pairs[i] for i in indices]
        return Folder(
            pairs,
            self.classes,
            self.masks,
            self.channels,
            bit_depth=self.bit_depth,
        )

    def check(self):
        """Decode every file and refuse what could not be trained on.

        Returns:
            The folder itself.

        Raises:
            DataError: the first pair, in order, that is damaged, differs in
                size or has ids outside the classes; or masks that hold only
                0 and 255.
        """
        id_lists = list(
            map_threads(lambda i: self._read(i)[2], range(len(self)))
        )
        if isinstance(self.masks, MaskFiles) and not self.masks.mapped:
            refuse_black_and_white(
                id_lists, self.classes, [pair.mask for pair in self.pairs]
            )
        return self

    def _read(self, index):
        image, mask = self.read_image(index), self.read_ids(index)
        pair = self.pairs[index]
        if image.shape[:2] != mask.shape:
            raise _sizes_differ(pair, image, mask)
        ids = ids_of_mask(mask)
        normal = normalize_mask(mask, self.classes, pair.mask, ids)
        return image, normal, ids


def map_threads(function, items):
    """`map` on threads, in order; Pillow lets go of the GIL to decode."""
    workers = min(8, os.cpu_count() or 1)
    items = iter(items)
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        # A few at a time: the first error ends it, and a queue of decoded
        # results would not.
        while batch := list(itertools.islice(items, 8 * workers)):
            yield from pool.map(function, batch)


def _sizes_differ(pair, image, mask):
    swapped = image.shape[:2] == mask.shape[::-1]
    return DataError(
        "KS-D006",
        pair.mask,
        f"is {mask.shape[1]}x{mask.shape[0]} and its image "
        f"{pair.image.name} {image.shape[1]}x{image.shape[0]}",
        "an image and its mask have one size",
        guess=(
            "One of them is turned: a camera's EXIF orientation may be "
            "in the image only."
            if swapped
            else None
        ),
        fix="make the mask again from this image, or resize it by nearest",
    )


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
