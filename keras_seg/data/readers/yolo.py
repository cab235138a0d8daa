"""Reader of YOLO's polygons: data.yaml, and a text file for each image."""

import dataclasses
import os
import pathlib
import re

from keras_seg.data.class_files import names_by_id
from keras_seg.data.classes import ClassTable
from keras_seg.data.errors import DataError
from keras_seg.data.folder import Folder
from keras_seg.data.folder import find_table
from keras_seg.data.images import read_size
from keras_seg.data.layout import CLASS_FILES
from keras_seg.data.layout import missing_split
from keras_seg.data.layout import sorted_splits
from keras_seg.data.layout import visible
from keras_seg.data.opening import SUFFIXES
from keras_seg.data.opening import is_image_file
from keras_seg.data.pairs import Pair
from keras_seg.data.readers.annotations import NO_OUTLINE
from keras_seg.data.readers.annotations import Labels
from keras_seg.data.readers.annotations import match_labels
from keras_seg.data.readers.annotations import outline
from keras_seg.data.readers.annotations import refuse_shape
from keras_seg.data.readers.annotations import unique_stems
from keras_seg.data.readers.polygons import fill
from keras_seg.data.text import brief
from keras_seg.data.text import malformed
from keras_seg.data.text import parse_id
from keras_seg.data.text import read_text
from keras_seg.data.text import read_yaml
from keras_seg.data.text import text_head
from keras_seg.data.text import text_holds

__all__ = ["YoloMasks", "from_yolo", "yolo_splits"]

_TABLE = "data.yaml"
_NAMES = "classes.txt"
_YAML_NAMES = re.compile(rb"^names\s*:", re.MULTILINE)
_SPLITS = ("train", "val", "test")
_OUTSIDE = 0.01  # of the side, which tools round away


def from_yolo(
    path: str | os.PathLike,
    split: str | None = None,
    *,
    class_table: ClassTable | int | None = None,
    check: bool = True,
    channels: int | None = 3,
    background: str | None = "background",
    multi_label: bool = False,
) -> Folder:
    """Read polygons in YOLO's format as a `Folder`.

    `data.yaml` has the names of the classes and, for train, val and test, the
    folders of images or text files that list images. Another YAML file may
    take its place if it is the only such file; or, for the folders `images`
    and `labels` or folders of splits in them, `classes.txt` with a name on
    each line (Label Studio). Many exports write `../train/images`: if such a
    folder exists beside `data.yaml` itself, all are looked for there.

    The labels of `…/images/…/x.jpg` are in `…/labels/…/x.txt`, in lines of
    `class x y x y …`, with x and y in 0..1 of the upright image. An image
    without that file has no object; a file of labels needs its image. The
    class background comes first, so class k of the files is k + 1. Smaller
    polygons cover larger ones.

    Args:
        path: str or path of the YAML file, or of its folder.
        split: optional str, "train", "val" or "test"; required if there are
            several.
        class_table: optional `ClassTable` with the names of the file, or
            number of classes, including the background. By default
            `classes.csv` in the folder or above, or else the names.
        check, channels: see `from_folder`.
        background: optional str, the class of pixels in no polygon; `None`
            makes them void.
        multi_label: bool, whether classes may overlap: each class is drawn by
            itself, and the background is no class.

    Raises:
        DataError: If a file or the folder cannot be used.
    """
    path = pathlib.Path(path)
    file = path if path.is_file() else _table_of(path) or path / _TABLE
    names, places = _read_table(file)
    if split is None and len(places) == 1:
        split = next(iter(places))
    if split not in places:
        looked = f": there is no {split or 'train'}:"
        raise missing_split(
            file, split, sorted_splits(set(places) - {""}), looked
        )
    images = _images(file, places[split], split or "images")
    table = find_table(file.parent, class_table)
    # A table need not have names that are not used: `_regions` looks them up.
    listed = [] if isinstance(table, ClassTable) else names
    labels = match_labels(listed, table, file, background, multi_label)
    stems = unique_stems([image.name for image in images], file)
    pairs = [
        Pair(stem, image, _label_file(image))
        for stem, image in zip(stems, images, strict=True)
    ]
    _refuse_unlabelled(pairs)
    if not any(place.is_file() for place in places[split]):
        _refuse_alone(pairs)
    masks = YoloMasks(tuple(names), labels)
    folder = Folder(
        pairs, labels.class_table, masks, channels, multi_label=multi_label
    )
    return folder.check() if check else folder


