"""What a data set is known by, so that a run can see that it changed."""

import hashlib

import numpy as np

__all__ = ["fingerprint"]


def fingerprint(data):
    """A short digest of a data set: of names and sizes, not of every pixel.

    Of a folder, the names and sizes in bytes of all its images and masks, in
    order; it may have moved. Of any other sequence, the number of pairs, and
    the arrays of the first, the middle and the last one.

    Args:
        data: `keras_seg.data.Folder`, or a sequence of `(image, mask)`.

    Returns:
        str of 16 hexadecimal digits.

    Example:

    >>> import numpy as np
    >>> pair = np.zeros((4, 4, 3), "uint8"), np.zeros((4, 4), "uint8")
    >>> fingerprint([pair]) == fingerprint([pair, pair])
    False
    """
    digest = hashlib.sha256(str(len(data)).encode())
    pairs = getattr(data, "pairs", None)
    if pairs is None:
        for index in sorted({0, len(data) // 2, len(data) - 1}):
            for array in map(np.asarray, data[index]):
                digest.update(f"{array.shape}{array.dtype}".encode())
                digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()[:16]
    for pair in pairs:
        for file in (pair.image, pair.mask):
            if file is not None:
                digest.update(f"{file.name} {file.stat().st_size}\n".encode())
    return digest.hexdigest()[:16]
