"""
Receptive fields
================

How much of the image a position of a map depends on, computed from the graph.
The frames are drawn around the middle of a 224×224 photograph.
"""

import keras
import matplotlib.pyplot as plt
import skimage.data
import skimage.transform

import keras_seg

vgg = keras.applications.VGG16(weights=None, include_top=False)
photo = skimage.transform.resize(skimage.data.chelsea()[:, 75:375], (224, 224))
plt.figure(figsize=(5.2, 5), layout="constrained")
plt.imshow(photo)
for number in range(1, 6):
    name = f"block{number}_pool"
    field = keras_seg.receptive_field(vgg, name)
    corner, color = 112 - field.size / 2, f"C{number}"
    plt.gca().add_patch(
        plt.Rectangle(
            (corner, corner), field.size, field.size,
            fill=False, color=color, linewidth=2,
            label=f"{name}: {field.size}, stride {field.stride}",
        )
    )  # fmt: skip
plt.legend(loc="upper left", fontsize="small")
plt.axis("off")
