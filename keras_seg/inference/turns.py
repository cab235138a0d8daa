"""The mean of what networks say of an image, mirrored and turned."""

import numpy as np

from keras_seg.from_logits import resolve_from_logits
from keras_seg.inference.scores import check_image
from keras_seg.inference.scores import predict_scores

__all__ = ["predict_turned"]


def predict_turned(model, image, *, from_logits=None):
    """The probabilities of an image, over its eight flips and quarter turns.

    Each is predicted by itself, and what the network says is turned back and
    averaged; with several models, over all of them. What is wrong by chance
    is less so in the mean: U-Net averages seven turned versions of the image,
    Ciresan et al. four networks. For images without an up, such as those of a
    microscope. References:

    - [U-Net: Convolutional Networks for Biomedical Image Segmentation](
      https://arxiv.org/abs/1505.04597)
    - [Deep Neural Networks Segment Neuronal Membranes in Electron Microscopy
      Images](https://papers.nips.cc/paper/4741) (NIPS 2012)

    Args:
        model: `keras.Model`, images to logits of the same size; or a list of
            them, of the same classes.
        image: array `(height, width, channels)` in 0 … 255.
        from_logits: bool, whether the models give logits, which go through a
            softmax first, or probabilities. Defaults to None: their graphs
            say so.

    Returns:
        float32 array `(height, width, classes)` of probabilities.

    Raises:
        ValueError: if there is no model, the image is none, or a model gives
            scores of another size, or not those that `from_logits` says.

    Example:

    >>> import numpy as np
    >>> from keras_seg.applications import UNet
    >>> from keras_seg.inference import predict_turned
    >>> model = UNet(classes=2, filters=4, depth=2)
    >>> p = predict_turned(model, np.zeros((24, 36, 3), "uint8"))
    >>> p.shape, p.dtype, np.allclose(p.sum(axis=-1), 1)
    ((24, 36, 2), dtype('float32'), True)
    """
    image = np.asarray(image)
    check_image(image)
    models = list(model) if isinstance(model, list | tuple) else [model]
    if not models:
        raise ValueError("`model` must be at least one. Received: model=[]")
    sums = [
        _sum_of_eight(x, image, resolve_from_logits(x, from_logits))
        for x in models
    ]
    classes = [one.shape[-1] for one in sums]
    if len(set(classes)) > 1:
        raise ValueError(
            "All models must have the same classes. Received: models of "
            f"{classes}"
        )
    return (np.sum(sums, axis=0) / (8 * len(models))).astype("float32")


def _sum_of_eight(model, image, from_logits):
    total = 0.0
    for flip in (1, -1):
        for turns in range(4):
            turned = np.rot90(image[:, ::flip], turns)
            p = _probabilities(model, turned, from_logits)
            total = total + np.rot90(p, -turns)[:, ::flip]
    return total


def _probabilities(model, image, from_logits):
    """Float64, in which the sum of eight equal float32 is exact."""
    scores = predict_scores(model, np.ascontiguousarray(image)[None])[0]
    scores = scores.astype("float64")
    if not from_logits:
        return scores
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)
