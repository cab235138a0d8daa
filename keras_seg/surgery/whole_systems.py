"""How the layers that end a system are carried to another output stride."""

import dataclasses

from keras import layers

from keras_seg.layers import ASPP
from keras_seg.layers import CRFAsRNN
from keras_seg.layers import CropLike
from keras_seg.layers import DenseCRF
from keras_seg.layers import PadToMultiple
from keras_seg.layers import ResizeLike
from keras_seg.surgery.carrying import carry
from keras_seg.surgery.carrying import refuse


@carry.register(ASPP)
def _(layer, surgery, maps, args, kwargs):
    """Its rates are distances on the map. The mean stays one of the map."""
    (x,) = maps
    if x.rate > 1 and layer.version == "v3":
        surgery.changed.append(layer)
    rates = tuple(rate * x.rate for rate in layer.rates)
    return surgery.apply(surgery.copier.copy(layer, rates=rates), args, kwargs)


@carry.register(ResizeLike)
def _(layer, surgery, maps, args, kwargs):
    """What is resized comes to lie where the reference does."""
    x, reference = maps
    if x.rate > reference.rate:
        surgery.changed.append(layer)
    result = surgery.apply(surgery.copier.copy(layer), args, kwargs)
    return dataclasses.replace(reference, tensor=result.tensor)


@carry.register(CRFAsRNN)
@carry.register(CropLike)
@carry.register(DenseCRF)
@carry.register(PadToMultiple)
def _(layer, surgery, maps, args, kwargs):
    if any(x.rate > 1 for x in maps):
        refuse(layer, "its map has lost a stride")
    return surgery.apply(
        surgery.copier.copy(layer),
        args,
        kwargs,
        origin=object(),
        shift=(0, 0),
    )


@carry.register(layers.Permute)
def _(layer, surgery, maps, args, kwargs):
    """Only what ends a channels-first system: logits with channels last."""
    (x,) = maps
    if x.rate > 1 or tuple(layer.dims) != (2, 3, 1):
        refuse(
            layer,
            "it is neither a convolution, a pooling, a padding nor pointwise",
        )
    copy = surgery.copier.copy(layer)
    return surgery.apply(copy, args, kwargs, is_map=False)
