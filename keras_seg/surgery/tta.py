"""Networks that see an image at other scales: several, mirrored, shrunk."""

import functools
from collections.abc import Sequence

import keras
from keras import layers
from keras import ops

from keras_seg.arguments import check_one_of
from keras_seg.from_logits import resolve_from_logits
from keras_seg.layers import AlignedScale
from keras_seg.layers import Metadata
from keras_seg.layers import ResizeLike
from keras_seg.layers import ShrinkToFit
from keras_seg.layers.metadata import facts_of
from keras_seg.layers.metadata import note
from keras_seg.ops.backend import spatial_axes
from keras_seg.score_form import is_multi_label
from keras_seg.surgery.graph import data_format_of

__all__ = [
    "average_samples",
    "average_views",
    "first_output",
    "image_of",
    "logits_of",
    "shrink_input",
    "without_shrinking",
]


def average_views(
    model: keras.Model,
    scales: Sequence[float] = (1.0,),
    mirror: bool = False,
    merge: str = "mean",
    from_logits: bool | None = None,
) -> keras.Model:
    """Builds a network that merges the predictions for views of an image.

    Every view is predicted and the scores are resized to the image. DeepLab v3
    takes the mean of the probabilities at the scales 0.5, 0.75, 1, 1.25, 1.5
    and 1.75, each mirrored as well (78.51 to 79.77 mean IoU for ResNet-101 at
    output stride 8), DeepLab v2 the maximum of the scores at 1, 0.75 and 0.5.
    A side of `n` pixels becomes `floor((n - 1) · scale) + 1`, with aligned
    corners, as in the authors' code. References:

    - [Rethinking Atrous Convolution for Semantic Image Segmentation](
      https://arxiv.org/abs/1706.05587)
    - [DeepLab: Semantic Image Segmentation with Deep Convolutional Nets,
      Atrous Convolution, and Fully Connected CRFs](
      https://arxiv.org/abs/1606.00915)

    Args:
        model: `keras.Model`, images to scores `(batch, height, width,
            classes)` of the same size; of several outputs the first is used.
        scales: floats above 0. Defaults to `(1.0,)`.
        mirror: bool, whether to add every scale mirrored left to right.
            Defaults to False.
        merge: `"mean"` of the probabilities, or `"max"` of the scores.
            Defaults to `"mean"`.
        from_logits: bool, whether the outputs are logits rather than
            probabilities. Defaults to None: read from the model's graph.

    Returns:
        A functional `keras.Model` that shares the weights of `model`: images
        to scores of the same size. They are logits if those of the model are:
        for a mean, the logarithm of the mean probabilities, or with one score
        or labels that of their odds.

    Raises:
        ValueError: If a scale is not above 0, if `merge` is neither of the
            two, if `from_logits` is needed and unknown, or if there are other
            scales than 1 and the model takes images of one size.

    Example:

    >>> from keras_seg.applications import FCN8s
    >>> from keras_seg.surgery import average_views
    >>> model = FCN8s("mobilenet_v2", weights=None, classes=3)
    >>> average_views(model, (0.5, 1.0), mirror=True).output_shape
    (None, None, None, 3)
    """
    inner, longest_side = without_shrinking(model)
    if longest_side is not None:  # The views are of the shrunk image.
        inner = average_views(inner, scales, mirror, merge, from_logits)
        return shrink_input(inner, longest_side)
    _check_views(model, scales, merge)
    if merge == "mean":
        from_logits = resolve_from_logits(model, from_logits)
    data_format = data_format_of(model)
    _, columns = spatial_axes(data_format)
    inputs, image, like = image_of(model)
    views = []
    for scale in scales:
        x = image
        if scale != 1:
            x = AlignedScale(scale, data_format=data_format, dtype="float32")(
                image
            )
        scores = [first_output(model(x))]
        if mirror:
            mirrored = first_output(model(ops.flip(x, axis=columns)))
            scores.append(ops.flip(mirrored, axis=2))
        if merge == "mean" and from_logits:
            scores = [_squash(y, model) for y in scores]
        if scale != 1:
            back = ResizeLike(
                True, data_format="channels_last", dtype="float32"
            )
            scores = [back(y, like) for y in scores]
        views += scores
    if merge == "mean":
        y = _mean_of(views, model, from_logits)
    else:
        y = functools.reduce(ops.maximum, views)
    return keras.Model(inputs, y, name=f"{model.name}_views")


def average_samples(scores, model, from_logits):
    """Averages scores of a model as `average_views` does."""
    if from_logits:
        scores = [_squash(y, model) for y in scores]
    return _mean_of(scores, model, from_logits)


def _by_sigmoid(model):
    return is_multi_label(model) or model.output_shape[-1] == 1


def _squash(logits, model):
    return ops.sigmoid(logits) if _by_sigmoid(model) else ops.softmax(logits)


