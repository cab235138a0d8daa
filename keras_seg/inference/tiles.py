"""Prediction of large images in overlapping tiles."""

import dataclasses
import itertools
import warnings
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any
from typing import Self

import numpy as np
from numpy.typing import NDArray

from keras_seg.arguments import check_positive
from keras_seg.inference.scores import Model
from keras_seg.inference.scores import predict_scores
from keras_seg.score_form import ScoreForm

__all__ = ["Tiles", "blend", "is_out_of_memory", "join", "predict_tiled"]

# Of TensorFlow and PyTorch, by name: they may not be installed.
_MEMORY_ERRORS = {"ResourceExhaustedError", "OutOfMemoryError"}
# In the RuntimeErrors of XLA, and of PyTorch on the CPU.
_MEMORY_WORDS = ("resource_exhausted", "out of memory", "can't allocate memory")


@dataclasses.dataclass(frozen=True)
class Tiles:
    """Cuts an image into overlapping tiles and blends their scores.

    The outermost pixels of a tile, the margin, see its border where the image
    goes on, and are not used. Over the rest of the overlap, tiles are blended
    with the weights of a Hann window. A network whose receptive field reaches
    no further than `margin` gives the scores of the whole image. At the
    borders of the image tiles have full weight.

    Tiles begin at multiples of 32 pixels, so that the strides of the network
    fall on the same pixels as in the whole image. The last ones in a row and
    in a column are up to 31 pixels longer: an image has tiles of at most four
    sizes.

    Args:
        size: int, rows and columns of a tile. Defaults to 512.
        overlap: int, pixels that neighboring tiles share. Defaults to 128.
        margin: int, pixels at each border of a tile that are not used, at
            most half of the overlap. Defaults to a fourth of it.
        multiple: int, the largest stride of the network; size and overlap
            must be multiples of it. Defaults to 32.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> import numpy as np
    >>> image = np.arange(150.0).reshape(10, 15, 1)
    >>> tiles = Tiles(8, overlap=4, multiple=2)
    >>> blocks = list(tiles.blocks(lambda tile: 2 * tile, image))
    >>> len(blocks)
    6
    >>> doubled = np.zeros((10, 15, 1))
    >>> for rows, columns, scores in blocks:
    ...     doubled[rows, columns] = scores
    >>> bool(np.allclose(doubled, 2 * image))
    True
    """

    size: int = 512
    overlap: int = 128
    margin: int | None = None
    multiple: int = 32

    def __post_init__(self) -> None:
        check_positive(multiple=self.multiple)
        for name in ("size", "overlap"):
            value = getattr(self, name)
            least = 0 if name == "overlap" else 1
            whole = isinstance(value, int) and not isinstance(value, bool)
            if not whole or value < least or value % self.multiple:
                raise ValueError(
                    f"`{name}` must be a multiple of {self.multiple}, at "
                    f"least {least}. Received: {name}={value!r}"
                )
        if self.overlap > self.size // 2:
            raise ValueError(
                "`overlap` must be at most half of the size. Received: "
                f"overlap={self.overlap}, size={self.size}"
            )
        if self.margin is not None and not (
            isinstance(self.margin, int)
            and 0 <= 2 * self.margin <= self.overlap
        ):
            raise ValueError(
                "`margin` must be an integer, at most half of the overlap. "
                f"Received: margin={self.margin!r}, overlap={self.overlap}"
            )

    @property
    def can_be_halved(self) -> bool:
        """Whether tiles of half the size can be made."""
        return self.size >= 2 * self.multiple

    def halved(self) -> Self:
        """Tiles of half the size, with less overlap if necessary."""
        size = self.size // 2 // self.multiple * self.multiple
        overlap = size // 2 // self.multiple * self.multiple
        overlap = min(self.overlap, overlap)
        margin = self.margin and min(self.margin, overlap // 2)
        return dataclasses.replace(
            self, size=size, overlap=overlap, margin=margin
        )

    def count(self, shape: tuple[int, int]) -> int:
        """The number of tiles of an image of that `(height, width)`."""
        return len(self.along(shape[0])) * len(self.along(shape[1]))

    def along(self, length: int) -> list[tuple[int, int, NDArray[np.float32]]]:
        """Positions and weights of the tiles along an axis.

        Args:
            length: int, pixels.

        Returns:
            List of `(start, stop, weights)`. The weights of all tiles at a
            pixel add up to 1.
        """
        if length <= self.size:
            return [(0, length, np.ones(length, "float32"))]
        last = (length - self.size) // self.multiple * self.multiple
        steps = -(-last // (self.size - self.overlap))
        # Evenly spaced, so that no two overlap much more than they must.
        starts = [
            last * step // max(steps, 1) // self.multiple * self.multiple
            for step in range(steps + 1)
        ]
        ends = [*(start + self.size for start in starts[:-1]), length]
        bumps = [
            self._bump(stop - start, start > 0, stop < length)
            for start, stop in zip(starts, ends, strict=True)
        ]
        total = np.zeros(length)
        for start, stop, bump in zip(starts, ends, bumps, strict=True):
            total[start:stop] += bump
        return [
            (start, stop, (bump / total[start:stop]).astype("float32"))
            for start, stop, bump in zip(starts, ends, bumps, strict=True)
        ]

    def _bump(self, length: int, before: bool, after: bool) -> NDArray:
        """Weights that rise after a tile before and fall towards one after."""
        margin = self.overlap // 4 if self.margin is None else self.margin
        width = self.overlap - 2 * margin
        ramp = np.sin(np.pi / 2 * (np.arange(width) + 0.5) / max(width, 1)) ** 2
        ramp = np.concatenate([np.zeros(margin), ramp])
        bump = np.ones(length)
        if before:
            bump[: len(ramp)] *= ramp
        if after:
            bump[length - len(ramp) :] *= ramp[::-1]
        return bump

    def strips(self, length: int, rows: int) -> list[tuple[int, int]]:
        """Cuts an axis where tiles begin, for `blocks`, every so many tiles.

        Example:

        >>> Tiles(64, overlap=32).strips(250, rows=3)
        [(0, 96), (96, 250)]
        """
        starts = [start for start, _, _ in self.along(length)][::rows]
        return list(itertools.pairwise([*starts, length]))

    def blocks(
        self,
        score: Callable[[NDArray], NDArray],
        image: Any,
        strip: tuple[int, int] | None = None,
    ) -> Iterator[tuple[slice, slice, NDArray[np.float32]]]:
        """Yields the blended scores of an image, block by block.

        Memory holds one tile, its overlap with the tile to the right, and the
        overlap of the whole row with the row below.

        Args:
            score: function from an array `(rows, columns, channels)` to the
                scores of its pixels, `(rows, columns, classes)`.
            image: array `(height, width, channels)`, or anything that has a
                `shape` and gives arrays of `image[rows, columns]` for two
                slices, such as `numpy.memmap`.
            strip: optional tuple `(top, bottom)` of `strips`, whose blocks
                alone are made, to the last bit as those of the whole image.
                Tiles that reach into it from above are scored again.

        Yields:
            Tuples `(rows, columns, scores)`: two slices, and a float32 array.
            The blocks cover each pixel once, from left to right and from
            top to bottom.
        """
        vertical, horizontal = map(self.along, image.shape[:2])
        top, bottom = strip or (0, image.shape[0])
        edges = [*(x[0] for x in vertical), image.shape[0]]
        if not (top in edges and bottom in edges and top < bottom):
            raise ValueError(
                "`strip` must go from where one tile begins to where another "
                f"does, as `Tiles.strips` says. Received: strip={strip}"
            )
        seen = [x for x in vertical if x[0] < bottom and x[1] > top]
        for rows, columns, scores in blend(seen, horizontal, score, image):
            if rows.start >= top:
                inside = slice(rows.start, min(rows.stop, bottom))
                yield inside, columns, scores[: bottom - rows.start]


def blend(
    vertical: list[tuple[int, int, NDArray[np.float32]]],
    horizontal: list[tuple[int, int, NDArray[np.float32]]],
    score: Callable[[NDArray], NDArray],
    image: Any,
) -> Iterator[tuple[slice, slice, NDArray[np.float32]]]:
    """See `Tiles.blocks`; with the tiles along each axis, of `Tiles.along`."""
    above = None
    for index, (top, bottom, down) in enumerate(vertical):
        below = _next_start(vertical, index, bottom)
        kept = left = None
        for number, (start, stop, across) in enumerate(horizontal):
            tile = np.asarray(image[top:bottom, start:stop])
            part = np.asarray(score(tile), "float32")
            part = part * (down[:, None] * across)[..., None]
            if left is not None:
                part[:, : left.shape[1]] += left
            after = _next_start(horizontal, number, stop)
            left = part[:, after - start :]
            part = part[:, : after - start]
            if above is not None:
                part[: len(above)] += above[:, start:after]
            yield (
                slice(top, below),
                slice(start, after),
                part[: below - top],
            )
            if below < bottom:
                if kept is None:
                    shape = (bottom - below, image.shape[1], part.shape[-1])
                    kept = np.empty(shape, "float32")
                kept[:, start:after] = part[below - top :]
            left = left.copy()
        above = kept


def _next_start(places: list, index: int, end: int) -> int:
    """Where the next tile begins, or the last one ends."""
    return places[index + 1][0] if index + 1 < len(places) else end


def predict_tiled(
    model: Model,
    image: Any,
    tiles: Tiles,
    form: ScoreForm,
    out: Any = None,
    keep: Callable[[NDArray], NDArray] | None = None,
    strip: tuple[int, int] | None = None,
) -> tuple[Any, NDArray[np.float16] | None, Tiles]:
    """Predicts the class ids of an image, or of a strip of it, tile by tile.

    If memory does not suffice for a tile, the image is predicted again with
    tiles of half the size, and a warning says so; a strip is not, as others
    would have the larger ones.

    Returns `out` or a new array of the ids; the probabilities that `keep` makes
    of the scores, if it is given; and the tiles used in the end.
    """
    while True:
        try:
            return *_predict(model, image, tiles, form, out, keep, strip), tiles
        except Exception as error:
            halved = tiles.can_be_halved and strip is None
            if not is_out_of_memory(error) or not halved:
                raise
        smaller = tiles.halved()
        warnings.warn(
            f"Out of memory with tiles of {tiles.size} pixels: they have "
            f"{smaller.size} from here on.",
            stacklevel=3,
        )
        tiles = smaller


def _predict(
    model: Model,
    image: Any,
    tiles: Tiles,
    form: ScoreForm,
    out: Any,
    keep: Callable | None,
    strip: tuple[int, int] | None,
) -> tuple[Any, NDArray[np.float16] | None]:
    top, bottom = strip or (0, image.shape[0])
    blocks = (
        (slice(rows.start - top, rows.stop - top), columns, scores)
        for rows, columns, scores in tiles.blocks(
            lambda tile: predict_scores(model, tile[None])[0], image, strip
        )
    )
    return join(blocks, (bottom - top, image.shape[1]), form, out, keep)


def join(
    blocks: Iterable[tuple[slice, slice, NDArray]],
    shape: tuple[int, int],
    form: ScoreForm,
    out: Any,
    keep: Callable | None,
) -> tuple[Any, NDArray[np.float16] | None]:
    """The ids of blocks of scores, and what `keep` makes of the scores."""
    kept = None
    for rows, columns, scores in blocks:
        ids = form.ids_of(scores)
        if out is None:
            out = np.empty((*shape, *ids.shape[2:]), ids.dtype)
        out[rows, columns] = ids
        if keep is not None:
            p = keep(scores)
            if kept is None:
                kept = np.empty((*shape, p.shape[-1]), "float16")
            kept[rows, columns] = p
    return out, kept


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error is Python's or a backend's own for no memory."""
    if isinstance(error, MemoryError) or type(error).__name__ in _MEMORY_ERRORS:
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(
        word in text for word in _MEMORY_WORDS
    )
