"""`StackFiles`: masks of several labels from stacks, or a file a class."""

import dataclasses
import pathlib
from typing import Any

import numpy as np

from keras_seg import words
from keras_seg.data.arrays import is_npy
from keras_seg.data.arrays import read_npy
from keras_seg.data.arrays import read_npz
from keras_seg.data.arrays import read_tiff
from keras_seg.data.arrays import tiff_pages
from keras_seg.data.arrays import tiff_tags
from keras_seg.data.classes import VOID
from keras_seg.data.errors import DataError
from keras_seg.data.images import read_size
from keras_seg.data.mask_colors import compare_colors
from keras_seg.data.mask_colors import palette_colors
from keras_seg.data.mask_files import check_mask_values
from keras_seg.data.mask_files import map_values
from keras_seg.data.mask_files import sizes_differ
from keras_seg.data.masks import has_colors
from keras_seg.data.masks import read_mask
from keras_seg.data.masks import read_palette

__all__ = ["StackFiles", "read_stack"]

_SAMPLES, _COMPRESSION, _JPEG = 277, 259, (6, 7)


@dataclasses.dataclass(frozen=True)
class StackFiles:
    """Reads the planes of a pair, from one file or from one for each class.

    Args:
        values: optional dictionary from values in the files to 0, 1 and 255;
            `None` takes them as they are. Or, if one is a tuple, from ids in
            files of one channel to tuples of classes, 255 for void. Without
            it, an index of palettes must have one color in all masks of a
            class.
        missing: int, the value of a plane whose file is missing: 0 where the
            class is absent then, 255 where it is unknown.
    """

    values: dict[int, Any] | None = None
    missing: int = 0
    # See `compare_colors`.
    _seen: dict = dataclasses.field(
        default_factory=dict, init=False, compare=False, repr=False
    )

    def __post_init__(self):
        if not self.of_ids:
            check_mask_values(self.values)
            return
        named = [of for _, of in self._classes()]
        check_mask_values(dict.fromkeys(self.values or (), 0))
        check_mask_values(dict.fromkeys(sum(named, ()), 0))
        if not any(named):
            raise ValueError(
                "`mask_values` must name a class. Received: "
                f"mask_values={self.values}"
            )

    @property
    def of_ids(self):
        """Whether files have ids, each of which stands for some classes."""
        values = self.values.values() if isinstance(self.values, dict) else ()
        return any(isinstance(classes, tuple) for classes in values)

    def _classes(self):
        """Each value with a tuple of its classes, of void an empty one."""
        for value, of in (self.values or {}).items():
            one = () if of == VOID else (of,)
            yield value, of if isinstance(of, tuple) else one

    def maps(self, pair):
        """See `is_mapped`."""
        return self.values is not None

    def __call__(self, pair):
        if pair.planes is None:
            stack = read_stack(pair.mask, self._plane)
            self._refuse_planes_first(stack, pair)
            return self._of(stack, pair.mask)
        planes: dict[int, np.ndarray] = {}
        for k, file in enumerate(pair.planes):
            if file is not None:
                planes[k] = self._of(self._plane(file, k=k), file)
        sizes = {plane.shape for plane in planes.values()}
        size = read_size(pair.image)
        if len(sizes) > 1:
            wrong = next(k for k, p in planes.items() if p.shape != size)
            other = dataclasses.replace(pair, mask=pair.planes[wrong])
            raise sizes_differ(other, size, planes[wrong].shape)
        dtype = np.result_type("uint8", *planes.values())
        shape = (*(sizes or {size}).pop(), len(pair.planes))
        stack = np.full(shape, self.missing, dtype)
        for k, plane in planes.items():
            stack[..., k] = plane
        return stack

    def _plane(self, file, page=None, k=0):
        """The values of a file, or of a page; `k` is the class of a file."""
        plane = read_mask(file, page)
        if self.values is None:
            palette = read_palette(file, page)
            if palette is not None:
                colors = palette_colors(palette, plane)
                k = k if page is None else page
                compare_colors(self._seen, colors, pathlib.Path(file), k)
        return plane

    def _of(self, array, file):
        if self.values is None:
            return array
        if self.of_ids:
            return self._from_ids(array, file)
        return map_values(array, self.values, file)

    def _from_ids(self, array, file):
        if array.shape[2] > 1:
            raise DataError(
                "KS-D039",
                file,
                f"has {array.shape[2]} planes",
                "mask_values names the classes of each id, of which a pixel "
                "has one",
                fix="save one channel of ids, or leave mask_values out",
            )
        rows = dict(self._classes())
        count = 1 + max(max(of, default=0) for of in rows.values())
        table = np.zeros((len(rows), count), "uint8")
        for row, (value, of) in enumerate(rows.items()):
            table[row, list(of)] = 1
            if self.values and self.values[value] == VOID:
                table[row] = VOID
        numbers = {value: row for row, value in enumerate(rows)}
        return table[map_values(array[..., 0], numbers, file)]

    @staticmethod
    def _refuse_planes_first(stack, pair):
        size = read_size(pair.image)
        if stack.shape[:2] != size == stack.shape[1:]:
            raise DataError(
                "KS-D006",
                pair.mask,
                f"has the shape {stack.shape}, planes first",
                "a stack is (height, width, classes)",
                fix="save numpy.moveaxis(stack, 0, -1) instead",
            )


