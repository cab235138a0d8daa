"""Networks that training starts from: one's own classifiers, segmenters."""

import pathlib
from typing import Any

import keras
import numpy as np

from keras_seg import pretrained
from keras_seg.hub.names import is_name
from keras_seg.keras_private import run_through_graph
from keras_seg.layers.metadata import note
from keras_seg.runs.folder import RunFolder
from keras_seg.runs.model_file import load_model
from keras_seg.runs.model_file import read_model
from keras_seg.surgery import graph
from keras_seg.surgery import replace_classes
from keras_seg.surgery.tta import without_shrinking

__all__ = ["for_other_classes", "read_backbone"]

# Keras's own augmentation.
RANDOM = tuple(
    thing
    for name, thing in vars(keras.layers).items()
    if name.startswith("Random")
)


def for_other_classes(start: str, classes: int) -> keras.Model:
    """Returns a network that segments already, for other classes.

    What is kept of it counts as its backbone: it learns slowly.
    """
    path = pathlib.Path(start)
    if path.is_dir() or is_name(start):
        before = RunFolder.open(start).load_model()
    elif path.is_file():
        before = load_model(path)
    else:
        before = pretrained.load(start)
    before, _ = without_shrinking(before)
    if graph.data_format_of(before) == "channels_first":
        raise ValueError(
            "`start_from` must be a network of channels last, as the images "
            f"of a run are. Fix: another network. Received: {start}, with "
            f"images of shape {before.input_shape}"
        )
    model = replace_classes(before, classes)
    kept = [
        layer.name
        for layer in model.layers
        if layer.weights and _is_same(layer, before.get_layer(layer.name))
    ]
    note(model, backbone=kept)
    return model


def _is_same(layer: keras.Layer, before: keras.Layer) -> bool:
    return all(map(np.array_equal, layer.get_weights(), before.get_weights()))


def read_backbone(path: str) -> keras.Model:
    """Reads a classifier, without augmentation and without inner models.

    A layer such as `RandomFlip` would move the image and not the mask. What is
    inside an inner model, such as the network of a classifier by transfer
    learning, is brought out, for its maps to be used.
    """
    copier = graph.Copier()

    def call(operation: Any, *args: Any, **kwargs: Any) -> Any:
        if _is_augmentation(operation):
            return args[0]
        if isinstance(operation, keras.Model):
            inner = graph.functional(operation)
            return run_through_graph(inner, list(args), call)
        return copier.copy(operation)(*args, **kwargs)

    model = graph.functional(read_model(path))
    return graph.rebuild(model, lambda x: x, call, copier, any_size=False)


def _is_augmentation(operation: Any) -> bool:
    if isinstance(operation, keras.Sequential):
        return all(map(_is_augmentation, operation.layers))
    return isinstance(operation, RANDOM)
