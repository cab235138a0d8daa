"""Pictures of masks, scores, training and what a network sees; index PNGs.

Images are RGB, 0...255, uint8 or float; masks are integer class ids in
which 255 is void, or of several labels, `(height, width, classes)`: 1 where a
class is, 0 where it is not, 255 for void. Functions that draw return a uint8
RGB array.
"""

from keras_seg.visualization.coloring import VOID_COLOR
from keras_seg.visualization.coloring import colorize
from keras_seg.visualization.coloring import overlay
from keras_seg.visualization.coloring import save_image
from keras_seg.visualization.coloring import save_label_masks
from keras_seg.visualization.coloring import save_mask
from keras_seg.visualization.comparison import comparison
from keras_seg.visualization.comparison import errors
from keras_seg.visualization.contact import contact_sheet
from keras_seg.visualization.contact import gallery
from keras_seg.visualization.plots import can_plot
from keras_seg.visualization.plots import class_shares
from keras_seg.visualization.plots import confusion
from keras_seg.visualization.plots import curves
from keras_seg.visualization.plots import reliability
from keras_seg.visualization.plots import trimap_curve
from keras_seg.visualization.sheets import legend
from keras_seg.visualization.sheets import overlay_with_legend
from keras_seg.visualization.sheets import panel
from keras_seg.visualization.support import strengths
from keras_seg.visualization.support import support

__all__ = [
    "VOID_COLOR",
    "can_plot",
    "class_shares",
    "colorize",
    "comparison",
    "confusion",
    "contact_sheet",
    "curves",
    "errors",
    "gallery",
    "legend",
    "overlay",
    "overlay_with_legend",
    "panel",
    "reliability",
    "save_image",
    "save_label_masks",
    "save_mask",
    "strengths",
    "support",
    "trimap_curve",
]
