"""The moving average of the weights in their place, for a while."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_seg.keras_private import moving_averages

__all__ = ["ValidateAverage", "averaged"]


@contextlib.contextmanager
def averaged(model: keras.Model) -> Iterator[None]:
    """Puts the moving averages of the weights into a model, and takes them out.

    It does nothing where the model's optimizer keeps none (`use_ema`).
    `keras.callbacks.SwapEMAWeights` leaves them in from the end of an epoch to
    the next: a checkpoint then has no weights to go on from, and a training
    that ends early the wrong ones.

    Example:

    >>> import keras
    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    >>> model.compile(keras.optimizers.SGD(use_ema=True), "mse")
    >>> with averaged(model):
    ...     predicted = model.predict(keras.ops.ones((1, 1)), verbose=0)
    """
    pairs = moving_averages(getattr(model, "optimizer", None))
    kept = [_copied(raw) for raw, _ in pairs]
    for variable, average in pairs:
        variable.assign(_copied(average))
    try:
        yield
    finally:
        for (variable, _), value in zip(pairs, kept, strict=True):
            variable.assign(value)


def _copied(variable: keras.Variable) -> NDArray:
    """Returns the values as an array of its own.

    PyTorch's arrays change with their variables, and JAX deletes the values
    that a step is given, whatever other variable has them, too.
    """
    return np.array(keras.ops.convert_to_numpy(variable.value))


class ValidateAverage(keras.callbacks.Callback):
    """Validates the moving average of the weights in `fit`."""

    def __init__(self) -> None:
        super().__init__()
        self._swap = contextlib.ExitStack()

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._swap.enter_context(averaged(self.model))

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        self._swap.close()
