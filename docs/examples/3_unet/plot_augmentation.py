"""
Augmentation: a picture of each
===============================

Each transform is called with an image, its mask and a random generator, and
moves both alike. What comes in from outside has the mean color, and is void.
Mixes take pixels of other pairs. The last picture has all that `strong` stands
for. Void shows the image alone.
"""

import matplotlib.pyplot as plt
import numpy as np

from keras_seg import visualization
from keras_seg.data import augment
from keras_seg.data import synthetic

pair, *others = zip(*synthetic.shapes(4, size=128, classes=4), strict=True)
colors = synthetic.shape_classes(4).colors
always = {"probability": 1.0}
chains = {"as it was": []} | {
    type(transform).__name__: [transform]
    for transform in (
        *(augment.RandomFlip(1.0), augment.RandomQuarterTurns()),
        *(augment.RandomRotation(45), augment.RandomShift(40)),
        *(augment.RandomScale(0.4, 0.6), augment.RandomCrop(80)),
        *(augment.BalancedCrop(64), augment.ElasticDeformation()),
        *(
            augment.RandomPerspective(0.5, **always),
            augment.ColorJitter(hue=0.5),
        ),
        *(augment.GrayJitter(60), augment.GaussianBlur(4, **always)),
        *(augment.GaussianNoise(60, **always), augment.CoarseDropout(**always)),
        *(augment.JPEGCompression(1, **always), augment.CopyPaste(**always)),
        *(augment.CutMix(**always), augment.Mosaic(**always)),
    )
}
chains["strong"] = augment.named("strong", crop=128)
figure, axes = plt.subplots(4, 5, figsize=(11, 9.4), layout="constrained")
for axis, (name, chain) in zip(axes.flat, chains.items(), strict=True):
    rng, draw = np.random.default_rng(40), lambda rng: others[rng.integers(3)]
    image, mask = augment.apply(chain, *pair, rng, draw)
    axis.imshow(visualization.overlay(image, mask, colors))
    axis.set_axis_off()
    axis.set_title(name)
