"""An image of any size in tiles that overlap, in the memory of some tiles."""

import dataclasses

import numpy as np

from keras_seg.arguments import check_positive

__all__ = ["Tiles"]


@dataclasses.dataclass(frozen=True)
class Tiles:
    """Cuts an image into tiles, and blends what is said of each.

    Neighbours overlap. Of the overlap each tile gives its outermost pixels
    up, which see the border of the tile where the image goes on; over the
    rest the weight goes from one tile to the other along a Hann window. A
    network that sees no further than `margin` thus says the same as of the
    whole image. At the borders of the image itself tiles count in full.

    Tiles begin at multiples of 32 pixels, where the network's own grid of
    positions is the same in the tile and in the image. Those at the right and
    at the bottom are up to 31 pixels longer than the others, and there are
    at most four sizes in an image.

    Args:
        size: int, rows and columns of a tile. Defaults to 512.
        overlap: int, pixels that neighbours share. Defaults to 128.
        margin: int, how many of these a tile gives up, at most half of the
            overlap. Defaults to a fourth of it.
        multiple: int, of which size and overlap are multiples: the largest
            stride of the network. Defaults to 32.

    Raises:
        ValueError: for other numbers.

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

    def __post_init__(self):
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
    def can_be_halved(self):
        """Whether half the size is a multiple of what it must be."""
        return self.size >= 2 * self.multiple

    def halved(self):
        """These with half the size, and half the overlap if it must be."""
        size = self.size // 2 // self.multiple * self.multiple
        overlap = size // 2 // self.multiple * self.multiple
        overlap = min(self.overlap, overlap)
        margin = self.margin and min(self.margin, overlap // 2)
        return dataclasses.replace(
            self, size=size, overlap=overlap, margin=margin
        )

    def count(self, shape):
        """The number of tiles of an image of that `(height, width)`."""
        return len(self.along(shape[0])) * len(self.along(shape[1]))

    def along(self, length):
        """Where tiles lie along an axis.

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
        # Evenly, so that no two tiles share much more than they must.
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

    def _bump(self, length, before, after):
        """Rises from 0 where there is a tile before, and falls again."""
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

    def blocks(self, score, image):
        """Scores of the image, part by part.

        What is kept in memory is a tile, and the overlap with the tiles to
        the right and below, for the width of the image.

        Args:
            score: function from an array `(rows, columns, channels)` to the
                scores of its pixels, `(rows, columns, classes)`.
            image: array `(height, width, channels)`, or anything that has a
                `shape` and gives arrays of `image[rows, columns]` for two
                slices, such as `numpy.memmap`.

        Yields:
            Tuples `(rows, columns, scores)`: two slices, and a float32 array.
            Together they cover each pixel once, from left to right and from
            the top down.
        """
        height, width = image.shape[:2]
        vertical, horizontal = self.along(height), self.along(width)
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
                        shape = (bottom - below, width, part.shape[-1])
                        kept = np.empty(shape, "float32")
                    kept[:, start:after] = part[below - top :]
                left = left.copy()
            above = kept


def _next_start(places, index, end):
    """Where the tile behind begins; where this one ends if it is the last."""
    return places[index + 1][0] if index + 1 < len(places) else end
