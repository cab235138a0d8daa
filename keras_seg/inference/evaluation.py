"""Evaluation of a model on a data set, each image at its own size."""

import collections
import dataclasses
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from keras_seg import metrics
from keras_seg import words
from keras_seg.arguments import check_positive
from keras_seg.arguments import unmasked
from keras_seg.data import ClassTable
from keras_seg.data.folder import PairSequence
from keras_seg.inference.one_size import one_size_of
from keras_seg.inference.one_size import predict_ids
from keras_seg.inference.predict import buckets
from keras_seg.inference.predict import predict
from keras_seg.inference.reliability import Reliability
from keras_seg.inference.scores import Model
from keras_seg.inference.scores import predict_scores
from keras_seg.inference.scores import warn_of_weights
from keras_seg.metrics import Scores
from keras_seg.metrics import count_labels
from keras_seg.metrics import count_pairs
from keras_seg.metrics import scores
from keras_seg.metrics.confusion import MASKS_OF_0_255
from keras_seg.metrics.confusion import seems_0_255
from keras_seg.runs.model_file import class_table_of
from keras_seg.score_form import ScoreForm
from keras_seg.score_form import number_of_classes

__all__ = ["Evaluation", "evaluate"]

# Logits in memory that calibration is measured on.
SAMPLE = 2**22


@dataclasses.dataclass(frozen=True, eq=False)
class Evaluation:
    """The result of `evaluate`.

    Args:
        matrix: int64 array `(classes, classes)`, the confusion matrix: rows
            are true classes, columns predicted ones. Of labels `(labels, 2,
            2)`, one of absent and present for each.
        class_table: `keras_seg.data.ClassTable`.
        images: int, number of images.
        per_image: float64 array `(images,)`, the mean IoU of each image, see
            `keras_seg.metrics.per_image_iou`; empty if only the matrix is
            known.
        bands: dictionary from the width of a band along the boundaries to
            its `keras_seg.metrics.Scores`, or None without `trimap`.
        model: the model that was evaluated, for `show_worst`.
        data: the data it was evaluated on, for `show_worst`.
        reliability: `keras_seg.inference.Reliability`, or None without
            `calibration`.
    """

    matrix: NDArray[np.int64]
    class_table: ClassTable
    images: int
    per_image: Sequence[float] | NDArray[np.float64] = ()
    bands: dict[int, Scores] | None = None
    model: Model | None = dataclasses.field(default=None, repr=False)
    data: PairSequence | None = dataclasses.field(default=None, repr=False)
    reliability: Reliability | None = None

    @property
    def scores(self) -> Scores:
        """`keras_seg.metrics.Scores` of the matrix."""
        return scores(self.matrix)

    def worst(self, count: int = 8) -> list[int]:
        """Finds the images with the smallest mean IoU.

        Args:
            count: int, largest number of images.

        Returns:
            List of their indices in the data, the worst first, without images
            that are all void.
        """
        known = np.flatnonzero(np.isfinite(self.per_image))
        ious = np.asarray(self.per_image)[known]
        return known[np.argsort(ious, kind="stable")][:count].tolist()

    def show_worst(self, count: int = 8) -> Image.Image:
        """Draws the worst images: image, truth, prediction and error.

        The model predicts them again. The number in the title of each is its
        mean IoU.

        Args:
            count: int, largest number of images.

        Returns:
            `PIL.Image.Image`, which a notebook shows and `.save("worst.png")`
            writes.

        Raises:
            ValueError: If no image has a score, or the evaluation does not
                come from `evaluate`.

        Example:

        >>> from keras_seg.applications import UNet
        >>> from keras_seg.data import synthetic
        >>> from keras_seg.inference import evaluate
        >>> model = UNet(classes=2, filters=4, depth=2)
        >>> pairs = list(zip(*synthetic.membranes(2, size=32)))
        >>> picture = evaluate(model, pairs).show_worst(1)
        """
        from keras_seg.visualization import comparison
        from keras_seg.visualization.notebook import as_image

        if self.model is None or self.data is None:
            raise ValueError(
                "`show_worst` needs the evaluation that `evaluate` returned."
            )
        pairs = getattr(self.data, "pairs", None)
        examples = []
        for index in self.worst(count):
            image, mask = map(np.asarray, self.data[index])
            name = f"image {index}" if pairs is None else pairs[index].stem
            title = f"{name}: {self.per_image[index]:.3f}"
            examples.append((title, image, mask, predict(self.model, image)))
        return as_image(comparison(examples, self.class_table))

    def _repr_html_(self) -> str:
        from keras_seg.visualization.notebook import as_html

        rows = [list(row.values()) for row in self.rows()]
        rows = [
            [f"{x:.3f}" if isinstance(x, float) else x for x in row]
            for row in rows
        ]
        known = self.model is not None and self.worst(1)
        return as_html(
            f"{words.count(self.images, 'image')}, mean IoU "
            f"{self.scores.mean_iou:.3f}",
            ("id", "class", "IoU", "accuracy", "pixels"),
            rows,
            self.show_worst(3) if known else None,
        )

    def rows(self) -> list[dict[str, Any]]:
        """The scores of each class.

        Returns:
            List of dictionaries `{"id", "name", "iou", "accuracy", "pixels"}`.
            Scores of an absent class are NaN; `pixels` counts the truth.
        """
        found = self.scores
        # Of labels, where each is.
        truth = self.matrix.sum(axis=-1)
        truth = truth[:, 1] if self.matrix.ndim == 3 else truth
        return [
            {
                "id": i,
                "name": name,
                "iou": float(found.per_class_iou[i]),
                "accuracy": float(found.per_class_accuracy[i]),
                "pixels": int(truth[i]),
            }
            for i, name in enumerate(self.class_table.names)
        ]


