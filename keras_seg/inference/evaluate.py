"""A model's scores on a data set, every image at its own size."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from keras_seg.data import ClassTable
from keras_seg.inference.scores import predict_batch
from keras_seg.metrics import Scores
from keras_seg.metrics import count_pairs
from keras_seg.metrics import scores

__all__ = ["Evaluation", "evaluate"]


@dataclasses.dataclass(frozen=True, eq=False)
class Evaluation:
    """What `evaluate` found.

    Args:
        matrix: int64 array `(classes, classes)`, pixels; rows are the truth.
        classes: `keras_seg.data.ClassTable`.
        images: int, number of images.
    """

    matrix: NDArray[np.int64]
    classes: ClassTable
    images: int

    @property
    def scores(self) -> Scores:
        """`keras_seg.metrics.Scores` of the matrix."""
        return scores(self.matrix)

    def rows(self):
        """The scores of each class, a dictionary each.

        Returns:
            List of `{"id", "name", "iou", "accuracy", "pixels"}`: NaN is
            what an absent class has, `pixels` those of the truth.
        """
        found = self.scores
        return [
            {
                "id": i,
                "name": name,
                "iou": float(found.per_class_iou[i]),
                "accuracy": float(found.per_class_accuracy[i]),
                "pixels": int(self.matrix[i].sum()),
            }
            for i, name in enumerate(self.classes.names)
        ]


def evaluate(model, data, batch_size=4, *, classes=None, progress=None):
    """Counts, over a data set, which class was taken for which.

    One matrix is summed over all images; no image is scaled, cropped or
    padded, so that the scores are those of the user's own pixels.

    Args:
        model: `keras.Model`, images to scores of the same size.
        data: `keras_seg.data.Folder`, or any sequence of `(image, mask)`.
        batch_size: int, the most images in a batch; neighbours of one size
            go together.
        classes: `keras_seg.data.ClassTable`; that of `data` by default, or
            else one with as many classes as the model has.
        progress: optional function of the number of images done.

    Returns:
        `Evaluation`.

    Raises:
        ValueError: if an id is outside the classes, or the model does not
            fit the data.

    Example:

    >>> from keras_seg.applications import UNet
    >>> from keras_seg.data import synthetic
    >>> from keras_seg.inference import evaluate
    >>> model = UNet(classes=2, filters=4, depth=2)
    >>> pairs = list(zip(*synthetic.membranes(2, size=32)))
    >>> found = evaluate(model, pairs, classes=synthetic.MEMBRANE_CLASSES)
    >>> int(found.matrix.sum()), [row["name"] for row in found.rows()]
    (2048, ['cell', 'membrane'])
    """
    if len(data) == 0:
        raise ValueError("`data` must have at least one pair. Received: none")
    count = model.output_shape[-1]
    if classes is None:
        classes = getattr(data, "classes", None) or ClassTable.default(count)
    if count != len(classes):
        raise ValueError(
            f"The model must have the classes of the data. Received: a model "
            f"of {count} classes, data of {len(classes)}"
        )
    matrix = np.zeros((count, count), np.int64)
    done = 0
    for images, masks in _batches(data, batch_size):
        matrix += count_pairs(masks, predict_batch(model, images), count)
        done += len(images)
        if progress is not None:
            progress(done)
    return Evaluation(matrix, classes, done)


def _batches(data, batch_size):
    """Neighbours of one size, stacked."""
    images: list = []
    masks: list = []
    for index in range(len(data)):
        image, mask = map(np.asarray, data[index])
        other = images and images[0].shape != image.shape
        if other or len(images) == batch_size:
            yield np.stack(images), np.stack(masks)
            images, masks = [], []
        images.append(image)
        masks.append(mask)
    yield np.stack(images), np.stack(masks)
