"""
Scores along the boundaries
===========================

Two predictions with nearly the same mean IoU over all pixels. In a narrow band
along the boundaries the blurred one falls, and the noisy one does not: what
DeepLab v1 shows of its CRF.
"""

import matplotlib.pyplot as plt
import numpy as np
from keras import ops as keras_ops

from keras_seg import metrics
from keras_seg import ops
from keras_seg.data import synthetic

images, masks = synthetic.shapes(6, size=128, classes=4, seed=2)
shares = np.eye(256, dtype="float32")[masks][..., :4]  # 255 is void
small = keras_ops.average_pool(shares, 8, 8)
blurred = keras_ops.convert_to_numpy(ops.resize(small, (128, 128))).argmax(-1)
truth = np.where(masks == 255, 0, masks)
rng = np.random.default_rng(0)
noisy = truth.copy()
hit = rng.random(masks.shape) < 0.009
noisy[hit] = rng.integers(0, 4, hit.sum())
figure, axes = plt.subplots(1, 4, figsize=(13, 3), layout="constrained",
                            width_ratios=(1, 1, 1, 1.5))  # fmt: skip
found = {"truth": truth, "blurred": blurred, "noisy": noisy}
for axis, (title, ids) in zip(axes, found.items(), strict=False):
    axis.imshow(ids[0], cmap="viridis", vmin=0, vmax=3)
    axis.axis("off")
    iou = metrics.scores(metrics.count_pairs(masks, ids, 4)).mean_iou
    axis.set_title(f"{title}: mean IoU {iou:.3f}")
    if ids is not truth:
        pairs = zip(masks, ids, strict=True)
        bands = metrics.trimap(pairs, 4)
        axes[3].plot(list(bands), [x.mean_iou for x in bands.values()], "o-",
                     label=title)  # fmt: skip
axes[3].set(xscale="log", xlabel="width of the band, pixels", ylabel="mean IoU")
axes[3].set_xticks(list(bands), list(map(str, bands)))
axes[3].legend()
