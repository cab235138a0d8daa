"""Images with masks, drawn from a seed, without download."""

import pathlib

import numpy as np
from PIL import Image

from keras_seg.data.classes import VOID
from keras_seg.data.classes import voc_colormap
from keras_seg.data.synthetic.membranes import MEMBRANE_CLASSES
from keras_seg.data.synthetic.membranes import membranes
from keras_seg.data.synthetic.shapes import shape_classes
from keras_seg.data.synthetic.shapes import shapes

__all__ = [
    "MEMBRANE_CLASSES",
    "membranes",
    "shape_classes",
    "shapes",
    "write_folder",
]


def write_folder(path, images, masks, classes, split="train"):
    """Write images, masks and the class table, as `from_folder` reads them.

    Images go to `path/<split>/images/0000.png` and on, masks as PNG of
    indices with the palette of the classes to `path/<split>/labels`, and the
    table to `path/classes.csv`.

    Args:
        path: str or path; made if it does not exist.
        images: uint8 array or sequence of arrays `(height, width, 3)`.
        masks: the same of integer arrays `(height, width)`, ids of the
            classes and 255.
        classes: `ClassTable`.
        split: str.

    Example:

    >>> import tempfile
    >>> from keras_seg import data
    >>> path = tempfile.mkdtemp()
    >>> data.synthetic.write_folder(
    ...     path, *data.synthetic.shapes(4, size=32),
    ...     data.synthetic.shape_classes(5), split="val")
    >>> data.splits(path), len(data.from_folder(path, "val"))
    (('val',), 4)
    """
    if len(images) != len(masks):
        raise ValueError(
            "There must be one mask for each image. Received: "
            f"{len(images)} images, {len(masks)} masks"
        )
    path = pathlib.Path(path)
    folders = [path / split / name for name in ("images", "labels")]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    palette = voc_colormap(256)
    palette[: len(classes)] = classes.colors
    palette[VOID] = (224, 224, 192)
    digits = max(4, len(str(len(images) - 1)))
    for i, (image, mask) in enumerate(zip(images, masks, strict=True)):
        name = f"{i:0{digits}d}.png"
        Image.fromarray(np.asarray(image)).save(folders[0] / name)
        indices = Image.fromarray(np.asarray(mask).astype("uint8"))
        indices.putpalette(palette.tobytes())
        indices.save(folders[1] / name)
    classes.write(path / "classes.csv")
