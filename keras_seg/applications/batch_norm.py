"""Batch normalization that keeps the statistics it was pretrained with."""

import keras

from keras_seg.layers.base import nested_layers

__all__ = ["freeze_batch_norm"]


def freeze_batch_norm(model: keras.Layer) -> keras.Layer:
    """Puts every batch normalization in inference mode, and leaves it there.

    In training mode a network normalizes with the statistics of the batch;
    when it is used, it normalizes with moving averages of them. With Keras's
    momenta, 0.99 and 0.999, these averages do not follow a short fine-tuning:
    the network that is used is not the one that was trained. On CamVid, FCN-8s
    on MobileNetV2 had after the same 4 epochs a mean IoU of 0.29 on the
    validation frames with batch norm in training mode, 0.51 frozen.

    The batch norm of a new head is frozen too, where it would have to be
    trained. To freeze the backbone's alone, give the builder
    `freeze_batch_norm=True`.

    `trainable = True` on the model, or on one of the layers, undoes it, except
    for pyramids (`keras_seg.layers.ASPP`): those are `"frozen"` from then on.

    Args:
        model: `keras.Model`, or any layer with layers inside; changed in
            place, including nested models, wrappers and pyramids. Call it
            before `compile`.

    Returns:
        The model.

    Example:

    >>> import keras
    >>> from keras_seg.training import freeze_batch_norm
    >>> model = keras.Sequential([
    ...     keras.Input((None, None, 3)),
    ...     keras.layers.Conv2D(4, 3),
    ...     keras.layers.BatchNormalization(),
    ... ])
    >>> len(freeze_batch_norm(model).trainable_variables)
    2
    """
    for layer in nested_layers(model):
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
        elif getattr(layer, "normalization", None) == "batch":
            # A pyramid makes its norms anew when it is loaded.
            layer.normalization = "frozen"
    return model
