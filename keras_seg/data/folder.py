"""`Folder`, a sequence of images and masks, and its plain readers."""

import concurrent.futures
import copy
import itertools
import os
import pathlib
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any
from typing import Protocol
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from keras_seg.arguments import check_positive
from keras_seg.data.arrays import tiff_pages
from keras_seg.data.bands import valid_pixels
from keras_seg.data.classes import VOID
from keras_seg.data.classes import ClassTable
from keras_seg.data.errors import DataError
from keras_seg.data.ids import classes_of_ids
from keras_seg.data.ids import ids_of_mask
from keras_seg.data.ids import normalize_mask
from keras_seg.data.ids import refuse_black_and_white
from keras_seg.data.images import read_pixels
from keras_seg.data.images import read_size
from keras_seg.data.layout import find_classes
from keras_seg.data.layout import find_folders
from keras_seg.data.mask_colors import color_code
from keras_seg.data.mask_files import MaskFiles
from keras_seg.data.mask_files import is_mapped
from keras_seg.data.mask_files import sizes_differ
from keras_seg.data.pairs import Pair
from keras_seg.data.pairs import find_pairs
from keras_seg.data.stack_files import StackFiles
from keras_seg.data.stacks import count_planes
from keras_seg.data.stacks import normalize_stack
from keras_seg.data.stacks import refuse_white_planes
from keras_seg.data.text import refuse_alike

__all__ = [
    "Folder",
    "PairSequence",
    "find_table",
    "from_files",
    "from_pairs",
    "from_stack",
    "map_threads",
]


class PairSequence(Protocol):
    """What training and evaluation read: a `Folder`, a list of pairs, …"""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


