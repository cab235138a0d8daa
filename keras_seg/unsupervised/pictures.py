"""Images as k-means takes them: checked, and tile by tile."""

import numpy as np

__all__ = ["as_picture", "as_pictures", "pieces", "tiles"]

# What is made of a tile's pixels takes some 50 MB, whatever the image has.
PIXELS_OF_A_TILE = 2**18
# What is computed from these stays in a core's cache.
ROWS_OF_A_PIECE = 2**14


def as_picture(image):
    """Checks an image.

    Args:
        image: array `(height, width)`, `(height, width, 1)` or
            `(height, width, 3)` of uint8, uint16 or finite floats.

    Returns:
        Array `(height, width, channels)`.

    Raises:
        ValueError: for another shape, another dtype, or NaN.
    """
    picture = np.asarray(image)
    native = picture.dtype.newbyteorder("=")  # ">u2" is no np.uint16
    picture = picture.astype(native, copy=False)
    if picture.ndim == 2:
        picture = picture[..., None]
    if picture.ndim != 3 or picture.shape[2] not in (1, 3) or not picture.size:
        raise ValueError(
            "An image must be an array (height, width, 3), or grey "
            "(height, width) or (height, width, 1); several are a list of "
            f"such arrays. Received: shape {np.shape(image)}"
        )
    if picture.dtype not in (np.uint8, np.uint16) and picture.dtype.kind != "f":
        raise ValueError(
            "An image must be of uint8, uint16 or floats: convert it with "
            f"`astype`. Received: dtype {picture.dtype}"
        )
    if picture.dtype.kind == "f":
        low, high = picture.min(), picture.max()
        if not (np.isfinite(low) and np.isfinite(high)):
            raise ValueError(
                "An image must be finite: fill in what is missing. Received: "
                "NaN or infinity"
            )
    return picture


def as_pictures(images):
    """Checks one image or several, one at a time.

    Args:
        images: an image, or an iterable of images of any size.

    Yields:
        Arrays `(height, width, channels)`, see `as_picture`.

    Raises:
        ValueError: if there is no image, or they differ in dtype or channels.
    """
    # Four axes are a batch, fewer one image.
    if len(getattr(images, "shape", [None] * 4)) < 4:
        images = [images]
    first = None
    for number, image in enumerate(images):
        picture = as_picture(image)
        kind = picture.dtype, picture.shape[2]
        first = first or kind
        if kind != first:
            raise ValueError(
                "All images must have one dtype and one number of channels. "
                f"Received: {first[0]} and channels={first[1]} in image 0, "
                f"{kind[0]} and channels={kind[1]} in image {number}"
            )
        yield picture
    if first is None:
        raise ValueError("`images` must hold an image. Received: none")


def tiles(height, width):
    """Parts of an image, of no more than `PIXELS_OF_A_TILE` pixels.

    Args:
        height, width: ints.

    Yields:
        Tuples of two slices (rows, columns).
    """
    columns = min(width, PIXELS_OF_A_TILE)
    rows = PIXELS_OF_A_TILE // columns
    for top in range(0, height, rows):
        for left in range(0, width, columns):
            yield (
                slice(top, min(top + rows, height)),
                slice(left, min(left + columns, width)),
            )


def pieces(length):
    """Parts of an array of many rows, of no more than `ROWS_OF_A_PIECE`.

    Args:
        length: int.

    Yields:
        Slices.
    """
    for start in range(0, length, ROWS_OF_A_PIECE):
        yield slice(start, min(start + ROWS_OF_A_PIECE, length))
