"""Finds the files of masks of several labels in a folder."""

import dataclasses

from keras_seg.arguments import check_one_of
from keras_seg.data.classes import VOID
from keras_seg.data.classes import ClassTable
from keras_seg.data.errors import DataError
from keras_seg.data.folder import Folder
from keras_seg.data.folder import find_table
from keras_seg.data.layout import find_folders
from keras_seg.data.layout import visible
from keras_seg.data.opening import SUFFIXES
from keras_seg.data.pairs import by_stem
from keras_seg.data.pairs import find_pairs
from keras_seg.data.pairs import pictures_below
from keras_seg.data.stack_files import StackFiles
from keras_seg.data.stacks import BETWEEN
from keras_seg.data.stacks import label_folders
from keras_seg.data.stacks import label_table
from keras_seg.data.text import composed
from keras_seg.data.text import listing
from keras_seg.data.text import refuse_alike

__all__ = ["from_label_files"]

_SUFFIXES = (*SUFFIXES, ".npz")
_MISSING = {"absent": 0, "void": VOID}
_ONE_WAY = (
    "a mask is one stack of the image's stem, or a file for each class: in a "
    "folder of its name, or with its name behind the image's stem"
)


def from_label_files(
    path,
    split=None,
    *,
    class_table=None,
    check=True,
    mask_values=None,
    channels=3,
    problems=None,
    skip_unlabeled=False,
    missing_classes=None,
):
    """Read images and masks of several labels; see `from_folder`.

    `problems` is as in `from_pairs`.
    """
    if missing_classes is not None:
        check_one_of(_MISSING, missing_classes=missing_classes)
    stacks = StackFiles(mask_values, _MISSING[missing_classes or "absent"])
    images, masks, list_file = find_folders(path, split)
    given = find_table(path, class_table)
    files, layout = _find(images, masks, list_file, given)
    options = list_file, problems, skip_unlabeled
    if layout == _STACK:
        pairs, skipped = find_pairs(images, masks, *options, mask_files=files)
        table = _of_stacks(given, pairs, stacks, problems)
        if missing_classes is not None:
            raise ValueError(
                "`missing_classes` is for one file a class; the masks in "
                f"{masks} are stacks. Received: "
                f"missing_classes={missing_classes!r}"
            )
    else:
        if stacks.of_ids:
            raise ValueError(
                "`mask_values` names classes of ids, for masks of one channel; "
                f"those in {masks} have a file for each class. Received: "
                f"mask_values={mask_values}"
            )
        table, files = _in_order(given, files, masks)
        if missing_classes == "absent" and not skip_unlabeled:
            for stem in by_stem(images, list_file is not None):
                files.setdefault(stem, (None,) * len(table))
        firsts = {
            # An image without any file has none of the classes.
            stem: next(filter(None, planes), masks / f"{stem}.png")
            for stem, planes in files.items()
        }
        pairs, skipped = find_pairs(images, masks, *options, mask_files=firsts)
        planes = {firsts[stem]: files[stem] for stem in firsts}
        pairs = tuple(
            dataclasses.replace(pair, planes=planes[pair.mask])
            for pair in pairs
        )
        if missing_classes is None:
            _refuse_missing(pairs, table, problems)
    folder = Folder(
        pairs,
        table,
        stacks,
        channels,
        skipped,
        multi_label=True,
    )
    folder.layout = (_IDS if stacks.of_ids else layout).format(masks.name)
    return folder.check() if check else folder


_STACK = "a stack for each image in {}"
_IDS = "ids in {} that stand for classes"
_FOLDERS = "a folder for each class in {}"
_NAMES = "a file for each class in {}, its name behind the image's"


