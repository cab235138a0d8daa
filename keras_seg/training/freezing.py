"""Training the new layers of a network before those it was begun from."""

import keras

from keras_seg.applications.backbones import backbone_layers

__all__ = ["freeze_backbone", "unfreeze"]


def freeze_backbone(
    model: keras.Model, backbone: keras.Model | None = None
) -> keras.Model:
    """Freezes the layers that came from a classifier.

    New layers begin with random weights, and their first gradients would spoil
    the pretrained ones. Train the new layers alone, `unfreeze`, compile again,
    and train the whole network at a lower rate. Frozen batch normalization
    also keeps its statistics.

    Args:
        model: `keras.Model`, changed in place. Call it before `compile`.
        backbone: the `keras.Model` it was built on; a layer came from it if it
            has weights there, under the same name. Defaults to None: a model
            of `keras_seg.applications` knows its backbone, also after it was
            loaded, cloned or changed by surgery.

    Returns:
        The model.

    Raises:
        ValueError: If no layer came from the backbone, if all layers did, or
            if that is not known.

    Example:

    >>> import keras_seg
    >>> from keras_seg.training import freeze_backbone
    >>> model = keras_seg.applications.FCN8s(
    ...     "mobilenet_v2", weights=None, classes=2)
    >>> model = freeze_backbone(model)
    >>> [layer.name for layer in model.layers if layer.trainable_weights]
    ['score_fr', 'score_pool4', 'score_pool3']
    """
    with_weights = [layer for layer in model.layers if layer.weights]
    old = backbone_layers(model, backbone)
    if not old or len(old) == len(with_weights):
        raise ValueError(
            "`model` must have layers that came from the backbone, and others. "
            f"Received: {len(with_weights)} layers with weights, {len(old)} "
            "of them such layers"
        )
    for layer in old:
        layer.trainable = False
    return model


def unfreeze(model: keras.Model) -> keras.Model:
    """Makes every layer trainable, nested ones too.

    `model.trainable = True` is not enough: on TensorFlow, Keras does nothing
    if the model's own flag is True already, and the layers stay frozen.

    Args:
        model: `keras.Model`, changed in place. Call it before `compile`. Batch
            normalization is trained again too, unless
            `keras_seg.training.freeze_batch_norm` follows.

    Returns:
        The model.

    Example:

    >>> import keras
    >>> from keras_seg.training import unfreeze
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.layers[0].trainable = False
    >>> len(unfreeze(model).trainable_weights)
    2
    """
    model.trainable = False
    model.trainable = True
    return model
