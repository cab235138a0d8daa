"""Windows around pixels, for the `fit` of a patch classifier."""

from collections.abc import Sequence

import numpy as np

from keras_seg.arguments import check_positive
from keras_seg.arguments import pair_of
from keras_seg.data.classes import VOID
from keras_seg.data.classes import ClassTable
from keras_seg.data.folder import PairSequence
from keras_seg.data.ids import classes_of_ids
from keras_seg.data.ids import ids_of_mask
from keras_seg.data.ids import normalize_mask
from keras_seg.data.loading import Epochs
from keras_seg.data.loading import PairCache
from keras_seg.data.loading import naming_pair

__all__ = [
    "Windows",
    "pixels_of_classes",
    "read_images_and_masks",
    "with_classes",
]


class Windows(Epochs):
    """Batches `(windows, labels)` with the same number of pixels of each class.

    They train a patch classifier, such as `keras_seg.applications.N4`: its
    input is the window around a pixel, its label the class of that pixel. An
    epoch has all pixels of the rarest class, and as many of each other class,
    drawn anew. `windows[i]` is a tuple of windows, uint8 `(batch, height,
    width, channels)`, float32 if the data set has floats, and int32 labels
    `(batch,)`. As in `keras_seg.data.Batches`, it depends only on `seed`,
    `epoch` and `i`. Reference:

    - [Deep Neural Networks Segment Neuronal Membranes in Electron Microscopy
      Images](https://papers.nips.cc/paper/4741) (NIPS 2012)

    Images are reflected at their borders. The pixel of a window is at row and
    column `window // 2`, as in `keras_seg.applications.SlidingWindow`, also
    after flips and turns, which are about the pixel.

    A network that has seen classes equally often predicts rare ones too
    often: `keras_seg.inference.Calibration` corrects that.

    Args:
        data: a `Folder`, or a sequence of tuples `(image, mask)`: an image
            `(height, width, channels)` of 0..255, uint8 or float, and an
            integer mask `(height, width)`, where 255 is void. Images of
            different sizes may be mixed, and be smaller than a window. All
            are kept in memory, with 4 bytes (8 in large data sets) for each
            pixel that is not void.
        window: int or pair of ints, the height and width of a window.
        batch_size: int. Defaults to 128.
        class_table: optional `ClassTable` or number of classes. By default
            those of `data`, or else 0 to the largest id.
        per_class: optional int, the most windows of a class in an epoch. By
            default all pixels of the rarest class.
        flips: bool, whether to flip left and right, and top and bottom, each
            with a probability of one half. Defaults to True.
        quarter_turns: bool, whether to turn by 0, 90, 180 or 270 degrees,
            each equally likely. Defaults to True.
        shuffle: bool, whether to draw pixels, flips and turns anew in every
            epoch. Set it to False for validation. Defaults to True.
        seed: int, 0 or more. Defaults to 0.

    Raises:
        ValueError: If an argument is out of range, or a class has no pixel.
            The message names it.
        DataError: If a mask has an id that is neither a class nor void.

    Example:

    >>> import keras, keras_seg
    >>> from keras_seg.data import Windows
    >>> from keras_seg.data import synthetic
    >>> images, masks = synthetic.membranes(2, size=64)
    >>> windows = Windows(list(zip(images, masks)), 15, per_class=6)
    >>> x, y = windows[0]
    >>> x.shape, sorted(y.tolist())
    ((12, 15, 15, 3), [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1])
    >>> classifier = keras.Sequential([
    ...     keras.Input((15, 15, 3)),
    ...     keras.layers.Conv2D(8, 4, activation="relu"),
    ...     keras.layers.Flatten(),
    ...     keras.layers.Dense(2, activation="softmax"),
    ... ])
    >>> classifier.compile("sgd", "sparse_categorical_crossentropy")
    >>> history = classifier.fit(windows, verbose=0)
    >>> model = keras_seg.applications.SlidingWindow(classifier)
    """

    def __init__(
        self,
        data: PairSequence,
        window: int | Sequence[int],
        batch_size: int = 128,
        *,
        class_table: ClassTable | int | None = None,
        per_class: int | None = None,
        flips: bool = True,
        quarter_turns: bool = True,
        shuffle: bool = True,
        seed: int = 0,
    ):
        super().__init__(seed)
        self.window = pair_of("window", window)
        check_positive(batch_size=batch_size)
        if per_class is not None:
            check_positive(per_class=per_class)
        self.batch_size = batch_size
        self.flips = flips
        self.quarter_turns = quarter_turns
        self.shuffle = shuffle
        self._reach = max(self.window) // 2
        images, masks = read_images_and_masks(data)
        self.class_table, masks = with_classes(data, masks, class_table)
        self._widths = [mask.shape[1] for mask in masks]
        sizes = [mask.size for mask in masks]
        self._starts = np.cumsum([0, *sizes[:-1]])
        self._pixels = pixels_of_classes(masks, self.class_table)
        fewest = min(map(len, self._pixels))
        self.per_class = min(fewest, per_class or fewest)
        around = (self._reach, self._reach)
        # Like `keras_seg.layers.ReflectionPadding`, for images of every size.
        self._mirrored = [
            np.pad(image, (around, around, (0, 0)), mode="reflect")
            for image in images
        ]
        self._drawn: tuple = (None, None)

    def __len__(self) -> int:
        return -(-self.per_class * len(self._pixels) // self.batch_size)

    def _batch(self, index, in_epoch):
        start = index * self.batch_size
        pixels, labels, turns = [
            array[start : start + self.batch_size]
            for array in self._draw(self.epoch if self.shuffle else 0)
        ]
        return self._turned(self._around(pixels), turns), labels

    def _draw(self, epoch):
        """The pixels of an epoch, their classes, and how they are turned."""
        known, drawn = self._drawn
        if known == epoch:
            return drawn
        rng = np.random.default_rng([self.seed, epoch])
        count = self.per_class
        pixels = np.concatenate(
            [rng.choice(own, count, replace=False) for own in self._pixels]
        )
        labels = np.repeat(np.arange(len(self._pixels), dtype="int32"), count)
        turns = rng.integers(16, size=len(pixels), dtype="uint8")
        order = rng.permutation(len(pixels))
        drawn = pixels[order], labels[order], turns
        self._drawn = (epoch, drawn)
        return drawn

    def _around(self, pixels):
        """Squares around pixels that hold every turned window."""
        side = 2 * self._reach + 1
        numbers = np.searchsorted(self._starts, pixels, side="right") - 1
        channels = self._mirrored[0].shape[-1]
        dtype = self._mirrored[0].dtype
        result = np.empty((len(pixels), side, side, channels), dtype)
        for number in np.unique(numbers):
            places = np.flatnonzero(numbers == number)
            rows, columns = np.divmod(
                pixels[places] - self._starts[number], self._widths[number]
            )
            view = np.lib.stride_tricks.sliding_window_view(
                self._mirrored[number], (side, side), axis=(0, 1)
            )
            result[places] = np.moveaxis(view, 2, -1)[rows, columns]
        return result

    def _turned(self, around, turns):
        height, width = self.window
        top, left = self._reach - height // 2, self._reach - width // 2
        result = np.empty(
            (len(around), height, width, around.shape[-1]), around.dtype
        )
        mirrored, quarters = turns % 4, turns // 4
        if not self.flips:
            mirrored = np.zeros_like(turns)
        if not self.quarter_turns:
            quarters = np.zeros_like(turns)
        for both in range(16):
            flip, quarter = both % 4, both // 4
            places = (mirrored == flip) & (quarters == quarter)
            part = around[places]
            part = part[:, :: -1 if flip & 1 else 1, :: -1 if flip & 2 else 1]
            part = np.rot90(part, quarter, axes=(1, 2))
            result[places] = part[:, top : top + height, left : left + width]
        return result


def read_images_and_masks(data):
    """Two lists: images of one dtype, uint8 or float32, and masks."""
    if len(data) == 0:
        raise ValueError(
            "`data` must have at least one pair. Received: an empty data set"
        )
    pairs = PairCache(data, keep=False)
    images, masks = [], []
    for index in range(len(data)):
        with naming_pair(index):
            image, mask = pairs[index]
        images.append(image)
        masks.append(mask)
        channels = images[0].shape[2]
        if image.shape[2] != channels:
            raise ValueError(
                "`data` must have images of one number of channels. Received: "
                f"{channels} in pair 0, {image.shape[2]} in pair {index}"
            )
        if mask.ndim == 3:
            raise ValueError(
                "`data` must have masks of one id a pixel, for a window is of "
                f"one class. Received: pair {index} with a mask of several "
                f"labels, {mask.shape}"
            )
    dtype = np.result_type(*{image.dtype for image in images})
    return [image.astype(dtype, copy=False) for image in images], masks


def with_classes(data, masks, class_table=None):
    """The `ClassTable` of masks, and the masks with 255 for all void ids."""
    files = [f"mask {index}" for index in range(len(masks))]
    if class_table is None:
        class_table = getattr(data, "class_table", None)
    if class_table is None:
        class_table = classes_of_ids(
            [ids_of_mask(mask) for mask in masks], files
        )
    if not isinstance(class_table, ClassTable):
        class_table = ClassTable.default(class_table)
    masks = [
        normalize_mask(mask, class_table, file)
        for mask, file in zip(masks, files, strict=True)
    ]
    return class_table, masks


def pixels_of_classes(masks, class_table):
    """Sorted indices of the pixels of each class in the concatenated masks.

    Example:

    >>> import numpy as np
    >>> masks = [np.array([[1, 0, 255]], "uint8"), np.array([[1]], "uint8")]
    >>> [pixels.tolist() for pixels in
    ...  pixels_of_classes(masks, ClassTable.default(2))]
    [[1], [0, 3]]
    """
    ids = np.concatenate([mask.ravel() for mask in masks])
    counts = np.bincount(ids, minlength=VOID + 1)[: len(class_table)]
    if not counts.all():
        absent = int(np.argmin(counts))
        raise ValueError(
            "Every class must have pixels, for as many of each are drawn. "
            f"Received: none of class {absent} "
            f"({class_table.names[absent]!r}). Fix: add a mask that has it, "
            "or leave it out of `class_table`"
        )
    dtype = np.min_scalar_type(ids.size)
    return [
        np.flatnonzero(ids == number).astype(dtype)
        for number in range(len(class_table))
    ]
