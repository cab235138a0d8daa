"""Tunes the settings of the fully connected CRF on images with masks."""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from rich.console import Console
from rich.progress import BarColumn
from rich.progress import MofNCompleteColumn
from rich.progress import Progress
from rich.progress import TextColumn
from rich.progress import TimeRemainingColumn

from keras_seg.arguments import check_positive
from keras_seg.crf.dense_crf import dense_crf
from keras_seg.crf.grid import coarse_to_fine
from keras_seg.crf.grid import search_axes
from keras_seg.crf.potentials import Bilateral
from keras_seg.crf.potentials import Settings
from keras_seg.data import VOID
from keras_seg.metrics import count_pairs
from keras_seg.metrics import scores

__all__ = ["CRFSearch", "crf_search"]

# Logits beyond this many bytes are kept as float16.
_FLOAT32_BYTES = 2**30


@dataclasses.dataclass(frozen=True, eq=False)
class CRFSearch:
    """The result of `crf_search`.

    Attributes:
        settings: `keras_seg.crf.Settings`, the best.
        mean_iou: float, the score with them.
        baseline: float, the score without a CRF.
        trials: list of dictionaries `{"weight", "sxy", "srgb", "mean_iou"}`,
            one for each evaluation, in their order.
        images: int, the number of images.
    """

    settings: Settings
    mean_iou: float
    baseline: float
    trials: list[dict[str, float]]
    images: int


