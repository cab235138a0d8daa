"""Vision Transformers as networks on images of any size, with maps."""

import dataclasses
from typing import NoReturn

import keras
import numpy as np
from keras import layers

from keras_seg.keras_private import calls_of
from keras_seg.keras_private import producer
from keras_seg.keras_private import run_through_graph
from keras_seg.layers import PatchTokens
from keras_seg.layers import RotaryPositions
from keras_seg.layers import TokensToMap
from keras_seg.layers.base import nested_layers
from keras_seg.ops.backend import spatial_axes
from keras_seg.surgery import graph
from keras_seg.surgery import verification
from keras_seg.surgery.rotary import angles_of
from keras_seg.surgery.rotary import with_angles
from keras_seg.surgery.runs import compute
from keras_seg.surgery.runs import follow

__all__ = ["has_tokens", "set_patch_stride", "token_map"]

# Numbers of patches to prove that their order does not matter; the second for
# networks that are built for the first.
LENGTHS = (11, 13)


def has_tokens(model: keras.Model) -> bool:
    """Whether the last map of a network was a sequence of tokens.

    Example:

    >>> import keras
    >>> has_tokens(keras.applications.MobileNetV2(weights=None))
    False
    """
    return any(isinstance(x, TokensToMap) for x in nested_layers(model))


def token_map(model: keras.Model, verify: bool = True) -> keras.Model | None:
    """Rebuilds a Vision Transformer for images of any size.

    The tokens of the last layer become a map; the class token and registers
    are left out of it. Nothing is known of the layers, all is found out by
    running them:

    * Where the tokens begin: there, the tokens of an image less those of a
      black one are the patches times the kernel of the one convolution before.
      What is left are the tokens of the black image: the embeddings of the
      positions, and the tokens that belong to no patch.
    * Whether the layers behind may see any number of patches: they do, if they
      take the patches for a set. In another order they must give the same, in
      that order, of a number of patches that they were not built for.

    Positions are interpolated from those of the size that the model was built
    for: as in the code of the ViT paper, bilinear with aligned corners, or
    bicubic, as in that of DINO, for models of this name.

    Args:
        model: functional `keras.Model`, built for a fixed size.
        verify: bool, whether the map is compared with the tokens of `model`.

    Returns:
        A functional `keras.Model`; None if `model` makes no tokens.

    Raises:
        ValueError: If tokens can't become a map. The message names the layer.
    """
    end = _last_tokens(model)
    if end is None:
        return None
    image = model.inputs[0]
    sizes = image.shape[1:]
    if len(model.inputs) > 1 or len(sizes) != 3 or None in sizes:
        raise ValueError(
            f"The model '{model.name}' must be built for one image of a known "
            "size, which decides how many positions there are. Received: "
            f"inputs of shapes {[tuple(x.shape) for x in model.inputs]}"
        )
    convolution = _patch_convolution(model)
    data_format = convolution.data_format
    (stride,) = set(convolution.strides)
    cubic = "dino" in type(model).__name__.lower()
    explicit = with_angles(model, stride, data_format, verify)
    if explicit is not model:
        model, end = explicit, _last_tokens(explicit)
        image, convolution = model.inputs[0], _patch_convolution(model)
    begin = _begin(model, end, convolution, cubic)
    rotary = angles_of(model)
    angles = keras.tree.flatten([layer.output for layer, *_ in rotary])
    behind = keras.Model([begin.tensor, *angles], end)
    _check_order(model, behind, begin)

    copier = graph.Copier()
    new_image = keras.Input(_any_size(image, data_format), name=image.name)
    reached: dict = {}
    with graph.dtype_policy_of(model):
        patches = PatchTokens(**begin.config, name=begin.name)
        values = [patches(new_image)]
        for layer, size, theta in rotary:
            values += RotaryPositions(
                size,
                patches.stride,
                theta,
                data_format=data_format,
                name=layer.name,
            )(new_image)

        def call(operation, *args, **kwargs):
            made = copier.copy(operation)(*args, **kwargs)
            for old, new in zip(
                keras.tree.flatten(operation.output),
                keras.tree.flatten(made),
                strict=True,
            ):
                reached[id(old)] = new
            return made

        tokens = run_through_graph(behind, values, call)
        x = TokensToMap(
            patches.stride,
            prefix_tokens=begin.prefix_at_end,
            data_format=data_format,
            name="tokens_to_map",
        )(tokens, new_image)
    network = keras.Model(new_image, x, name=model.name)
    copier.copy_weights()
    patches.set_weights(begin.weights)
    patches.trainable = patches.trainable  # Of what `build` made, too.
    if verify:
        reached[id(begin.tensor)] = values[0]
        verification.verify(
            "fully_convolutional",
            model,
            keras.Model(new_image, tokens),
            reached,
            probes=[[begin.image]],
        )
    return network


