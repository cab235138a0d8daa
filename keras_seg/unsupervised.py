"""Segmentation without labels: k-means of colors, by scikit-learn.

scikit-learn, scikit-image and SciPy (`pip install "keras-seg[classical]"`)
are imported when they are first used.
"""

import warnings
from collections.abc import Iterable
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from keras_seg.arguments import check_not_negative
from keras_seg.arguments import check_one_of
from keras_seg.arguments import check_positive
from keras_seg.lazy import optional

__all__ = ["KMeansSegmenter", "match_clusters"]

_USER = "`KMeansSegmenter`"
# Prediction takes some 40 MB beside the image, whatever its size.
PIXELS_AT_ONCE = 2**18


class KMeansSegmenter:
    """k-means of the colors of images.

    Minimizes the sum of squared distances of the pixels to their nearest
    center with scikit-learn's `KMeans`,

    ```
    inertia = Σ_i ‖x_i - μ_z(i)‖²
    ```

    on the distinct colors, weighted by the number of their pixels. The result
    is that of all pixels, in half the time. Without a position a segment may
    be many regions that are not connected. `match_clusters` finds the class
    of a cluster.

    Images with no more distinct colors than `n_clusters` have one cluster for
    each color, in the order of their values, and an inertia of 0.

    Args:
        n_clusters: int, at least 1.
        color_space: `"rgb"`, the values as they are, of gray images too, or
            `"lab"`, CIE L\\*a\\*b\\* (L in 0...100) of sRGB under D65.
        position: float, λ of the features (color, λ·x, λ·y), where x is the
            column and y the row of a pixel in its own image. In units of
            color for a pixel: with λ = 0.1, 100 pixels apart is as far as 10
            gray levels. 0 uses colors alone. With a position all pixels of
            an image are distinct, so that it takes longer.
        init: `"k-means++"`, or initial centers, an array `(n_clusters,
            channels)` in the colors of the images, or `(n_clusters,
            channels + 2)` with x and y if there is a position.
        n_init: int, runs from different random centers; the one with the
            least inertia is kept.
        max_iter: int, iterations of a run.
        tol: float, ends a run when the squared shift of the centers is below
            this share of the variance of the pixels' features. 0 ends it
            when no pixel changes its cluster.
        seed: int in 0...2³² - 1, or None for another result each time.

    Attributes:
        centers: float64 array `(k, channels)`, the colors of the centers in
            RGB or gray, in the range of the images: `centers[ids]` is a
            picture. `k` is `n_clusters`, or less as above.
        features: float64 array `(k, dimensions)`, the centers that distances
            are measured from: L\\*a\\*b\\* in `"lab"`, and λ·x and λ·y at the
            end if there is a position.
        inertia: float, the sum of squared distances of all pixels.
        counts: int64 array `(k,)`, the pixels of each cluster.

        All are None before `fit`.

    Raises:
        ValueError: If an argument is out of range. The message names it.

    Example:

    >>> import numpy as np
    >>> from keras_seg.unsupervised import KMeansSegmenter
    >>> image = np.array([[0, 2, 250], [2, 0, 250]], "uint8")
    >>> kmeans = KMeansSegmenter(2, seed=0).fit(image)
    >>> kmeans.predict(image)
    array([[0, 0, 1],
           [0, 0, 1]], dtype=uint8)
    >>> kmeans.centers.tolist(), kmeans.counts.tolist(), kmeans.inertia
    ([[1.0], [250.0]], [4, 2], 4.0)
    """

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        color_space: str = "rgb",
        position: float = 0.0,
        init: str | ArrayLike = "k-means++",
        n_init: int = 1,
        max_iter: int = 300,
        tol: float = 1e-4,
        seed: int | None = None,
    ):
        check_positive(n_clusters=n_clusters, n_init=n_init, max_iter=max_iter)
        check_not_negative(position=position, tol=tol)
        check_one_of(("rgb", "lab"), color_space=color_space)
        whole = isinstance(seed, int | np.integer)
        if seed is not None and not (whole and 0 <= seed < 2**32):
            raise ValueError(
                "`seed` must be an int in 0...2**32 - 1, or None. "
                f"Received: seed={seed!r}"
            )
        self.n_clusters = n_clusters
        self.color_space = color_space
        self.position = position
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.seed = seed
        self.centers: np.ndarray | None = None
        self.features: np.ndarray | None = None
        self.inertia: float | None = None
        self.counts: np.ndarray | None = None
        self._kind: tuple | None = None

    def fit(self, images: np.ndarray | Iterable[np.ndarray]) -> Self:
        """Finds the clusters of one image, or of all images together.

        Args:
            images: array `(height, width, 3)`, or gray `(height, width)` or
                `(height, width, 1)`, of uint8, uint16 or floats; a batch of
                them with four axes; or an iterable of such images of one
                dtype and any size. `"lab"` takes floats in 0...255, and
                uint16 in 0...65535.

        Returns:
            The segmenter itself.

        Raises:
            ValueError: If an image has another shape or dtype or is not
                finite, or if `init` does not fit the images.
            ImportError: If scikit-learn or scikit-image is missing.
        """
        # Four axes are a batch, fewer one image.
        one = len(getattr(images, "shape", [None] * 4)) < 4
        parts, kind = [], None
        for image in [images] if one else images:
            picture = self._picture(image, kind)
            kind = picture.shape[2], _white(picture)
            parts.append(self._distinct(picture))
        if kind is None:
            raise ValueError("`images` must hold an image. Received: none")
        rows, counts = map(np.concatenate, zip(*parts, strict=True))
        if len(parts) > 1:
            rows, counts = _merged(rows, counts)
        init = self.init
        if not isinstance(init, str):
            init = self._features(np.atleast_2d(np.array(init, float)), kind)
        self.features, self.counts, self.inertia = self._kmeans(
            self._features(rows, kind), counts, init
        )
        self.centers = self.features[:, : kind[0]].copy()
        if self.color_space == "lab":
            colors = _skimage_color().lab2rgb(self.centers)
            self.centers = np.clip(colors, 0, 1) * kind[1]
        self._kind = kind
        return self

    def predict(self, image: ArrayLike) -> np.ndarray:
        """Finds the cluster of each pixel of an image.

        Args:
            image: array of any size, with the channels and in the range of
                those of `fit`.

        Returns:
            Integer array `(height, width)` of 0...k - 1, the first of equally
            near clusters; uint8 up to 256 clusters, then uint16 or uint32.

        Raises:
            ValueError: Before `fit`, or for another kind of image.
        """
        if self._kind is None or self.features is None:
            raise ValueError("There are no clusters yet: call `fit` first")
        picture = self._picture(image, self._kind, fitting=False)
        height, width = picture.shape[:2]
        nearest = optional("scipy.cluster.vq", "classical", _USER).vq
        dtype = np.min_scalar_type(len(self.features) - 1)
        ids = np.empty((height, width), dtype)
        step = max(1, PIXELS_AT_ONCE // width)
        for top in range(0, height, step):
            rows = self._rows(picture[top : top + step], top)
            rows = self._features(rows, self._kind)
            found = nearest(rows, self.features)[0]
            ids[top : top + step] = found.reshape(-1, width)
        return ids

    def _rows(self, picture, top=0):
        """The color, and the place if asked for, of each pixel."""
        rows = picture.reshape(-1, picture.shape[2]).astype(np.float64)
        if not self.position:
            return rows
        y, x = np.indices(picture.shape[:2]).reshape(2, -1)
        return np.column_stack([rows, x, y + top])

    def _features(self, rows, kind):
        """Converts rows to the space of the distances, in place."""
        channels, white = kind
        if self.color_space == "lab":
            # In pieces that stay in the cache: four times as fast.
            for start in range(0, len(rows), 2**14):
                colors = rows[start : start + 2**14, :channels]
                colors[:] = _skimage_color().rgb2lab(colors / white)
        rows[:, channels:] *= self.position
        return rows

    def _distinct(self, picture):
        """The distinct rows of an image, in order, and their counts."""
        if self.position or picture.dtype.kind == "f":
            rows = self._rows(picture)
            return _merged(rows, np.ones(len(rows), np.int64))
        # Integers are packed into one: faster by two thirds.
        bits = 8 * picture.itemsize
        shifts = bits * np.arange(picture.shape[2])[::-1]
        dtype = np.uint32 if bits == 8 else np.uint64
        packed = picture.astype(dtype) @ (1 << shifts).astype(dtype)
        keys, counts = np.unique(packed, return_counts=True)
        rows = keys[:, None].astype(np.int64) >> shifts & (1 << bits) - 1
        return rows.astype(np.float64), counts

    def _picture(self, image, kind, fitting=True):
        """Checks an image, and gives it three axes."""
        picture = np.asarray(image)
        native = picture.dtype.newbyteorder("=")  # ">u2" is no np.uint16
        picture = picture.astype(native, copy=False)
        if picture.ndim == 2:
            picture = picture[..., None]
        shape, dtype = picture.shape, picture.dtype
        good = len(shape) == 3 and shape[2] in (1, 3) and picture.size
        good = good and (dtype in (np.uint8, np.uint16) or dtype.kind == "f")
        low, high = (picture.min(), picture.max()) if good else (0, 0)
        if not (good and np.isfinite([low, high]).all()):
            raise ValueError(
                "An image must be a finite array (height, width, 3), or gray "
                "(height, width) or (height, width, 1), of uint8, uint16 or "
                "floats; several are a list of such arrays. Received: shape "
                f"{np.shape(image)}, dtype {dtype}"
                + (", NaN or infinity" if good else "")
            )
        if kind and kind != (shape[2], _white(picture)):
            raise ValueError(
                f"An image must have channels={kind[0]} and values in "
                f"0...{kind[1]}, as the first one. Received: "
                f"channels={shape[2]}, dtype {dtype}"
            )
        # A part of an image that is predicted may be nearly black.
        unit = fitting and dtype.kind == "f" and 0 < high <= 1
        in_range = 0 <= low and high <= _white(picture) and not unit
        if self.color_space == "lab" and (shape[2] != 3 or not in_range):
            raise ValueError(
                "color_space='lab' needs images (height, width, 3); gray ones "
                "take 'rgb'. Floats are in 0...255, not 0...1. Received: "
                f"channels={shape[2]}, values in {low}...{high}"
            )
        return picture

    def _kmeans(self, features, counts, init):
        if len(features) <= self.n_clusters:
            return features, counts, 0.0
        cluster = optional("sklearn.cluster", "classical", _USER)
        warning = optional("sklearn.exceptions", "classical", _USER)
        limits = optional("threadpoolctl", "classical", _USER)
        # scikit-learn's tolerance is a share of the variance of its rows,
        # ours one of that of all pixels.
        share = _variance(features, counts) / _variance(features, None)
        # The products have few columns: a second thread of BLAS only costs.
        with warnings.catch_warnings(), limits.threadpool_limits(1, "blas"):
            warnings.simplefilter("ignore", warning.ConvergenceWarning)
            kmeans = cluster.KMeans(
                self.n_clusters,
                init=init,
                n_init=self.n_init if isinstance(init, str) else 1,
                max_iter=self.max_iter,
                tol=self.tol * share,
                random_state=self.seed,
            ).fit(features, sample_weight=counts)
        found = np.bincount(kmeans.labels_, counts, self.n_clusters)
        # Rows that differ in their last digits may leave a cluster empty.
        used = found > 0
        centers = kmeans.cluster_centers_[used]
        return centers, found[used].astype(np.int64), float(kmeans.inertia_)


def match_clusters(matrix: ArrayLike, method: str = "hungarian") -> np.ndarray:
    """Gives each cluster a class, so that clusters can be scored.

    - `"hungarian"`: one cluster for each class, so that as many pixels as
      possible are right. Further clusters get the class of most of their
      pixels; with fewer clusters than classes, some classes have none.
    - `"majority"`: the class of most of its pixels. Optimistic with many
      clusters: with one cluster for each pixel every pixel is right.

    A further cluster without pixels gets class 0. Both look at the masks:
    scores after it are those of clusters whose classes are known.

    Args:
        matrix: array `(clusters, classes)`, the pixels of each cluster in
            each class: transposed counts of `keras_seg.metrics.count_pairs`,
            which handles void pixels.
        method: str, see above.

    Returns:
        int64 array `(clusters,)` of classes; `match[ids]` is a mask.

    Raises:
        ValueError: If `matrix` is no matrix of counts, or for another
            `method`.
        ImportError: If SciPy is missing, for `"hungarian"`.

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
    check_one_of(("hungarian", "majority"), method=method)
    match = matrix.argmax(axis=1).astype(np.int64)
    if method == "hungarian":
        optimize = optional("scipy.optimize", "classical", "'hungarian'")
        clusters, classes = optimize.linear_sum_assignment(matrix, True)
        match[clusters] = classes
    return match


def _white(picture):
    return 65535 if picture.dtype == np.uint16 else 255


def _merged(rows, counts):
    """Each row once, in ascending order, with the sum of its counts."""
    order = np.lexsort(rows.T[::-1])
    rows = rows[order]
    changed = (rows[1:] != rows[:-1]).any(axis=1)
    starts = np.flatnonzero(np.concatenate([[True], changed]))
    return rows[starts], np.add.reduceat(counts[order], starts)


def _variance(rows, weights):
    mean = np.average(rows, axis=0, weights=weights)
    return np.average((rows - mean) ** 2, axis=0, weights=weights).sum()


def _skimage_color():
    return optional("skimage.color", "classical", "color_space='lab'")
