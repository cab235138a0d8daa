"""Which layers of a network came from its backbone."""

import weakref

import keras

__all__ = ["backbone_layers", "mark_backbone", "mark_built"]

_FROM_BACKBONE: weakref.WeakSet = weakref.WeakSet()
_BUILT: weakref.WeakSet = weakref.WeakSet()


def mark_backbone(layers):
    """Notes that layers got their weights from a backbone.

    Args:
        layers: list of `keras.Layer`.
    """
    _FROM_BACKBONE.update(layer for layer in layers if layer.weights)


def mark_built(model):
    """Notes that all is known of a model that a builder made.

    Args:
        model: `keras.Model`.
    """
    _BUILT.add(model)


def backbone_layers(model, backbone=None):
    """Finds the layers with weights that a builder took from a classifier.

    Args:
        model: `keras.Model` of `keras_seg.applications`.
        backbone: the `keras.Model` it was built on; a layer came from it if
            it has weights there, under the same name. Defaults to None: the
            builder that made the model knows. A model that was read from a
            file, or that surgery made of another one, does not.

    Returns:
        List of layers, in the model's order; empty if it has no backbone.

    Raises:
        ValueError: if it is not known which layers these are.

    Example:

    >>> import keras, keras_seg
    >>> model = keras_seg.applications.FCN32s("mobilenet_v2", weights=None)
    >>> layers = backbone_layers(model)
    >>> layers[0].name, layers[-1].name
    ('Conv1', 'Conv_1_bn')
    """
    if isinstance(backbone, keras.Model):
        return _of_their_names(model, backbone)
    if backbone is not None:
        raise ValueError(
            "`backbone` must be the keras.Model that `model` was built on. "
            f"Received: backbone={backbone!r}"
        )
    if model not in _BUILT:
        raise ValueError(
            "Which layers of the model came from a backbone is known of "
            "models as a builder of keras_seg.applications returns them; not "
            "of one that was loaded, cloned or changed by surgery. Give "
            "`backbone`, the keras.Model that it was built on. "
            f"Received: model='{model.name}', backbone=None"
        )
    return [layer for layer in model.layers if layer in _FROM_BACKBONE]


def _of_their_names(model, backbone):
    there = {layer.name for layer in model.layers}
    names = [layer.name for layer in backbone.layers if layer.weights]
    ends = getattr(backbone, "outputs", None)
    if model is not backbone and ends and len(ends[0].shape) == 2:
        names = names[:-1]  # The scores of its classes were cut off.
    # Builders give a name that they need themselves a prefix.
    other = {name for name in names if f"backbone_{name}" in there}
    mine = {*names} - other | {f"backbone_{name}" for name in other}
    found = [x for x in model.layers if x.weights and x.name in mine]
    if model in _BUILT:
        found = [layer for layer in found if layer in _FROM_BACKBONE]
    return found
