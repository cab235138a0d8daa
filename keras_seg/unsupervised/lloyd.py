"""k-means of weighted rows, by scikit-learn."""

import warnings

import numpy as np

from keras_seg.unsupervised.pictures import pieces

__all__ = ["nearest", "weighted_kmeans"]


def weighted_kmeans(
    features, counts, clusters, start, runs, iterations, tolerance, seed
):
    """k-means of all pixels from their distinct features.

    Args:
        features: float64 array `(n, dimensions)`, distinct rows.
        counts: int64 array `(n,)`, how often each occurs.
        clusters: int.
        start: float64 array `(clusters, dimensions)`, or None for k-means++.
        runs: int, of which the best is kept.
        iterations: int, at most that many in a run.
        tolerance: float, see `KMeansSegmenter`.
        seed: int or None.

    Returns:
        Tuple (centers, counts, inertia): float64 array `(k, dimensions)`,
        int64 array `(k,)` and a float; `k` is `clusters`, or less.
    """
    if len(features) <= clusters:
        return features, counts, 0.0
    KMeans, ConvergenceWarning, threadpool_limits = _scikit_learn()
    weights = counts.astype(np.float64)
    # The products are thin: a second thread of BLAS costs more than it brings,
    # and a busy one holds up the other. Those of scikit-learn remain.
    with warnings.catch_warnings(), threadpool_limits(1, user_api="blas"):
        warnings.simplefilter("ignore", ConvergenceWarning)
        kmeans = KMeans(
            clusters,
            init="k-means++" if start is None else start,
            n_init=runs if start is None else 1,
            max_iter=iterations,
            tol=tolerance * _variance_ratio(features, weights),
            random_state=seed,
        ).fit(features, sample_weight=weights)
    found = np.bincount(kmeans.labels_, counts, clusters).astype(np.int64)
    # Rows that differ in their last digits only may leave a cluster empty.
    used = found > 0
    return kmeans.cluster_centers_[used], found[used], float(kmeans.inertia_)


def nearest(features, centers):
    """The index of the nearest center; the first of equally near ones.

    Args:
        features: float64 array `(n, dimensions)`.
        centers: float64 array `(k, dimensions)`.

    Returns:
        int array `(n,)`.
    """
    ids = np.zeros(len(features), np.intp)
    for piece in pieces(len(features)):
        columns = features[piece].T.copy()
        least = np.full(columns.shape[1], np.inf)
        for index, center in enumerate(centers):
            # No matrix product: that of so few columns is no faster, is less
            # exact, and waits for the threads of BLAS.
            distance = sum(
                np.square(column - value)
                for column, value in zip(columns, center, strict=True)
            )
            np.copyto(ids[piece], index, where=distance < least)
            np.minimum(distance, least, out=least)
    return ids


def _variance_ratio(features, weights):
    """scikit-learn's tolerance is a share of the variance of its rows.

    Here that of all pixels is meant.
    """
    of_rows = _variance(features, np.ones(len(features)))
    return _variance(features, weights) / max(of_rows, np.finfo(float).tiny)


def _variance(features, weights):
    share = weights / weights.sum()
    return (share @ (features - share @ features) ** 2).mean()


def _scikit_learn():
    try:
        from sklearn.cluster import KMeans
        from sklearn.exceptions import ConvergenceWarning
        from threadpoolctl import threadpool_limits
    except ImportError as error:
        raise ImportError(
            "`KMeansSegmenter` needs scikit-learn. Fix: "
            "pip install 'keras-seg[classical]'"
        ) from error
    return KMeans, ConvergenceWarning, threadpool_limits
