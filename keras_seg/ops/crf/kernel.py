"""The kernel of the backend that is running."""

import keras

__all__ = ["kernel"]


def kernel():
    """The module that filters on a lattice with this backend.

    All have

    * `arrays(weighted)`, what the filter needs, made of a `WeightedLattice` on
      the host, and `tables(arrays, like)`, the same as the backend wants it,
      where the tensor `like` is;
    * `lattice_filter(tables, x, reverse=False)`, the filter itself;
    * `is_on_host(images)`, whether lattices of these are built there, and
      `host_tables(build, images, colours, has_ratio)`, which does it, in the
      midst of a compiled function too where there is one;
    * `is_known(x)`, whether a tensor has values yet, or is a symbol;
    * `compiled(function)` and `repeat(step, x, times)`, for mean field.
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
