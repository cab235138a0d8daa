"""The fully connected CRF: every point with every other, by filtering."""

from keras_seg.ops.crf.brute_force import exact
from keras_seg.ops.crf.dense_crf import dense_crf
from keras_seg.ops.crf.exact_crf import exact_dense_crf
from keras_seg.ops.crf.filtering import LatticeFilter
from keras_seg.ops.crf.filtering import permutohedral_filter
from keras_seg.ops.crf.lattice import Lattice
from keras_seg.ops.crf.potentials import Bilateral
from keras_seg.ops.crf.potentials import Gaussian
from keras_seg.ops.crf.settings import PRESETS
from keras_seg.ops.crf.settings import Settings

__all__ = [
    "PRESETS",
    "Bilateral",
    "Gaussian",
    "Lattice",
    "LatticeFilter",
    "Settings",
    "dense_crf",
    "exact",
    "exact_dense_crf",
    "permutohedral_filter",
]
