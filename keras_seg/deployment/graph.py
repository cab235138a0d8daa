"""The graph that is exported: what it takes, and what it returns."""

import contextlib
import dataclasses
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_seg.deployment.formats import ExportError
from keras_seg.deployment.metadata import output_name
from keras_seg.deployment.portable_layers import portable_layers
from keras_seg.inference.keras_models import ids_network
from keras_seg.score_form import ScoreForm
from keras_seg.score_form import score_thresholds
from keras_seg.surgery.graph import data_format_of
from keras_seg.surgery.graph import functional

__all__ = ["exported_graph", "image_to_scores", "returned_form"]


def image_to_scores(model: keras.Model) -> keras.Model:
    """The model without auxiliary outputs: one image, one map of scores."""
    try:
        network = functional(model)
    except ValueError:
        network = model  # A subclass, whose `call` is all there is.
    else:
        if len(network.outputs) > 1:
            network = keras.Model(network.inputs[0], network.outputs[0])
    if len(network.inputs) != 1 or len(network.output_shape) != 4:
        raise ExportError(
            "`model` must take an image and give scores (batch, height, "
            f"width, classes). Received: {model.name} of inputs "
            f"{network.input_shape} and outputs {network.output_shape}"
        )
    if data_format_of(network) == "channels_first":
        raise ExportError(
            "`model` takes channels first. Fix: build it with data_format="
            '"channels_last" and set its weights, which are the same; '
            'layout="nchw" exports it with channels first.'
        )
    return network


def exported_graph(
    network: keras.Model,
    form: ScoreForm,
    size: tuple[int, int] | None,
    gives: str,
    layout: str,
) -> keras.Model:
    """A network with the input `image` and one output, by its name.

    It takes one image of `size`, or any number of any size; it `gives`
    `"ids"`, `"probabilities"`, or the scores as they are; `layout` is `"nhwc"`
    or `"nchw"`.
    """
    batch = None if size is None else 1
    sides = size or (None, None)
    name, channels = network.name, network.inputs[0].shape[-1]
    with contextlib.suppress(ValueError):  # No graph, or quantized layers.
        network = portable_layers(network)
    first = layout == "nchw"
    image = keras.Input(
        batch_shape=(batch, channels, *sides)
        if first
        else (batch, *sides, channels),
        name="image",
    )
    if gives == "ids":
        network = ids_network(network, form)
    y = network(ops.transpose(image, (0, 2, 3, 1)) if first else image)
    if gives == "probabilities":
        y = _probabilities(y, form)
    if first and len(y.shape) == 4:
        y = ops.transpose(y, (0, 3, 1, 2))
    # PyTorch's exporters give no names, and not all of them take dictionaries.
    has_names = keras.config.backend() != "torch"
    outputs = {output_name(gives): y} if has_names else y
    return keras.Model(image, outputs, name=name)


def returned_form(form: ScoreForm, gives: str) -> ScoreForm:
    """The form of what a graph gives, of a network whose scores have `form`.

    Ids are taken for scores of 1 and 0, see `ExportedModel`.
    """
    if gives == "ids":
        count = form.scores if form.multi_label else max(form.scores, 2)
        return ScoreForm(count, form.multi_label, from_logits=False)
    if gives != "probabilities":
        return form
    threshold = form.threshold
    if form.temperature != 1:
        limits = score_thresholds(threshold, True) / form.temperature
        p = ScoreForm(2, multi_label=True).probabilities_of(limits).tolist()
        threshold = tuple(p) if isinstance(p, list) else p
    return dataclasses.replace(
        form, from_logits=False, temperature=1.0, threshold=threshold
    )


def _probabilities(scores: Any, form: ScoreForm) -> Any:
    """`ScoreForm.probabilities_of` in a graph; of one score that of class 1."""
    if form.temperature == 1 and not form.from_logits:
        return scores
    if not form.from_logits:
        least = float(np.finfo("float32").eps)
        p = ops.clip(scores, least, 1 - least)
        scores = ops.log(p / (1.0 - p) if form.by_threshold else p)
    scores = scores / form.temperature
    return ops.sigmoid(scores) if form.by_threshold else ops.softmax(scores)
