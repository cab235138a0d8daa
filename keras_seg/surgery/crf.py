"""A fully connected CRF at the end of a network."""

from typing import Any

import keras

from keras_seg.crf import DenseCRF
from keras_seg.from_logits import resolve_from_logits
from keras_seg.surgery.tta import first_output
from keras_seg.surgery.tta import image_of
from keras_seg.surgery.tta import log_of

__all__ = ["add_crf"]


def add_crf(
    model: keras.Model,
    preset: str = "deeplab_v1",
    from_logits: bool | None = None,
    **settings: Any,
) -> keras.Model:
    """Refines the scores of a network with a fully connected CRF.

    For networks that were trained without one, such as DeepLab v1 and v2: the
    borders of regions then follow those of the image. Reference:

    - [Semantic Image Segmentation with Deep Convolutional Nets and Fully
      Connected CRFs](https://arxiv.org/abs/1412.7062)

    Args:
        model: `keras.Model`, images `(batch, height, width, 3)` in 0 … 255,
            or with channels first, to scores `(batch, height, width,
            classes)` of the same size; of several outputs the first is used.
        preset: str, name of published settings, see
            `keras_seg.crf.DenseCRF`. They were fitted to one network:
            `keras_seg.crf_search` fits them to another. Defaults to
            `"deeplab_v1"`.
        from_logits: bool, whether the outputs are logits rather than
            probabilities. Defaults to None: read from the model's graph.
        **settings: arguments of `keras_seg.crf.DenseCRF` that replace those of
            the preset.

    Returns:
        A functional `keras.Model` that shares the weights of `model` and
        returns logits.

    Raises:
        ValueError: If a setting is out of range, or if `from_logits` is
            unknown.

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
