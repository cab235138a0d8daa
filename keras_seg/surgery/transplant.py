"""Weights from one network into another, layer by layer."""

__all__ = ["transplant"]


def transplant(source, target):
    """Gives layers the weights of the layers of their names.

    As FCN-16s begins from a trained FCN-32s, and FCN-8s from FCN-16s: layers
    that only one of the two has are left alone.

    Args:
        source: `keras.Model`.
        target: `keras.Model`, changed in place.

    Returns:
        The names of the layers that got weights.

    Raises:
        ValueError: if layers of one name have weights of other shapes, or
            no name is shared.

    Example:

    >>> import keras_seg
    >>> options = {"weights": None, "classes": 3}
    >>> coarse = keras_seg.applications.FCN32s("mobilenet_v2", **options)
    >>> fine = keras_seg.applications.FCN16s("mobilenet_v2", **options)
    >>> "score_fr" in keras_seg.surgery.transplant(coarse, fine)
    True
    """
    layers = {layer.name: layer for layer in source.layers if layer.weights}
    shared = [
        (layers[layer.name], layer)
        for layer in target.layers
        if layer.weights and layer.name in layers
    ]
    for old, new in shared:
        shapes = [[tuple(w.shape) for w in x.weights] for x in (old, new)]
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"The layer '{new.name}' has weights of shapes {shapes[1]} "
                f"in '{target.name}' and {shapes[0]} in '{source.name}'."
            )
    if not shared:
        raise ValueError(
            f"The models '{source.name}' and '{target.name}' share no names "
            "of layers with weights."
        )
    for old, new in shared:
        new.set_weights(old.get_weights())
    return [new.name for _, new in shared]
