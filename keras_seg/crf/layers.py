"""The fully connected CRF as the last layer of a network."""

import dataclasses
from collections.abc import Mapping

import keras
from keras import ops
from numpy.typing import ArrayLike

from keras_seg.arguments import check_positive
from keras_seg.crf.dense_crf import check_shapes
from keras_seg.crf.dense_crf import penalties_of
from keras_seg.crf.dense_crf import refine
from keras_seg.crf.potentials import Bilateral
from keras_seg.crf.potentials import Gaussian
from keras_seg.crf.potentials import Settings
from keras_seg.layers.base import SpatialLayer

__all__ = ["CRFAsRNN", "DenseCRF"]


class _CRF(SpatialLayer):
    """Shared by both: settings, and scores and an image as inputs."""

    def __init__(self, settings: Settings, data_format: str | None, **kwargs):
        # Colors are compared as they are.
        super().__init__(data_format, autocast=False, **kwargs)
        self.input_spec = None
        self.settings = settings
        # XLA has no sparse products of TensorFlow.
        self.supports_jit = keras.backend.backend() != "tensorflow"

    def compute_output_spec(self, inputs, image, training=None):
        image_shape, shape = map(
            self._channels_last, (image.shape, inputs.shape)
        )
        check_shapes(image_shape, (*shape[:-1], _classes(shape[-1])))
        return keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), **self.settings.as_arguments()}

    def _channels_last(self, shape):
        if self.data_format == "channels_last":
            return shape
        return (shape[0], *shape[2:], shape[1])

    def _refine(self, logits, image, *options):
        logits = ops.cast(logits, "float32")
        image = ops.convert_to_tensor(image)
        if self.data_format == "channels_first":
            logits, image = (
                ops.transpose(x, (0, 2, 3, 1)) for x in (logits, image)
            )
        single = logits.shape[-1] == 1
        if single:
            logits = ops.concatenate([ops.zeros_like(logits), logits], axis=-1)
        check_shapes(image.shape, logits.shape)
        y = refine(image, logits, *options)
        if single:
            y = y[..., 1:] - y[..., :1]
        if self.data_format == "channels_first":
            y = ops.transpose(y, (0, 3, 1, 2))
        return ops.cast(y, self.compute_dtype)


def _classes(scores):
    """The number of classes: one score is that of class 1 of two."""
    return 2 if scores == 1 else scores


@keras.saving.register_keras_serializable(package="keras_seg")
class DenseCRF(_CRF):
    """Refines scores of classes by a fully connected CRF on the image.

    `keras_seg.dense_crf` as a layer, without weights of its own: for the end
    of a network that was trained without it, as DeepLab v1 and v2 were.
    Gradients flow into the scores, but not into the image. References:

    - [Efficient Inference in Fully Connected CRFs with Gaussian Edge
      Potentials](https://arxiv.org/abs/1210.5644)
    - [Semantic Image Segmentation with Deep Convolutional Nets and Fully
      Connected CRFs](https://arxiv.org/abs/1412.7062)

    NumPy builds the lattice of each image on the host, with JAX also from
    within compiled functions. In a graph of TensorFlow it is built by
    operations on tensors, so a SavedModel runs without Python.

    Args:
        iterations, bilateral, gaussian, compatibility, normalization, preset:
            of `keras_seg.dense_crf`.
        data_format: `"channels_last"`, `"channels_first"` or None for the
            Keras setting.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        inputs: logits of the classes; or one, that of class 1 of two, beside
            which the other's is 0.
        image: the image of that size as it was photographed, 0 … 255,
            neither scaled nor padded.

    Input shape:
        `(batch, height, width, classes)` and `(batch, height, width,
        channels)`, or with the channels second for
        `data_format="channels_first"`.

    Output shape:
        That of the logits.

    Raises:
        ValueError: If a setting is out of range, or the sizes of the two
            inputs differ.

    Example:

    Behind any network:

    >>> import keras
    >>> image = keras.Input((None, None, 3))
    >>> logits = keras.layers.Conv2D(4, 3, padding="same")(image)
    >>> refined = DenseCRF(preset="deeplab_v2_vgg16")(logits, image)
    >>> model = keras.Model(image, refined)

    By itself:

    >>> import numpy as np
    >>> image = np.zeros((1, 4, 6, 3), "uint8")
    >>> image[:, :, 3:] = 200
    >>> logits = np.zeros((1, 4, 6, 2), "float32")
    >>> logits[:, :, :3, 0] = logits[:, :, 3:, 1] = 1.0
    >>> logits[:, 1, 1] = (0.0, 0.5)  # one pixel errs
    >>> refined = DenseCRF()(logits, image)
    >>> [int(c) for c in np.asarray(refined)[0, 1].argmax(-1)]
    [0, 0, 0, 1, 1, 1]
    """

    def __init__(
        self,
        iterations: int | str = "preset",
        bilateral: str | Mapping | Bilateral | None = "preset",
        gaussian: str | Mapping | Gaussian | None = "preset",
        compatibility: ArrayLike | None = None,
        normalization: str | None = "preset",
        preset: str = "deeplab_v1",
        data_format: str | None = None,
        **kwargs,
    ):
        settings = Settings.of(
            preset,
            iterations=iterations,
            bilateral=bilateral,
            gaussian=gaussian,
            normalization=normalization,
        )
        super().__init__(settings, data_format, **kwargs)
        if compatibility is not None:
            compatibility = ops.convert_to_numpy(compatibility).tolist()
        self.compatibility = compatibility

    def call(self, inputs, image):
        transforms = None
        if self.compatibility is not None:
            classes = _classes(inputs.shape[self.channel_axis])
            transforms = [-penalties_of(self.compatibility, classes)] * 2
        return self._refine(inputs, image, self.settings, transforms, True)