def set_patch_stride(network: keras.Model, stride: int) -> keras.Model:
    """Resizes the image in front of a network with tokens.

    A network with patches of 14 pixels then has a token for every 16: it sees
    an image of 7/8 of the size.

    Args:
        network: functional `keras.Model`, of `token_map`.
        stride: int, pixels of the image from one patch to the next.

    Returns:
        A functional `keras.Model` with the same weights.
    """
    copier = graph.Copier()

    def call(operation, *args, **kwargs):
        changes = {}
        if isinstance(operation, (PatchTokens, RotaryPositions, TokensToMap)):
            changes["stride"] = stride
        return copier.copy(operation, **changes)(*args, **kwargs)

    return graph.rebuild(network, lambda x: x, call, copier)


def _last_tokens(model):
    """The last sequence `(batch, tokens, channels)`, None if a map is last."""
    ends = [x for call in calls_of(model) for x in call.outputs]
    ends = [x for x in ends if len(x.shape) in (3, 4)]
    ends += [x for x in keras.tree.flatten(model.outputs) if len(x.shape) > 2]
    if not ends or len(ends[-1].shape) == 4 or ends[-1].shape[1] == 1:
        return None
    return ends[-1]


def _any_size(image, data_format):
    shape = list(image.shape)
    for axis in spatial_axes(data_format):
        shape[axis] = None
    return shape[1:]


@dataclasses.dataclass(frozen=True)
class _Begin:
    """Where the tokens begin: a tensor, and the `PatchTokens` for it."""

    tensor: keras.KerasTensor
    name: str
    config: dict
    weights: list
    image: np.ndarray
    prefix_at_end: int

    @property
    def prefix_tokens(self):
        return self.config["prefix_tokens"]


def _begin(model, end, convolution, cubic):
    """Finds the last tensor that is the patches and the positions alone."""
    data_format = convolution.data_format
    image = model.inputs[0]
    rng = np.random.default_rng(0)
    shape = (2, *image.shape[1:])
    black = np.zeros((1, *image.shape[1:]), image.dtype)
    pictures = rng.uniform(-1, 1, shape).astype(image.dtype)

    def run(black, pictures):
        kept: dict = {}

        def record(operation, tensor, name, value):
            if operation is not None and len(value.shape) == 3:
                kept.setdefault(id(name), []).append(value)
            return value

        follow(model, model.inputs, black, record)
        follow(model, model.inputs, pictures, record)
        patches = convolution(pictures[0]) - convolution(0 * pictures[0])
        order.extend(x for x in kept if x not in order)
        return [patches, *([pair[0], pair[1]] for pair in kept.values())]

    order: list = []
    patches, *pairs = compute((model,), run, [black], [pictures])
    if data_format == "channels_first":
        patches = np.moveaxis(patches, 1, -1)
    rows, columns, filters = patches.shape[1:]
    patches = patches.reshape(2, -1, filters)
    found = None
    for key, (constant, tokens) in zip(order, pairs, strict=True):
        prefix = tokens.shape[1] - patches.shape[1]
        if prefix < 0 or tokens.shape[2] != filters:
            continue
        expected = constant + np.pad(patches, ((0, 0), (prefix, 0), (0, 0)))
        gap = np.abs(tokens - expected).max()
        if gap <= verification.TOLERANCE * np.abs(tokens).max():
            found = key, constant[0], prefix
    if found is None:
        layer = next(
            call.operation
            for call in calls_of(model)
            if any(len(x.shape) == 3 for x in call.outputs)
        )
        _refuse(
            layer,
            "its tokens are not those of the patches of one convolution, each "
            "with the embedding of its place",
        )
    key, constant, prefix = found
    last = pairs[order.index(id(end))][1] if id(end) in order else constant
    prefix_at_end = last.shape[-2] - rows * columns
    if prefix_at_end < 0:
        _refuse(
            producer(end),
            f"there are {last.shape[-2]} of them for {rows * columns} patches",
        )
    tensor = next(
        x
        for call in calls_of(model)
        for x in keras.tree.flatten(call.operation.output)
        if id(x) == key
    )
    kernel, *bias = convolution.get_weights()
    positions = constant[prefix:].reshape(1, rows, columns, filters)
    positions = positions - (bias[0] if bias else 0)
    is_placed = np.abs(positions).max() > 1e-6 * np.abs(constant).max()
    weights = [positions] if is_placed else []
    if prefix:
        weights.append(constant[None, :prefix])
    weights += [kernel, *bias]
    (patch_size,) = set(convolution.kernel_size)
    config = {
        "trainable": convolution.trainable,
        "filters": filters,
        "patch_size": patch_size,
        "prefix_tokens": prefix,
        "grid": (rows, columns) if is_placed else None,
        "interpolation": "bicubic" if cubic else "bilinear",
        "use_bias": bool(bias),
        "data_format": data_format,
    }
    name = calls_of(keras.Model(model.inputs, tensor))[-1].operation.name
    return _Begin(tensor, name, config, weights, pictures, prefix_at_end)


