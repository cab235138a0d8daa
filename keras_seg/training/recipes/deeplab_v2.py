"""How DeepLab v2 was trained."""

from keras_seg.applications.batch_norm import freeze_batch_norm
from keras_seg.layers import ASPP
from keras_seg.layers import AlignedScale
from keras_seg.layers.base import nested_layers
from keras_seg.losses import CrossEntropy
from keras_seg.schedules import Poly
from keras_seg.training.recipes.compiling import caffe_sgd
from keras_seg.training.recipes.compiling import compile_arguments

__all__ = ["deeplab_v2"]


def deeplab_v2(
    model,
    steps=20_000,
    *,
    learning_rate=None,
    weight_decay=5e-4,
    accumulation=1,
    ignore_class=255,
):
    """DeepLab v2: "poly", labels at stride 8, batch norm frozen.

    - [DeepLab](https://arxiv.org/abs/1606.00915)

    | | |
    |---|---|
    | loss | mean over every 8th pixel of every 8th row, void left out |
    | optimizer | SGD, momentum 0.9 |
    | learning rate | 2.5e-4 on ResNet-101, 0.001 on VGG16; "poly", power 0.9 |
    | scores | 10 times the rate, their biases 20 times |
    | other biases | twice the rate |
    | weight decay | 5e-4, coupled; none on biases |
    | batch norm | frozen, its scale and offset too |
    | updates | 20,000 |
    | the caller's: batch, crop | 10 of 321×321 (ResNet-101: 1, 10 times \
accumulated) |
    | the caller's: images | scaled by 0.5, 0.75, 1, 1.25 or 1.5, mirrored; \
padded below and on the right with the mean colour, labels with void |

    Images must have sides of `8k + 1`, as 321: then every 8th logit is one of
    the small map, and the loss is Caffe's on labels shrunk by 8. A model with
    `auxiliary="scales"` is trained with the authors' losses of MSC, of equal
    weight: of the largest scores and of each scale, at stride 16 for 0.5.

    Args:
        model: `keras_seg.applications.DeepLabV2`; its kernels get their
            regularizers, its batch norm is frozen.
        steps: int, updates in the whole run. Defaults to 20,000.
        learning_rate: float, of the first update. Defaults to VGG16's where
            each rate of the pyramid has its own fc6 and fc7, to ResNet's for
            others.
        weight_decay: float. Defaults to 5e-4.
        accumulation: int, batches in an update. Defaults to 1.
        ignore_class: int, the label of void pixels. Defaults to 255.

    Returns:
        Dictionary of arguments of `model.compile`.

    Example:

    >>> import keras, keras_seg
    >>> from keras_seg.training import recipes
    >>> convs = [keras.layers.Conv2D(8, 3, 2, "same") for _ in range(3)]
    >>> backbone = keras.Sequential([keras.Input((None, None, 3)), *convs])
    >>> model = keras_seg.applications.DeepLabV2(backbone, classes=5)
    >>> model.compile(**recipes.deeplab_v2(model, steps=100, accumulation=10))
    >>> f"{float(model.optimizer.learning_rate):.1e}"
    '2.5e-04'
    """
    freeze_batch_norm(model)
    layers = nested_layers(model)
    if learning_rate is None:
        versions = [x.version for x in layers if isinstance(x, ASPP)]
        learning_rate = 0.001 if "v2_vgg16" in versions else 2.5e-4
    optimizer = caffe_sgd(
        model,
        Poly(learning_rate, steps, accumulation=accumulation),
        weight_decay=weight_decay,
        scores=10.0,
        accumulation=accumulation,
    )
    scales = [1.0, *(x.scale for x in layers if isinstance(x, AlignedScale))]
    loss: CrossEntropy | list[CrossEntropy]
    loss, weights = CrossEntropy(ignore_class, stride=8), None
    if len(scales) > 1 and len(model.outputs) == 1 + len(scales):
        strides = [8, *map(_stride, scales)]
        loss = [CrossEntropy(ignore_class, stride=s) for s in strides]
        weights = [1.0] * len(strides)
    return compile_arguments(model, optimizer, loss, ignore_class, weights)


def _stride(scale):
    """Of the map where the scores of a scale are compared with the labels.

    The authors bring those of 0.75 to the map of 1, whose pixels lie on
    labels; those of 0.5 stay where they are.
    """
    return int(8 / scale) if 1 / scale == int(1 / scale) else 8
