"""The focal loss, for many easy pixels and few hard ones."""

import keras
from keras import ops

from keras_seg.losses.cross_entropy import CrossEntropy

__all__ = ["Focal"]


@keras.saving.register_keras_serializable(package="keras_seg")
class Focal(CrossEntropy):
    """Cross-entropy in which well classified pixels count less.

    ```
    FL = -α[id] · (1 - p)^γ · log p,    p = softmax(logits)[id]
    ```

    With γ = 0 it is the cross-entropy. Reference:

    - [Focal Loss for Dense Object Detection](
      https://arxiv.org/abs/1708.02002)

    Args:
        gamma: float of at least 0, γ. Defaults to 2, the paper's.
        class_weights: the paper's α, see `CrossEntropy`. Defaults to None,
            all 1.
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
        gamma=2.0,
        class_weights=None,
        reduction="mean_over_pixels",
        ignore_class=255,
        stride=1,
        name="focal",
        from_logits=True,
    ):
        super().__init__(
            ignore_class, class_weights, reduction, stride, name, from_logits
        )
        if not 0 <= gamma < float("inf"):
            raise ValueError(
                f"`gamma` must be a number of at least 0. Received: {gamma=}"
            )
        self.gamma = float(gamma)

    def values(self, pixels):
        entropy = super().values(pixels)
        # Below 1, the power has no finite slope at 0.
        failure = ops.maximum(-ops.expm1(-entropy), 1e-7)
        return ops.power(failure, self.gamma) * entropy

    def get_config(self):
        return {**super().get_config(), "gamma": self.gamma}
