"""YOLO's polygons: a text file for each image, names in data.yaml."""

import dataclasses
import pathlib

from keras_seg.data.class_files import names_by_id
from keras_seg.data.errors import DataError
from keras_seg.data.folder import Folder
from keras_seg.data.image_files import is_image_file
from keras_seg.data.images import read_size
from keras_seg.data.layout import missing_split
from keras_seg.data.layout import sorted_splits
from keras_seg.data.pairs import Pair
from keras_seg.data.readers.labels import match_labels
from keras_seg.data.readers.plain import find_table
from keras_seg.data.readers.polygons import fill
from keras_seg.data.readers.polygons import paint
from keras_seg.data.readers.records import outline
from keras_seg.data.readers.records import refuse_shape
from keras_seg.data.readers.records import unique_stems
from keras_seg.data.text import brief
from keras_seg.data.text import malformed
from keras_seg.data.text import parse_id
from keras_seg.data.text import read_text
from keras_seg.data.text import read_yaml

__all__ = ["YoloMasks", "from_yolo", "yolo_splits"]

_TABLE = "data.yaml"
_SPLITS = ("train", "val", "test")
_OUTSIDE = 0.01  # of the side, which tools round away


def from_yolo(
    path,
    split=None,
    *,
    classes=None,
    check=True,
    channels=3,
    background="background",
):
    """Read polygons in YOLO's format as masks of classes.

    `data.yaml` has the names of the classes and, for train, val and test, the
    folders of images, or text files that list images. The labels of
    `…/images/…/x.jpg` are in `…/labels/…/x.txt`: lines of
    `class x y x y …`, x and y of 0..1 of the image as viewers show it, its
    EXIF orientation applied. An image without that file has no object. A
    class background comes first, so that class k of the files is k + 1. Where
    polygons overlap, the smaller one lies over the larger.

    Args:
        path: str or path of the YAML file, or of the folder with `data.yaml`.
        split: optional str, "train", "val" or "test"; needed where there are
            several.
        classes: optional `ClassTable`, whose names those of the file are
            matched with, or number of classes, the background included. By
            default `classes.csv` in the folder or above, or else the names.
        check: bool, decode and check every file now.
        channels: optional int, see `read_image`.
        background: optional str, the class of pixels in no polygon; `None`
            makes them void.

    Returns:
        A `Folder`.

    Raises:
        DataError: a file or the folder is not as it must be.
    """
    path = pathlib.Path(path)
    file = path if path.is_file() else path / _TABLE
    content = read_yaml(file)
    if not isinstance(content, dict) or "names" not in content:
        raise malformed(
            file,
            "has no names",
            "names: lists the classes, train: and val: the images",
            "add them",
        )
    names = names_by_id(content["names"], file)
    if sorted(names) != list(range(len(names))):
        raise malformed(
            file,
            f"names the classes {brief(sorted(names))}",
            "ids are 0..C-1 without a gap",
        )
    splits = _splits_of(content)
    if split is None and len(splits) == 1:
        split = splits[0]
    if split not in splits:
        looked = f": there is no {split or 'train'}:"
        raise missing_split(file, split, splits, looked)
    images = _images(file, content, split)
    table = find_table(file.parent, classes)
    ordered = [names[i] for i in sorted(names)]
    labels = match_labels(ordered, table, file, background)
    stems = unique_stems([image.name for image in images], file)
    pairs = [
        Pair(stem, image, _label_file(image))
        for stem, image in zip(stems, images, strict=True)
    ]
    _refuse_unlabelled(pairs)
    ids = tuple(labels.id_of(name, file, "") for name in ordered)
    masks = YoloMasks(ids, labels.background)
    folder = Folder(pairs, labels.classes, masks, channels)
    if check:
        folder.check()
    return folder


