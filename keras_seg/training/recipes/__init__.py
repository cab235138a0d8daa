"""The papers' training settings, as arguments of `compile`.

Each recipe is a function of a model: it prepares the model where the paper
asks for it (weight decay, batch norm) and returns what `compile` takes:

    model.compile(**recipes.deeplab_v3(model, steps=30_000))
    model.fit(...)
"""

from keras_seg.training.recipes.common import add_weight_decay
from keras_seg.training.recipes.common import momentum_for
from keras_seg.training.recipes.common import score_layers
from keras_seg.training.recipes.common import set_batch_norm_momentum
from keras_seg.training.recipes.deeplab import deeplab_v1
from keras_seg.training.recipes.deeplab import deeplab_v2
from keras_seg.training.recipes.deeplab import deeplab_v3
from keras_seg.training.recipes.encoder_decoder import deconvnet
from keras_seg.training.recipes.encoder_decoder import segnet
from keras_seg.training.recipes.encoder_decoder import unet
from keras_seg.training.recipes.fcn import fcn_cvpr
from keras_seg.training.recipes.fcn import fcn_heavy
from keras_seg.training.recipes.finetune import finetune

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
