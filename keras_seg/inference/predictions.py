"""What `predict` gives for a stream of images."""

import itertools
import os
from collections.abc import Generator
from collections.abc import Iterator
from typing import Any
from typing import NamedTuple

from numpy.typing import NDArray
from PIL import Image

from keras_seg.arguments import check_positive
from keras_seg.data import VOID
from keras_seg.data import ClassTable

__all__ = ["Prediction", "Predictions"]


class Prediction(NamedTuple):
    """The prediction for one image of a stream.

    Args:
        source: the path of the image as it was given; the tuple of path and
            number for a frame of a video; the number for an array. Numbers
            begin at 0.
        image: array `(height, width, channels)`, upright, in 0...255.
        ids: uint8 array `(height, width)` of class ids; uint16 for more than
            256 classes; of a model of labels `(height, width, labels)` of 0
            and 1.
        probabilities: float16 array `(height, width, classes)` if they were
            asked for, else None.
        valid: bool array `(height, width)`, which pixels of the image have
            data, see `keras_seg.data.read_image`; None if all have. The ids of
            others are 255, where that is no class.
    """

    source: Any
    image: NDArray
    ids: NDArray
    probabilities: NDArray | None = None
    valid: NDArray | None = None


class Predictions(Iterator[Prediction]):
    """The predictions of a stream, each made when it is asked for.

    Args:
        stream: generator of `Prediction`.
        class_table: `keras_seg.data.ClassTable` of the model, or None if it
            does not know its classes.
        has_void: bool, whether the id 255 is void, and no class.
    """

    def __init__(
        self,
        stream: Generator[Prediction],
        class_table: ClassTable | None,
        has_void: bool = True,
    ) -> None:
        self._stream = stream
        self._has_void = has_void
        self.class_table = class_table

    def __next__(self) -> Prediction:
        return next(self._stream)

    def close(self) -> None:
        """Stops reading; there are no more predictions."""
        self._stream.close()

    def show(self, count: int = 4) -> Image.Image:
        """Draws the next images, beside themselves with their classes.

        Args:
            count: int, largest number of images.

        Returns:
            `PIL.Image.Image`, which a notebook shows and `.save("found.png")`
            writes.

        Raises:
            ValueError: If the stream has ended, or a class is not below 255.

        Example:

        >>> from keras_seg.applications import UNet
        >>> from keras_seg.data import synthetic
        >>> from keras_seg.inference import predict
        >>> model = UNet(classes=2, filters=4, depth=2)
        >>> images, _ = synthetic.membranes(1, size=64)
        >>> predict(model, images).show().height
        528
        """
        from keras_seg.visualization import gallery
        from keras_seg.visualization.notebook import as_image

        check_positive(count=count)
        examples = [
            (_title(found.source), found.image, found.ids)
            for found in itertools.islice(self, count)
        ]
        if not examples:
            raise ValueError("There are no more predictions to show.")
        largest = max(int(ids.max()) for _, _, ids in examples)
        # A gallery shows that id as void.
        if largest > VOID or (largest == VOID and not self._has_void):
            raise ValueError(
                f"A picture shows the classes 0 to {VOID - 1}. Received: "
                f"predictions of the class {largest}"
            )
        return as_image(gallery(examples, self.class_table))


def _title(source: Any) -> str:
    if isinstance(source, int):
        return f"image {source}"
    if isinstance(source, tuple):
        return f"{os.path.basename(source[0])}, frame {source[1]}"
    return os.path.basename(source)
