"""Cross-entropy and the focal loss, with the papers' reductions."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_seg.arguments import check_one_of
from keras_seg.losses.base import REDUCTIONS
from keras_seg.losses.base import SegmentationLoss
from keras_seg.losses.base import reduce
from keras_seg.losses.class_weights import standardize_class_weights
from keras_seg.losses.class_weights import weight_vector
from keras_seg.losses.pixels import Pixels

__all__ = ["CrossEntropy", "Focal"]


@keras.saving.register_keras_serializable(package="keras_seg")
class CrossEntropy(SegmentationLoss):
    """The cross-entropy of each pixel's class, `-log softmax(logits)[id]`.

    With one logit `z` a pixel it is the binary cross-entropy, `-log
    sigmoid(z)` for id 1 and `-log sigmoid(-z)` for id 0: that of a softmax of
    the logits 0 and `z`. With labels it is that of each label of each pixel,
    which then counts as a pixel.

    Where there is nothing to choose (mean, no weights) it equals Keras's
    `SparseCategoricalCrossentropy(from_logits=True, ignore_class=255)`.
    Beyond it: class weights, sample weights for pixels and for images, the
    reductions of the papers, and NaN for a wrong id.

    | `reduction` | what it is | who has it |
    | --- | --- | --- |
    | `"mean"` | the mean over the valid pixels of the batch; with class \
weights, divided by the sum of the weights of the valid pixels | DeepLab, \
PyTorch |
    | `"mean_over_pixels"` | divided by the number of valid pixels, whatever \
the weights are | SegNet |
    | `"per_image"` | `"mean"` in each image, then the mean over the images \
that have a valid pixel | |
    | `"sum"` | summed over the valid pixels of the batch | FCN |

    Sample weights multiply the values and never come into a divisor, as in
    Keras. References:

    - [Fully Convolutional Networks for Semantic Segmentation](
      https://arxiv.org/abs/1411.4038)
    - [SegNet](https://arxiv.org/abs/1511.00561), class weights
    - [DeepLab](https://arxiv.org/abs/1606.00915), labels at stride 8

    Args:
        ignore_class: int, the label of void pixels, or None for none.
            Defaults to 255, which is refused for more classes than that.
        class_weights: floats of at least 0, one a class, as from
            `keras_seg.losses.class_weights`; or a dict of them by id, 1 for
            the classes that are not there. With one logit there are two, of
            background and object; with labels there is one for each label,
            whether it is there or not. Defaults to None, all 1.
        reduction: str, see above. Defaults to `"mean"`.
        stride: int. With 8, only every 8th row and column of masks and logits
            counts, from the first on. On logits that were enlarged eightfold
            with aligned corners, for an image of `8k + 1`, that is Caffe's
            loss of DeepLab v1 and v2, on the small map with decimated labels.
            Defaults to 1.
        name: str.
        from_logits: bool, whether `y_pred` holds logits, or with a model that
            ends in a softmax or a sigmoid probabilities. Defaults to True.

    Call arguments:
        y_true: class ids `(batch, height, width)` or with a last axis of size
            1, integer or whole floats. Any other id than those of the classes
            and `ignore_class` makes the loss NaN. Or 0 and 1 for each
            label, `(batch, height, width, labels)`.
        y_pred: logits `(batch, height, width, classes)`, or probabilities; of
            one channel for the classes 0 and 1.
        sample_weight: one weight a pixel, in a shape of `y_true`, or one an
            image, `(batch,)`; or None.

    Returns:
        A float32 scalar, 0 for a batch that is void. (With a `floatx` of half
        precision `fit` rounds it to that, as every loss; a policy of mixed
        precision does not.)

    Raises:
        ValueError: For shapes that do not belong together, and, outside of a
            compiled step, for probabilities in place of logits.

    Example:

    >>> import numpy as np
    >>> loss = CrossEntropy()
    >>> logits = np.zeros((1, 1, 3, 21))
    >>> round(float(loss(np.array([[[0, 20, 255]]]), logits)), 4)  # log 21
    3.0445
    >>> logits = np.zeros((1, 1, 2, 1))
    >>> round(float(loss(np.array([[[0, 1]]]), logits)), 4)  # log 2
    0.6931
    """

    def __init__(
        self,
        ignore_class: int | None = 255,
        class_weights: Sequence[float] | dict[int, float] | None = None,
        reduction: str = "mean",
        stride: int = 1,
        name: str = "cross_entropy",
        from_logits: bool = True,
    ):
        check_one_of(REDUCTIONS, reduction=reduction)
        summed = reduction == "sum"
        super().__init__(ignore_class, stride, name, summed, from_logits)
        self.class_weights = standardize_class_weights(class_weights)
        # `reduction` is the attribute of Keras, which knows no such names.
        self.pixel_reduction = reduction

    def values(self, pixels: Pixels) -> Any:
        """Returns the loss of each pixel, `(batch, pixels)`, unweighted."""
        if pixels.labels is None:
            return ops.sparse_categorical_crossentropy(
                pixels.ids, pixels.logits, from_logits=True
            )
        against = ops.where(pixels.ids == 1, -pixels.logits, pixels.logits)
        return ops.softplus(against)

    def of_pixels(self, pixels: Pixels) -> Any:
        weights = weight_vector(self.class_weights, pixels.classes)
        values = self.values(pixels)
        return reduce(values, pixels, weights, self.pixel_reduction)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "class_weights": self.class_weights,
            "reduction": self.pixel_reduction,
        }


@keras.saving.register_keras_serializable(package="keras_seg")
class Focal(CrossEntropy):
    """Cross-entropy in which well classified pixels count less.

    ```
    FL = -α[id] · (1 - p)^γ · log p,    p = softmax(logits)[id]
    ```

    With one logit or with labels, `p` is the sigmoid for id 1, and one minus
    it for id 0. With γ = 0 it is the cross-entropy. Reference:

    - [Focal Loss for Dense Object Detection](
      https://arxiv.org/abs/1708.02002)

    Args:
        gamma: float of at least 0, γ. Defaults to 2, the paper's.
        class_weights: the paper's α, see `CrossEntropy`; its 0.25 for the
            object is `[0.75, 0.25]` with one logit. Defaults to None, all 1.
        reduction: see `CrossEntropy`. Defaults to `"mean_over_pixels"`: α
            does not come into the divisor.
        ignore_class, stride, name, from_logits: see `CrossEntropy`.

    Call arguments:
        y_true, y_pred, sample_weight: see `CrossEntropy`.

    Example:

    >>> import numpy as np
    >>> loss = Focal(gamma=2.0)
    >>> logits = np.zeros((1, 1, 1, 2))
    >>> round(float(loss(np.array([[[1]]]), logits)), 4)  # log(2) / 4
    0.1733
    """

    def __init__(
        self,
        gamma: float = 2.0,
        class_weights: Sequence[float] | dict[int, float] | None = None,
        reduction: str = "mean_over_pixels",
        ignore_class: int | None = 255,
        stride: int = 1,
        name: str = "focal",
        from_logits: bool = True,
    ):
        super().__init__(
            ignore_class, class_weights, reduction, stride, name, from_logits
        )
        if not 0 <= gamma < float("inf"):
            raise ValueError(
                f"`gamma` must be a number of at least 0. Received: {gamma=}"
            )
        self.gamma = float(gamma)

    def values(self, pixels: Pixels) -> Any:
        entropy = super().values(pixels)
        # Below 1, the power has no finite slope at 0.
        failure = ops.maximum(-ops.expm1(-entropy), 1e-7)
        return ops.power(failure, self.gamma) * entropy

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "gamma": self.gamma}
