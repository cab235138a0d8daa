"""
A transposed convolution, by hand
=================================

Each value of the map, times the kernel, is written into the result, one stride
from the last. Where windows overlap, and the darker a position is, the more of
them do, their numbers are summed. Above: no overlap, as the kernel is as long
as the stride. Below: every number but those of the corners is a sum.
"""

import matplotlib.pyplot as plt
import numpy as np
from keras import ops


def show(axis, numbers, shade, title):
    axis.imshow(shade, cmap="Blues", vmin=0, vmax=8)
    for (row, column), number in np.ndenumerate(numbers):
        axis.text(column, row, f"{number:g}", ha="center", va="center")
    axis.set_title(title, fontsize="medium")
    axis.set(xticks=[], yticks=[])


values = np.float32([[4, 2], [1, 5]])
kernels = {
    2: np.float32([[2, 4], [-4, -2]]),
    1: np.float32([[1, 2, -1], [2, 1, 2], [-1, 2, 1]]),
}
figure, axes = plt.subplots(2, 6, figsize=(12, 4.6), layout="constrained")
for row, (stride, kernel) in zip(axes, kernels.items(), strict=True):
    k = len(kernel)
    show(row[0], values, 0 * values, "map")
    show(row[1], kernel, 0 * kernel, f"kernel, stride {stride}")
    total, windows = np.zeros((2, 4, 4), "float32")
    places = zip(row[2:], np.ndenumerate(values), strict=True)
    for number, (axis, ((i, j), value)) in enumerate(places):
        top, left = i * stride, j * stride
        total[top : top + k, left : left + k] += value * kernel
        windows[top : top + k, left : left + k] += 1
        show(axis, total, windows, f"+ {value:g} · kernel")
        axis.add_patch(
            plt.Rectangle(
                (left - 0.5, top - 0.5), k, k,
                fill=False, color=f"C{number + 1}", linewidth=3,
            )
        )  # fmt: skip
    keras_says = ops.conv_transpose(
        values[None, ..., None], kernel[..., None, None], stride
    )
    assert (ops.convert_to_numpy(keras_says)[0, ..., 0] == total).all()
