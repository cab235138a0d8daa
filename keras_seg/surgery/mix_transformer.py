"""Mix Transformers of keras-hub and zeromodels, rebuilt on maps."""

import types

import keras
from keras import layers

from keras_seg.layers import ReducedAttention
from keras_seg.surgery.rebuilt import Rebuilt
from keras_seg.surgery.rebuilt import add
from keras_seg.surgery.rebuilt import drop
from keras_seg.surgery.rebuilt import zero_layers

__all__ = ["hub_mit", "mix_transformer", "zero_mit"]


def mix_transformer(
    encoder: keras.Model, x: keras.KerasTensor, rebuilt: Rebuilt
) -> list[keras.KerasTensor]:
    """Rebuilds keras-hub's `MiTBackbone` on maps.

    Args:
        encoder: the backbone.
        x: the image.
        rebuilt: `Rebuilt`, which gets the layers.

    Returns:
        The maps of the stages, normalized.
    """
    theirs = {layer.name: layer for layer in encoder.layers}
    ends = [
        layer
        for layer in encoder.layers
        if isinstance(layer, layers.LayerNormalization)
    ]
    maps = []
    for stage, depth in enumerate(encoder.layerwise_depths):
        embed = theirs[f"patch_and_embed_{stage}"]
        x = _embed(x, embed.proj, embed.norm, rebuilt, f"embed_{stage}")
        rebuilt.stands_for(embed, x)
        for number in range(depth):
            block = theirs[f"hierarchical_encoder_{stage}_{number}"]
            mlp, attention = block.mlp, block.attn
            parts = types.SimpleNamespace(
                norms=(block.norm1, block.norm2),
                attention=attention,
                dropout=attention.dropout.rate,
                drop_path=block.drop_path.rate,
                mlp=(mlp.fc1, mlp.dwconv, mlp.fc2),
                # As in keras-hub; that of the authors is exact.
                approximate=True,
            )
            x = _mix_block(parts, x, rebuilt, f"block_{stage}_{number}")
            rebuilt.stands_for(block, x)
        x = rebuilt.like(ends[stage], x, f"stage_{stage}_norm")
        maps.append(x)
    return maps


def hub_mit(model, x, rebuilt):
    _check_square(model)
    return mix_transformer(model, x, rebuilt)[-1]


def _check_square(model):
    """Both packages take the root of the number of tokens for both sides."""
    height, width = model.inputs[0].shape[1:3]
    if height != width:
        raise ValueError(
            f"The model '{model.name}' ({type(model).__name__}) is built for "
            f"images of {height}×{width}, and mistakes their maps for squares. "
            "Fix: build it, with these weights, for square images; made "
            "fully convolutional, it takes images of any size."
        )


def zero_mit(model, x, rebuilt):
    _check_square(model)
    theirs, attentions, rates = zero_layers(model)
    for stage, depth in enumerate(model.depths):
        x = _embed(
            x,
            theirs[f"patch_embed_{stage}_conv_proj"],
            theirs[f"patch_embed_{stage}_layernorm"],
            rebuilt,
            f"embed_{stage}",
        )
        for number in range(depth):
            name = f"block_{stage}_{number}"
            attention = attentions[name]
            parts = types.SimpleNamespace(
                norms=[theirs[f"{name}_layernorm_{n}"] for n in (1, 2)],
                attention=attention,
                dropout=attention.attn_drop.rate,
                drop_path=next(rates),
                mlp=[
                    theirs[f"{name}_mlp_{part}"]
                    for part in ("dense_1", "dwconv", "dense_2")
                ],
                approximate=False,
            )
            x = _mix_block(parts, x, rebuilt, name)
        end = theirs[f"final_layernorm_{stage}"]
        x = rebuilt.like(end, x, f"stage_{stage}_norm")
    return x


def _embed(x, convolution, norm, rebuilt, name):
    """Overlapping patches."""
    pad = convolution.kernel_size[0] // 2
    x = layers.ZeroPadding2D(pad, name=f"{name}_pad")(x)
    x = rebuilt.like(convolution, x, name)
    return rebuilt.like(norm, x, f"{name}_norm")


def _mix_block(block, x, rebuilt, name):
    """Attention to a reduced map, then an MLP with a 3×3 convolution."""
    attention = block.attention
    reduce = [attention.sr, attention.norm] if attention.sr_ratio > 1 else []
    attend = rebuilt.of(
        ReducedAttention(
            attention.num_heads,
            attention.sr_ratio,
            padding=reduce[0].padding if reduce else "valid",
            use_bias=attention.q.use_bias,
            dropout=block.dropout,
            epsilon=reduce[1].epsilon if reduce else 1e-5,
            data_format="channels_last",
            name=f"{name}_attention",
        ),
        *reduce,
        *(attention.q, attention.k, attention.v, attention.proj),
    )
    y = attend(rebuilt.like(block.norms[0], x, f"{name}_norm1"))
    y = drop(y, attention.proj_drop.rate, f"{name}_dropout")
    x = add(x, y, block.drop_path, f"{name}_attention")
    y = rebuilt.like(block.norms[1], x, f"{name}_norm2")
    for layer, part in zip(block.mlp, ("fc1", "dwconv", "fc2"), strict=True):
        if part == "fc2":
            y = keras.ops.gelu(y, approximate=block.approximate)
        y = rebuilt.like(layer, y, f"{name}_{part}")
    return add(x, y, block.drop_path, f"{name}_mlp")