def crf_search(
    data: Any,
    model: keras.Model | None = None,
    *,
    space: str = "deeplab_v2",
    weight: Sequence[float] | None = None,
    sxy: Sequence[float] | None = None,
    srgb: Sequence[float] | None = None,
    preset: str = "deeplab_v1",
    ignore_class: int | None = VOID,
    limit: int = 100,
    verbose: int = 1,
) -> CRFSearch:
    """Tunes the bilateral kernel of the fully connected CRF, coarse to fine.

    As DeepLab did, on a hundred images of the validation set: the Gaussian
    kernel and the iterations are those of the preset, and the weight and the
    standard deviations of the bilateral kernel with the highest mean IoU are
    searched on a grid. References:

    - [Semantic Image Segmentation with Deep Convolutional Nets and Fully
      Connected CRFs](https://arxiv.org/abs/1412.7062)
    - [DeepLab: Semantic Image Segmentation with Deep Convolutional Nets,
      Atrous Convolution, and Fully Connected CRFs](
      https://arxiv.org/abs/1606.00915)

    | `space` | `weight` | `sxy`, in steps of 10 | `srgb` | grid |
    |---|---|---|---|---|
    | `"deeplab_v1"` | 5 … 10 | 50 … 100 | 3 … 10 | 288 |
    | `"deeplab_v2"` | 3 … 6 | 30 … 100 | 3 … 6 | 128 |

    The papers don't say what coarse to fine is. Here, both ends and the
    middle of each range come first, in all combinations; then the 26 neighbors
    of the best at half that distance, at half of this and so on, down to one
    step of the grid, and there until no neighbor is better. Nothing is
    evaluated twice: it takes about 60 evaluations of the larger grid, 50 of
    the smaller. Each is a call of `keras_seg.dense_crf` for every image.

    The network runs once. Its logits are kept in memory: as float32 up to 1
    GiB (about 65 images of 500 x 375 with 21 classes), as float16 from there
    on. JAX compiles anew for every size of image and of lattice: there it is
    much slower than on other backends, unless images have one size.

    The score is that of the images searched on, so it is optimistic: report
    that of others. Where the CRF does not help, `mean_iou` is below
    `baseline`.

    Args:
        data: iterable of pairs `(image, mask)`, as `keras_seg.data.Folder`;
            or of triples `(image, logits, mask)` without a model. Arrays
            `(height, width, channels)` in 0 … 255, `(height, width, classes)`
            and integers `(height, width)`. Sizes may differ.
        model: `keras.Model`, images to logits of the same size, or None.
        space: str, the ranges that are not given. Defaults to
            `"deeplab_v2"`.
        weight, sxy, srgb: of `keras_seg.crf.Bilateral`: a tuple `(lowest,
            highest)`, a range in steps of 1, 10 and 1; a list of the values
            to choose from, ascending; or one number. None for those of the
            space.
        preset: str, the rest of the settings, see `keras_seg.dense_crf`.
            Defaults to `"deeplab_v1"`.
        ignore_class: int, the id of void pixels in masks, or None for none.
            Defaults to 255.
        limit: int, how many of the first items of `data` are used at most,
            or None for all. Defaults to 100.
        verbose: int or bool; 0 for no bar on the standard error.

    Returns:
        `CRFSearch`. `dense_crf(image, logits, **found.settings.as_arguments())`
        refines with what was found.

    Raises:
        ValueError: If an argument is out of range or an item of `data` does
            not fit. The message names it.

    Example:

    >>> import numpy as np
    >>> import keras_seg
    >>> mask = np.zeros((8, 12), "uint8")
    >>> mask[:, 6:] = 1
    >>> image = np.repeat(100 * mask[..., None], 3, axis=-1)
    >>> logits = np.random.default_rng(0).normal(np.eye(2)[mask])
    >>> found = keras_seg.crf_search(
    ...     [(image, logits, mask)], weight=4, sxy=[5, 30], srgb=5, verbose=0)
    >>> round(found.baseline, 2), round(found.mean_iou, 2)
    (0.71, 1.0)
    >>> found.settings.bilateral
    Bilateral(sxy=5, srgb=5, weight=4)
    """
    base = Settings.of(preset)
    axes = search_axes(space, weight=weight, sxy=sxy, srgb=srgb)
    if limit is not None:
        check_positive(limit=limit)
    with _bar(verbose) as bar:
        task = bar.add_task("Logits", total=_length(data, limit))
        samples, matrix = _read_samples(
            data,
            model,
            ignore_class,
            limit,
            lambda done: bar.update(task, completed=done),
        )
        baseline = scores(matrix).mean_iou
        trials = _search(samples, base, axes, ignore_class, baseline, bar)
    best = max(trials, key=lambda trial: trial["mean_iou"])
    kernel = Bilateral(**{name: best[name] for name in axes})
    return CRFSearch(
        settings=dataclasses.replace(base, bilateral=kernel),
        mean_iou=best["mean_iou"],
        baseline=baseline,
        trials=trials,
        images=len(samples),
    )


def _search(samples, base, axes, ignore_class, baseline, bar):
    """The trials, in their order."""
    trials: list[dict[str, float]] = []
    task = bar.add_task("CRF", total=None)

    def score(point):
        pairs = zip(axes.items(), point, strict=True)
        trial = {name: values[index] for (name, values), index in pairs}
        settings = dataclasses.replace(base, bilateral=Bilateral(**trial))
        matrix = 0
        for number, sample in enumerate(samples, start=1):
            matrix += _refined_matrix(sample, settings, ignore_class)
            bar.update(task, completed=len(trials) + number / len(samples))
        trials.append({**trial, "mean_iou": scores(matrix).mean_iou})
        best = max(trial["mean_iou"] for trial in trials)
        text = f"CRF {best:.4f}, without {baseline:.4f}"
        bar.update(task, description=text)
        return trials[-1]["mean_iou"]

    counts = [len(values) for values in axes.values()]
    coarse_to_fine(score, counts, lambda total: bar.update(task, total=total))
    return trials


def _refined_matrix(sample, settings, ignore_class):
    """The confusion matrix of an image, refined."""
    image, logits, mask = sample
    refined = dense_crf(
        image, logits, **settings.as_arguments(), return_logits=True
    )
    prediction = ops.convert_to_numpy(refined).argmax(axis=-1)
    return count_pairs(mask, prediction, logits.shape[-1], ignore_class)


