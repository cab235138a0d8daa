"""Golden arrays of TensorFlow Addons 0.23, `MaxUnpooling2D`.

TensorFlow Addons runs beside TensorFlow 2.15 only:

    python3.11 -m venv addons
    addons/bin/pip install "tensorflow-cpu==2.15.*" \
        tensorflow-addons==0.23.0 "typeguard<3" "numpy<2"
    addons/bin/python tests/goldens/make_max_unpooling.py
"""

import pathlib


def main():
    import numpy as np
    import tensorflow as tf
    import tensorflow_addons as tfa

    rng = np.random.default_rng(0)
    arrays = {}
    for name, size, pool_size, strides, padding in (
        ("even", (6, 8), 2, 2, "VALID"),
        ("odd", (7, 9), 2, 2, "SAME"),
        ("overlapping", (9, 11), 3, 2, "VALID"),
    ):
        x = rng.normal(size=(2, *size, 3)).astype("float32")
        pooled, argmax = tf.nn.max_pool_with_argmax(
            x, pool_size, strides, padding
        )
        values = rng.normal(size=pooled.shape).astype("float32")
        unpool = tfa.layers.MaxUnpooling2D(
            (pool_size,) * 2, (strides,) * 2, padding
        )
        arrays[f"{name}_x"] = x
        arrays[f"{name}_pooled"] = pooled
        arrays[f"{name}_argmax"] = argmax
        arrays[f"{name}_values"] = values
        arrays[f"{name}_unpooled"] = unpool(values, argmax)
    path = pathlib.Path(__file__).with_name("max_unpooling.npz")
    np.savez_compressed(path, **arrays)


if __name__ == "__main__":
    main()