class Folder:
    """A sequence of `(image, mask)` arrays, read from pairs of files.

    A mask is uint8 `(height, width)`, with 255 for every id that means void;
    or, with `multi_label`, `(height, width, classes)`: 1 where a class is, 0
    where it is not, 255 where that is not known. Pixels of an image without
    data, see `read_image`, are void. Every read checks the values.

    Args:
        pairs: sequence of `Pair`.
        class_table: `ClassTable`.
        masks: optional callable from a `Pair` to an integer array
            `(height, width)` of the ids as written, or with `multi_label`
            `(height, width, classes)`. `None` reads the mask file of the
            pair.
        channels: optional int, see `read_image`.
        skipped: sequence of paths, images left out for want of a mask.
        bit_depth: optional int, see `read_image`. Training sets this
            attribute to what `find_bit_depth` returns.
        multi_label: bool, whether classes may overlap.

    Attributes:
        bands: optional tuple, see `read_image`.
        without_data: dictionary from the index of each pair that was read to
            the number of pixels of its image without data, if there are any.
        layout: str, how the masks of several labels lie in the folder; ""
            if there is only one way.
    """

    def __init__(
        self,
        pairs: Iterable[Pair],
        class_table: ClassTable,
        masks: Callable[[Pair], NDArray] | None = None,
        channels: int | None = 3,
        skipped: Iterable[pathlib.Path] = (),
        bit_depth: int | None = None,
        multi_label: bool = False,
    ):
        self.pairs = tuple(pairs)
        self.class_table = class_table
        if masks is None:
            masks = StackFiles() if multi_label else MaskFiles()
        self.masks = masks
        self.channels = channels
        self.skipped = tuple(skipped)
        self.bit_depth = bit_depth
        self.multi_label = multi_label
        self.layout = ""
        self.bands: tuple[int | str, ...] | None = None
        self.without_data: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> tuple[NDArray, NDArray]:
        image, mask, _ = self._read(index)
        return image, mask

    def __repr__(self) -> str:
        names = ", ".join(self.class_table.names)
        pairs, classes = len(self), len(self.class_table)
        kind = "labels" if self.multi_label else "classes"
        layout = f"; {self.layout}" if self.layout else ""
        return f"<Folder: {pairs} pairs, {classes} {kind}: {names}{layout}>"

    def _repr_html_(self) -> str:
        from keras_seg.visualization.notebook import as_html

        try:
            return as_html(repr(self), picture=self.show() if self else None)
        except DataError as error:
            return as_html(f"{self!r} {error}")

    def show(self, count: int = 4) -> Image.Image:
        """Draws some of the images, beside themselves with their masks.

        Args:
            count: int, the number of images, spread evenly over the folder.

        Returns:
            `PIL.Image.Image`, which a notebook shows and `.save("pairs.png")`
            writes.

        Raises:
            ValueError: If the folder is empty, or a file cannot be used.

        Example:

        >>> import pathlib
        >>> import tempfile
        >>> from keras_seg.data import from_folder
        >>> from keras_seg.data import synthetic
        >>> path = pathlib.Path(tempfile.mkdtemp())
        >>> images, masks = synthetic.membranes(3, size=64)
        >>> synthetic.write_folder(
        ...     path, images, masks, synthetic.MEMBRANE_CLASSES)
        >>> folder = from_folder(path, "train")
        >>> folder
        <Folder: 3 pairs, 2 classes: cell, membrane>
        >>> folder.show().save(path / "pairs.png")
        """
        from keras_seg.visualization import gallery
        from keras_seg.visualization.notebook import as_image

        check_positive(count=count)
        count = min(count, len(self))
        chosen = [(2 * i + 1) * len(self) // (2 * count) for i in range(count)]
        examples = [(str(self.pairs[i].stem), *self[i]) for i in chosen]
        return as_image(gallery(examples, self.class_table))

    def size(self, index: int) -> tuple[int, int]:
        """Height and width of a pair, without decoding it."""
        return read_size(self.pairs[index].image, self.pairs[index].page)

    def read_image(self, index: int) -> NDArray:
        """The image of a pair, see `keras_seg.data.read_image`."""
        return self._pixels(index)[0]

    def read_ids(self, index: int) -> NDArray:
        """The ids `(height, width)` as written, before any check.

        But 255 where the image has no data.
        """
        pair = self.pairs[index]
        how = self.channels, self.bands, pair.page
        return self._ids(index, valid_pixels(pair.image, *how))

    def _pixels(self, index):
        pair = self.pairs[index]
        how = self.channels, pair.page, self.bit_depth, self.bands
        return read_pixels(pair.image, *how)

    def _ids(self, index, valid):
        ids = self.masks(self.pairs[index])
        if valid is None or valid.shape != ids.shape[:2]:
            return ids
        self.without_data[index] = int(valid.size - np.count_nonzero(valid))
        valid = valid if ids.ndim == 2 else valid[..., None]
        return np.where(valid, ids, np.uint8(VOID))

    def subset(self, indices: Iterable[int]) -> Self:
        """A `Folder` of the pairs at some indices."""
        part = copy.copy(self)
        part.pairs, part.skipped = tuple(self.pairs[i] for i in indices), ()
        part.without_data = {}
        return part

    def check(self) -> Self:
        """Decode every file, and return the folder if all can be trained on.

        Raises:
            DataError: If a file is damaged, an image and its mask differ in
                size, ids are outside the classes, or the masks (of several
                labels, those of a class) hold only 0 and 255. The first in
                order is raised.
        """
        for _ in self.checked_masks():
            pass
        return self

    def checked_masks(self) -> Iterator[NDArray]:
        """The masks in order; after the last, what `check` raises for all."""
        found, files = [], []
        read = map_threads(lambda i: self._read(i)[1:], range(len(self)))
        for (mask, ids), pair in zip(read, self.pairs, strict=True):
            yield mask
            if not is_mapped(self.masks, pair):
                found.append(ids)
                files.append(pair.planes or pair.mask)
        refuse = refuse_black_and_white
        if self.multi_label:
            refuse = refuse_white_planes
        refuse(found, self.class_table, files)

    def _read(self, index):
        image, valid = self._pixels(index)
        pair, mask = self.pairs[index], self._ids(index, valid)
        if image.shape[:2] != mask.shape[:2]:
            raise sizes_differ(pair, image.shape[:2], mask.shape[:2])
        if self.multi_label:
            counts = count_planes(mask)
            files = pair.planes or pair.mask
            stack = normalize_stack(mask, self.class_table, files, counts)
            return image, stack, counts
        ids = ids_of_mask(mask)
        normal = normalize_mask(mask, self.class_table, pair.mask, ids)
        return image, normal, ids


def map_threads(function, items):
    """`map` on threads, in order. Pillow releases the GIL while it decodes."""
    workers = min(8, os.cpu_count() or 1)
    items = iter(items)
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        # In batches: after an error only the current one is still decoded.
        while batch := list(itertools.islice(items, 8 * workers)):
            yield from pool.map(function, batch)


def from_pairs(
    path,
    split=None,
    *,
    class_table=None,
    check=True,
    mask_values=None,
    channels=3,
    problems=None,
    skip_unlabeled=False,
):
    """Read a folder of images and one of masks; see `from_folder`.

    `problems` is an optional list to which the errors of single files are
    appended. No classes are looked for then.
    """
    images, masks, stems = find_folders(path, split)
    pairs, skipped = find_pairs(images, masks, stems, problems, skip_unlabeled)
    if problems is None:
        class_table = find_table(path, class_table)
    return from_files(
        pairs, skipped, class_table, check, mask_values, channels, problems
    )


def find_table(path, class_table):
    """The classes given, or the `ClassTable` of a folder, or `None`."""
    if class_table is None and (table := find_classes(pathlib.Path(path))):
        class_table = ClassTable.read(table)
        refuse_alike(class_table.names, table)
    return class_table


def from_files(
    pairs, skipped, class_table, check, mask_values, channels, problems=None
):
    """A `Folder` of pairs that have a mask file each; see `from_folder`.

    If there is no class table, all masks are decoded to find the classes;
    with `problems`, a list, they are left unknown.
    """
    masks = MaskFiles(mask_values, color_code(class_table))
    if isinstance(class_table, int):
        class_table = ClassTable.default(class_table)
    if class_table is None and problems is None:
        files = [pair.mask for pair in pairs]
        id_lists = list(map_threads(lambda p: ids_of_mask(masks(p)), pairs))
        if mask_values is None:
            refuse_black_and_white(id_lists, None, files)
        class_table = classes_of_ids(id_lists, files)
    folder = Folder(pairs, class_table, masks, channels, skipped)
    return folder.check() if check else folder


def from_stack(
    images: str | os.PathLike,
    labels: str | os.PathLike,
    *,
    class_table: ClassTable | int | None = None,
    check: bool = True,
    mask_values: dict[int, int] | None = None,
    channels: int | None = 3,
) -> Folder:
    """Read a TIFF stack of images and one of labels, such as ISBI 2012's.

    Page i of the labels is the mask of page i of the images. Black-and-white
    labels need `mask_values={0: 0, 255: 1}`.

    Args:
        images: str or path of the images.
        labels: str or path of the labels.
        class_table: optional `ClassTable` or number of classes. By default
            `classes.csv` beside the images or in the folder above, or else
            the ids that the labels have.
        check, mask_values, channels: see `from_folder`.

    Returns:
        A `Folder`; its stems are the name of the images and the page number.

    Raises:
        DataError: If a file or a page cannot be used.
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
    class_table = find_table(images.parent, class_table)
    return from_files(pairs, (), class_table, check, mask_values, channels)