def _read_samples(data, model, ignore_class, limit, progress):
    """Reads samples, and counts what the logits alone get right.

    Args:
        data, model, ignore_class, limit: of `crf_search`.
        progress: function of the number of samples read.

    Returns:
        Tuple (samples, matrix): list of triples (image, logits, mask), the
        logits float32 or float16, and the int64 confusion matrix `(classes,
        classes)` of the largest logits.
    """
    samples: list[tuple[np.ndarray, ...]] = []
    matrix: np.ndarray | None = None
    kept = 0
    for number, item in enumerate(itertools.islice(iter(data), limit)):
        image, logits, mask = _arrays(number, item, model)
        classes = logits.shape[-1] if matrix is None else len(matrix)
        _check(number, image, logits, mask, classes)
        try:
            found = count_pairs(mask, logits.argmax(-1), classes, ignore_class)
        except ValueError as error:
            raise ValueError(f"Item {number} of `data`: {error}") from None
        matrix = found if matrix is None else matrix + found
        kept += logits.nbytes
        if kept > _FLOAT32_BYTES:
            logits = _halved(logits)
        samples.append((image, logits, mask))
        progress(len(samples))
    if matrix is None:
        raise ValueError("`data` must have at least one item. Received: none")
    if not matrix.any():
        raise ValueError(
            "The masks must have pixels that are not void. Received: "
            f"{len(samples)} masks of ignore_class={ignore_class} alone"
        )
    return samples, matrix


def _arrays(number, item, model):
    if len(item) != (3 if model is None else 2):
        raise ValueError(
            "`data` must give pairs (image, mask) for a model, or triples "
            "(image, logits, mask) without one. Received: item "
            f"{number} of length {len(item)}, model={model!r}"
        )
    image, mask = np.asarray(item[0]), np.asarray(item[-1])
    if model is None:
        logits = ops.convert_to_numpy(item[1])
    else:
        logits = ops.convert_to_numpy(model.predict_on_batch(image[None]))[0]
    return image, logits.astype("float32", copy=False), mask


def _check(number, image, logits, mask, classes):
    fits = image.ndim == logits.ndim == 3 and mask.dtype.kind in "iu"
    if (
        not fits
        or not image.shape[:2] == logits.shape[:2] == mask.shape
        or image.size == 0
    ):
        raise ValueError(
            "An item must be an image (height, width, channels), logits "
            "(height, width, classes) and an integer mask (height, width), of "
            f"one size. Received: item {number} with an image {image.shape}, "
            f"logits {logits.shape} and a mask {mask.shape} of {mask.dtype}"
        )
    if logits.shape[-1] != classes or classes < 2:
        raise ValueError(
            "There must be logits of at least two classes, as many for all "
            f"images. Received: {logits.shape[-1]} in item {number}, {classes} "
            "in the first"
        )
    if not np.isfinite(logits).all():
        raise ValueError(
            f"Logits must be finite. Received: item {number} with NaN or "
            "infinity"
        )
    if logits.min() >= 0 and np.abs(logits.sum(-1) - 1).max() < 1e-3:
        raise ValueError(
            "Logits are what goes into the softmax, not its probabilities: "
            "leave the softmax out, or give numpy.log of them. Received: "
            f"item {number} whose scores sum to 1 at every pixel"
        )


def _halved(logits):
    """The same but for a constant at each pixel, as float16.

    The largest become 0, where float16 is finest.
    """
    least = np.finfo("float16").min
    logits = logits - logits.max(axis=-1, keepdims=True)
    return np.maximum(logits, least).astype("float16")


def _length(data, limit):
    """The number of items to read, or None if it is unknown."""
    length = len(data) if hasattr(data, "__len__") else None
    return min(filter(None, (length, limit)), default=None)


def _bar(verbose):
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not verbose,
    )
