"""A digest of a data set, so that a run can see that it changed."""

import hashlib

import numpy as np

from keras_seg.data.folder import map_threads

__all__ = ["fingerprint"]


def fingerprint(data):
    """Digest of the names and the content of a data set, in order.

    Of a folder, every image, mask and annotation file is read to its end; the
    folder may have moved. CamVid's 367 pairs take 0.1 s. Of any other
    sequence, every pair of arrays counts.

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
        for index in range(len(data)):
            for array in map(np.asarray, data[index]):
                digest.update(f"{array.shape}{array.dtype}".encode())
                digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()[:16]
    files = [file for pair in pairs for file in (pair.image, pair.mask)]
    # Several pairs may share a file: a stack, or the annotations of COCO.
    unique = list(dict.fromkeys(files))
    contents = dict(zip(unique, map_threads(_content, unique), strict=True))
    for file in files:
        digest.update(f"{file and file.name}\n{contents[file]}\n".encode())
    return digest.hexdigest()[:16]


def _content(file):
    """Digest of a file; an image without objects may have no annotations."""
    if file is None or not file.is_file():
        return None
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
