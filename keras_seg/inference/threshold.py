"""Thresholds of models of one score a pixel, and of labels."""

import warnings
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_seg.arguments import check_integer
from keras_seg.arguments import check_one_of
from keras_seg.arguments import unmasked
from keras_seg.data.folder import PairSequence
from keras_seg.inference.predict import buckets
from keras_seg.inference.scores import predict_scores
from keras_seg.layers.metadata import facts_of
from keras_seg.layers.metadata import note
from keras_seg.metrics.scores import check_pair
from keras_seg.score_form import ScoreForm
from keras_seg.score_form import score_thresholds

__all__ = ["set_threshold", "tune_threshold"]

# A score of the true and false positives and negatives of each threshold.
Metric = Callable[[NDArray, NDArray, NDArray, NDArray], NDArray]
METRICS: dict[str, Metric] = {
    "iou": lambda tp, fp, fn, tn: tp / (tp + fp + fn),
    "f1": lambda tp, fp, fn, tn: 2 * tp / (2 * tp + fp + fn),
    "mean_iou": lambda tp, fp, fn, tn: (
        (tp / (tp + fp + fn) + tn / np.maximum(tn + fp + fn, 1)) / 2
    ),
    "accuracy": lambda tp, fp, fn, tn: (tp + tn) / (tp + fp + fn + tn),
}


def set_threshold(model: Any, threshold: float | list[float]) -> None:
    """Sets the probability above which a model's label is there.

    `predict`, `evaluate`, `export` and saved files use it.

    Args:
        model: `keras.Model` of `keras_seg.applications`, of one score a
            pixel or of labels.
        threshold: float, or a list of one for each label.

    Raises:
        ValueError: If the largest score decides, or the threshold is none.

    Example:

    >>> import numpy as np
    >>> from keras_seg.applications import UNet
    >>> from keras_seg.inference import predict
    >>> model = UNet(classes=1, filters=2, depth=1)
    >>> set_threshold(model, 1.0)
    >>> int(predict(model, np.zeros((8, 8, 3), "uint8")).max())
    0
    """
    form = _form_of(model)
    shape = score_thresholds(threshold, from_logits=False).shape
    if shape not in ((), (form.scores,)) or (shape and not form.multi_label):
        raise ValueError(
            "`threshold` must be a number, or for a model of labels a list of "
            f"one for each. Received: threshold={threshold}, a model of "
            f"{form.scores} scores"
        )
    note(model, threshold=np.asarray(threshold, "float64").tolist())