def _find(images, masks, list_file, table):
    """The files of masks, and the layout they are in.

    Of stacks a dictionary from stems to files; otherwise from stems to
    dictionaries from the names of classes to files.
    """
    inner = list_file is not None
    image_stems = set(by_stem(images, inner))
    image_folders = {stem.partition("/")[0] for stem in image_stems}
    folders = [
        part
        for part in visible(masks)
        if part.is_dir()
        and part.name not in (image_folders - image_stems)
        and pictures_below(part, _SUFFIXES)
    ]
    if folders:
        loose = visible(masks, *_SUFFIXES)
        if loose:
            raise DataError(
                "KS-D002",
                masks,
                f"has the file {loose[0].name} beside the folder "
                f"{folders[0].name}",
                _ONE_WAY,
                fix="take the files or the folders away that are not meant",
            )
        files: dict = {}
        for folder in folders:
            for stem, file in by_stem(folder, inner).items():
                files.setdefault(stem, {})[composed(folder.name)] = file
        return files, _FOLDERS
    found = by_stem(masks, inner, suffixes=_SUFFIXES)
    behind = {
        stem: ends
        for stem in found.keys() - image_stems
        if (ends := _ends(stem, image_stems))
    }
    stacks = found.keys() & image_stems
    if not behind:
        return found, _STACK
    if stacks:
        raise DataError(
            "KS-D002",
            found[min(behind)],
            f"has the name of an image with {_class_of(behind)} behind it, "
            f"and {found[min(stacks)].name} that of an image alone",
            _ONE_WAY,
            fix="take the files away that are not meant",
        )
    return _by_class(found, behind, table), _NAMES


def _ends(stem, image_stems):
    """What may be the name of a class behind the stem of an image."""
    places = [i for i, letter in enumerate(stem) if letter in BETWEEN]
    return [
        (stem[:i], stem[i + 1 :])
        for i in places
        if stem[:i] in image_stems and stem[i + 1 :]
    ]


def _class_of(behind):
    return behind[min(behind)][0][1]


def _by_class(found, behind, table):
    """A dictionary from stems of images to {class: file}, if it is certain."""
    if isinstance(table, ClassTable):
        known = {*map(composed, table.names), *label_folders(table.names)}
    else:
        known = {ends[0][1] for ends in behind.values() if len(ends) == 1}
    files: dict = {}
    for stem, file in found.items():
        every = behind.get(stem, [])
        ends = [(image, name) for image, name in every if name in known]
        if len(ends) != 1:
            readings = " or ".join(
                f"the class {name} of {image}" for image, name in ends or every
            )
            raise DataError(
                "KS-D002" if every else "KS-D005",
                file,
                f"may be {readings}" if every else "has no image of its stem",
                f"the classes are {listing(sorted(known))}, and their names "
                "stand behind those of images, such as 0001_road.png",
                fix="name the classes in classes.csv, or put each class into a "
                "folder of its own, with the names of the images",
            )
        ((image, name),) = ends
        files.setdefault(image, {})[name] = file
    return files


def _in_order(given, files, masks):
    """The class table, and the files of each stem in its order."""
    names = sorted(set().union(*files.values()))
    refuse_alike(names, masks)
    if isinstance(given, ClassTable):
        table = given
        folders = label_folders(table.names)
        by_name = dict(zip(folders, table.names, strict=True))
        by_name |= {composed(name): name for name in table.names}
        for name in names:
            if name not in by_name:
                raise DataError(
                    "KS-D015",
                    masks,
                    f"has files of the class {name}",
                    f"the classes are {listing(table.names)}",
                    fix="correct the name, or add it to the class table",
                )
    else:
        if given is not None and given != len(names):
            raise DataError(
                "KS-D015",
                masks,
                f"has {len(names)} classes: {listing(names)}",
                f"{given} are asked for",
                fix="correct the number, or leave it out",
            )
        table = label_table(names)
        by_name = dict(zip(names, names, strict=True))
    ordered = {}
    for stem, own in files.items():
        of = {by_name[name]: file for name, file in own.items()}
        ordered[stem] = tuple(of.get(name) for name in table.names)
    return table, ordered


def _refuse_missing(pairs, table, problems):
    for pair in pairs:
        for name, file in zip(table.names, pair.planes, strict=True):
            if file is None:
                error = DataError(
                    "KS-D004",
                    pair.image,
                    f"has no mask of the class {name}",
                    f"there are files of {listing(table.names)}",
                    fix="add it, or say what a missing file means with "
                    "missing_classes='absent' or missing_classes='void'",
                )
                if problems is None:
                    raise error
                problems.append(error)
                break


def _of_stacks(given, pairs, stacks, problems):
    """The class table of stacks: as many classes as the first has planes."""
    if isinstance(given, ClassTable):
        return given
    if given is not None:
        planes = given
    else:
        planes = None
        for pair in pairs:
            try:
                planes = stacks(pair).shape[2]
                break
            except DataError:
                if problems is None:
                    raise
        if planes is None:
            return None
    return label_table(f"class {k}" for k in range(planes))
