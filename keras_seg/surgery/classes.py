"""Another number of classes."""

import dataclasses

import keras
from keras import layers

from keras_seg.layers import ASPP
from keras_seg.layers.base import positive_int
from keras_seg.surgery import graph

__all__ = ["replace_classes"]

SCORES = (layers.Conv2D, layers.Conv2DTranspose, layers.Dense)


def replace_classes(model, classes):
    """Rebuilds a classifier or a segmentation network for other classes.

    The layers that make the scores (one, or several whose scores are summed,
    and those of an auxiliary head) are made anew for the new number, with
    the initializers they were built with; all other weights are kept to the
    bit. They are found from the graph: what is between them and the output
    works on every class by itself.

    Args:
        model: functional `keras.Model` whose outputs are scores or
            probabilities of classes.
        classes: int, the new number.

    Returns:
        A functional `keras.Model` with the layer names of `model`.

    Raises:
        ValueError: for a number below 1; if no layer that makes scores is
            found, as where it is in an inner model.

    Example:

    >>> import keras_seg
    >>> model = keras_seg.applications.FCN8s(
    ...     "mobilenet_v2", weights=None, classes=21)
    >>> model = keras_seg.surgery.replace_classes(model, 2)
    >>> model.output_shape
    (None, None, None, 2)
    """
    positive_int("classes", classes)
    model = graph.functional(model)
    makers = _score_layers(model)
    copier = graph.Copier()
    renewed = {}

    def call(operation, *args, **kwargs):
        if operation not in makers:
            return copier.copy(operation)(*args, **kwargs)
        if operation not in renewed:
            key = "units" if isinstance(operation, layers.Dense) else "filters"
            config = {**operation.get_config(), key: classes}
            renewed[operation] = type(operation).from_config(config)
        return renewed[operation](*args, **kwargs)

    image = keras.Input(
        batch_shape=model.inputs[0].shape,
        dtype=model.inputs[0].dtype,
        name=model.inputs[0].name,
    )
    rebuilt = graph.rebuild(model, lambda x: x, call, copier, image)
    for old, new in renewed.items():
        _keep_hidden(old, new)
    return rebuilt


def _keep_hidden(old, new):
    """Keeps what is in front of the scores in an `ASPP` on VGG16."""
    if isinstance(old, ASPP) and old.version == "v2_vgg16":
        for before, after in zip(
            old.form.branches, new.form.branches, strict=True
        ):
            for source, target in zip(before[:-1], after[:-1], strict=True):
                target.set_weights(source.get_weights())


def _score_layers(model):
    """The layers with filters that come last on the way to the outputs."""

    @dataclasses.dataclass(frozen=True)
    class Trace:
        makers: frozenset = frozenset()

    def call(operation, *args, **kwargs):
        traces = [
            x
            for x in keras.tree.flatten((args, kwargs))
            if isinstance(x, Trace)
        ]
        makers = frozenset().union(*(x.makers for x in traces))
        if isinstance(operation, (*SCORES, ASPP)):
            makers = frozenset([operation])
        elif isinstance(operation, keras.Model):
            makers = frozenset()
        return keras.tree.map_structure(
            lambda _: Trace(makers), operation.output
        )

    inputs = [Trace() for _ in model.inputs]
    ends = keras.tree.flatten(graph.walk(model, inputs, call))
    if not all(end.makers for end in ends):
        raise ValueError(
            f"No layer of the model '{model.name}' was found to make the "
            "scores of its output: a convolution, a dense layer or an ASPP "
            "that is not inside an inner model."
        )
    return frozenset().union(*(end.makers for end in ends))
