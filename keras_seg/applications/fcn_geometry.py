"""The geometry of the published FCN: padding by 100, and crops."""

from keras import layers

from keras_seg.surgery import graph

__all__ = ["OFFSETS", "pad_by_100"]

# Where the crops begin: of pool4, of pool3, and of the scores enlarged to
# the image, by the stride they were enlarged from.
OFFSETS = {"pool4": 5, "pool3": 9, 32: 19, 16: 27, 8: 31}


def pad_by_100(model):
    """Pads in front of a VGG by 100 pixels, and lets its pools round up.

    Caffe's network pads its first convolution, of 3×3, by 100: 99 more than
    the others, so that the 7×7 window of the first fully connected layer,
    unpadded, finds a place even on the smallest image.

    Args:
        model: functional `keras.Model`, the convolutions and 2×2 pools of a
            VGG.

    Returns:
        A `keras.Model` with the layer names and the weights of `model`.

    Raises:
        ValueError: for a network that does not begin with a padded 3×3
            convolution, or has no five 2×2 pools and a 7×7 window.
    """
    convolutions = [x for x in model.layers if isinstance(x, layers.Conv2D)]
    pools = [x for x in model.layers if isinstance(x, layers.MaxPooling2D)]
    plan = (
        len(pools) == 5
        and all(pool.pool_size == pool.strides == (2, 2) for pool in pools)
        and convolutions[0].kernel_size == (3, 3)
        and convolutions[0].padding == "same"
        and any(x.kernel_size == (7, 7) for x in convolutions)
    )
    if not plan:
        raise ValueError(
            "geometry='paper' is that of VGG: a padded 3×3 convolution first, "
            "five 2×2 pools, 7×7 windows (built for 224×224). The backbone "
            f"'{model.name}' has another plan."
        )
    copier = graph.Copier()
    options = {"data_format": graph.data_format_of(model)}

    def call(operation, *args, **kwargs):
        if operation is convolutions[0]:
            args = (layers.ZeroPadding2D(99, name="pad_99", **options)(*args),)
        # Padding "same" of a 2×2 pool is one position at the end, or none.
        changes = {"padding": "same"} if operation in pools else {}
        return copier.copy(operation, **changes)(*args, **kwargs)

    return graph.rebuild(model, lambda x: x, call, copier)
