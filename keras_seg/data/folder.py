"""A folder of images and masks as a checked sequence of pairs."""

import concurrent.futures
import itertools
import os

from keras_seg.data.classes import ClassTable
from keras_seg.data.errors import DataError
from keras_seg.data.ids import classes_of_ids
from keras_seg.data.ids import ids_of_mask
from keras_seg.data.ids import normalize_mask
from keras_seg.data.ids import refuse_black_and_white
from keras_seg.data.images import read_image
from keras_seg.data.images import read_mask
from keras_seg.data.images import read_size
from keras_seg.data.layout import find_classes
from keras_seg.data.layout import find_folders
from keras_seg.data.pairs import find_pairs

__all__ = ["Folder", "from_folder"]


def from_folder(path, split=None, *, classes=None, check=True):
    """Read a folder of images and masks.

    These layouts are understood, with `labels`, `masks` or `annotations` for
    the masks:

    - `path/images/*`, `path/labels/*`
    - `path/<split>/images/*`, `path/<split>/labels/*`
    - `path/<split>.txt`, a stem a line, beside either

    An image and a mask belong together by their stem. Masks have one channel
    of class ids 0..C-1, at most 255 of them; 255 is void.

    Args:
        path: str or path.
        split: optional str, for example "train". `None` takes all of
            `path/images`.
        classes: optional `ClassTable` or number of classes. By default
            `classes.csv` in `path` or the folder above it, or else the ids
            that the masks have.
        check: bool, decode and check every file now; `False` leaves it to
            `Folder.check()`. Without it only single masks are checked, as
            they are read.

    Returns:
        A `Folder`.

    Raises:
        DataError: a file or the folder is not as it must be.

    Example:

    >>> import tempfile
    >>> from keras_seg.data import from_folder
    >>> from keras_seg.data import synthetic
    >>> path = tempfile.mkdtemp()
    >>> images, masks = synthetic.membranes(3, size=64)
    >>> synthetic.write_folder(
    ...     path, images, masks, synthetic.MEMBRANE_CLASSES)
    >>> folder = from_folder(path, "train")
    >>> image, mask = folder[0]
    >>> len(folder), image.shape, mask.shape, folder.classes.names
    (3, (64, 64, 3), (64, 64), ('cell', 'membrane'))
    """
    pairs = find_pairs(*find_folders(path, split))
    if isinstance(classes, int):
        classes = ClassTable.default(classes)
    if classes is None and (table := find_classes(path)):
        classes = ClassTable.read(table)
    if classes is None:
        files = [pair.mask for pair in pairs]
        id_lists = list(_map(lambda file: ids_of_mask(read_mask(file)), files))
        _refuse_black_and_white(id_lists, None, pairs)
        classes = classes_of_ids(id_lists, files)
    folder = Folder(pairs, classes)
    if check:
        folder.check()
    return folder


class Folder:
    """A sequence of `(image, mask)` arrays, read from pairs of files.

    An image is uint8 `(height, width, 3)`, a mask uint8 `(height, width)`
    with the ids of the classes and 255 for void, whichever ids the files have
    for it. Every read checks the ids.

    Args:
        pairs: sequence of `Pair`.
        classes: `ClassTable`.
    """

    def __init__(self, pairs, classes):
        self.pairs = tuple(pairs)
        self.classes = classes

    def __len__(self):
        return len(self.pairs)

    def __getitem__(self, index):
        image, mask, _ = _read(self.pairs[index], self.classes)
        return image, mask

    def size(self, index):
        """Height and width of a pair, without decoding it."""
        return read_size(self.pairs[index].mask)

    def subset(self, indices):
        """The pairs at some indices, as a `Folder` of the same classes."""
        return Folder([self.pairs[i] for i in indices], self.classes)

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
            _map(lambda pair: _read(pair, self.classes)[2], self.pairs)
        )
        _refuse_black_and_white(id_lists, self.classes, self.pairs)
        return self


def _read(pair, classes):
    image = read_image(pair.image)
    mask = read_mask(pair.mask)
    if image.shape[:2] != mask.shape:
        swapped = image.shape[:2] == mask.shape[::-1]
        raise DataError(
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
    normal = normalize_mask(mask, classes, pair.mask)
    return image, normal, ids_of_mask(mask)


def _refuse_black_and_white(id_lists, classes, pairs):
    if id_lists:
        first = next((i for i, x in enumerate(id_lists) if 255 in x), 0)
        refuse_black_and_white(id_lists, classes, pairs[first].mask)


def _map(function, items):
    """`map` on threads, in order; Pillow lets go of the GIL to decode."""
    workers = min(8, os.cpu_count() or 1)
    items = iter(items)
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        # A few at a time: the first error ends it, and a queue of decoded
        # results would not.
        while batch := list(itertools.islice(items, 8 * workers)):
            yield from pool.map(function, batch)
