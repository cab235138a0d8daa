"""The systems, each built from any classifier."""

from keras_seg.applications.deconvnet import DeconvNet
from keras_seg.applications.deeplab_v1 import DeepLabV1
from keras_seg.applications.deeplab_v2 import DeepLabV2
from keras_seg.applications.deeplab_v3 import DeepLabV3
from keras_seg.applications.deeplab_v3 import DeepLabV3Plus
from keras_seg.applications.fcn import FCN2s
from keras_seg.applications.fcn import FCN8s
from keras_seg.applications.fcn import FCN16s
from keras_seg.applications.fcn import FCN32s
from keras_seg.applications.linear_head import LinearHead
from keras_seg.applications.n4 import N4
from keras_seg.applications.segnet import SegNet
from keras_seg.applications.segnet import SegNetBasic
from keras_seg.applications.sliding_window import SlidingWindow
from keras_seg.applications.unet import UNet

__all__ = [
    "DeconvNet",
    "DeepLabV1",
    "DeepLabV2",
    "DeepLabV3",
    "DeepLabV3Plus",
    "FCN16s",
    "FCN32s",
    "FCN2s",
    "FCN8s",
    "LinearHead",
    "N4",
    "SegNet",
    "SegNetBasic",
    "SlidingWindow",
    "UNet",
]
