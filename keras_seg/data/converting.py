"""`convert`: writes a data set of any layout that is read in another one."""

import dataclasses
import os
import pathlib
import shutil
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import yaml

from keras_seg import words
from keras_seg.arguments import check_one_of
from keras_seg.atomic import hidden_folder
from keras_seg.data.classes import VOID
from keras_seg.data.classes import ClassTable
from keras_seg.data.errors import DataError
from keras_seg.data.folder import Folder
from keras_seg.data.layout import role_of
from keras_seg.data.mask_files import MaskFiles
from keras_seg.data.mask_files import share_palettes
from keras_seg.data.outline_files import VOID_OF
from keras_seg.data.outline_files import background_ids
from keras_seg.data.outline_files import write_outlines
from keras_seg.data.outline_files import yolo_names
from keras_seg.data.outlines import Outline
from keras_seg.data.outlines import Outlined
from keras_seg.data.outlines import outlines
from keras_seg.data.pairs import Pair
from keras_seg.data.readers.recognize import from_folder
from keras_seg.data.readers.recognize import splits
from keras_seg.data.stack_files import StackFiles
from keras_seg.visualization import VOID_COLOR
from keras_seg.visualization import save_label_masks
from keras_seg.visualization import save_mask

__all__ = ["TARGETS", "Converted", "convert"]


class Converted(NamedTuple):
    """What `convert` wrote.

    Args:
        images: dictionary from the names of the splits to numbers of images;
            "" if there are no splits.
        notes: tuple of str, a sentence for each thing that the layout cannot
            say, or that is written in another way.
    """

    images: dict[str, int]
    notes: tuple[str, ...]


