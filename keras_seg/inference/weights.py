"""A network whose weights are no numbers predicts all the same: said here."""

import warnings
import weakref

import numpy as np

__all__ = ["warn_of_weights"]

_KNOWN: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def warn_of_weights(model, again=True):
    """Warns of the first weight of a model that is NaN or infinite.

    Args:
        model: `keras.Model`, or what has no `weights`, of which nothing is
            known.
        again: bool, whether a model that was looked at is looked at again
            although its last weight, which every step of training changes,
            is what it was.
    """
    weights = getattr(model, "weights", None)
    if not weights:
        return
    import keras

    last = (getattr(model, "trainable_weights", None) or weights)[-1]
    stamp = np.asarray(keras.ops.convert_to_numpy(last)).tobytes()
    if not again and _KNOWN.get(model) == stamp:
        return
    _KNOWN[model] = stamp
    for weight in weights:
        if "float" not in weight.dtype or np.isfinite(_sum(weight)):
            continue
        values = keras.ops.convert_to_numpy(keras.ops.cast(weight, "float32"))
        bad = np.count_nonzero(~np.isfinite(values))
        if bad:
            warnings.warn(
                f"{bad} of the {values.size} values of the weight "
                f"{weight.path!r} of {model.name!r} are NaN or infinite: what "
                "this model predicts has no meaning. Fix: take a model from "
                "before it diverged, or train again with a smaller learning "
                "rate.",
                stacklevel=3,
            )
            return


def _sum(weight):
    """One NaN or infinity makes a sum one: a tenth of the time of looking."""
    import keras

    if keras.config.backend() == "jax":
        # Its own sum would be compiled for each shape.
        return np.asarray(weight.value).sum(dtype="float32")
    total = keras.ops.sum(keras.ops.cast(weight, "float32"))
    return keras.ops.convert_to_numpy(total)
