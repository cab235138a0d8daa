"""Joint transforms of an image and its mask, in NumPy and Pillow.

Each is a frozen dataclass, called as `transform(image, mask, rng)`. It draws
from the generator `rng` and never writes into its input. A mask keeps its
dtype, and gets no new id except 255 for void. A mask of several labels,
`(height, width, classes)`, is moved as its planes would be one by one, with
void in all of them outside the image.
"""

from keras_seg.data.augment.chain import apply
from keras_seg.data.augment.chain import size_after
from keras_seg.data.augment.coloring import ColorJitter
from keras_seg.data.augment.coloring import GrayJitter
from keras_seg.data.augment.cropping import MEAN_COLOR
from keras_seg.data.augment.cropping import BalancedCrop
from keras_seg.data.augment.cropping import RandomCrop
from keras_seg.data.augment.cropping import pad_to
from keras_seg.data.augment.cropping import window
from keras_seg.data.augment.degrading import CoarseDropout
from keras_seg.data.augment.degrading import GaussianBlur
from keras_seg.data.augment.degrading import GaussianNoise
from keras_seg.data.augment.degrading import JPEGCompression
from keras_seg.data.augment.mixing import CopyPaste
from keras_seg.data.augment.mixing import CutMix
from keras_seg.data.augment.mixing import Mix
from keras_seg.data.augment.mixing import Mosaic
from keras_seg.data.augment.moving import ElasticDeformation
from keras_seg.data.augment.moving import RandomFlip
from keras_seg.data.augment.moving import RandomQuarterTurns
from keras_seg.data.augment.moving import RandomRotation
from keras_seg.data.augment.moving import RandomShift
from keras_seg.data.augment.moving import rotate
from keras_seg.data.augment.named import named
from keras_seg.data.augment.perspective import RandomPerspective
from keras_seg.data.augment.scaling import RandomScale
from keras_seg.data.augment.scaling import resize_image
from keras_seg.data.augment.scaling import resize_mask
from keras_seg.data.augment.transform import INPUT_SIZE
from keras_seg.data.augment.transform import Transform

__all__ = [
    "INPUT_SIZE",
    "MEAN_COLOR",
    "BalancedCrop",
    "CoarseDropout",
    "ColorJitter",
    "CopyPaste",
    "CutMix",
    "ElasticDeformation",
    "GaussianBlur",
    "GaussianNoise",
    "GrayJitter",
    "JPEGCompression",
    "Mix",
    "Mosaic",
    "RandomCrop",
    "RandomFlip",
    "RandomPerspective",
    "RandomQuarterTurns",
    "RandomRotation",
    "RandomScale",
    "RandomShift",
    "Transform",
    "apply",
    "named",
    "pad_to",
    "resize_image",
    "resize_mask",
    "rotate",
    "size_after",
    "window",
]
