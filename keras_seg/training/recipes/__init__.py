"""The papers' training settings, as arguments of `compile`.

Each recipe is a function of a model: it prepares the model where the paper
asks for it (weight decay, batch norm) and returns what `compile` takes:

    model.compile(**recipes.deeplab_v3(model, steps=30_000))
    model.fit(...)
"""

from keras_seg.training.recipes.batch_norm import momentum_for
from keras_seg.training.recipes.batch_norm import set_batch_norm_momentum
from keras_seg.training.recipes.deconvnet import deconvnet
from keras_seg.training.recipes.deeplab_v1 import deeplab_v1
from keras_seg.training.recipes.deeplab_v2 import deeplab_v2
from keras_seg.training.recipes.deeplab_v3 import deeplab_v3
from keras_seg.training.recipes.fcn import fcn_cvpr
from keras_seg.training.recipes.fcn import fcn_heavy
from keras_seg.training.recipes.finetune import finetune
from keras_seg.training.recipes.score_layers import score_layers
from keras_seg.training.recipes.segnet import segnet
from keras_seg.training.recipes.unet import unet
from keras_seg.training.recipes.weight_decay import add_weight_decay

__all__ = [
    "add_weight_decay",
    "deconvnet",
    "deeplab_v1",
    "deeplab_v2",
    "deeplab_v3",
    "fcn_cvpr",
    "fcn_heavy",
    "finetune",
    "momentum_for",
    "score_layers",
    "segnet",
    "set_batch_norm_momentum",
    "unet",
]
