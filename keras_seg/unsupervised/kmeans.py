"""Segments images by the colours they have, without labels."""

import itertools

import numpy as np

from keras_seg.arguments import check_not_negative
from keras_seg.arguments import check_positive
from keras_seg.unsupervised.arguments import check_seed
from keras_seg.unsupervised.distinct import count_rows
from keras_seg.unsupervised.distinct import distinct_of_tile
from keras_seg.unsupervised.distinct import rows_of_tile
from keras_seg.unsupervised.lloyd import nearest
from keras_seg.unsupervised.lloyd import weighted_kmeans
from keras_seg.unsupervised.pictures import as_picture
from keras_seg.unsupervised.pictures import as_pictures
from keras_seg.unsupervised.pictures import tiles
from keras_seg.unsupervised.space import FeatureSpace

__all__ = ["KMeansSegmenter"]

COLOR_SPACES = ("rgb", "lab")


class KMeansSegmenter:
    """k-means of the colours of images.

    Finds centres that make the sum of squared distances of the pixels to
    their nearest one small,

    ```
    inertia = Σ_i ‖x_i - μ_z(i)‖²
    ```

    by Lloyd's alternation from k-means++: scikit-learn's `KMeans`, on the
    distinct colours weighted by the number of their pixels, which has the
    same results on all pixels, and sooner. Without a position a segment may
    be many regions that are not connected. Which class a cluster is, k-means
    does not know: see `keras_seg.unsupervised.match_clusters`.

    Where images have no more distinct colours than `clusters`, each of them is
    a cluster, in the order of their values, and the inertia is 0.

    Args:
        clusters: int, at least 1. Defaults to 8.
        color_space: `"rgb"`, the values as they are, of grey images too, or
            `"lab"`, CIE L\\*a\\*b\\* (L in 0...100) of sRGB under D65, which
            needs scikit-image. Defaults to `"rgb"`.
        position: float, λ of the features (colour, λ·x, λ·y), where x is the
            column and y the row of a pixel, counted from 0 at the top left of
            its own image, whatever size that has. λ is in units of colour for
            a pixel: with λ = 0.1, 100 pixels apart is as far as 10 grey
            levels. Nearly all pixels are distinct then, and take the time
            and the memory of that. Defaults to 0: colours alone.
        initializations: int, runs from other centres, of which the one of
            least inertia is kept. Defaults to 1.
        max_iterations: int, in a run. Defaults to 300.
        tolerance: float, ends a run when the squared shift of the centres is
            below this share of the variance of the pixels' features. 0 ends
            it when no pixel changes. Defaults to 1e-4.
        seed: int in 0...2³² - 1; the same seed has the same result. Defaults
            to None, another one each time.
        initial_centers: array `(clusters, channels)` in the colours of the
            images, or `(clusters, channels + 2)` with x and y if there is a
            position: one run from these in place of k-means++. Defaults to
            None.

    Attributes:
        centers: float64 array `(k, channels)`, the colours of the centres in
            RGB or grey, in the range of the images: `centers[ids]` is a
            picture. `k` is `clusters`, or less as above.
        features: float64 array `(k, dimensions)`, the centres that distances
            are measured from: L\\*a\\*b\\* in `"lab"`, λ·x and λ·y at the end
            if there is a position, otherwise the same as `centers`.
        inertia: float, the sum of squared distances of all pixels.
        counts: int64 array `(k,)`, the pixels of each cluster.

        All are None before `fit`.

    Raises:
        ValueError: for arguments that can't be.

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
        clusters=8,
        *,
        color_space="rgb",
        position=0.0,
        initializations=1,
        max_iterations=300,
        tolerance=1e-4,
        seed=None,
        initial_centers=None,
    ):
        check_positive(
            clusters=clusters,
            initializations=initializations,
            max_iterations=max_iterations,
        )
        check_not_negative(position=position, tolerance=tolerance)
        if color_space not in COLOR_SPACES:
            raise ValueError(
                f"`color_space` must be one of {COLOR_SPACES}. "
                f"Received: color_space={color_space!r}"
            )
        check_seed(seed)
        self.clusters = clusters
        self.color_space = color_space
        self.position = position
        self.initializations = initializations
        self.max_iterations = max_iterations
        self.tolerance = tolerance
        self.seed = seed
        self.initial_centers = initial_centers
        self.centers: np.ndarray | None = None
        self.features: np.ndarray | None = None
        self.inertia: float | None = None
        self.counts: np.ndarray | None = None
        self._space: FeatureSpace | None = None

    def fit(self, images):
        """Finds the clusters of one image, or of all images together.

        Args:
            images: array `(height, width, 3)`, or grey `(height, width)` or
                `(height, width, 1)`, of uint8, uint16 or floats; or an
                iterable of such arrays of one dtype and any size. `"lab"`
                takes floats as 0...255, and uint16 as 0...65535.

        Returns:
            The segmenter itself.

        Raises:
            ValueError: for what is no image, NaN, or initial centres that do
                not fit.
            ImportError: if scikit-learn or scikit-image is missing.
        """
        pictures = as_pictures(images)
        first = next(pictures)
        space = FeatureSpace.of(first, self.color_space, self.position)
        start = self._start(space)
        rows, counts = count_rows(
            _checked(itertools.chain([first], pictures), space),
            space.with_place,
        )
        self.features, self.counts, self.inertia = weighted_kmeans(
            space.features(rows),
            counts,
            self.clusters,
            start,
            self.initializations,
            self.max_iterations,
            self.tolerance,
            self.seed,
        )
        self.centers = space.colors(self.features)
        self._space = space
        return self

    def predict(self, image):
        """Finds the cluster of each pixel of an image.

        It is read tile by tile: beside the image and the result the memory
        is the same for all sizes.

        Args:
            image: array of any size, with the channels and in the range of
                those of `fit`.

        Returns:
            Integer array `(height, width)` of 0...k - 1, the first of equally
            near clusters; uint8 up to 256 clusters, then uint16 or uint32.

        Raises:
            ValueError: before `fit`, or for another kind of image.
        """
        space, centers = self._space, self.features
        if space is None or centers is None:
            raise ValueError("There are no clusters yet: call `fit` first")
        picture = as_picture(image)
        space.check(picture)
        height, width = picture.shape[:2]
        ids = np.empty((height, width), np.min_scalar_type(len(centers) - 1))
        for tile in tiles(height, width):
            found = _nearest_of_tile(picture, tile, space, centers)
            ids[tile] = found.reshape(ids[tile].shape)
        return ids

    def _start(self, space):
        """The features of the initial centres."""
        if self.initial_centers is None:
            return None
        rows = np.array(self.initial_centers, np.float64)
        expected = self.clusters, space.dimensions
        if rows.shape != expected or not np.isfinite(rows).all():
            raise ValueError(
                "`initial_centers` must be finite, of shape (clusters, "
                f"dimensions)={expected} for these images. "
                f"Received: shape {rows.shape}"
            )
        return space.features(rows)


def _checked(pictures, space):
    for picture in pictures:
        space.check(picture, fitting=True)
        yield picture


def _nearest_of_tile(picture, tile, space, centers):
    if space.with_place or picture.dtype.kind == "f":
        rows = rows_of_tile(picture, tile, space.with_place)
        return nearest(space.features(rows), centers)
    rows, inverse = distinct_of_tile(picture, tile)
    return nearest(space.features(rows), centers)[inverse]
