"""The fully connected CRF: every pixel compared with every other.

The search of its settings is imported when it is first used.
"""

from typing import TYPE_CHECKING

# First, so that what Keras's import registers is not half imported.
import keras  # noqa: F401

from keras_seg.crf.dense_crf import dense_crf
from keras_seg.crf.filtering import LatticeFilter
from keras_seg.crf.filtering import permutohedral_filter
from keras_seg.crf.lattice import Lattice
from keras_seg.crf.layers import CRFAsRNN
from keras_seg.crf.layers import DenseCRF
from keras_seg.crf.potentials import PRESETS
from keras_seg.crf.potentials import Bilateral
from keras_seg.crf.potentials import Gaussian
from keras_seg.crf.potentials import Settings
from keras_seg.lazy import getter

if TYPE_CHECKING:
    from keras_seg.crf.search import CRFSearch
    from keras_seg.crf.search import crf_search

__all__ = [
    "PRESETS",
    "Bilateral",
    "CRFAsRNN",
    "CRFSearch",
    "DenseCRF",
    "Gaussian",
    "Lattice",
    "LatticeFilter",
    "Settings",
    "crf_search",
    "dense_crf",
    "permutohedral_filter",
]

__getattr__ = getter(__name__, {"CRFSearch": "search", "crf_search": "search"})
