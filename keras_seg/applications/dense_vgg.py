"""VGG's network as FCN pads it, and at stride 8 as the first DeepLabs do."""

from collections.abc import Callable
from collections.abc import Sequence

import keras
from keras import layers

from keras_seg.applications.builder import without_effect
from keras_seg.surgery import graph

__all__ = [
    "base_vgg",
    "check_seed",
    "dense_vgg",
    "has_vgg_plan",
    "pad_by_100",
]

POOLS = 5


def dense_vgg(
    model: keras.Model, average: bool = True
) -> tuple[keras.Model, list[str]]:
    """VGG's network at stride 8, with the pools of the released LargeFOV.

    `average` adds a 3×3 average pool behind the last pool, which counts the
    zeros around the map as Caffe's does. Also returns the names of the
    convolutions behind the pools.
    """
    options = {"data_format": graph.data_format_of(model)}

    def pool(x, copy, number, operation):
        changes = {"pool_size": (3, 3), "padding": "same"}
        if number >= POOLS - 1:
            changes["strides"] = (1, 1)
        x = copy(operation, **changes)(x)
        if average and number == POOLS:
            x = layers.ZeroPadding2D(1, name="pool5a_pad", **options)(x)
            x = layers.AveragePooling2D(3, 1, name="pool5a", **options)(x)
        return x

    return _rebuild(model, pool)


def base_vgg(model: keras.Model) -> tuple[keras.Model, list[str]]:
    """VGG's network at stride 8, laid out as the base DeepLab was at first.

    The first three pools are padded by 1 on all sides, the fourth is 2×2 with
    no stride and no padding, the fifth 3×3. An image of 8k + 1 pixels gets a
    row and a column of zeros in front, and gives k + 1 positions, the first on
    its first pixel and the last on its last (half a pixel before them: the
    windows are even).
    """
    options = {"data_format": graph.data_format_of(model)}

    def pool(x, copy, number, operation):
        if number == POOLS:
            changes = {"pool_size": (3, 3), "padding": "same"}
            return copy(operation, **changes, strides=(1, 1))(x)
        if number == POOLS - 1:
            return copy(operation, padding="valid", strides=(1, 1))(x)
        # After a ReLU, zeros are as good as nothing.
        pad = layers.ZeroPadding2D(1, name=f"pool{number}_pad", **options)
        return copy(operation, padding="valid")(pad(x))

    def start(x):
        pad = ((1, 0), (1, 0))
        return layers.ZeroPadding2D(pad, name="base_pad", **options)(x)

    return _rebuild(model, pool, start)


def has_vgg_plan(model: keras.Model) -> bool:
    """Returns whether five pools and two convolutions behind them are there."""
    pools, names = _plan(model)
    return len(pools) == POOLS and len(names) == 2


def check_seed(hidden: Sequence[keras.Layer], filters: int, seed: int) -> None:
    """Refuses a seed where all filters stay, so that none are drawn."""
    if all(layer.filters == filters for layer in hidden):
        without_effect("seed", seed, 0, "where all filters stay")


def _rebuild(
    model: keras.Model,
    pool: Callable[..., keras.KerasTensor],
    start: Callable[[keras.KerasTensor], keras.KerasTensor] = lambda x: x,
) -> tuple[keras.Model, list[str]]:
    """Gives a VGG other pools, and the rates that go with stride 8.

    `pool(x, copy, number, operation)` replaces each pool, `start` the image.
    """
    pools, names = _plan(model)
    if len(pools) != POOLS or len(names) != 2:
        raise ValueError(
            "The first DeepLab needs the plan of VGG: five 2×2 max pools and "
            "two hidden fully connected layers. The backbone "
            f"'{model.name}' has {len(pools)} and {len(names)}."
        )
    copier = graph.Copier()
    passed = []

    def call(operation, *args, **kwargs):
        if operation in pools:
            passed.append(operation)
            return pool(*args, copier.copy, len(passed), operation)
        changes = {}
        if isinstance(operation, layers.Conv2D) and len(passed) == POOLS - 1:
            changes = {"dilation_rate": (2, 2)}
        elif operation.name == names[0]:
            # 4 = 32 / 8: what the removed strides make of its taps.
            changes = {"dilation_rate": (4, 4)}
        return copier.copy(operation, **changes)(*args, **kwargs)

    return graph.rebuild(model, start, call, copier), names


def _plan(model: keras.Model) -> tuple[list[keras.Layer], list[str]]:
    """Returns the 2×2 pools, and the names of what is behind the last."""
    pools, names = [], list[str]()
    for layer in model.layers:
        if isinstance(layer, layers.MaxPooling2D):
            if layer.strides == layer.pool_size == (2, 2):
                pools.append(layer)
            names = []
        elif isinstance(layer, layers.Conv2D):
            names.append(layer.name)
    return pools, names


def pad_by_100(model: keras.Model) -> keras.Model:
    """Pads in front of a VGG by 100 pixels, and lets its pools round up.

    Caffe's network pads its first convolution, of 3×3, by 100: 99 more than
    the others, so that the unpadded 7×7 window of the first fully connected
    layer fits even the smallest image.
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