def convert(
    path: str | os.PathLike,
    out: str | os.PathLike,
    to: str,
    *,
    split: str | None = None,
    class_table: ClassTable | int | None = None,
    mask_values: dict[int, int] | None = None,
    skip_unlabeled: bool = False,
    multi_label: bool = False,
    missing_classes: str | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Converted:
    """Writes a data set of any layout that is read in another layout.

    | `to` | images | annotations |
    |---|---|---|
    | `"masks"` | `SPLIT/images` | `SPLIT/labels`, PNG files with a palette; of several labels, a folder for each class |
    | `"voc"` | `JPEGImages` | `SegmentationClass`, `ImageSets/Segmentation/SPLIT.txt`, and CVAT's `labelmap.txt` |
    | `"coco"` | `images/SPLIT` | `annotations/instances_SPLIT.json` |
    | `"yolo"` | `images/SPLIT` | `labels/SPLIT`, `data.yaml` |
    | `"cvat"` | `SPLIT/images` | `SPLIT/annotations.xml`, "CVAT for images 1.1" |
    | `"labelme"` | `SPLIT` | a JSON file beside each image |

    Files of images are copied as they are. `classes.csv` keeps the ids, names
    and colors of the classes, which not every layout can say. With it,
    `from_folder` reads the same masks from all of them: outlines go along the
    borders of pixels, see `outlines`. Objects of one class that touch become
    one. A split without a name is in the folder itself.

    Args:
        path: str or path of the data, see `from_folder`.
        out: str or path of the new folder; it appears whole or not at all.
        to: str, see above.
        split: optional str, the split to convert. Defaults to all.
        class_table, mask_values, skip_unlabeled, multi_label,
            missing_classes: see `from_folder`.
        progress: optional function of the numbers of images done and of all.

    Returns:
        `Converted`.

    Raises:
        DataError: If a file of the data cannot be used, or the layout cannot
            hold it.
        ImportError: If rasterio is missing, for polygons.
        ValueError: If an argument is not allowed.

    Example:

    >>> import pathlib
    >>> import tempfile
    >>> from keras_seg import data
    >>> path = pathlib.Path(tempfile.mkdtemp())
    >>> data.synthetic.write_folder(
    ...     path / "a", *data.synthetic.shapes(2, size=32),
    ...     data.synthetic.shape_classes(5))
    >>> data.convert(path / "a", path / "b", "coco").images
    {'train': 2}
    >>> bool((data.from_folder(path / "a", "train")[0][1]
    ...     == data.from_folder(path / "b", "train")[0][1]).all())
    True
    """  # noqa: E501
    check_one_of(TARGETS, to=to)
    out = pathlib.Path(out)
    if os.path.lexists(out) and not (out.is_dir() and not any(out.iterdir())):
        raise ValueError(
            f"`out` must be a new folder, or an empty one. Received: out={out}"
        )
    names = [split] if split is not None else splits(path) or [None]
    folders = {
        name or "": from_folder(
            path,
            name,
            class_table=class_table,
            check=False,
            mask_values=mask_values,
            channels=None,
            skip_unlabeled=skip_unlabeled,
            multi_label=multi_label,
            missing_classes=missing_classes,
        )
        for name in names
    }
    table = _one_table(folders, path)
    share_palettes(folders.values())
    if to == "voc":
        _refuse_for_voc(folders, multi_label, path)
    roles = _roles(folders, path) if to == "yolo" else {}
    total, done = sum(map(len, folders.values())), 0
    void = 0
    out.parent.mkdir(parents=True, exist_ok=True)
    with hidden_folder(out) as hidden:
        root = hidden / out.name
        for name, folder in folders.items():
            place = roles.get(name, name)
            found = []
            masks = folder.checked_masks()
            for mask, pair in zip(masks, folder.pairs, strict=True):
                found.append(_put(root, place, to, table, pair, mask))
                void += int(np.count_nonzero(mask == VOID))
                done += 1
                if progress:
                    progress(done, total)
            _list(root, place, to, table, folder.pairs, found)
        if to == "yolo":
            _write_yaml(root, roles.values(), table)
        if to == "voc" and _has_labelmap(table):
            _write_labelmap(root, table)
        table.write(root / "classes.csv")
        os.replace(root, out)
    counts = {name: len(folder) for name, folder in folders.items()}
    return Converted(counts, tuple(_notes(to, table, folders, roles, void)))


_IMAGES = {
    "masks": "{}/images",
    "voc": "JPEGImages",
    "coco": "images/{}",
    "yolo": "images/{}",
    "cvat": "{}/images",
    "labelme": "{}",
}
TARGETS = tuple(_IMAGES)


def _put(root, split, to, table, pair, mask):
    """Writes an image and the files of its own; returns its outlines."""
    name = pair.stem + pair.image.suffix
    images = _made(root, _IMAGES[to].format(split))
    shutil.copyfile(pair.image, images / name)
    if to in ("masks", "voc"):
        place = "SegmentationClass" if to == "voc" else f"{split}/labels"
        if mask.ndim == 3:
            save_label_masks(_made(root, place), pair.stem, mask, table)
        else:
            file = _made(root, place) / f"{pair.stem}.png"
            save_mask(file, mask, table.colors)
        return None
    found = _outlines(mask, table, pair, to)
    one = Outlined(name, mask.shape[:2], found)
    if to == "labelme":
        write_outlines(images / f"{pair.stem}.json", to, [one], table)
    elif to == "yolo":
        file = _made(root, f"labels/{split}") / f"{pair.stem}.txt"
        write_outlines(file, to, [one], table)
    return one


def _made(root, place):
    folder = root / place.strip("/")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _outlines(mask, table, pair: Pair, to: str) -> list[Outline]:
    """Outlines of ids; of several labels class by class."""
    if mask.ndim == 2:
        return outlines(mask, leave_out=background_ids(table))
    void = mask == VOID
    planes = {k: mask[..., k] == 1 for k in range(len(table))}
    if to == "coco":
        planes |= {VOID_OF + k: void[..., k] for k in range(len(table))}
    elif (void != void[..., :1]).any():
        raise DataError(
            "KS-D015",
            pair.mask,
            "has pixels that are void for some of the classes only",
            f"in {to} they are void for all",
            fix="convert it to coco or masks",
        )
    else:
        planes[VOID] = void[..., 0]
    return [
        Outline(i, found.rings)
        for i, plane in planes.items()
        for found in outlines(plane, leave_out=[0])
    ]


def _list(root, split, to, table, pairs, found):
    """Writes what is common to the images of a split."""
    if to == "voc":
        stems = "".join(f"{pair.stem}\n" for pair in pairs)
        lists = _made(root, "ImageSets/Segmentation")
        (lists / f"{split or 'default'}.txt").write_text(
            stems, encoding="utf-8"
        )
    elif to == "coco":
        folder = _made(root, "annotations" if split else "")
        name = f"instances_{split}.json" if split else "instances.json"
        write_outlines(folder / name, to, found, table)
    elif to == "cvat":
        file = _made(root, split) / "annotations.xml"
        write_outlines(file, to, found, table)


def _refuse_for_voc(folders, multi_label, path):
    """Refuses what one folder of images and masks of ids cannot hold."""
    if multi_label:
        raise DataError(
            "KS-D015",
            path,
            "has classes that may overlap",
            "a mask of PASCAL VOC has one class a pixel",
            fix="take another layout, such as coco",
        )
    seen: dict[str, str] = {}
    for name, folder in folders.items():
        for pair in folder.pairs:
            if seen.setdefault(pair.stem, name) != name:
                raise DataError(
                    "KS-D012",
                    pair.image,
                    f"has the stem of an image of {seen[pair.stem]}",
                    "PASCAL VOC has the images of all splits in one folder",
                    fix="rename one of the two, or take another layout",
                )


def _roles(folders, path):
    """The names that data.yaml can have for splits: train, val and test."""
    roles = {name: role_of(name) or "train" for name in folders}
    if len(set(roles.values())) < len(roles):
        raise DataError(
            "KS-D002",
            path,
            f"has the splits {', '.join(folders)}",
            "YOLO has train, val and test",
            fix="convert one of them, by its name",
        )
    return roles


def _write_yaml(root, roles, table):
    content: dict = {role: f"images/{role}" for role in roles}
    content["names"] = dict(enumerate(yolo_names(table)))
    (root / "data.yaml").write_text(
        yaml.safe_dump(content, sort_keys=False, allow_unicode=True),
        encoding="utf-8",
    )


def _has_labelmap(table):
    """Whether every class, and void, has a name and a color of its own."""
    own_colors = len({*table.colors, VOID_COLOR}) == len(table) + 1
    return own_colors and "void" not in table.names


def _write_labelmap(root, table):
    names = zip(
        (*table.names, "void"), (*table.colors, VOID_COLOR), strict=True
    )
    lines = [f"{name}:{','.join(map(str, color))}::" for name, color in names]
    text = "# label:color_rgb:parts:actions\n" + "\n".join(lines) + "\n"
    (root / "labelmap.txt").write_text(text, encoding="utf-8")


def _notes(to, table, folders, roles, void):
    """What the layout cannot say, or what is said in another way."""
    if to == "yolo" and void:
        taken = "will be taken for background."
        if not background_ids(table):
            taken = "no class is background: read them with background=None."
        pixels = words.count(void, "void pixel")
        yield f"YOLO has no void: {pixels} are in no polygon, and {taken}"
    if to == "cvat" and void:
        yield "Void has the label __ignore__, which a task of CVAT must have."
    for name, role in roles.items():
        if name not in ("", role):
            yield f"The split {name} is called {role}."
    if to in ("coco", "yolo", "labelme") and table.colors_given:
        yield "The colors of the classes are in classes.csv only."
    if to == "voc" and not _has_labelmap(table):
        yield (
            "Two classes, or a class and void, have one color or name: there "
            "is no labelmap.txt, and masks must be read as indices."
        )
    of_files = MaskFiles | StackFiles
    read = [f for f in folders.values() if not isinstance(f.masks, of_files)]
    if read and to not in ("masks", "voc"):
        yield "Objects of one class that touch are one object now."
    skipped = sum(len(folder.skipped) for folder in folders.values())
    if skipped:
        yield f"{words.count(skipped, 'image')} without annotations left out."


def _one_table(folders: dict[str, Folder], path) -> ClassTable:
    """The class table of all splits, in which void is 255."""
    tables = [folder.class_table for folder in folders.values()]
    largest = max(tables, key=len)
    for name, table in zip(folders, tables, strict=True):
        if table.names != largest.names[: len(table)] or (
            table != largest and table.colors_given
        ):
            raise DataError(
                "KS-D015",
                path,
                f"has other classes in {name} than in other splits",
                "a data set has one class table",
                fix="name the classes in classes.csv",
            )
    void = dict(largest.ignore_colors).get(VOID)
    return dataclasses.replace(
        largest,
        ignore_classes=frozenset({VOID}),
        ignore_colors=((VOID, void),) if void else (),
    )
