"""The Tversky and the Dice loss: indices of whole regions."""

from typing import Any

import keras
from keras import ops

from keras_seg.losses.base import SegmentationLoss
from keras_seg.losses.base import mean_over_images
from keras_seg.losses.base import safe_divide
from keras_seg.losses.pixels import Pixels

__all__ = ["Dice", "Tversky"]


@keras.saving.register_keras_serializable(package="keras_seg")
class Tversky(SegmentationLoss):
    """One minus the Tversky index, the mean over the classes present.

    With `p` the probabilities of a class and `g` 1 where it is the truth,
    summed over the valid pixels:

    ```
    TP = Σ p·g    FP = Σ p·(1 - g)    FN = Σ (1 - p)·g
    index = (TP + smooth) / (TP + alpha·FP + beta·FN + smooth)
    ```

    `alpha` weighs the false positives and `beta` the false negatives, as in
    the papers (Keras to 3.15.1 has them the other way round). The Dice loss
    is that of 0.5 and 0.5, the Jaccard loss that of 1 and 1. With one logit
    the object is the only class, with labels each label is one, and `p` is a
    sigmoid. A class that is nowhere in the truth costs nothing, however often
    it is predicted: where images have no object, add a `CrossEntropy` by
    `Sum`. References:

    - [Tversky loss function for image segmentation using 3D fully
      convolutional deep networks](https://arxiv.org/abs/1706.05721)

    Args:
        alpha: float of at least 0. Defaults to 0.3, and `beta` to 0.7, the
            paper's best.
        beta: float of at least 0, not 0 together with `alpha`.
        per_image: bool, whether each image has an index of its own, and the
            loss is the mean over the images that have a class; or one index
            is counted over the whole batch. Defaults to False.
        smooth: float of at least 0. Defaults to 0: classes that are absent
            are left out, so that nothing is divided by 0.
        ignore_class, stride, name, from_logits: see `CrossEntropy`.

    Call arguments:
        y_true, y_pred: see `CrossEntropy`.
        sample_weight: weights of pixels, which multiply the terms of the
            sums; or of images: with `per_image` they multiply the losses of
            the images, else they are weights of all their pixels.

    Returns:
        A float32 scalar, 0 for a batch that is void.

    Example: a pixel of class 0 with probabilities of 0.8 and 0.2

    >>> import numpy as np
    >>> loss = Tversky(alpha=0.3, beta=0.7)
    >>> logits = np.log([[[[0.8, 0.2]]]])
    >>> round(float(loss(np.array([[[0]]]), logits)), 4)  # 1 - .8/(.8+.7*.2)
    0.1489
    """

    def __init__(
        self,
        alpha: float = 0.3,
        beta: float = 0.7,
        per_image: bool = False,
        smooth: float = 0.0,
        ignore_class: int | None = 255,
        stride: int = 1,
        name: str = "tversky",
        from_logits: bool = True,
    ):
        super().__init__(ignore_class, stride, name, from_logits=from_logits)
        if not (alpha >= 0 and beta >= 0 and alpha + beta > 0):
            raise ValueError(
                "`alpha` and `beta` must be numbers of at least 0, and not "
                f"both 0. Received: {alpha=}, {beta=}"
            )
        if not smooth >= 0:
            raise ValueError(
                f"`smooth` must be a number of at least 0. Received: {smooth=}"
            )
        self.alpha = alpha
        self.beta = beta
        self.per_image = bool(per_image)
        self.smooth = smooth

    def of_pixels(self, pixels: Pixels) -> Any:
        weights = pixels.valid
        if pixels.pixel_weights is not None:
            weights = weights * pixels.pixel_weights
        image_weights = pixels.image_weights
        if image_weights is not None and not self.per_image:
            weights = weights * ops.expand_dims(image_weights, 1)
            image_weights = None
        true, predicted, hit = _sums(pixels, weights)
        if not self.per_image:
            sums = true, predicted, hit
            true, predicted, hit = (ops.sum(x, axis=0) for x in sums)
        index = safe_divide(
            hit + self.smooth,
            (1 - self.alpha - self.beta) * hit
            + self.alpha * predicted
            + self.beta * true
            + self.smooth,
        )
        present = ops.cast(true > 0, "float32")
        loss = safe_divide(
            ops.sum((1 - index) * present, axis=-1),
            ops.sum(present, axis=-1),
        )
        labeled = pixels.valid if pixels.labels is None else present
        return mean_over_images(loss, image_weights, labeled)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "alpha": self.alpha,
            "beta": self.beta,
            "per_image": self.per_image,
            "smooth": self.smooth,
        }


@keras.saving.register_keras_serializable(package="keras_seg")
class Dice(Tversky):
    """One minus the Dice coefficient, the mean over the classes present.

    With `p` the probabilities of a class and `g` 1 where it is the truth,
    summed over the valid pixels:

    ```
    Dice = (2 · Σ p·g + smooth) / (Σ p + Σ g + smooth)
    ```

    Reference:

    - [V-Net](https://arxiv.org/abs/1606.04797), there with squares in the
      divisor

    Args:
        per_image, smooth, ignore_class, stride, name, from_logits: see
            `Tversky`.

    Call arguments:
        y_true, y_pred, sample_weight: see `Tversky`.

    Example: two pixels of class 0, one of which is found

    >>> import numpy as np
    >>> logits = np.array([[[[99.0, 0.0], [0.0, 99.0]]]])
    >>> round(float(Dice()(np.array([[[0, 0]]]), logits)), 4)  # 1 - 2/3
    0.3333
    """

    def __init__(
        self,
        per_image: bool = False,
        smooth: float = 0.0,
        ignore_class: int | None = 255,
        stride: int = 1,
        name: str = "dice",
        from_logits: bool = True,
    ):
        # Dice's fraction is Tversky's, both parts doubled.
        super().__init__(
            0.5,
            0.5,
            per_image,
            smooth / 2,
            ignore_class,
            stride,
            name,
            from_logits,
        )

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["alpha"], config["beta"]
        return {**config, "smooth": 2 * self.smooth}


def _sums(pixels: Pixels, weights: Any) -> tuple[Any, Any, Any]:
    """Returns the sums of `g`, of `p` and of `p·g` of each image and class.

    They are over the last axis, where TensorFlow adds in pairs. Over others it
    adds one number after the other, and a float32 of 2^24 no longer grows by
    1.
    """
    if pixels.labels is None:
        weights = ops.expand_dims(weights, 1)
        truth = ops.one_hot(pixels.ids, pixels.classes, axis=1, dtype="float32")
        probabilities = ops.transpose(ops.softmax(pixels.logits), (0, 2, 1))
    else:
        weights, truth, probabilities = (
            ops.transpose(pixels.by_label(x), (0, 2, 1))
            for x in (
                weights,
                ops.cast(pixels.ids, "float32"),
                ops.sigmoid(pixels.logits),
            )
        )
    truth = truth * weights
    return (
        ops.sum(truth, axis=-1),
        ops.sum(probabilities * weights, axis=-1),
        ops.sum(probabilities * truth, axis=-1),
    )