def yolo_splits(path):
    """The splits of YOLO's layout; `None` of another layout."""
    file = pathlib.Path(path) / _TABLE
    if not file.is_file() or (file.parent / "masks").is_dir():
        return None  # masks are pictures
    content = read_yaml(file)
    if not isinstance(content, dict) or "names" not in content:
        return None
    return _splits_of(content) or None


@dataclasses.dataclass(frozen=True)
class YoloMasks:
    """Draws the polygons of a pair's text file, large ones first.

    Args:
        ids: tuple of int, the class id of each class of the file.
        background: int, the id of the pixels in no polygon.
    """

    ids: tuple[int, ...]
    background: int

    def __call__(self, pair):
        size = read_size(pair.image)
        text = read_text(pair.mask) if pair.mask.is_file() else ""
        regions = []
        for number, line in enumerate(text.splitlines(), start=1):
            if not line.strip():
                continue
            kind, xy = _polygon(line, number, len(self.ids), pair.mask)
            regions.append((fill([xy * size[::-1]], size), self.ids[kind]))
        return paint(regions, size, self.background)


def _polygon(line, number, count, file):
    where = f"line {number}"
    text, *cells = line.split()
    kind = parse_id(text)
    if kind is None or kind >= count:
        raise malformed(
            file,
            f"has on {where} the class {brief(text)}",
            f"a line begins with a class of 0..{count - 1}",
        )
    if len(cells) == 4:
        raise refuse_shape(file, "a box instead of a polygon", where)
    points = list(zip(cells[::2], cells[1::2], strict=False))
    xy = outline(points, file, where)
    if len(cells) % 2 or xy.min() < -_OUTSIDE or xy.max() > 1 + _OUTSIDE:
        raise malformed(
            file,
            f"has on {where} {len(cells)} numbers from {xy.min():g} to "
            f"{xy.max():g}",
            "a class is followed by x and y of 0..1 in turn",
            "export it again as polygons for segmentation",
        )
    return kind, xy


def _splits_of(content):
    return sorted_splits({s for s in _SPLITS if content.get(s)})


def _images(file, content, split):
    places = content[split]
    places = places if isinstance(places, list) else [places]
    root = content.get("path") or "."
    if not all(isinstance(p, str) for p in [root, *places]):
        raise malformed(
            file,
            f"has for {split} {brief(content[split])}",
            "folders of images or text files are expected",
        )
    images = []
    for place in places:
        found = _find(file.parent, root, place)
        if found is None:
            raise DataError(
                "KS-D001",
                file,
                f"has for {split} {place}, which does not exist",
                f"it is looked for in {file.parent}",
                fix="correct the path",
            )
        images += _listed(found) if found.is_file() else _inside(found)
    if not images:
        raise DataError(
            "KS-D010",
            file,
            f"has no image for {split}",
            "at least one is needed",
            fix="put images there, or correct the path",
        )
    return images


def _find(folder, root, place):
    """A place that data.yaml names; many exports name it from elsewhere."""
    for base in (folder / root, folder):
        for name in (place, place.removeprefix("../")):
            if (base / name).exists():
                return base / name
    return None


def _inside(folder):
    return [f for f in sorted(folder.rglob("*")) if is_image_file(f)]


def _listed(file):
    lines = [line.strip() for line in read_text(file).splitlines()]
    return [file.parent / line for line in lines if line]


def _label_file(image):
    """The last folder images of the path becomes labels."""
    parts = list(image.parts)
    for i in reversed(range(len(parts) - 1)):
        if parts[i] == "images":
            parts[i] = "labels"
            break
    return pathlib.Path(*parts).with_suffix(".txt")


def _refuse_unlabelled(pairs):
    if any(pair.mask.is_file() for pair in pairs):
        return
    raise DataError(
        "KS-D004",
        pairs[0].image,
        f"and the other images ({len(pairs)} in all) have no labels; "
        f"{pairs[0].mask} does not exist",
        "labels of images/x.jpg are in labels/x.txt",
        fix="add the labels, or correct data.yaml",
    )
