"""Layers and functions that compute what Keras's do, in less time on a CPU.

Each layer and function is equal to one of Keras up to rounding and stays for
its speed alone, but for the bias (see the last item below). On a GPU, in an
exported graph and for maps of unknown size most of them are Keras's own.

Time as a multiple of that of the layer of Keras that it replaces, without and
with the gradients (`benchmarks/layers.py --only keras`, one thread; Keras
3.15.1, TensorFlow 2.21.0, JAX 0.10.2, PyTorch 2.13.0; a dash where Keras's own
runs):

| layer | work | TensorFlow | JAX | PyTorch |
|---|---|---:|---:|---:|
| `Conv` | 1×1, 8×60×80×144→24 | – | 0.76, 0.36 | 0.38, 0.53 |
| | 3×3 "valid", 1×128×128×64→64 | – | 0.82, 0.92 | 0.68, 0.88 |
| `DepthwiseConv` | 3×3, 8×60×80×144 | – | 0.05, 0.07 | 0.18, 0.52 |
| | the same, stride 2, 8×120×160×96 | – | 0.09, 0.08 | 0.04, 0.41 |
| `MaxPool` | 2×2, 8×120×160×96 | – | – | 0.04, 0.07 |
| | 3×3, stride 2 | – | – | 0.19, 0.27 |
| `BatchNorm` | 8×60×80×144 | – | – | 0.54, 0.15 |
| `AtrousConv` | rate 6, 33×33×2048→256 | 0.61, 0.56 | 0.83, 0.97 | 0.75, 0.90 |
| | rate 18 | 0.16, 0.13 | 0.28, 0.32 | 0.63, 0.52 |
| `best_class` | 8×360×480×21 | 0.33 | 0.15 | 0.75 |

`best_class` was compared with `keras.ops.argmax`, on two threads, without
gradients, when it was written; it has no row in the benchmark.
`SeparableConv` is `DepthwiseConv` and `Conv`. `benchmarks/README.md` compares
the same layers with plain PyTorch.

When each can go, to be tried with every new release of Keras:

* PyTorch, `Conv` and `DepthwiseConv`: Keras copies the maps at each call. One
  of two copies goes with [keras#23199](
  https://github.com/keras-team/keras/pull/23199), merged after 3.15.1; the
  copies of kernels and of the maps of `depthwise_conv` remain.
* PyTorch, `MaxPool`: with [keras#23649](
  https://github.com/keras-team/keras/issues/23649), which is open.
* PyTorch, `BatchNorm`: when Keras calls PyTorch's own operation in training,
  too; [keras#21481](https://github.com/keras-team/keras/issues/21481) asks for
  the like.
* JAX, `Conv`: when XLA convolves without padding as fast as with it, on a
  CPU, and takes one tap for a matrix product. `benchmarks/README.md`,
  "sliding_window.py", has the flag that brings back XLA's older convolution.
  Its gradients, and those of `ConvTranspose`: when XLA derives them as fast as
  the products of `jax_convolution`.
* JAX, `DepthwiseConv`: with [jax#23713](
  https://github.com/jax-ml/jax/issues/23713), which is open.
* `atrous_conv`: no backend skips the taps that lie outside the map.
* `best_class`: `keras.ops.argmax` searches twice on TensorFlow and JAX since
  [keras#20808](https://github.com/keras-team/keras/pull/20808), to put -0.0
  below 0.0. A class does not depend on that.
* The bias, and `ConvTranspose`, which is here for it: with channels first,
  where a map is as wide as it has channels, `keras.ops.add` on TensorFlow adds
  the bias along the width (Keras 3.15.1). `keras_seg.ops.backend.add_bias` can
  go with that error.
"""

# First, so that what Keras's import registers is not half imported.
import keras  # noqa: F401

from keras_seg.fast.atrous import atrous_conv
from keras_seg.fast.atrous import atrous_depthwise_conv
from keras_seg.fast.best_class import best_class
from keras_seg.fast.convolution import conv
from keras_seg.fast.depthwise import depthwise_conv
from keras_seg.fast.layers import BatchNorm
from keras_seg.fast.layers import Conv
from keras_seg.fast.layers import ConvTranspose
from keras_seg.fast.layers import DepthwiseConv
from keras_seg.fast.layers import MaxPool
from keras_seg.fast.layers import SeparableConv
from keras_seg.fast.layers import replacement_class

__all__ = [
    "BatchNorm",
    "Conv",
    "ConvTranspose",
    "DepthwiseConv",
    "MaxPool",
    "SeparableConv",
    "atrous_conv",
    "atrous_depthwise_conv",
    "best_class",
    "conv",
    "depthwise_conv",
    "replacement_class",
]
