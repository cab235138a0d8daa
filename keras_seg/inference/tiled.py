"""An image in tiles, smaller ones where memory does not suffice."""

import warnings

import numpy as np

from keras_seg.inference.memory import is_out_of_memory
from keras_seg.inference.scores import ids_of
from keras_seg.inference.scores import predict_scores

__all__ = ["predict_tiled"]


def predict_tiled(model, image, tiles, out=None, keep=None):
    """Finds the class of every pixel of an image, tile by tile.

    Where memory does not suffice for a tile, tiles are halved, with a
    warning, and the image begins anew.

    Args:
        model: `keras.Model`, images to scores of the same size.
        image: array `(height, width, channels)`, or what `Tiles.blocks` takes.
        tiles: `keras_seg.inference.Tiles`.
        out: what ids are written to. Defaults to a new array.
        keep: function from scores to the probabilities that are kept of the
            whole image, see `keeper_of`; or None.

    Returns:
        Tuple (ids, probabilities or None, the tiles that memory sufficed
        for).

    Raises:
        ValueError: if the model gives scores of another size.
        MemoryError: or the backend's own, where it does not suffice for the
            smallest tiles either.
    """
    while True:
        try:
            return *_predict(model, image, tiles, out, keep), tiles
        except Exception as error:
            if not is_out_of_memory(error) or not tiles.can_be_halved:
                raise
        smaller = tiles.halved()
        warnings.warn(
            f"Out of memory with tiles of {tiles.size} pixels: they have "
            f"{smaller.size} from here on.",
            stacklevel=3,
        )
        tiles = smaller


def _predict(model, image, tiles, out, keep):
    kept = None
    blocks = tiles.blocks(
        lambda tile: predict_scores(model, tile[None])[0], image
    )
    for rows, columns, scores in blocks:
        ids = ids_of(scores)
        if out is None:
            out = np.empty(image.shape[:2], ids.dtype)
        out[rows, columns] = ids
        if keep and kept is None:
            shape = (*image.shape[:2], scores.shape[-1])
            kept = np.empty(shape, "float16")
        if kept is not None:
            kept[rows, columns] = keep(scores)
    return out, kept
