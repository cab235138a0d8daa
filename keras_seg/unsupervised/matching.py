"""Which class a cluster is."""

import numpy as np

__all__ = ["match_clusters"]

METHODS = ("hungarian", "majority")


def match_clusters(matrix, method="hungarian"):
    """Gives each cluster a class, so that clusters can be scored.

    - `"hungarian"`: one cluster for each class, so that as many pixels as
      possible are right. Of more clusters than classes, those left over get
      the class of most of their pixels; of fewer, some classes have none.
    - `"majority"`: the class of most of its pixels, whatever the others have.
      It is optimistic where clusters are many: with a cluster for each pixel
      every pixel is right.

    A cluster without pixels that is left over gets class 0. Both use the
    masks: scores after it are of clusters named by somebody who knows them.

    Args:
        matrix: array `(clusters, classes)`, the pixels of each cluster in
            each class, for instance transposed counts of
            `keras_seg.metrics.count_pairs`, which knows void pixels.
        method: str, see above.

    Returns:
        int64 array `(clusters,)` of classes; `match[ids]` is a mask.

    Raises:
        ValueError: for what is no matrix of counts, or no such method.
        ImportError: if SciPy is missing, for `"hungarian"`.

    Example: two classes in three clusters

    >>> import numpy as np
    >>> from keras_seg.metrics import count_pairs
    >>> from keras_seg.unsupervised import match_clusters
    >>> mask = np.array([[0, 0, 1, 1, 1, 255]])
    >>> ids = np.array([[2, 2, 2, 0, 1, 1]])
    >>> matrix = count_pairs(mask, ids, 3).T[:, :2]
    >>> match = match_clusters(matrix)
    >>> match[ids]
    array([[0, 0, 0, 1, 1, 1]])
    """
    matrix = np.asarray(matrix)
    good = matrix.ndim == 2 and matrix.size and matrix.dtype.kind in "iuf"
    # Written so that NaN does not pass.
    if not good or not (matrix.min() >= 0 and matrix.max() < np.inf):
        raise ValueError(
            "`matrix` must be pixel counts (clusters, classes), of 0 or more. "
            f"Received: shape {matrix.shape}, dtype {matrix.dtype}"
        )
    if method not in METHODS:
        raise ValueError(
            f"`method` must be one of {METHODS}. Received: method={method!r}"
        )
    match = matrix.argmax(axis=1).astype(np.int64)
    if method == "hungarian":
        clusters, classes = _assignment(matrix)
        match[clusters] = classes
    return match


def _assignment(matrix):
    try:
        from scipy.optimize import linear_sum_assignment
    except ImportError as error:
        raise ImportError(
            "method='hungarian' needs SciPy. Fix: "
            "pip install 'keras-seg[classical]'"
        ) from error
    return linear_sum_assignment(matrix, maximize=True)
