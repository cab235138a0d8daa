"""Swin Transformers of keras-hub and zeromodels, rebuilt on maps."""

import types

from keras import layers

from keras_seg.layers import PadToMultiple
from keras_seg.layers import PatchMerging
from keras_seg.layers import WindowAttention
from keras_seg.surgery.rebuilt import add
from keras_seg.surgery.rebuilt import drop
from keras_seg.surgery.rebuilt import zero_layers

__all__ = ["hub_swin", "zero_swin"]


def hub_swin(model, x, rebuilt):
    embed = model.patch_embedding
    x = PadToMultiple(
        embed.patch_size, data_format="channels_last", name="patch_pad"
    )(x)
    x = rebuilt.like(embed.proj, x, "patch")
    if embed.norm is not None:
        x = rebuilt.like(embed.norm, x, "patch_norm")
    rebuilt.stands_for(embed, x)
    x = drop(x, model.dropout_rate, "patch_dropout")
    for number, stage in enumerate(model.stages):
        for index, block in enumerate(stage.blocks):
            attention = block.attn
            if block.shift_size:
                sides = stage.input_resolution
                _check_divides(stage, sides, attention.win_h)
            parts = types.SimpleNamespace(
                norms=(block.norm1, block.norm2),
                attention=attention,
                window=attention.win_h,
                attention_dropout=attention.attn_drop_rate,
                dropout=attention.proj_drop_rate,
                drop_path=getattr(block.drop_path, "drop_prob", 0.0),
                mlp=(block.mlp.fc1, block.mlp.fc2),
            )
            name = f"stage_{number}_block_{index}"
            x = _window_block(parts, index % 2 == 1, x, rebuilt, name)
        if stage.downsample is not None:
            norm, dense = stage.downsample.norm, stage.downsample.reduction
            x = _merge(norm, dense, x, rebuilt, f"stage_{number}_merging")
        rebuilt.stands_for(stage, x)
    return rebuilt.like(model.norm, x, "norm")


def zero_swin(model, x, rebuilt):
    theirs, attentions, rates = zero_layers(model)
    patch = theirs["stem_conv"]
    x = PadToMultiple(
        patch.strides[0], data_format="channels_last", name="patch_pad"
    )(x)
    x = rebuilt.like(patch, x, "patch")
    x = rebuilt.like(theirs["stem_norm"], x, "patch_norm")
    x = drop(x, model.dropout_rate, "patch_dropout")
    for number, depth in enumerate(model.depths):
        if number:
            prefix = f"layers_{number}_downsample_pm"
            norm = theirs[f"{prefix}_layernorm"]
            dense = theirs[f"{prefix}_dense"]
            x = _merge(norm, dense, x, rebuilt, f"stage_{number - 1}_merging")
        for index in range(depth):
            prefix = f"layers_{number}_blocks_{index}"
            attention = attentions[prefix]
            window = attention.window_size
            if window != attention.bias_table_window_size:
                raise ValueError(
                    f"The windows of the layer '{attention.name}' "
                    f"({type(attention).__name__}) have {window} positions "
                    "along a side, and its biases are for windows of "
                    f"{attention.bias_table_window_size}. Fix: build the "
                    f"model for the size that it was trained at, image_size="
                    f"{model.pretrain_size}."
                )
            norms = [theirs[f"{prefix}_layernorm_{n}"] for n in (1, 2)]
            _check_divides(attention, norms[0].output.shape[1:3], window)
            parts = types.SimpleNamespace(
                norms=norms,
                attention=attention,
                window=window,
                attention_dropout=attention.attn_drop_rate,
                dropout=attention.proj_drop_rate,
                drop_path=next(rates),
                mlp=[theirs[f"{prefix}_mlp_dense_{n}"] for n in (1, 2)],
            )
            name = f"stage_{number}_block_{index}"
            x = _window_block(parts, index % 2 == 1, x, rebuilt, name)
    return x


def _check_divides(layer, sides, window):
    """Refuses windows that the two packages place elsewhere than the paper."""
    if any(side % window for side in sides):
        height, width = sides
        raise ValueError(
            f"The layer '{layer.name}' ({type(layer).__name__}) has maps of "
            f"{height}×{width} and windows of {window}. Where these do not "
            "divide a map, it computes something else than the authors' code. "
            "Fix: build the model, with these weights, for a size that "
            f"windows of {window} divide at every stride."
        )


def _window_block(block, shifted, x, rebuilt, name):
    """Attention within windows, every second time shifted, then an MLP."""
    attention = block.attention
    attend = rebuilt.of(
        WindowAttention(
            attention.num_heads,
            block.window,
            shifted,
            use_bias=attention.qkv_bias,
            dropout=block.attention_dropout,
            data_format="channels_last",
            name=f"{name}_attention",
        ),
        attention,
    )
    y = attend(rebuilt.like(block.norms[0], x, f"{name}_norm1"))
    y = drop(y, block.dropout, f"{name}_dropout")
    x = add(x, y, block.drop_path, f"{name}_attention")
    y = rebuilt.like(block.norms[1], x, f"{name}_norm2")
    y = rebuilt.like(block.mlp[0], y, f"{name}_fc1")
    y = layers.Activation("gelu", name=f"{name}_gelu")(y)
    y = drop(y, block.dropout, f"{name}_fc1_dropout")
    y = rebuilt.like(block.mlp[1], y, f"{name}_fc2")
    y = drop(y, block.dropout, f"{name}_fc2_dropout")
    return add(x, y, block.drop_path, f"{name}_mlp")


def _merge(norm, dense, x, rebuilt, name):
    merging = PatchMerging(
        dense.units, norm.epsilon, data_format="channels_last", name=name
    )
    return rebuilt.stands_for(dense, rebuilt.of(merging, norm, dense)(x))
