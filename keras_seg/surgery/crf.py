"""A fully connected CRF behind a network."""

import keras

from keras_seg.crf import DenseCRF
from keras_seg.from_logits import resolve_from_logits
from keras_seg.surgery.tta import first_output
from keras_seg.surgery.tta import image_of
from keras_seg.surgery.tta import log_of

__all__ = ["add_crf"]


def add_crf(model, preset="deeplab_v1", from_logits=None, **settings):
    """Refines what a network says by a fully connected CRF on the image.

    For networks that were trained without one, as DeepLab v1 and v2 were:
    their borders then follow those of the image, at its full resolution.
    Reference:

    - [Semantic Image Segmentation with Deep Convolutional Nets and Fully
      Connected CRFs](https://arxiv.org/abs/1412.7062)

    Args:
        model: `keras.Model`, images `(batch, height, width, 3)` in 0 … 255,
            or with the channels first, to scores `(batch, height, width,
            classes)` of the same size; of several outputs the first counts.
        preset: str, whose settings, see `keras_seg.crf.DenseCRF`. They are
            fitted to the scores of one network: `keras_seg.crf_search` finds
            those for another. Defaults to `"deeplab_v1"`.
        from_logits: bool, whether the model gives logits, or probabilities.
            Defaults to None: its graph says so.
        **settings: of `keras_seg.crf.DenseCRF`, instead of the preset's.

    Returns:
        A functional `keras.Model` with the weights of `model`, not copies of
        them, which gives logits.

    Raises:
        ValueError: for settings that can't be, or where it is not known what
            the model gives.

    Example:

    >>> from keras_seg.applications import FCN8s
    >>> from keras_seg.surgery import add_crf
    >>> model = FCN8s("mobilenet_v2", weights=None, classes=3)
    >>> add_crf(model, iterations=5).output_shape
    (None, None, None, 3)
    """
    image, like = image_of(model)
    scores = first_output(model(image))
    if not resolve_from_logits(model, from_logits):
        scores = log_of(scores)
    options = {"data_format": "channels_last", "dtype": "float32"}
    crf = DenseCRF(preset=preset, name="crf", **options, **settings)
    return keras.Model(image, crf(scores, like), name=f"{model.name}_crf")
