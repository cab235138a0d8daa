"""Masks of several labels, a plane for each class: drawn, and written."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from numpy.typing import NDArray

from keras_seg.visualization.coloring import VOID
from keras_seg.visualization.coloring import save_mask

if TYPE_CHECKING:
    from keras_seg.data import ClassTable

__all__ = ["as_planes", "save_label_masks"]


def as_planes(mask: ArrayLike, classes: int) -> NDArray[np.uint8]:
    """A mask of several labels as uint8, with as many planes as classes."""
    planes = np.asarray(mask)
    shaped = planes.ndim == 3 and planes.size and planes.shape[2] == classes
    if not shaped or planes.dtype.kind not in "iu":
        raise ValueError(
            "`mask` of several labels must be an integer array (height, "
            f"width, {classes}), a plane for each color. Received: shape "
            f"{planes.shape}, dtype {planes.dtype}"
        )
    wrong = (planes != 0) & (planes != 1) & (planes != VOID)
    if wrong.any():
        raise ValueError(
            "`mask` of several labels must hold 0, 1 and, for void, "
            f"{VOID}. Received: {np.unique(planes[wrong])[:10].tolist()}"
        )
    return planes.astype(np.uint8)


def save_label_masks(
    folder: str | Path,
    name: str,
    mask: ArrayLike,
    class_table: "ClassTable",
) -> list[Path]:
    """Writes a mask of several labels as an index PNG for each class.

    The file of a class is `folder/<class>/<name>.png`, in which 1 has the
    color of the class. `keras_seg.data.from_folder(multi_label=True)` reads
    such folders back as they were. Each file appears whole or not at all.

    Args:
        folder: str or path, created if it does not exist.
        name: str, the stem of the image.
        mask: integer array `(height, width, classes)`: 1 where a class is, 0
            where it is not, 255 where that is not known.
        class_table: `keras_seg.data.ClassTable`.

    Returns:
        List of the paths, in the order of the classes.

    Raises:
        ValueError: if the mask has other planes or values, or two classes
            would share a folder.

    Example:

    >>> import tempfile
    >>> from keras_seg.data import ClassTable
    >>> mask = np.array([[[1, 1], [0, 255]]], "uint8")
    >>> table = ClassTable(("road", "car"), ((128, 0, 0), (0, 128, 0)))
    >>> files = save_label_masks(tempfile.mkdtemp(), "0001", mask, table)
    >>> ["/".join(file.parts[-2:]) for file in files]
    ['road/0001.png', 'car/0001.png']
    """
    from keras_seg.data.stacks import label_folders

    planes = as_planes(mask, len(class_table))
    files = []
    for k, part in enumerate(label_folders(class_table.names)):
        file = Path(folder) / part / f"{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        save_mask(file, planes[..., k], [(0, 0, 0), class_table.colors[k]])
        files.append(file)
    return files
