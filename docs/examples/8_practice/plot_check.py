"""
The check finds what is wrong with a data set
=============================================

Two mistakes are made on purpose: a mask is missing, and an image of the
training set is among those held out. ``check`` names both, and the fix.
"""

import contextlib
import pathlib
import tempfile
import textwrap

import matplotlib.pyplot as plt

from keras_seg import data
from keras_seg.data import synthetic

images, masks = synthetic.shapes(14, size=96, classes=4)
images[13], masks[13] = images[0], masks[0]
classes = synthetic.shape_classes(4)
with contextlib.chdir(tempfile.mkdtemp()):
    for split, part in ("train", slice(12)), ("val", slice(12, None)):
        synthetic.write_folder(
            "DATA", images[part], masks[part], classes, split
        )
    pathlib.Path("DATA/train/labels/0003.png").unlink()
    report = data.check("DATA")
    sheet = report.show()
for finding in report.findings:
    if finding.severity == "error":
        print(textwrap.fill(str(finding), 90), end="\n\n")
plt.figure(figsize=(9, 4), layout="constrained")
plt.imshow(sheet)
plt.axis("off")
