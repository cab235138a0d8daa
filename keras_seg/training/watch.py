"""What is said when training goes on, and goes wrong."""

import math
import warnings

import keras
import numpy as np

from keras_seg.layers.base import nested_layers
from keras_seg.metrics import ConfusionMatrix
from keras_seg.training.errors import RunWarning

__all__ = [
    "StopAtNaN",
    "WatchClasses",
    "validation_matrix",
    "warn_of_small_batches",
]


class StopAtNaN(keras.callbacks.Callback):
    """Ends training after a step whose loss is NaN or infinite.

    `keras.callbacks.TerminateOnNaN` does so too, and prints a line on the
    standard output, where a program may read JSON.
    """

    def on_train_batch_end(self, batch, logs=None):
        if not math.isfinite(float((logs or {}).get("loss", 0.0))):
            self.model.stop_training = True


class WatchClasses(keras.callbacks.Callback):
    """Warns when only one class is predicted on the validation images.

    Needs a metric of `keras_seg.metrics` that counts a confusion matrix,
    such as `MeanIoU`, in `compile`, and validation data; else it is silent.

    Args:
        classes: `keras_seg.data.ClassTable`.
        patience: int, how many such epochs in a row until it warns; then it
            warns again only after another class was seen.
    """

    def __init__(self, classes, patience=2):
        super().__init__()
        self.classes = classes
        self.patience = patience
        self.epochs = 0

    def on_epoch_end(self, epoch, logs=None):
        matrix = validation_matrix(self.model, logs)
        if matrix is None:
            return
        predicted = np.flatnonzero(matrix.sum(axis=0))
        truth = matrix.sum(axis=1)
        only_one = len(predicted) == 1 and np.count_nonzero(truth) > 1
        self.epochs = self.epochs + 1 if only_one else 0
        if self.epochs == self.patience:
            shares = ", ".join(
                f"{name} {100 * share:.1f} %"
                for name, share in zip(
                    self.classes.names, truth / truth.sum(), strict=True
                )
                if share
            )
            warnings.warn(
                f"Only {self.classes.names[predicted[0]]!r} is predicted on "
                f"the validation images, for {self.epochs} epochs; the "
                f"shares of their pixels are {shares}. It may still come. "
                "If it does not: train longer, try another learning rate, or "
                "weight rare classes in the loss.",
                RunWarning,
                stacklevel=2,
            )


def validation_matrix(model, logs):
    """The confusion matrix of the validation that has just ended.

    Metrics keep their counts until the next epoch begins, so it costs
    nothing.

    Args:
        model: compiled `keras.Model`, in `on_epoch_end`.
        logs: dictionary of that call.

    Returns:
        int64 array `(classes, classes)`, rows are the truth; or `None`
        without validation, without such a metric, or after a wrong id.
    """
    if not any(name.startswith("val_") for name in logs or {}):
        return None
    for metric in _metrics(model.metrics):
        if isinstance(metric, ConfusionMatrix):
            try:
                return metric.matrix()
            except ValueError:
                return None
    return None


def warn_of_small_batches(model, batch_size):
    """Warns of batch normalization that is trained on fewer than 4 images.

    Args:
        model: `keras.Model`.
        batch_size: int.
    """
    if batch_size >= 4:
        return
    trained = [
        layer
        for layer in nested_layers(model)
        if isinstance(layer, keras.layers.BatchNormalization)
        and layer.trainable
    ]
    if trained:
        warnings.warn(
            f"{len(trained)} layers of batch normalization are trained on "
            f"batches of {batch_size}: their statistics are those of single "
            "images, and the network that is used later is not the one that "
            "was trained. Fix: batches of 4 or more, or freeze batch "
            "normalization (--freeze-batch-norm).",
            RunWarning,
            stacklevel=3,
        )


def _metrics(metrics):
    for metric in metrics:
        # What `compile` was given is inside a metric of Keras.
        yield metric
        yield from _metrics(getattr(metric, "metrics", ()))
