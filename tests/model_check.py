"""One check that every system passes, on every backend."""

import keras
import numpy as np

from tests.networks import outputs
from tests.networks import randomize

__all__ = ["check_model"]

# JAX and TensorFlow compile each network for each variant, JAX for each size.
COMPILES = keras.backend.backend() != "torch"
COMPILED = ("fcn8s", "deeplabv3plus")
SIZES = ((1, 1), (37, 60), (50, 33))


def check_model(build, tmp_path, parity, *, classes=3, variants=True):
    """Checks a builder's sizes, types, saving, training and formats.

    Args:
        build: function of keyword arguments to a model of few parameters.
        tmp_path: folder for files.
        parity: the fixture, to compare the logits of the backends.
        classes: int, what to build for.
        variants: bool, whether channels_first, half precision and a softmax
            are checked too; they cost a network each, and once for networks
            that differ in a head alone is enough, and for two where
            networks are compiled.
    """
    model = randomize(build(classes=classes))
    rng = np.random.default_rng(0)
    images = {size: rng.uniform(0, 255, (1, *size, 3)) for size in SIZES}

    # Any size, logits at its size.
    for size, image in images.items():
        if keras.backend.backend() == "jax" and size == SIZES[2]:
            continue
        logits = model.predict_on_batch(image)
        assert logits.shape == (1, *size, classes)
        assert logits.dtype == "float32"
        assert np.isfinite(logits).all()
        if size != SIZES[2]:
            parity(f"{model.name}_{size[0]}_{size[1]}", logits)
    assert model.output_shape == (None, None, None, classes)
    image = images[SIZES[1]]
    parity(f"{model.name}_image", image)
    parity(model.name, model)
    expected = outputs(model, image)

    # Integers are images too.
    whole = np.rint(image)
    np.testing.assert_allclose(
        outputs(model, whole.astype("uint8")),
        outputs(model, whole),
        rtol=1e-5,
        atol=1e-5,
    )

    # Saved and loaded, without running code from the file.
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(outputs(loaded, image), expected)
    model.save_weights(tmp_path / "model.weights.h5")
    again = build(classes=classes)
    again.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(outputs(again, image), expected)

    # A training step, void included, moves the weights.
    masks = rng.integers(0, classes, (1, *SIZES[1]), "int32")
    masks[:, :5] = 255
    model.compile(
        keras.optimizers.SGD(1e-3),
        keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, ignore_class=255
        ),
    )
    history = model.fit(image, masks, epochs=1, verbose=0)
    assert np.isfinite(history.history["loss"][0])
    assert np.abs(outputs(model, image) - expected).max() > 0

    if not variants or (COMPILES and model.name not in COMPILED):
        return

    # The other format inside, the same logits outside.
    first = build(classes=classes, data_format="channels_first")
    first.set_weights(again.get_weights())
    np.testing.assert_allclose(
        outputs(first, np.moveaxis(image, -1, 1)),
        expected,
        rtol=1e-3,
        atol=1e-4 * np.abs(expected).max(),
    )

    # Half precision inside, float32 logits outside.
    keras.config.set_dtype_policy("mixed_bfloat16")
    half = build(classes=classes)
    assert half.compute_dtype == "bfloat16"
    logits = outputs(half, image)
    assert logits.dtype == "float32"
    assert np.isfinite(logits).all()
    keras.config.set_dtype_policy("float32")

    # A softmax where it is asked for.
    softmax = build(classes=classes, classifier_activation="softmax")
    softmax.set_weights(again.get_weights())
    np.testing.assert_allclose(outputs(softmax, image).sum(-1), 1.0, rtol=1e-5)