def _patch_convolution(model):
    """The first convolution of the model, that of its patches."""
    for layer in nested_layers(model):
        if not isinstance(layer, layers.Conv2D):
            continue
        sizes = {*layer.kernel_size, *layer.strides}
        if len(sizes) == 1 and layer.padding == "valid":
            return layer
        _refuse(
            layer,
            "the patches of a transformer are next to each other: squares of "
            f"the size of their stride. It has kernel_size={layer.kernel_size}"
            f" and strides={layer.strides}",
        )
    raise ValueError(
        f"The model '{model.name}' makes a sequence, and not by a convolution "
        "of patches: its tokens can't become a map."
    )


def _check_order(model, behind, begin):
    """Checks that the layers behind take the patches for a set."""
    prefix = begin.prefix_tokens
    built = begin.tensor.shape[1]
    length = next(x for x in LENGTHS if x + prefix != built)
    rng = np.random.default_rng(1)
    order = rng.permutation(length)
    inputs = [
        rng.normal(size=(1, prefix + length, *x.shape[2:]))
        if len(x.shape) == 3
        else rng.uniform(-1, 1, (length, x.shape[-1]))
        for x in behind.inputs
    ]
    inputs = [x.astype("float32") for x in inputs]
    moved = [_permuted(x, order, prefix) for x in inputs]
    operations: list = []

    def values_of(arrays):
        kept = []

        def record(operation, tensor, name, value):
            kept.append(value)
            operations.append(operation)
            return value

        follow(behind, behind.inputs, arrays, record)
        return kept

    def run(inputs, moved):
        return [values_of(inputs), values_of(moved)]

    try:
        plain, changed = compute((behind,), run, inputs, moved)
    except Exception as error:
        reason = str(error).strip().split("\n")[0]
        raise ValueError(
            f"The model '{model.name}' was built for one number of patches "
            f"and does not run on {length} ({reason}): its tokens can't "
            "become a map for images of any size."
        ) from error
    for operation, x, y in zip(operations, plain, changed, strict=False):
        if x.ndim != 3 or x.shape[1] < length:
            continue
        # A class token may join the patches later.
        gap = np.abs(_permuted(x, order, x.shape[1] - length) - y).max()
        if not gap <= verification.TOLERANCE * np.abs(x).max():
            _refuse(
                operation,
                "it takes its tokens for a sequence: in another order it makes "
                "something else of them, and in an image of another size they "
                "have another order",
            )


def _permuted(x, order, prefix):
    """The patches in another order, with the tokens in front where they are."""
    axis = x.ndim - 2
    first, rest = np.split(x, [prefix if x.ndim == 3 else 0], axis)
    return np.concatenate([first, rest.take(order, axis)], axis)


def _refuse(layer, reason) -> NoReturn:
    raise ValueError(
        f"The tokens of the layer '{layer.name}' ({type(layer).__name__}) "
        f"can't become a map: {reason}."
    )
