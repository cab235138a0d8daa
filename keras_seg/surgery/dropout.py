"""Networks that keep dropping units in prediction."""

import keras
from keras import layers

from keras_seg.arguments import check_positive
from keras_seg.from_logits import resolve_from_logits
from keras_seg.layers.base import nested_layers
from keras_seg.layers.sampled_dropout import SampledDropout
from keras_seg.surgery import graph
from keras_seg.surgery.tta import average_samples
from keras_seg.surgery.tta import first_output
from keras_seg.surgery.tta import image_of
from keras_seg.surgery.tta import shrink_input
from keras_seg.surgery.tta import without_shrinking

__all__ = ["sample_dropout"]


def sample_dropout(
    model: keras.Model, samples: int = 10, from_logits: bool | None = None
) -> keras.Model:
    """Builds a network that averages predictions with dropout left on.

    Monte-Carlo dropout: the mean of the probabilities over networks that each
    lack other units, which is less sure where these disagree. See how sure by
    the entropy of `keras_seg.inference.confidence_maps`. Predictions differ
    from call to call; each takes the time of `samples`. References:

    - [Dropout as a Bayesian Approximation](https://arxiv.org/abs/1506.02142)
    - [Bayesian SegNet](https://arxiv.org/abs/1511.02680)

    Args:
        model: functional `keras.Model` with layers `Dropout` in its graph,
            images to scores of the same size.
        samples: int. Defaults to 10.
        from_logits: see `average_views`.

    Returns:
        A functional `keras.Model` with copies of the weights of `model`:
        images to scores as those of `average_views`.

    Raises:
        ValueError: If the model has no dropout, another kind, or some inside
            of a layer such as `ASPP`, which cannot be left on.

    Example:

    >>> from keras_seg.applications import UNet
    >>> from keras_seg.surgery import sample_dropout
    >>> model = UNet(classes=3, filters=4, depth=2, dropout=0.5)
    >>> sample_dropout(model, 4).output_shape
    (None, None, None, 3)
    """
    check_positive(samples=samples)
    inner, longest_side = without_shrinking(model)
    if longest_side is not None:
        inner = sample_dropout(inner, samples, from_logits)
        return shrink_input(inner, longest_side)
    from_logits = resolve_from_logits(model, from_logits)
    if not _dropouts(model):
        raise ValueError(
            f"`model` must have dropout to sample. Received: '{model.name}', "
            "without. Fix: train one with it, such as UNet(dropout=0.5)."
        )
    inner = _left_on(model)
    inputs, image, _ = image_of(model)
    views = [first_output(inner(image)) for _ in range(samples)]
    y = average_samples(views, model, from_logits)
    return keras.Model(inputs, y, name=f"{model.name}_samples")


def _dropouts(layer):
    """The layers in a layer that are random in training only."""
    kinds = (
        layers.Dropout,
        layers.SpatialDropout2D,
        layers.AlphaDropout,
        layers.GaussianDropout,
    )
    found = [x for x in nested_layers(layer) if isinstance(x, kinds)]
    return [x for x in found if x.rate > 0]


def _left_on(model):
    copier = graph.Copier()
    inner: dict = {}

    def call(operation, *args, **kwargs):
        random = (
            _dropouts(operation)
            if isinstance(operation, keras.layers.Layer)
            else []
        )
        if random and isinstance(operation, keras.Model):
            if operation not in inner:
                inner[operation] = _left_on(operation)
            return inner[operation](*args, **kwargs)
        if not random:
            return copier.copy(operation)(*args, **kwargs)
        if type(operation) is not layers.Dropout:
            raise ValueError(
                "Only layers `Dropout` of the graph can be left on. Received: "
                f"'{random[0].name}' ({type(random[0]).__name__}) in "
                f"'{operation.name}' ({type(operation).__name__})"
            )
        config = operation.get_config()
        return copier.copy(operation, SampledDropout, **config)(args[0])

    return graph.rebuild(
        graph.functional(model), lambda x: x, call, copier, any_size=False
    )