def _mean_of(probabilities, model, from_logits):
    """Scores of the mean of probabilities, in the form of the model's."""
    by_sigmoid = _by_sigmoid(model)
    y = functools.reduce(ops.add, probabilities)
    y = ops.divide(y, float(len(probabilities)))
    if from_logits or by_sigmoid:
        y = logits_of(y, by_sigmoid)
    if not from_logits:
        # For the graph to say that these are probabilities of labels.
        y = ops.sigmoid(y) if by_sigmoid else y
    return y


def _check_views(model, scales, merge):
    numbers = isinstance(scales, tuple | list) and all(
        isinstance(s, int | float) and not isinstance(s, bool) and s > 0
        for s in scales
    )
    if not numbers or not scales:
        raise ValueError(
            "`scales` must be numbers above 0, at least one. "
            f"Received: scales={scales!r}"
        )
    check_one_of(("mean", "max"), merge=merge)
    axes = spatial_axes(data_format_of(model))
    sizes = [model.inputs[0].shape[axis] for axis in axes]
    if any(s != 1 for s in scales) and sizes != [None, None]:
        raise ValueError(
            "`scales` need a model that takes images of any size. Received: "
            f"scales={scales!r}, a model of images of size {sizes}"
        )


# A float32 whose logarithm is finite.
SMALLEST = 1e-37


# Facts that hold for a network around another one; others are of its layers.
CARRIED = ("class_table", "bit_depth", "bands", "multi_label", "threshold")


def image_of(model, same_scores=False):
    """Returns a new input for a model, its image, and that channels last.

    The image has passed the facts of the model that are not of its layers; the
    temperature, too, if the scores stay as calibrated as they were.
    """
    inputs = keras.Input(batch_shape=model.inputs[0].shape, name="image")
    image = Metadata(_carried(model, same_scores), name="metadata")(inputs)
    if data_format_of(model) != "channels_first":
        return inputs, image, image
    last = layers.Permute((2, 3, 1), dtype="float32", name="image_like_scores")
    return inputs, image, last(image)


def _carried(model, same_scores):
    known = (facts_of(model) or {}).items()
    kept = CARRIED + ("temperature",) * same_scores
    return {k: v for k, v in known if k in kept}


def first_output(outputs):
    """Returns the first of a model's outputs, in float32."""
    scores = outputs[0] if isinstance(outputs, list | tuple) else outputs
    return scores if scores.dtype == "float32" else ops.cast(scores, "float32")


def logits_of(probabilities, by_sigmoid=False):
    """Returns logits of probabilities, finite where one is 0."""
    logits = ops.log(ops.maximum(probabilities, SMALLEST))
    if by_sigmoid:
        logits = logits - ops.log(ops.maximum(1.0 - probabilities, SMALLEST))
    return logits


def shrink_input(model: keras.Model, longest_side: int) -> keras.Model:
    """Shrinks large images before a network, and enlarges its scores back.

    A network trained on images of 480 pixels does not know what the same
    things look like at 3,600. With the layer `keras_seg.layers.ShrinkToFit`
    in front, `predict`, `evaluate` and exported files take images as they
    are, and masks have their size. Smaller images are not changed.

    Args:
        model: `keras.Model`, images of any size to scores `(batch, height,
            width, classes)`; of several outputs the first counts.
        longest_side: int, pixels of the longer side that `model` sees at most.

    Returns:
        A functional `keras.Model` with the weights of `model`, not copies of
        them: images to float32 scores of the same size.

    Raises:
        ValueError: If `longest_side` is not an int of 1 or more, or the model
            takes images of one size.

    Example:

    >>> from keras_seg.applications import FCN8s
    >>> from keras_seg.surgery import shrink_input
    >>> model = FCN8s("mobilenet_v2", weights=None, classes=3)
    >>> model = shrink_input(model, 64)
    >>> tuple(model(keras.ops.zeros((1, 128, 96, 3))).shape)
    (1, 128, 96, 3)
    """
    data_format = data_format_of(model)
    inputs, image, like = image_of(model, same_scores=True)
    sides = [x for x in model.inputs[0].shape[1:] if x is None]
    if len(sides) < 2:
        raise ValueError(
            "`model` must take images of any size. Received: a model of "
            f"inputs {tuple(model.inputs[0].shape)}"
        )
    shrink = ShrinkToFit(
        longest_side, data_format=data_format, dtype="float32", name="shrink"
    )
    scores = first_output(model(shrink(image)))
    enlarge = ResizeLike(
        data_format="channels_last", dtype="float32", name="enlarge"
    )
    return keras.Model(inputs, enlarge(scores, like), name=model.name)


def without_shrinking(model) -> tuple[keras.Model, int | None]:
    """The network inside of `shrink_input`, and its longest side or None."""
    kinds = [type(x) for x in getattr(model, "layers", ())]
    if ShrinkToFit not in kinds:
        return model, None
    inner = [x for x in model.layers if isinstance(x, keras.Model)]
    if facts_of(inner[0]) is not None:
        note(inner[0], **_carried(model, True))
    return inner[0], model.layers[kinds.index(ShrinkToFit)].longest_side
