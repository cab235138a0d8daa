"""
Intersection over union
=======================

Two squares of 16 pixels share 9 and cover 23: the IoU is 9 / 23, of their masks
by ``keras_seg.metrics`` and of their boxes by Keras. On the photograph the
orange box has a larger IoU with the white one, which is the truth, than the
blue one, and is the better prediction.
"""

import keras
import matplotlib.pyplot as plt
import numpy as np
import skimage.data

from keras_seg import metrics


def box_iou(box, other):
    boxes = np.float32([[box]]), np.float32([[other]])
    iou = keras.utils.bounding_boxes.compute_iou(*boxes, "xyxy")
    return float(keras.ops.squeeze(iou))


truth, found = np.zeros((2, 7, 7), int)
truth[1:5, 1:5] = found[2:6, 2:6] = 1
iou = metrics.scores(metrics.count_pairs(truth, found, 2)).per_class_iou[1]
print(f"masks {iou:.4f}, boxes {box_iou((1, 1, 5, 5), (2, 2, 6, 6)):.4f}")
figure, axes = plt.subplots(1, 5, figsize=(12, 2.8), layout="constrained",
                            width_ratios=(1, 1, 1, 1, 1.5))  # fmt: skip
masks = {"truth": truth, "prediction": found, "intersection": truth & found,
         "union": truth | found}  # fmt: skip
for axis, (name, mask) in zip(axes[:4], masks.items(), strict=True):
    axis.pcolormesh(mask[::-1], cmap="cividis", edgecolor="gray", linewidth=0.5)
    axis.set(
        title=f"{name}: {mask.sum()}", xticks=[], yticks=[], aspect="equal"
    )
axes[4].imshow(skimage.data.coffee())
cup, titles = (172, 12, 402, 226), []
for box, color in ((cup, "white"), ((185, 25, 415, 240), "C1"),
                   ((250, 60, 500, 280), "C0")):  # fmt: skip
    x0, y0, x1, y1 = box
    axes[4].add_patch(plt.Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False,
                                    color=color, linewidth=3))  # fmt: skip
    titles.append(f"{box_iou(cup, box):.2f}")
axes[4].set_title(f"orange {titles[1]}, blue {titles[2]}")
axes[4].axis("off")
