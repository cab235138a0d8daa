"""The layout of PASCAL VOC: JPEGImages, SegmentationClass, ImageSets."""

import pathlib

from keras_seg.data.classes import VOID
from keras_seg.data.classes import ClassTable
from keras_seg.data.classes import voc_colormap
from keras_seg.data.errors import DataError
from keras_seg.data.layout import existing
from keras_seg.data.layout import missing_split
from keras_seg.data.layout import sorted_splits
from keras_seg.data.pairs import find_pairs
from keras_seg.data.readers.plain import find_table
from keras_seg.data.readers.plain import from_files

__all__ = ["VOC_CLASSES", "find_voc_pairs", "from_voc", "voc_splits"]

_LISTS = pathlib.Path("ImageSets", "Segmentation")
_IMAGES, _MASKS = "JPEGImages", "SegmentationClass"

VOC_CLASSES = ClassTable(
    names=(
        "background",
        "aeroplane",
        "bicycle",
        "bird",
        "boat",
        "bottle",
        "bus",
        "car",
        "cat",
        "chair",
        "cow",
        "diningtable",
        "dog",
        "horse",
        "motorbike",
        "person",
        "pottedplant",
        "sheep",
        "sofa",
        "train",
        "tvmonitor",
    ),
    colors=tuple(map(tuple, voc_colormap(21).tolist())),
    void_colors=((VOID, (224, 224, 192)),),
)


def from_voc(
    path,
    split=None,
    *,
    classes=None,
    check=True,
    mask_values=None,
    channels=3,
    problems=None,
):
    """Read the layout of PASCAL VOC.

    `path` holds `JPEGImages`, `SegmentationClass` and
    `ImageSets/Segmentation/<split>.txt`, a stem a line. Masks are palette
    PNG, whose indices are the ids; 255 is void. Masks with colours are
    decoded by the colours of the class table.

    Args:
        path: str or path.
        split: optional str, a list's name; needed where there are several.
        classes: optional `ClassTable` or number of classes. By default
            `classes.csv` in the folder or above, or else VOC's 21.
        check: bool, decode and check every file now.
        mask_values: optional dictionary, see `from_folder`.
        channels: optional int, see `read_image`.
        problems: optional list that takes the errors of single files: what
            can be paired is read then.

    Returns:
        A `Folder`.

    Raises:
        DataError: a file or the folder is not as it must be.
    """
    pairs = find_voc_pairs(path, split, problems)
    classes = find_table(path, classes)
    if classes is None:
        classes = VOC_CLASSES
    return from_files(pairs, classes, check, mask_values, channels)


def voc_splits(path):
    """The lists of a folder in VOC's layout; `None` of another layout."""
    path = existing(path)
    if not (path / _MASKS).is_dir() or not (path / _LISTS).is_dir():
        return None
    return sorted_splits({file.stem for file in (path / _LISTS).glob("*.txt")})


def find_voc_pairs(path, split, problems=None):
    """The pairs of a list.

    Args:
        path: str or path of a folder in VOC's layout.
        split: optional str; `None` takes the only list.
        problems: optional list that takes the errors of single files.

    Returns:
        Tuple of `Pair`.

    Raises:
        DataError: a folder, the list, an image or a mask is missing.
    """
    path = existing(path)
    names: tuple[str, ...] = voc_splits(path) or ()
    if split is None and len(names) == 1:
        split = names[0]
    for folder in (_IMAGES, _MASKS):
        if not (path / folder).is_dir():
            raise DataError(
                "KS-D001",
                path,
                f"has no folder {folder}",
                f"images are looked for in {_IMAGES}, masks in {_MASKS}",
                guess=(
                    "The masks seem exported without the images."
                    if folder == _IMAGES
                    else None
                ),
                fix=f"put them into {folder}, or correct the path",
            )
    if split not in names:
        name = f"{split or '*'}.txt"
        looked = f": there is no {(_LISTS / name).as_posix()}"
        raise missing_split(path, split, names, looked)
    list_file = path / _LISTS / f"{split}.txt"
    return find_pairs(path / _IMAGES, path / _MASKS, list_file, problems)
