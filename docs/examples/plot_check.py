"""
The check finds what is wrong with masks
========================================

Two mistakes are made on purpose: a mask of 0 and 255, and an image of the
training set among those that are held out. ``check`` names both, and the fix.
"""

import pathlib
import tempfile

import matplotlib.pyplot as plt

from keras_seg import data
from keras_seg.data import synthetic

folder = pathlib.Path(tempfile.mkdtemp()) / "DATA"
images, masks = synthetic.shapes(14, size=96, classes=4)
masks[3] = 255 * (masks[3] > 0)
images[13], masks[13] = images[0], masks[0]
classes = synthetic.shape_classes(4)
for split, part in ("train", slice(12)), ("val", slice(12, None)):
    synthetic.write_folder(folder, images[part], masks[part], classes, split)
report = data.check(folder)
for finding in report.findings:
    if finding.severity == "error":
        print(str(finding).replace(str(folder), "DATA"), end="\n\n")
plt.figure(figsize=(9, 4), layout="constrained")
plt.imshow(report.show())
plt.axis("off")
