"""The segmentation networks of torchvision."""

from keras_seg.applications.torchvision.convert import from_torchvision

__all__ = ["from_torchvision"]
