"""
What it costs to preserve the resolution
========================================

Without its strides, VGG16 computes every map at the size of the image, and the
scores have its height and width without being enlarged. The maps of one
image of 224×224, which training has to keep, take the memory of the bars.
"""

import keras
import matplotlib.pyplot as plt
import numpy as np

from keras_seg.applications import FCN32s
from keras_seg.surgery import set_output_stride

image = keras.Input((224, 224, 3))
vgg = keras.applications.VGG16(include_top=False, weights=None)
figure, axes = plt.subplots(1, 3, figsize=(11, 4), sharey=True,
                            layout="constrained")  # fmt: skip
for axis, stride in zip(axes, (32, 8, 1), strict=True):
    encoder = set_output_stride(vgg, stride, verify=False)
    model = FCN32s(encoder, classes=2, input_tensor=image)
    maps = [layer for layer in model.layers if layer.name.startswith("block")]
    mib = [4 * np.prod(layer.output.shape[1:]) / 2**20 for layer in maps]
    axis.barh([layer.name for layer in maps], mib, color="C0")
    side = model.get_layer("score_fr").output.shape[1]
    title = f"output stride {stride}: {sum(mib):.0f} MiB\nscores {side}×{side}"
    axis.set_title(title)
    axis.set_xlabel("MiB")
    axis.set_xlim(0, 110)
axes[0].invert_yaxis()
