import numpy as np
from keras import ops

from keras_seg.ops.crf import PRESETS
from keras_seg.ops.crf.building import filter_tables


def test_positions_are_worked_on_once():
    """Two images of a size share the Gaussian's tables, and nothing else."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2, 1, 6, 8, 3)).astype("uint8")
    settings = PRESETS["deeplab_v1"]
    one, two = (
        filter_tables(ops.convert_to_tensor(image), settings)
        for image in images
    )
    assert len(one) == len(two) == 2
    assert one[0] is two[0]
    assert one[1] is not two[1]
