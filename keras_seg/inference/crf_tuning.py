"""The settings of the fully connected CRF, tuned on images with masks."""

import dataclasses
import numbers

from keras import ops
from rich.console import Console
from rich.progress import BarColumn
from rich.progress import MofNCompleteColumn
from rich.progress import Progress
from rich.progress import TextColumn
from rich.progress import TimeRemainingColumn

from keras_seg.data import VOID
from keras_seg.inference.coarse_to_fine import coarse_to_fine
from keras_seg.inference.crf_samples import read_samples
from keras_seg.inference.crf_space import search_axes
from keras_seg.metrics import count_pairs
from keras_seg.metrics import scores
from keras_seg.ops.crf import Bilateral
from keras_seg.ops.crf import Settings
from keras_seg.ops.crf import dense_crf

__all__ = ["CRFSearch", "crf_search"]


@dataclasses.dataclass(frozen=True, eq=False)
class CRFSearch:
    """What `crf_search` found.

    Attributes:
        settings: `keras_seg.ops.crf.Settings`, the best.
        mean_iou: float, the score with them.
        baseline: float, the score without a CRF.
        trials: list of dictionaries `{"weight", "sxy", "srgb", "mean_iou"}`,
            one for each evaluation, in their order.
        images: int, how many images the scores are of.
    """

    settings: Settings
    mean_iou: float
    baseline: float
    trials: list[dict[str, float]]
    images: int


def crf_search(
    data,
    model=None,
    *,
    space="deeplab_v2",
    weight=None,
    sxy=None,
    srgb=None,
    preset="deeplab_v1",
    ignore_class=VOID,
    limit=100,
    verbose=1,
):
    """Tunes the bilateral kernel of the fully connected CRF, coarse to fine.

    As DeepLab did, on a hundred images of the validation set: the Gaussian
    kernel and the iterations stay those of the preset, and the bilateral
    kernel's weight and deviations that give the highest mean IoU are looked
    for on a grid. References:

    - [Semantic Image Segmentation with Deep Convolutional Nets and Fully
      Connected CRFs](https://arxiv.org/abs/1412.7062)
    - [DeepLab: Semantic Image Segmentation with Deep Convolutional Nets,
      Atrous Convolution, and Fully Connected CRFs](
      https://arxiv.org/abs/1606.00915)

    | `space` | `weight` | `sxy`, in steps of 10 | `srgb` | grid |
    |---|---|---|---|---|
    | `"deeplab_v1"` | 5 … 10 | 50 … 100 | 3 … 10 | 288 |
    | `"deeplab_v2"` | 3 … 6 | 30 … 100 | 3 … 6 | 128 |

    The papers don't say what coarse to fine is. Here, first come both ends
    and the middle of each range, in all combinations; then the 26 neighbours
    of the best at half that distance, at half of this and so on, down to one
    step of the grid, and there on and on until no neighbour is better. Nothing
    is evaluated twice: it takes about 60 evaluations of the larger grid, 50 of
    the smaller. Each is a call of `keras_seg.dense_crf` for every image.

    The network runs once. Its logits are kept in memory: as float32 up to 1
    GiB (about 65 images of 500 x 375 with 21 classes), as float16 from there
    on. JAX compiles anew for every size of image and of lattice: there it is
    much slower than on other backends, unless images have one size.

    A score is that of the images searched on, so it flatters: report that of
    others. Where the CRF does not help at all, `mean_iou` is below `baseline`.

    Args:
        data: iterable of pairs `(image, mask)`, as `keras_seg.data.Folder`;
            or of triples `(image, logits, mask)` without a model. Arrays
            `(height, width, channels)` in 0 … 255, `(height, width, classes)`
            and integers `(height, width)`. Sizes may differ.
        model: `keras.Model`, images to logits of the same size, or None.
        space: str, the ranges that are not given. Defaults to
            `"deeplab_v2"`.
        weight, sxy, srgb: of `keras_seg.ops.crf.Bilateral`: a tuple `(lowest,
            highest)`, a range in steps of 1, 10 and 1; a list of the values
            to choose from, ascending; or a number, which stays. None for
            those of the space.
        preset: str, what the rest of the settings is, see
            `keras_seg.dense_crf`. Defaults to `"deeplab_v1"`.
        ignore_class: int, the id of void pixels in masks, or None for none.
            Defaults to 255.
        limit: int, the most items of `data` that are taken, the first ones,
            or None for all. Defaults to 100.
        verbose: int or bool; 0 for no bar on the standard error.

    Returns:
        `CRFSearch`. `dense_crf(image, logits, **found.settings.as_arguments())`
        refines with what was found.

    Raises:
        ValueError: for arguments or data that can't be, naming them.

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
    whole = isinstance(limit, numbers.Integral) and not isinstance(limit, bool)
    if limit is not None and (not whole or limit < 1):
        raise ValueError(
            "`limit` must be an integer of at least 1, or None for all. "
            f"Received: limit={limit!r}"
        )
    with _bar(verbose) as bar:
        task = bar.add_task("Logits", total=_length(data, limit))
        samples, matrix = read_samples(
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
            matrix += _matrix(sample, settings, ignore_class)
            bar.update(task, completed=len(trials) + number / len(samples))
        trials.append({**trial, "mean_iou": scores(matrix).mean_iou})
        best = max(trial["mean_iou"] for trial in trials)
        text = f"CRF {best:.4f}, without {baseline:.4f}"
        bar.update(task, description=text)
        return trials[-1]["mean_iou"]

    counts = [len(values) for values in axes.values()]
    coarse_to_fine(score, counts, lambda total: bar.update(task, total=total))
    return trials


def _matrix(sample, settings, ignore_class):
    """The confusion matrix of an image, refined."""
    refined = dense_crf(
        sample.image,
        sample.logits,
        **settings.as_arguments(),
        return_logits=True,
    )
    prediction = ops.convert_to_numpy(refined).argmax(axis=-1)
    classes = sample.logits.shape[-1]
    return count_pairs(sample.mask, prediction, classes, ignore_class)


def _length(data, limit):
    """How many items will be read, or None where nobody knows."""
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
