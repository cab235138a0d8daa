"""Pairs of images and masks as a checked sequence of arrays."""

import concurrent.futures
import itertools
import os

from keras_seg.data.errors import DataError
from keras_seg.data.ids import ids_of_mask
from keras_seg.data.ids import normalize_mask
from keras_seg.data.ids import refuse_black_and_white
from keras_seg.data.images import read_image
from keras_seg.data.images import read_size
from keras_seg.data.mask_files import MaskFiles

__all__ = ["Folder", "map_threads"]


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
        masks = self.masks
        if isinstance(masks, MaskFiles) and masks.values is None:
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