def evaluate(
    model: Model,
    data: PairSequence,
    batch_size: int = 4,
    *,
    bucket: int = 1,
    class_table: ClassTable | None = None,
    trimap: str | None = None,
    from_logits: bool | None = None,
    calibration: bool = False,
    progress: Callable[[int], object] | None = None,
) -> Evaluation:
    """Sums the confusion matrix of a model over a data set.

    No image is scaled or cropped: each pixel of the data counts once. A model
    of one score a pixel has two classes, by its threshold. For a model of
    labels masks hold 0 and 1 for each, `(height, width, labels)`, and void
    counts label by label.

    Args:
        model: `keras.Model`, images to scores of the same size, or a
            `keras_seg.deployment.ExportedModel`.
        data: `keras_seg.data.Folder`, or any sequence of `(image, mask)`.
        batch_size: int, largest number of images in a batch, of consecutive
            images in one bucket.
        bucket: int, pixels; images are padded to multiples of it, and what
            is predicted there is not counted. JAX compiles for each size:
            for images of many sizes, 32 saves most of the time, and scores
            what `predict` returns for a stream. Defaults to 1, no padding.
        class_table: `keras_seg.data.ClassTable`. Defaults to that of `data`,
            or else of the model, or else to one without names.
        trimap: optional str, the kind of boundaries for scores in bands along
            them, see `keras_seg.metrics.trimap`; not of labels.
        from_logits: see `predict`.
        calibration: bool, whether the probabilities are compared with the
            truth, too, on pixels drawn by chance, equally many of each image.
            Defaults to False.
        progress: optional function of the number of images done.

    Returns:
        `Evaluation`.

    Raises:
        ValueError: If an id is outside the classes, the model has another
            number of classes than the data or other names for them, masks
            of two classes hold only 0 and 255, or there is `calibration` of
            a model that takes images of one size.

    Example:

    >>> from keras_seg.applications import UNet
    >>> from keras_seg.data import synthetic
    >>> from keras_seg.inference import evaluate
    >>> model = UNet(classes=2, filters=4, depth=2)
    >>> pairs = list(zip(*synthetic.membranes(2, size=32)))
    >>> found = evaluate(model, pairs, class_table=synthetic.MEMBRANE_CLASSES)
    >>> int(found.matrix.sum()), [row["name"] for row in found.rows()]
    (2048, ['cell', 'membrane'])
    """
    check_positive(batch_size=batch_size, bucket=bucket)
    if len(data) == 0:
        raise ValueError("`data` must have at least one pair. Received: none")
    form = ScoreForm.of(model, from_logits, certain=calibration)
    count = number_of_classes(model)
    own = class_table_of(model)
    if class_table is None:
        class_table = getattr(data, "class_table", None) or own
    if class_table is None:
        class_table = ClassTable.default(count)
    if count != len(class_table):
        raise ValueError(
            f"The model must have the classes of the data. Received: a model "
            f"of {count} classes, data of {len(class_table)}"
        )
    tables = [x for x in (own, class_table) if x is not None]
    names = [
        x.names for x in tables if x.names != ClassTable.default(count).names
    ]
    if len(set(names)) > 1:
        raise ValueError(
            "The model must have the classes of the data, in their order. "
            f"Received: a model of {', '.join(names[0])}; data of "
            f"{', '.join(names[1])}"
        )
    if form.multi_label and trimap is not None:
        raise ValueError(
            "`trimap` is of classes that exclude each other. Fix: leave it "
            f"out. Received: trimap={trimap!r}, a model of {count} labels"
        )
    if calibration and one_size_of(model) is not None:
        raise ValueError(
            "`calibration` is of models that take images of any size. "
            f"Received: a model of {one_size_of(model)}"
        )
    warn_of_weights(model)
    shape = (count, 2, 2) if form.multi_label else (count, count)
    matrix = np.zeros(shape, np.int64)
    per_image: list[float] = []
    void = 0
    drawn: list[tuple[NDArray, NDArray]] = []
    quota = max(1, SAMPLE // (len(data) * count))

    def pairs() -> Iterator[tuple[NDArray, NDArray]]:
        nonlocal void
        for batch, images in buckets(
            model, _masks_first(data), batch_size, bucket
        ):
            if calibration:
                scores_of = predict_scores(model, images)
                found = form.ids_of(scores_of)
            else:
                found = predict_ids(model, images, form)
            for number, (mask, image) in enumerate(batch):
                inside: tuple = (number, *map(slice, image.shape[:2]))
                pair = mask, found[inside]
                counts = _count(*pair, count, form.multi_label)
                if calibration:
                    sample = scores_of[inside], mask, form, quota
                    drawn.append(_sample(*sample, seed=len(per_image)))
                matrix[:] += counts
                void += mask.size - int(counts.sum())
                per_image.append(scores(counts).mean_iou)
                yield pair
            if progress is not None:
                progress(len(per_image))

    bands = None
    if trimap is None:
        collections.deque(pairs(), maxlen=0)
    else:
        bands = metrics.trimap(pairs(), count, kind=trimap)
    # The masks of a folder have been read by its table of classes.
    if not hasattr(data, "class_table") and seems_0_255(matrix, void, 255):
        raise ValueError(MASKS_OF_0_255)
    reliability = None
    if any(len(truth) for _, truth in drawn):
        logits, truth = map(np.concatenate, zip(*drawn, strict=True))
        reliability = Reliability.of(logits, truth, form.temperature)
    return Evaluation(
        matrix,
        class_table,
        len(per_image),
        np.array(per_image),
        bands,
        model,
        data,
        reliability,
    )


def _sample(
    scores: NDArray, mask: NDArray, form: ScoreForm, quota: int, seed: int
) -> tuple[NDArray, NDArray]:
    """Logits `(pixels, classes)` of some pixels, and their classes.

    One score is that of the second of two classes, as each of several labels.
    """
    logits = form.logits_of(scores)
    if form.by_threshold:
        logits = np.stack([np.zeros_like(logits), logits], axis=-1)
    truth = mask.ravel()
    logits = logits.reshape(truth.size, -1)
    known = np.flatnonzero(truth < logits.shape[-1])
    if len(known) > quota:
        known = np.random.default_rng(seed).choice(known, quota, replace=False)
    return logits[known], truth[known]


def _count(
    mask: NDArray, ids: NDArray, classes: int, multi_label: bool
) -> NDArray[np.int64]:
    """The matrix of one image; refuses masks of the other kind."""
    if (mask.ndim == 3) != multi_label:
        kind = "(height, width, labels)" if multi_label else "(height, width)"
        raise ValueError(
            f"Masks must be {kind} for this model. Fix: read the data with "
            f"multi_label={multi_label}, or note(model, multi_label="
            f"{not multi_label}) of keras_seg.layers.metadata. Received: a "
            f"mask of shape {mask.shape}"
        )
    return (
        count_labels(mask, ids)
        if multi_label
        else count_pairs(mask, ids, classes)
    )


def _masks_first(data: Any) -> Iterator[tuple[NDArray, NDArray]]:
    for index in range(len(data)):
        image, mask = map(unmasked, data[index])
        yield mask, image
