"""The kernel of the backend that is running."""

import keras

__all__ = ["kernel"]


def kernel():
    """The module that filters on a lattice with this backend.

    All have `arrays(weighted)`, computed on the host, `tables(arrays, like)`,
    the same as the backend wants them, and `lattice_filter(tables, x)`.
    """
    backend = keras.backend.backend()
    if backend == "torch":
        from keras_seg.ops.crf import torch_kernel

        return torch_kernel
    if backend == "jax":
        from keras_seg.ops.crf import jax_kernel

        return jax_kernel
    if backend == "tensorflow":
        from keras_seg.ops.crf import tensorflow_kernel

        return tensorflow_kernel
    raise NotImplementedError(
        f"There is no permutohedral filter for the backend {backend!r}, only "
        "for 'tensorflow', 'jax' and 'torch'."
    )
