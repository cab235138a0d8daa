"""The segmentation networks of torchvision."""