def yolo_splits(path):
    """The splits of YOLO's layout; `None` of another layout."""
    path = pathlib.Path(path)
    file = _table_of(path)
    if file is None or (path / "masks").is_dir():
        return None  # masks are pictures
    names = sorted_splits(set(_read_table(file)[1]) - {""})
    return None if file.name == _TABLE and not names else names


@dataclasses.dataclass(frozen=True)
class YoloMasks:
    """Draws the polygons of a pair's text file, large ones first."""

    names: tuple[str, ...]
    labels: Labels

    def __call__(self, pair):
        return self.labels.draw(*self._regions(pair))

    def overlap(self, pair):
        """The pixels of an image that have more than one class."""
        return self.labels.overlap(*self._regions(pair))

    def _regions(self, pair):
        """The regions of polygons with their ids, and the size."""
        size = read_size(pair.image)
        # A broken link is an error, not an image without an object.
        text = read_text(pair.mask) if os.path.lexists(pair.mask) else ""
        return self._drawn(text, size, pair.mask), size

    def is_bare(self, pair):
        """Whether an image has no file of labels."""
        return not os.path.lexists(pair.mask)

    def _drawn(self, text, size, file):
        for number, line in enumerate(text.splitlines(), start=1):
            if line.strip():
                kind, xy = _polygon(line, number, len(self.names), file)
                name = self.names[kind]
                i = self.labels.id_of(name, file, f"on line {number} ")
                yield fill([xy * size[::-1]], size), i


def _polygon(line, number, count, file):
    where = f"line {number}"
    text, *cells = line.split()
    kind = parse_id(text)
    if kind is None or kind >= count:
        raise malformed(
            file,
            f"has on {where} the class {brief(text)}",
            f"a line begins with a class of 0..{count - 1}",
            "correct the file",
        )
    if len(cells) == 4:
        raise refuse_shape(
            file, "a box instead of a polygon", where, NO_OUTLINE
        )
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


def _table_of(folder):
    """The file that names the classes; `None` in another layout."""
    if os.path.lexists(folder / _TABLE):
        return folder / _TABLE
    found = []
    for file in visible(folder, ".yaml", ".yml"):
        if file.name not in CLASS_FILES and text_holds(file, _YAML_NAMES):
            content = read_yaml(file)
            table = isinstance(content, dict) and "names" in content
            if table and any(content.get(split) for split in _SPLITS):
                found.append(file)
    if len(found) > 1:
        raise DataError(
            "KS-D002",
            folder,
            f"has {found[0].name} and {found[1].name}, which both name classes "
            "and images",
            f"one file is read, {_TABLE} where there are several",
            fix="name the file itself, or remove the others",
        )
    if found:
        return found[0]
    labels = folder / "labels"
    if (folder / _NAMES).is_file() and (folder / "images").is_dir():
        for part in (labels, *(labels / s.name for s in _parts(folder))):
            if part.is_dir() and visible(part, ".txt"):
                return None if visible(part, *SUFFIXES) else folder / _NAMES
    return None


def _parts(folder):
    """The folders of splits inside `images`."""
    return [part for part in visible(folder / "images") if part.is_dir()]


def _read_table(file):
    """The names of the classes, and the places of each split's images."""
    if file.name == _NAMES:
        lines = read_text(file).strip().splitlines()
        names = names_by_id([line.strip() for line in lines], file)
        parts = {part.name: [part] for part in _parts(file.parent)}
        whole = {"": [file.parent / "images"]}
        return list(names.values()), parts or whole
    content = read_yaml(file)
    if not isinstance(content, dict) or "names" not in content:
        raise malformed(
            file,
            "has no names",
            "names: lists the classes, train: and val: the images",
            "add them",
        )
    if "kpt_shape" in content:
        raise malformed(
            file,
            "is of poses: it has kpt_shape",
            "polygons are expected, not boxes with key points",
            "export it as YOLO segmentation",
        )
    names = names_by_id(content["names"], file)
    if sorted(names) != list(range(len(names))):
        raise malformed(
            file,
            f"names the classes {brief(sorted(names))}",
            "ids are 0..C-1 without a gap",
            "correct the file",
        )
    return [names[i] for i in sorted(names)], _places(file, content)


