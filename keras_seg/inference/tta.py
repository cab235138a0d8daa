"""Test-time augmentation (TTA) by flips and quarter turns."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from numpy.typing import NDArray

from keras_seg.arguments import unmasked
from keras_seg.inference.scores import Model
from keras_seg.inference.scores import check_image
from keras_seg.inference.scores import predict_scores
from keras_seg.score_form import ScoreForm

__all__ = ["predict_turned"]


def predict_turned(
    model: Model | Sequence[Model],
    image: ArrayLike,
    *,
    from_logits: bool | None = None,
) -> NDArray[np.float32]:
    """Averages the probabilities over the eight flips and turns of an image.

    Each version is predicted by itself. The probabilities are turned back and
    averaged, over several models if they are given. U-Net averages seven
    rotated versions of the image, Ciresan et al. four networks. This is for
    images without an upright orientation, such as those of a microscope.
    References:

    - [U-Net: Convolutional Networks for Biomedical Image Segmentation](
      https://arxiv.org/abs/1505.04597)
    - [Deep Neural Networks Segment Neuronal Membranes in Electron Microscopy
      Images](https://papers.nips.cc/paper/4741) (NIPS 2012)

    Args:
        model: `keras.Model`, images to logits of the same size; or a list of
            them, of the same classes.
        image: array `(height, width, channels)` in 0 … 255.
        from_logits: bool, whether the models return logits, which go through
            a softmax first, or probabilities. Defaults to None: found in
            their graphs.

    Returns:
        float32 array `(height, width, classes)` of probabilities; of one
        score a pixel those of the classes 0 and 1, of labels those of each.

    Raises:
        ValueError: If there is no model, `image` is not an image, a model
            returns scores of another size, or `from_logits` contradicts it.

    Example:

    >>> import numpy as np
    >>> from keras_seg.applications import UNet
    >>> from keras_seg.inference import predict_turned
    >>> model = UNet(classes=2, filters=4, depth=2)
    >>> p = predict_turned(model, np.zeros((24, 36, 3), "uint8"))
    >>> p.shape, p.dtype, np.allclose(p.sum(axis=-1), 1)
    ((24, 36, 2), dtype('float32'), True)
    """
    picture = unmasked(image)
    check_image(picture)
    models: list[Any] = (
        list(model) if isinstance(model, list | tuple) else [model]
    )
    if not models:
        raise ValueError("`model` must be at least one. Received: model=[]")
    sums = [
        _sum_of_eight(x, picture, ScoreForm.of(x, from_logits, certain=True))
        for x in models
    ]
    classes = [one.shape[-1] for one in sums]
    if len(set(classes)) > 1:
        raise ValueError(
            "All models must have the same classes. Received: models of "
            f"{classes}"
        )
    return (np.sum(sums, axis=0) / (8 * len(models))).astype("float32")


def _sum_of_eight(model: Model, image: NDArray, form: ScoreForm) -> NDArray:
    total: Any = 0.0
    for flip in (1, -1):
        for turns in range(4):
            turned = np.rot90(image[:, ::flip], turns)
            scores = predict_scores(model, np.ascontiguousarray(turned)[None])
            # In float64 the sum of eight equal float32 is exact.
            p = form.probabilities_of(scores[0].astype("float64"))
            total = total + np.rot90(p, -turns)[:, ::flip]
    return total
