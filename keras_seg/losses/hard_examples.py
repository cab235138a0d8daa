"""Cross-entropy of the hardest pixels of a batch."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_seg.losses.base import reduce
from keras_seg.losses.class_weights import weight_vector
from keras_seg.losses.cross_entropy import CrossEntropy
from keras_seg.losses.pixels import Pixels

__all__ = ["OnlineHardExamples"]


@keras.saving.register_keras_serializable(package="keras_seg")
class OnlineHardExamples(CrossEntropy):
    """The mean cross-entropy of the hard pixels of the batch.

    A pixel is hard if the network gives its class a probability below
    `threshold`. If fewer than `min_kept` are, the `min_kept` pixels with the
    largest cross-entropy are taken, and all that equal the last of them. With
    labels, each label of a pixel counts as one. Reference:

    - [Training Region-based Object Detectors with Online Hard Example
      Mining](https://arxiv.org/abs/1604.03540)

    Args:
        threshold: float in (0, 1], or None to take exactly the `min_kept`
            hardest pixels. Defaults to 0.7.
        min_kept: int of at least 1, a number of pixels of the batch; or float
            in (0, 1), a share of its valid pixels, rounded up. Defaults to
            1/16.
        class_weights: see `CrossEntropy`; they do not decide what is hard.
        ignore_class, stride, name, from_logits: see `CrossEntropy`.

    Call arguments:
        y_true, y_pred, sample_weight: see `CrossEntropy`.

    Example:

    >>> import numpy as np
    >>> loss = OnlineHardExamples(threshold=None, min_kept=1)
    >>> logits = np.array([[[[0.0, 0.0], [0.0, 9.0]]]])
    >>> round(float(loss(np.array([[[1, 1]]]), logits)), 4)  # log 2
    0.6931
    """

    def __init__(
        self,
        threshold: float | None = 0.7,
        min_kept: float = 1 / 16,
        class_weights: Sequence[float] | dict[int, float] | None = None,
        ignore_class: int | None = 255,
        stride: int = 1,
        name: str = "online_hard_examples",
        from_logits: bool = True,
    ):
        super().__init__(
            ignore_class, class_weights, "mean", stride, name, from_logits
        )
        if threshold is not None and not 0 < threshold <= 1:
            raise ValueError(
                "`threshold` must be a probability above 0, or None. "
                f"Received: {threshold=}"
            )
        if not min_kept > 0 or (min_kept >= 1 and min_kept != int(min_kept)):
            raise ValueError(
                "`min_kept` must be an integer of at least 1, or a share "
                f"between 0 and 1. Received: {min_kept=}"
            )
        self.threshold = threshold
        self.min_kept = min_kept

    def of_pixels(self, pixels: Pixels) -> Any:
        values = self.values(pixels)
        hard = ops.cast(
            self._hard(ops.stop_gradient(values), pixels), "float32"
        )
        weights = weight_vector(self.class_weights, pixels.classes)
        pixels = pixels._replace(valid=pixels.valid * hard)
        return reduce(values, pixels, weights, "mean")

    def _hard(self, values: Any, pixels: Pixels) -> Any:
        """Returns which pixels count, a bool tensor `(batch, pixels)`."""
        # Void pixels come last; none has a value below 0.
        values = ops.where(pixels.valid > 0, values, -1.0)
        if self.min_kept < 1:
            # Counted in integers: a float32 of 2^24 no longer grows by 1.
            valid = ops.sum(ops.cast(pixels.valid, "int32"))
            share = self.min_kept * ops.cast(valid, "float32")
            kept = ops.cast(ops.ceil(share), "int32")
        else:
            kept = ops.convert_to_tensor(int(self.min_kept), "int32")
        ascending = ops.sort(ops.reshape(values, (-1,)))
        size = ops.shape(ascending)[0]
        index = ops.clip(size - kept, 0, size - 1)
        least = ops.take(ascending, index)
        hard = values >= least
        if self.threshold is not None:
            entropy = -ops.log(ops.cast(self.threshold, "float32"))
            hard = hard | (values > entropy)
        return hard

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["reduction"]
        return {
            **config,
            "threshold": self.threshold,
            "min_kept": self.min_kept,
        }
