"""The intersection over union of single images."""

import numpy as np

from keras_seg.metrics.pairs import count_pairs
from keras_seg.metrics.scores import scores

__all__ = ["per_image_iou"]


def per_image_iou(
    pairs, num_classes, *, ignore_class=255, absent_classes="union"
):
    """Computes the mean intersection over union of each image by itself.

    It says which images are segmented badly. Its mean over the images is not
    the mean IoU of a data set, as papers and benchmarks report it, and
    usually larger: in an image, the classes that are not there cannot be
    missed. One network that has 72.4 over PASCAL VOC was published with a
    mean over images of 78.5.

    Args:
        pairs: iterable of tuples (truth, prediction), integer arrays
            `(height, width)`; images may differ in size.
        num_classes: int.
        ignore_class: int, the label of void pixels in the truth, or None.
        absent_classes: see `keras_seg.metrics.scores`, within the image.

    Returns:
        float64 array `(images,)`, NaN for an image that is void.

    Raises:
        ValueError: if an id is outside the classes.

    Example: the second image is half right

    >>> import numpy as np
    >>> from keras_seg.metrics import per_image_iou
    >>> right, wrong = np.array([[0, 0, 1]]), np.array([[0, 0, 0]])
    >>> per_image_iou([(right, right), (right, wrong)], 2).round(3)
    array([1.   , 0.333])
    """
    return np.array(
        [
            scores(
                count_pairs(truth, prediction, num_classes, ignore_class),
                absent_classes,
            ).mean_iou
            for truth, prediction in pairs
        ]
    )
