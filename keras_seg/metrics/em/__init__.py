"""The metrics of the ISBI 2012 challenge: membranes in electron microscopy.

They ask whether an image is cut into the right cells. **Every map is of cell
interior**, white in the challenge: the truth is not zero, and a probability
is high, where a cell is, not where a membrane is. A network that predicts
membrane gives `1 - probability`, its mask `mask == 0`. The wrong way round,
the numbers look like those of a bad network, and nothing else tells.

| | what it is | best | width of borders counts |
| --- | --- | --- | --- |
| `leader_board` | V_Rand and V_Info after thinning: the ranking | 1 | no |
| `warping_error` | pixels that no moved border makes right | 0 | no |
| `rand_error` | pairs of pixels that are in one region or in two | 0 | yes |
| `pixel_error` | pixels | 0 | yes |

These take a mask and a probability, `(h, w)` or `(n, h, w)`, and try
thresholds. Of label maps, `foreground_rand` and `information` are V_Rand and
V_Info; `regions` and `thin` make label maps.

A slice of 512x512 takes, with the 10 thresholds on one core, 0.4 s for
`leader_board`, 0.3 s for `warping_error`, 0.05 s for `rand_error`. They need
SciPy, thinning also scikit-image: `pip install 'keras-seg[classical]'`.

Reference:

- [Crowdsourcing the creation of image segmentation algorithms for
  connectomics](https://doi.org/10.3389/fnana.2015.00142)

Example: of two cells, one is split by a false membrane

>>> import numpy as np
>>> from keras_seg.metrics import em
>>> truth = np.ones((8, 21))
>>> truth[:, 10] = 0
>>> probability = np.where(truth, 0.9, 0.1)
>>> probability[:, 5] = 0.3
>>> em.leader_board(truth, probability).v_rand  # above 0.2, but not above 0.3
1.0
>>> round(em.leader_board(truth, probability, 0.5).v_rand, 3)
0.827
"""

from keras_seg.metrics.em.agreement import Agreement
from keras_seg.metrics.em.agreement import foreground_rand
from keras_seg.metrics.em.agreement import information
from keras_seg.metrics.em.leader_board import LeaderBoard
from keras_seg.metrics.em.leader_board import leader_board
from keras_seg.metrics.em.pixels import pixel_error
from keras_seg.metrics.em.pixels import rand_error
from keras_seg.metrics.em.regions import regions
from keras_seg.metrics.em.regions import thin
from keras_seg.metrics.em.warping import warping_error

__all__ = [
    "Agreement",
    "LeaderBoard",
    "foreground_rand",
    "information",
    "leader_board",
    "pixel_error",
    "rand_error",
    "regions",
    "thin",
    "warping_error",
]
