"""One check that every public layer passes, on every backend."""

import inspect
import json

import keras
import numpy as np
from keras import ops

from tests.compiled import compiled

__all__ = ["check_as_keras", "check_layer"]


def check_layer(
    layer_class,
    config,
    inputs,
    *,
    expected_output=None,
    trainable_weights=0,
    formats=True,
    train=True,
    registered_name=None,
):
    """Checks a layer's configuration, shapes, values, training and formats.

    Args:
        layer_class: the class.
        config: dict, arguments of its constructor.
        inputs: array, or tuple of arrays for a layer called with several.
        expected_output: array, what it must compute, within 1e-5; or a
            tuple of arrays for a layer with several outputs.
        trainable_weights: int, how many it must have once built.
        formats: bool, whether channels-first must give the same.
        train: bool, whether a training step must run through it.
        registered_name: str, the name in saved files. Defaults to the name
            of the class.
    """
    inputs = inputs if isinstance(inputs, tuple) else (inputs,)
    layer = layer_class(**config)

    # Configuration: through JSON and back.
    revived = keras.saving.deserialize_keras_object(
        json.loads(json.dumps(keras.saving.serialize_keras_object(layer)))
    )
    assert type(revived) is layer_class
    assert json.dumps(revived.get_config()) == json.dumps(layer.get_config())
    assert keras.saving.get_registered_name(layer_class) == (
        f"keras_seg>{registered_name or layer_class.__name__}"
    )

    # Values, and the shape and type that are promised before.
    promises = as_tuple(layer(*map(_symbol, inputs)))
    assert len(layer.trainable_weights) == trainable_weights
    output = None
    if expected_output is not None:
        output = _run(layer, inputs)
        assert_close(output, expected_output)
    # Biases begin at zero, which hides where they go.
    rng = np.random.default_rng(0)
    biases = [w for w in layer.trainable_weights if w.name in ("bias", "beta")]
    for weight in biases:
        weight.assign(rng.normal(size=weight.shape).astype("float32"))
    if biases or output is None:
        output = _run(layer, inputs)
    for promised, kept in zip(promises, output, strict=True):
        assert tuple(promised.shape) == tuple(kept.shape)
        assert promised.dtype == keras.backend.standardize_dtype(kept.dtype)

    # Sizes known only at run time, in a compiled function, and a saved model.
    tensors = [
        keras.Input((None, None, np.shape(x)[-1]), dtype=str(x.dtype))
        for x in map(np.asarray, inputs)
    ]
    model = keras.Model(tensors, layer_class(**config)(*tensors))
    model.set_weights(layer.get_weights())
    batches = list(inputs) if len(inputs) > 1 else inputs[0]
    assert_close(model.predict(batches, verbose=0), output)

    # Half precision: documented type, finite values.
    policies = ("mixed_bfloat16", "float16", "mixed_float16", "bfloat16")
    if keras.backend.backend() == "jax":  # It compiles every operation anew.
        policies = policies[:2]
    for policy in policies:
        half = _run(layer_class(**config, dtype=policy), inputs)[0]
        half_dtype = policy.removeprefix("mixed_")
        assert keras.backend.standardize_dtype(half.dtype) == half_dtype
        assert np.isfinite(
            ops.convert_to_numpy(ops.cast(half, "float32"))
        ).all()

    if formats:
        _check_formats(layer_class, config, inputs, layer, output)
    if train:
        _check_training(layer_class, config, inputs, output)


def _symbol(x):
    return keras.KerasTensor(np.shape(x), dtype=str(np.asarray(x).dtype))


def _run(layer, inputs, weights=()):
    """What a new layer gives, from these weights where it is to have them."""
    layer(*map(_symbol, inputs))
    if weights:
        layer.set_weights(weights)
    return as_tuple(compiled(layer)(*inputs))


def as_tuple(outputs):
    return tuple(outputs) if isinstance(outputs, tuple | list) else (outputs,)


def assert_close(outputs, expected):
    for x, y in zip(as_tuple(outputs), as_tuple(expected), strict=True):
        np.testing.assert_allclose(
            ops.convert_to_numpy(x),
            ops.convert_to_numpy(y),
            rtol=1e-5,
            atol=1e-5,
        )


def _check_formats(layer_class, config, inputs, layer, output):
    first = layer_class(**{**config, "data_format": "channels_first"})
    turned = [np.moveaxis(np.asarray(x), -1, 1) for x in inputs]
    turned_back = [
        np.moveaxis(ops.convert_to_numpy(x), 1, -1)
        for x in _run(first, turned, layer.get_weights())
    ]
    assert_close(turned_back, output)


def _check_training(layer_class, config, inputs, output):
    """A step, compiled where it can be, moves the weights in front of it."""
    inputs = [
        x if number and "int" in str(x.dtype) else x.astype("float32")
        for number, x in enumerate(map(np.asarray, inputs))
    ]
    tensors = [
        keras.Input((None, None, x.shape[-1]), dtype=str(x.dtype))
        for x in inputs
    ]
    before = keras.layers.Conv2D(np.shape(inputs[0])[-1], 1)
    x = layer_class(**config)(before(tensors[0]), *tensors[1:])
    model = keras.Model(tensors, as_tuple(x)[0])
    compiled = keras.backend.backend() in ("tensorflow", "jax")
    model.compile(
        "sgd",
        "mean_squared_error",
        jit_compile=compiled and model.layers[-1].supports_jit,
    )
    start = before.get_weights()[0]
    batches = inputs if len(inputs) > 1 else inputs[0]
    target = np.ones(np.shape(output[0]), "float32")
    history = model.fit(batches, target, epochs=1, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert np.abs(before.get_weights()[0] - start).max() > 0


def check_as_keras(ours, theirs, size, *arguments, **options):
    """Checks that a layer computes what Keras's does from the same weights.

    Args:
        ours: the class.
        theirs: the class of Keras that it stands for.
        size: int, the height of the images.
        *arguments: of both.
        **options: of both: strides, padding, dilation_rate, data_format.
    """
    rng = np.random.default_rng(size)
    images = rng.normal(size=(2, size, size + 3, 4)).astype("float32")
    if "activation" in inspect.signature(theirs).parameters:
        options = {"activation": "relu", **options}
    first = options.pop("data_format", None) == "channels_first"
    # Keras's own with the channels last: on TensorFlow it adds a bias along
    # the width where they come first and the two are equal.
    layer = theirs(*arguments, **options)
    layer.build(images.shape)
    layer.set_weights(
        [rng.normal(size=weight.shape) for weight in layer.weights]
    )
    expected = ops.convert_to_numpy(layer(images))
    data_format = "channels_first" if first else "channels_last"
    mine = ours(*arguments, data_format=data_format, **options)
    turned = np.moveaxis(images, -1, 1) if first else images
    mine.build(turned.shape)
    mine.set_weights(layer.get_weights())
    for trainable in (True, False):  # Without gradients some are faster.
        mine.trainable = trainable
        y = ops.convert_to_numpy(mine(turned))
        assert_close(np.moveaxis(y, 1, -1) if first else y, expected)
