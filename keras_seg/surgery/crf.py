"""A fully connected CRF at the end of a network."""

from typing import Any

import keras

from keras_seg.crf import DenseCRF
from keras_seg.from_logits import resolve_from_logits
from keras_seg.score_form import is_multi_label
from keras_seg.surgery.tta import first_output
from keras_seg.surgery.tta import image_of
from keras_seg.surgery.tta import logits_of

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
            One score is that of class 1 of two.
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
        ValueError: If a setting is out of range, if `from_logits` is
            unknown, or for labels that do not exclude each other.

    Example:

    >>> from keras_seg.applications import FCN8s
    >>> from keras_seg.surgery import add_crf
    >>> model = FCN8s("mobilenet_v2", weights=None, classes=3)
    >>> add_crf(model, iterations=5).output_shape
    (None, None, None, 3)
    """
    if is_multi_label(model):
        raise ValueError(
            "A CRF gives each pixel one class, and the labels of the model "
            f"'{model.name}' do not exclude each other. Fix: refine a label by "
            "itself, keras_seg.dense_crf(image, probabilities=numpy.stack([1 "
            "- p, p], axis=-1))."
        )
    inputs, image, like = image_of(model)
    scores = first_output(model(image))
    if not resolve_from_logits(model, from_logits):
        scores = logits_of(scores, by_sigmoid=scores.shape[-1] == 1)
    options = {"data_format": "channels_last", "dtype": "float32"}
    crf = DenseCRF(preset=preset, name="crf", **options, **settings)
    return keras.Model(inputs, crf(scores, like), name=f"{model.name}_crf")
