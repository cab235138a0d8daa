"""The fully connected CRF: Gaussian filtering of all points by all points."""

from keras_seg.ops.crf.brute_force import exact
from keras_seg.ops.crf.filtering import LatticeFilter
from keras_seg.ops.crf.filtering import permutohedral_filter
from keras_seg.ops.crf.lattice import Lattice

__all__ = [
    "Lattice",
    "LatticeFilter",
    "exact",
    "permutohedral_filter",
]
