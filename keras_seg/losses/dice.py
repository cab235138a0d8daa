"""The Dice loss."""

import keras

from keras_seg.losses.tversky import Tversky

__all__ = ["Dice"]


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
        per_image=False,
        smooth=0.0,
        ignore_class=255,
        stride=1,
        name="dice",
        from_logits=True,
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

    def get_config(self):
        config = super().get_config()
        del config["alpha"], config["beta"]
        return {**config, "smooth": 2 * self.smooth}