def tune_threshold(
    model: Any,
    data: PairSequence,
    metric: str | Metric = "iou",
    *,
    bins: int = 1000,
    batch_size: int = 4,
    from_logits: bool | None = None,
) -> float | list[float]:
    """Finds the threshold of the largest score on data, and sets it.

    | metric | of the true and false positives and negatives |
    |---|---|
    | `"iou"` | `tp / (tp + fp + fn)`, of the object or of a label |
    | `"f1"` | `2·tp / (2·tp + fp + fn)`: largest where the IoU is |
    | `"mean_iou"` | the mean of that and of `tn / (tn + fp + fn)`: with one \
score a pixel the mean IoU of `evaluate` |
    | `"accuracy"` | the share of pixels that are right |

    The data are predicted once. The thresholds `0, 1/bins, …, 1 - 1/bins` are
    compared exactly, each by the counts of all pixels; among equal ones that
    nearest to 0.5 is taken. Use data that were not trained on, and not those
    of the final test. Each label has a threshold of its own.

    Args:
        model: `keras.Model` of `keras_seg.applications`, of one score a
            pixel or of labels. Its threshold is set, see `set_threshold`.
        data: `keras_seg.data.Folder`, or any sequence of `(image, mask)`.
        metric: str, or a function of four float arrays, the numbers of true
            and false positives, false and true negatives, to an array of
            scores of that shape.
        bins: int, the number of thresholds. Defaults to 1000.
        batch_size: int. Defaults to 4.
        from_logits: see `predict`.

    Returns:
        float, or a list of one for each label. A label that is not in the
        data keeps 0.5, with a warning.

    Raises:
        ValueError: If the largest score of the model decides, there is no
            such metric, a mask does not belong to the model, or the object
            is not in the data.

    Example:

    >>> from keras_seg.applications import UNet
    >>> from keras_seg.data import synthetic
    >>> from keras_seg.inference import tune_threshold
    >>> model = UNet(classes=1, filters=2, depth=1)
    >>> pairs = list(zip(*synthetic.membranes(2, size=32)))
    >>> 0 <= tune_threshold(model, pairs, "f1") < 1
    True
    """
    if isinstance(metric, str):
        check_one_of(METRICS, metric=metric)
        metric = METRICS[metric]
    check_integer(2, bins=bins)
    form = _form_of(model, from_logits)
    levels = np.arange(bins) / bins
    limits = score_thresholds(levels.tolist(), bool(form.from_logits))
    # For each label, where it is absent and present: the pixels whose score
    # is above so many of the limits.
    counts = np.zeros((form.scores, 2, bins + 1), np.int64)
    for scores, mask in _scores_and_masks(model, data, batch_size):
        truth, _, known = check_pair(mask, np.zeros_like(mask), 2, 255)
        above = np.searchsorted(limits, scores, side="left")
        for label in range(form.scores):
            valid = known[..., label]
            index = truth[..., label] * (bins + 1) + above[..., label]
            found = np.bincount(index[valid], minlength=2 * (bins + 1))
            counts[label] += found.reshape(2, bins + 1)
    best = [_best(x, metric, levels) for x in counts]
    absent = [i for i, x in enumerate(best) if x is None]
    if absent and not form.multi_label:
        raise ValueError(
            "`data` has no pixel of class 1, by which a threshold could be "
            "told. Fix: other data."
        )
    if absent:
        warnings.warn(
            f"The labels {absent} are not in the data: their threshold stays "
            "0.5.",
            stacklevel=2,
        )
    threshold = [0.5 if x is None else x for x in best]
    result = threshold if form.multi_label else threshold[0]
    set_threshold(model, result)
    return result


def _form_of(model: Any, from_logits: bool | None = None) -> ScoreForm:
    form = ScoreForm.of(model, from_logits)
    if not form.by_threshold:
        raise ValueError(
            "A threshold is of a model of one score a pixel (classes=1) or of "
            "labels: of others the largest score decides. Received: a model "
            f"of {form.scores} classes"
        )
    if facts_of(model) is None:
        raise ValueError(
            "`model` must be able to carry its threshold. Fix: begin it with "
            "keras_seg.layers.metadata.Metadata(); of an exported network, "
            "tune the one it was made of, and export that again."
        )
    return form


def _scores_and_masks(
    model: Any, data: PairSequence, batch_size: int
) -> Iterator[tuple[NDArray, NDArray]]:
    """Yields scores and masks `(height, width, labels)` of each image."""
    read = (data[i] for i in range(len(data)))
    pairs = ((mask, unmasked(image)) for image, mask in read)
    for batch, images in buckets(model, pairs, batch_size, 1):
        found = predict_scores(model, images)
        for (mask, _), scores in zip(batch, found, strict=True):
            mask = unmasked(mask)
            if mask.ndim == 2 and scores.shape[-1] == 1:
                mask = mask[..., None]
            if mask.shape != scores.shape:
                raise ValueError(
                    "A mask must have a channel for each label, (height, "
                    "width, labels), or for one score none. Received: a mask "
                    f"of shape {mask.shape}, scores of {scores.shape}"
                )
            yield scores, mask


def _best(counts: NDArray, metric: Metric, levels: NDArray) -> float | None:
    """The best of the levels, None if the label is not in the truth."""
    absent, present = counts.astype("float64")
    if not present.sum():
        return None
    # Above level j are the pixels above more than j limits.
    tp, fp = (x[::-1].cumsum()[::-1][1:] for x in (present, absent))
    values = np.asarray(metric(tp, fp, present.sum() - tp, absent.sum() - fp))
    ties = np.flatnonzero(values == np.nanmax(values))
    return float(levels[ties[np.abs(levels[ties] - 0.5).argmin()]])
