"""The angles of DINOv3's attention, made of the image they are for."""

import keras

from keras_seg.layers import RotaryAttention
from keras_seg.layers import RotaryPositions
from keras_seg.surgery import graph
from keras_seg.surgery import verification

__all__ = ["angles_of", "with_angles"]


def with_angles(
    model: keras.Model, stride: int, data_format: str, verify: bool
) -> keras.Model:
    """Rebuilds attention that keeps angles of one size, as zeromodels' does.

    Args:
        model: functional `keras.Model`.
        stride: int, pixels of the image from one patch to the next.
        verify: bool, whether to compare the two.

    Returns:
        A `keras.Model` whose attention gets its angles from a
        `RotaryPositions` layer on the image; `model` if it has no such
        attention.
    """
    if not any(map(_has_angles, model.layers)):
        return model
    copier = graph.Copier()
    images: list = []
    angles: list = []
    reached: dict = {}

    def start(tensor):
        images.append(tensor)
        return tensor

    def call(operation, *args, **kwargs):
        if not _has_angles(operation):
            return copier.copy(operation)(*args, **kwargs)
        if not angles:
            positions = RotaryPositions(
                operation.head_dim,
                stride,
                operation.rope_theta,
                data_format=data_format,
                name="rotary_positions",
            )
            angles.extend(positions(images[0]))
        attention = copier.copy(
            operation,
            RotaryAttention,
            num_heads=operation.num_heads,
            prefix_tokens=operation.num_prefix_tokens,
            query_bias=operation.query_bias,
            key_bias=operation.key_bias,
            value_bias=operation.value_bias,
            dropout=operation.attn_drop.rate,
            name=operation.name,
        )
        return attention(args[0], *angles)

    rebuilt = graph.rebuild(
        model, start, call, copier, any_size=False, reached=reached
    )
    if verify:
        verification.verify("fully_convolutional", model, rebuilt, reached)
    return rebuilt


def angles_of(model: keras.Model) -> list[tuple[keras.Layer, int, float]]:
    """The layers that make angles of the image, with the length of a query
    and the base of the periods."""
    found = []
    for layer in model.layers:
        if isinstance(layer, RotaryPositions):
            found.append((layer, layer.size, layer.theta))
        elif type(layer).__name__.endswith("RopePositionEmbedding"):
            found.append((layer, layer.head_dim, layer.rope_theta))
    return found


def _has_angles(layer):
    return getattr(layer, "_rope_cos", None) is not None