@keras.saving.register_keras_serializable(package="keras_seg")
class CRFAsRNN(_CRF):
    """Mean field of a fully connected CRF with trainable weights.

    Each iteration is a step of a recurrent network:

        q ← U - μ Σ_m W^(m) K^(m) softmax(q)

    U are the logits, K the filters of the Gaussian and the bilateral kernel, W
    a matrix of weights for each and μ the penalties for pairs of classes. Both
    W and μ are trained with the network in front. Initially W has the kernels'
    weights on its diagonal, and `μ = -I`: the Potts model, less what all
    classes have in common. Reference:

    - [Conditional Random Fields as Recurrent Neural Networks](
      https://arxiv.org/abs/1502.03240)

    The standard deviations are not trained: the lattice is not a continuous
    function of them, and its gradient would be noise.

    Args:
        iterations: int, of mean field, or `"preset"`, which is 10.
        training_iterations: int, iterations while training. Defaults to 5, as
            in the paper.
        bilateral, gaussian, normalization: of `keras_seg.dense_crf`.
        preset: of `keras_seg.dense_crf`. Defaults to `"crf_rnn"`.
        data_format: `"channels_last"`, `"channels_first"` or None for the
            Keras setting.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        inputs, image: of `DenseCRF`, as are the shapes.
        training: bool, whether `training_iterations` counts.

    Raises:
        ValueError: If a setting is out of range, or the sizes of the two
            inputs differ.

    Example:

    >>> import keras
    >>> image = keras.Input((None, None, 3))
    >>> logits = keras.layers.Conv2D(4, 3, padding="same")(image)
    >>> model = keras.Model(image, CRFAsRNN()(logits, image))
    >>> [weight.name for weight in model.layers[-1].weights]
    ['compatibility', 'gaussian_weights', 'bilateral_weights']
    """

    def __init__(
        self,
        iterations: int | str = "preset",
        training_iterations: int = 5,
        bilateral: str | Mapping | Bilateral | None = "preset",
        gaussian: str | Mapping | Gaussian | None = "preset",
        normalization: str | None = "preset",
        preset: str = "crf_rnn",
        data_format: str | None = None,
        **kwargs,
    ):
        settings = Settings.of(
            preset,
            iterations=iterations,
            bilateral=bilateral,
            gaussian=gaussian,
            normalization=normalization,
        )
        super().__init__(settings, data_format, **kwargs)
        check_positive(training_iterations=training_iterations)
        self.training_iterations = training_iterations

    def build(self, inputs_shape, image_shape):
        classes = _classes(inputs_shape[self.channel_axis])

        def diagonal(name, weight):
            return self.add_weight(
                shape=(classes, classes),
                initializer=keras.initializers.Identity(weight),
                name=name,
            )

        self.compatibility = diagonal("compatibility", -1.0)
        self.kernel_weights = [
            diagonal(f"{name}_weights", kernel.weight)
            for name in ("gaussian", "bilateral")
            if (kernel := getattr(self.settings, name)) is not None
        ]

    def call(self, inputs, image, training=None):
        settings = self.settings
        if training:
            settings = dataclasses.replace(
                settings, iterations=self.training_iterations
            )
        # They multiply rows, so both are transposed.
        transforms = [
            -ops.transpose(
                ops.matmul(
                    ops.cast(self.compatibility, "float32"),
                    ops.cast(weights, "float32"),
                )
            )
            for weights in self.kernel_weights
        ]
        return self._refine(inputs, image, settings, transforms, False)
