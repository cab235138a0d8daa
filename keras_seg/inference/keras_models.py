"""Prediction of Keras models: ids, each backend's way, finite weights."""

import warnings
import weakref

import keras
import numpy as np
from numpy.typing import NDArray

from keras_seg.fast import best_class
from keras_seg.score_form import ScoreForm
from keras_seg.surgery.tta import first_output

__all__ = ["check_weights", "ids_network", "prepare"]

_IDS_NETWORKS: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
_LAST_WEIGHTS: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def ids_network(
    model: keras.Model, form: ScoreForm | None = None
) -> keras.Model:
    """Wraps a model so that it returns class ids instead of scores.

    The ids, uint8 or int32 for more than 256 classes, are computed within the
    compiled graph: for 21 classes, one byte per pixel leaves the device
    instead of 84. The wrapper shares the weights of the model and is made, and
    compiled, once for each.
    """
    form, weights = form or ScoreForm.of(model), model.weights
    network, known, made = _IDS_NETWORKS.get(model, (None, [], None))
    # `model.quantize` replaces weights, which compiled code does not notice.
    same = made == form and list(map(id, known)) == list(map(id, weights))
    if network is None or not same:
        ids = _Ids(form, name="ids")(first_output(model.outputs))
        network = keras.Model(model.inputs[0], ids, name=f"{model.name}_ids")
        network.run_eagerly = model.run_eagerly
        network.jit_compile = model.jit_compile
        _IDS_NETWORKS[model] = network, weights, form
    return network


class _Ids(keras.layers.Layer):
    """`ScoreForm.ids_of` in a graph, in the dtype of the scores."""

    def __init__(self, form: ScoreForm, name: str):
        # A dtype policy would round different scores to equal ones.
        super().__init__(autocast=False, name=name)
        self.form = form

    def call(self, scores):
        if not self.form.by_threshold:
            best = best_class(scores)
            few = self.form.scores <= 256
            return keras.ops.cast(best, "uint8") if few else best
        limits = keras.ops.convert_to_tensor(self.form.limits)
        found = keras.ops.cast(scores > limits, "uint8")
        return found if self.form.multi_label else found[..., 0]


def prepare(model: keras.Model) -> None:
    """Gives a model the `predict_function` that is fastest on its backend."""
    if keras.config.backend() == "torch":
        from keras_seg.inference.torch_replay import predict_function
    elif keras.config.backend() == "jax":
        from keras_seg.inference.jax_programs import predict_function
    else:
        return
    model.predict_function = predict_function(model)


def check_weights(model: keras.Model, again: bool) -> None:
    """Warns of the first weight that is not finite, see `warn_of_weights`."""
    last = (model.trainable_weights or model.weights)[-1]
    stamp = np.asarray(keras.ops.convert_to_numpy(last)).tobytes()
    if not again and _LAST_WEIGHTS.get(model) == stamp:
        return
    _LAST_WEIGHTS[model] = stamp
    for weight in model.weights:
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
                stacklevel=4,
            )
            return


def _sum(weight: keras.Variable) -> NDArray:
    """Not finite if a value is not: ten times as fast as testing each."""
    if keras.config.backend() == "jax":
        # Its own sum would be compiled for each shape.
        return np.asarray(weight.value).sum(dtype="float32")
    total = keras.ops.sum(keras.ops.cast(weight, "float32"))
    return keras.ops.convert_to_numpy(total)
