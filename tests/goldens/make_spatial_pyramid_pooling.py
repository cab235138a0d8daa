"""Golden arrays of keras-cv 0.9, `SpatialPyramidPooling`.

keras-cv is frozen; this layer of it still runs beside Keras 3.15:

    pip install --no-deps --target cv keras-cv==0.9.0 keras-core dm-tree \
        regex tensorflow-datasets etils promise tqdm
    PYTHONPATH=cv KERAS_BACKEND=tensorflow \
        python tests/goldens/make_spatial_pyramid_pooling.py
"""

import pathlib


def main():
    import numpy as np
    from keras_cv.layers import SpatialPyramidPooling

    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 9, 11, 6)).astype("float32")
    layer = SpatialPyramidPooling(dilation_rates=[2, 4, 6], num_channels=8)
    layer(x)
    arrays = {"x": x}
    branches = [*layer.aspp_parallel_channels, layer.projection]
    for number, branch in enumerate(branches):
        weights = [w.numpy() for w in branch.weights]
        for place, weight in enumerate(weights):
            # γ, β, moving mean and variance: 1 and 0 would show nothing.
            drawn = rng.uniform(0.5, 1.5, weight.shape)
            weights[place] = drawn.astype("float32") if place else weight
            arrays[f"{number}_{place}"] = weights[place]
        branch.set_weights(weights)
    arrays["y"] = layer(x, training=False)
    path = pathlib.Path(__file__).with_name("spatial_pyramid_pooling.npz")
    np.savez_compressed(path, **arrays)


if __name__ == "__main__":
    main()