def _places(file, content):
    """The folders and lists of each split that the file means."""
    root = content.get("path") or "."
    named = {}
    for split in sorted_splits({s for s in _SPLITS if content.get(s)}):
        places = content[split]
        named[split] = places if isinstance(places, list) else [places]
        if not all(isinstance(p, str) for p in [root, *named[split]]):
            raise malformed(
                file,
                f"has for {split} {brief(content[split])}",
                "folders of images or text files are expected",
                "correct the file",
            )
    every = [place for places in named.values() for place in places]
    here = file.parent
    beside = [p for p in every if p.startswith("../")]
    if any((here / _inner(p)).exists() for p in beside):
        # Exports write what lies beside their file as if it lay above.
        return {s: [here / _inner(p) for p in named[s]] for s in named}
    for place in beside:
        outer = here / place.removesuffix(_inner(place)) / _TABLE
        if root == "." and outer.exists() and not outer.samefile(file):
            raise DataError(
                "KS-D002",
                file,
                f"names {place}, which is not beside it and is of "
                f"{outer.resolve()} above",
                "a file names the images of its own data set",
                fix="put the images beside the file, or correct the path",
            )
    there = here / root
    if not any((there / p).exists() for p in every):
        there = here  # The folder was moved.
    for place in every:
        own, other = here / place, there / place
        if own.exists() and other.exists() and not own.samefile(other):
            raise DataError(
                "KS-D002",
                file,
                f"names {place}, which is {own} and, by its path: {root}, "
                f"{other}",
                "the images of one data set are meant",
                fix="correct path:, or remove it if the images beside the "
                "file are meant",
            )
    return {s: [there / p for p in named[s]] for s in named}


def _inner(place):
    return re.sub(r"^(\.\./)+", "", place)


def _images(file, places, split):
    images = []
    for place in places:
        if not place.exists():
            inside = place.is_relative_to(file.parent)
            named = place.relative_to(file.parent) if inside else place
            raise DataError(
                "KS-D001",
                file,
                f"has for {split} {named}, which does not exist",
                f"it is looked for in {file.parent}",
                fix="correct the path, or remove the line",
            )
        if place.is_dir():
            images += _inside(place)
        else:
            lines = map(str.strip, read_text(place).splitlines())
            images += [place.parent / line for line in lines if line]
    if not images:
        raise DataError(
            "KS-D010",
            file,
            f"has no image for {split}",
            "at least one is needed",
            fix="put images there, or correct the path",
        )
    return images


def _inside(folder):
    files = sorted(folder.rglob("*"))
    for file in files:
        if file.name == _TABLE:
            raise DataError(
                "KS-D002",
                file,
                f"lies among the images of {folder}",
                "the labels of another data set have other classes",
                fix="move that data set away",
            )
    return [file for file in files if is_image_file(file)]


def _label_file(image):
    """The path with its last folder `images` replaced by `labels`."""
    parts = list(image.parts)
    for i in reversed(range(len(parts) - 1)):
        if parts[i] == "images":
            parts[i] = "labels"
            break
    return pathlib.Path(*parts).with_suffix(".txt")


def _refuse_unlabelled(pairs):
    if any(os.path.lexists(pair.mask) for pair in pairs):
        return
    raise DataError(
        "KS-D004",
        pairs[0].image,
        f"and the other images ({len(pairs)} in all) have no labels; "
        f"{pairs[0].mask} does not exist",
        "labels of images/x.jpg are in labels/x.txt",
        fix="add the labels, or correct data.yaml",
    )


def _refuse_alone(pairs):
    """Refuse labels without an image, which would be left out."""
    known = {pair.mask for pair in pairs}
    folders = sorted({pair.mask.parent for pair in pairs})
    alone = [
        file
        for folder in folders
        if folder.is_dir()
        for file in visible(folder, ".txt")
        if file not in known and text_head(file, 99).lstrip()[:1].isdigit()
    ]
    if alone:
        more = f" ({len(alone)} such files in all)" if len(alone) > 1 else ""
        raise DataError(
            "KS-D005",
            alone[0],
            f"has no image of the stem {alone[0].stem}{more}",
            "every file of labels needs an image of the same stem",
            fix="add the image, or remove the labels",
        )
