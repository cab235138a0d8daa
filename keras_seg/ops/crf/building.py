"""The filters of a CRF's kernels around the pixels of some images."""

import functools

import numpy as np
from keras import ops

from keras_seg.ops.crf.graph_lattice import graph_arrays
from keras_seg.ops.crf.kernel import kernel
from keras_seg.ops.crf.lattice import Lattice
from keras_seg.ops.crf.potentials import Gaussian
from keras_seg.ops.crf.weighting import WeightedLattice

__all__ = ["filter_tables", "pixel_features", "weighted_lattices"]


def filter_tables(images, settings, weighted=True):
    """Builds what the running backend filters with.

    The lattices are built on the host by NumPy, which is the fastest there is
    for a CPU, or by operations on tensors: on an accelerator, and in a graph
    of TensorFlow, which can be exported then.

    Args:
        images: tensor `(batch, height, width, channels)`.
        settings: `keras_seg.ops.crf.Settings`.
        weighted: bool, whether the kernels' weights are multiplied in.

    Returns:
        List of tables of the running kernel, the Gaussian's and the
        bilateral's, of those that there are.
    """
    running = kernel()
    images = ops.cast(ops.stop_gradient(images), "float32")
    deviations = [
        potential.deviations(images.shape[-1])
        for potential in settings.potentials
    ]
    if running.is_on_host(images):
        return running.host_tables(
            lambda images: weighted_lattices(images, settings, weighted),
            images,
            [len(each) + 1 for each in deviations],
            settings.normalization in ("after", "before"),
        )
    tables = []
    for potential, each in zip(settings.potentials, deviations, strict=True):
        features = _graph_features(images, each)
        arrays = graph_arrays(
            features,
            settings.normalization,
            potential.weight if weighted else 1.0,
        )
        tables.append(running.tables(arrays, features))
    return tables


def weighted_lattices(images, settings, weighted=True):
    """The kernels' lattices around the pixels of some images, by NumPy.

    Args:
        images: array `(batch, height, width, channels)`.
        settings, weighted: of `filter_tables`.

    Returns:
        List of `WeightedLattice`. The Gaussian's is kept for further images
        of that size.
    """
    result = []
    for potential in settings.potentials:
        weight = potential.weight if weighted else 1.0
        deviations = potential.deviations(images.shape[-1])
        shared = settings.normalization, weight
        if isinstance(potential, Gaussian):
            known = images.shape[:3], tuple(map(float, deviations))
            result.append(_position_lattice(*known, *shared))
        else:
            result.append(_lattice(images, deviations, *shared))
    return result


@functools.lru_cache(maxsize=8)
def _position_lattice(shape, deviations, normalization, weight):
    positions = np.empty((*shape, 0), np.float32)
    return _lattice(positions, np.array(deviations), normalization, weight)


def _lattice(images, deviations, normalization, weight):
    lattice = Lattice.build(pixel_features(images, deviations))
    return WeightedLattice.normalized(lattice, normalization, weight)


def pixel_features(images, deviations):
    """Positions and colours of pixels, in deviations.

    Args:
        images: array `(batch, height, width, channels)`.
        deviations: array of those of x, y and the channels, or of x and y.

    Returns:
        float32 array `(batch, height · width, len(deviations))`.
    """
    batch, height, width, _ = images.shape
    features = np.empty((batch, height, width, len(deviations)), np.float32)
    features[..., 0] = np.arange(width)
    features[..., 1] = np.arange(height)[:, None]
    features[..., 2:] = images[..., : len(deviations) - 2]
    features /= deviations.astype(np.float32)
    return features.reshape(batch, -1, len(deviations))


def _graph_features(images, deviations):
    """`pixel_features` by operations on tensors."""
    batch, height, width, _ = ops.shape(images)
    colors = images[..., : len(deviations) - 2]
    column = ops.arange(width, dtype="float32")[None, None, :, None]
    row = ops.arange(height, dtype="float32")[None, :, None, None]
    like = ops.zeros((batch, height, width, 1), "float32")
    features = ops.concatenate([column + like, row + like, colors], axis=-1)
    return ops.reshape(
        features / deviations, (batch, height * width, len(deviations))
    )