def read_stack(path, read=read_mask):
    """Read the planes of one file, an integer array `(height, width, planes)`.

    A page of a TIFF is a plane, or a band of its only page is; the last axis
    of a NumPy array is the planes'. A file of one channel is one plane. Colors
    and fractions are a `DataError`. `read` is called for a picture, or with
    each page of one.
    """
    suffix = pathlib.Path(path).suffix.lower()
    if is_npy(path) or suffix == ".npz":
        read = read_npy if is_npy(path) else read_npz
        return _integers(path, read(path))
    if suffix in (".tif", ".tiff"):
        pages = tiff_pages(path)
        tags = tiff_tags(path)
        bands = tags.get(_SAMPLES, 1)
        if pages > 1 and bands > 1:
            raise DataError(
                "KS-D007",
                path,
                f"has {pages} pages of {words.count(bands, 'band')}",
                "a class is a page, or a band of the only page",
                fix="write the planes as pages",
            )
        if bands > 1:
            if tags.get(_COMPRESSION) in _JPEG:
                raise DataError(
                    "KS-D008",
                    path,
                    "is compressed as JPEG",
                    "a mask must be stored without loss",
                    fix="write it again from its source with deflate",
                )
            return _integers(path, read_tiff(path, shown=False))
        planes = [read(path, page) for page in range(pages)]
        if len({plane.shape for plane in planes}) > 1:
            raise DataError(
                "KS-D007",
                path,
                "has pages of different sizes",
                "the planes of a mask have one size",
                fix="write it again from its source",
            )
        return np.stack(planes, axis=-1)
    if has_colors(path):
        raise DataError(
            "KS-D007",
            path,
            "has colors",
            "a mask of several labels is a TIFF with a page or a band for each "
            "class, a NumPy array (height, width, classes), or one file for "
            "each class",
            guess="Its channels may be classes, or its colors may stand for "
            "them.",
            fix="save its planes with numpy.save, or, if each pixel has one "
            "class, read the masks without multi_label",
        )
    return read(path)[..., None]


def _integers(path, array):
    stack = array[..., None] if array.ndim == 2 else array
    if stack.dtype == bool:
        return stack.astype("uint8")
    if stack.dtype.kind in "iu":
        return stack
    raise DataError(
        "KS-D007",
        path,
        f"has {array.dtype} values of the shape {array.shape}",
        "a plane has integers: 1 where the class is, 0 where it is not",
        fix="save (stack > 0.5).astype('uint8') if they are scores",
    )
