"""Pairs of image and mask files, matched by stem."""

import bisect
import dataclasses
import os
import pathlib

from keras_seg import words
from keras_seg.data.errors import DataError
from keras_seg.data.layout import MASK_FOLDERS
from keras_seg.data.layout import visible
from keras_seg.data.opening import SUFFIXES
from keras_seg.data.text import composed
from keras_seg.data.text import read_text

__all__ = ["Pair", "by_stem", "find_pairs", "pictures_below", "read_stems"]

_READ = "PNG, JPEG, TIFF, BMP, WEBP, GIF or NPY"
# Of pictures that would be left out.
_UNREAD = (
    *(".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".jxl", ".jfif"),
    *(".heic", ".heif", ".avif", ".tga", ".exr"),
)


@dataclasses.dataclass(frozen=True)
class Pair:
    """An image file and the file of its mask.

    Args:
        stem: str, the name of the pair: the image's file name without its
            suffix, with folders before it joined by underscores.
        image: path of the image.
        mask: path of the mask, or of the annotations, which several pairs
            may share (COCO) and which may be absent if an image has no
            object (YOLO).
        page: optional int, the page in both files if they are stacks.
        planes: optional tuple of paths, the file of each class if there is
            one for each, `None` where it is missing; `mask` is the first.
    """

    stem: str
    image: pathlib.Path
    mask: pathlib.Path
    page: int | None = None
    planes: tuple[pathlib.Path | None, ...] | None = None


def find_pairs(
    images,
    masks,
    list_file=None,
    problems=None,
    skip_unlabeled=False,
    mask_files=None,
    image_files=None,
    mask_name="{}.png",
):
    """Pair the images and masks of two folders by stem.

    Args:
        images: path of the folder of images.
        masks: path of the folder of masks.
        list_file: optional path of a text file with a stem, such as "0001"
            or "day2/0001", on each line. Only these are paired, in its order.
            Without it all files are paired, sorted; every mask must have an
            image, and folders inside must not hold pictures.
        problems: optional list to which each `DataError` is appended, instead
            of raising the first.
        skip_unlabeled: bool, whether an image without a mask is left out
            instead of being an error.
        mask_files: optional dictionary from stems to the files in `masks`;
            by default all pictures there.
        image_files: optional dictionary from stems to the files in `images`.
        mask_name: str, how the mask of a stem may be called.

    Returns:
        Tuple (tuple of `Pair`, list of the images left out).
    """
    report = _raise if problems is None else problems.append
    inner = list_file is not None
    unread: dict[str, pathlib.Path] = {}
    if image_files is None:
        image_files = by_stem(images, inner, report)
        if not inner:
            named = visible(pathlib.Path(images), *_UNREAD)
            unread = {composed(file.stem): file for file in named}
    for stem in sorted(unread.keys() - image_files.keys()):
        report(
            DataError(
                "KS-D009",
                unread[stem],
                f"has the suffix {unread[stem].suffix}",
                f"files that are read are {_READ}",
                fix="save it as a PNG, or move it away",
            )
        )
    if mask_files is None:
        mask_files = by_stem(masks, inner, report)
    if list_file is not None:
        stems = read_stems(list_file, problems)
        _report_unknown(list_file, stems, image_files, images, report)
    else:
        stems = {stem: None for stem in sorted(image_files)}
    if not stems:
        report(
            DataError(
                "KS-D010",
                list_file or images,
                "names no image" if list_file else "holds no image",
                f"at least one is needed ({_READ})",
                fix="put images there, or correct the path",
            )
        )
    near = _NearMisses(mask_files, masks)
    unlabeled = [s for s in stems if s in image_files and s not in mask_files]
    for stem in () if skip_unlabeled else unlabeled:
        report(
            DataError(
                "KS-D004",
                image_files[stem],
                f"has no mask {mask_name.format(stem)} in {masks}",
                "every image needs a mask of the same stem",
                guess=near.of(stem),
                fix=(
                    "give both files one stem"
                    if near.of(stem)
                    else "add the mask, or remove the image"
                ),
            )
        )
    if list_file is None:
        orphans = mask_files.keys() - image_files.keys() - unread.keys()
        for stem in sorted(orphans):
            report(
                DataError(
                    "KS-D005",
                    mask_files[stem],
                    f"has no image of the stem {stem} in {images}",
                    "every mask needs an image of the same stem",
                    fix="add the image, or remove the mask",
                )
            )
    known: dict[str, str] = {}
    pairs = []
    for stem in stems:
        if stem in image_files and stem in mask_files:
            name = stem.replace("/", "_")
            if name in known:
                report(
                    DataError(
                        "KS-D012",
                        image_files[stem],
                        f"becomes {name}, as does {image_files[known[name]]}",
                        "folders and stems, joined by underscores, name a pair",
                        fix="rename one of the two",
                    )
                )
                continue
            known[name] = stem
            pairs.append(Pair(name, image_files[stem], mask_files[stem]))
    skipped = [image_files[s] for s in unlabeled] if skip_unlabeled else []
    return tuple(pairs), skipped


def read_stems(path, problems=None):
    """Read a list of stems, as a dictionary from each to its line number.

    `problems`, an optional list, collects stems that come twice.
    """
    report = _raise if problems is None else problems.append
    stems: dict[str, int] = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        stem = composed(line.strip().replace("\\", "/"))
        if len(stem) > 2 and stem[0] == stem[-1] == '"':
            stem = stem[1:-1]  # CVAT's way to write a name with spaces
        if stem in stems:
            report(
                DataError(
                    "KS-D012",
                    path,
                    f"names {stem} on line {stems[stem]} and on line {number}",
                    "every stem comes once",
                    fix="remove one of the two lines",
                )
            )
        elif stem:
            stems[stem] = number
    return stems


def _raise(error):
    raise error


def by_stem(folder, inner, report=_raise, suffixes=SUFFIXES):
    """Pictures by stem; those in folders inside if `inner`, else an error."""
    files: dict[str, pathlib.Path] = {}
    folder = pathlib.Path(folder)
    pictures = visible(folder, *suffixes)
    for part in filter(pathlib.Path.is_dir, visible(folder)):
        found = pictures_below(part, suffixes)
        if inner:
            pictures += found
        elif found:
            named = ", ".join(str(f.relative_to(folder)) for f in found[:3])
            more = ", ..." if len(found) > 3 else ""
            report(
                DataError(
                    "KS-D002",
                    folder,
                    f"holds the folder {part.name} with "
                    f"{words.count(len(found), 'picture')} ({named}{more})",
                    "these would be left out: one folder is read, or the "
                    "folders of splits",
                    guess="Each may be a class: read it with "
                    "multi_label=True, on the command line --multi-label."
                    if folder.name in MASK_FOLDERS
                    else None,
                    fix="move the files up, list their stems, such as "
                    f"{part.name}/{found[0].stem}, in a text file beside "
                    "images, or take the folder away",
                )
            )
    for file in pictures:
        stem = composed(file.relative_to(folder).with_suffix("").as_posix())
        if stem in files:
            report(
                DataError(
                    "KS-D012",
                    file,
                    f"has the stem of {files[stem].name}",
                    "files are paired by stem, so a folder has each stem once",
                    fix="rename or remove one of the two",
                )
            )
            continue
        files[stem] = file
    return files


def pictures_below(folder, suffixes=SUFFIXES):
    """The pictures of a folder and of all folders in it but links."""
    return [
        file
        for place, _, _ in os.walk(folder)
        for file in visible(pathlib.Path(place), *suffixes)
    ]


def _report_unknown(list_file, stems, image_files, images, report):
    for stem in (s for s in stems if s not in image_files):
        suffix = pathlib.PurePath(stem).suffix.lower()
        report(
            DataError(
                "KS-D005",
                list_file,
                f"names {stem} on line {stems[stem]}, which {images} does not "
                "have",
                "every line is the stem of an image",
                guess=(
                    f"A stem is written without {suffix}."
                    if suffix in SUFFIXES
                    else None
                ),
                fix="correct the line, or add the image",
            )
        )


class _NearMisses:
    """Names the file that an image without a mask may have as its mask.

    Many tools write 0001_mask.png: the error says so, and pairs nothing.
    """

    def __init__(self, files, folder):
        self.names = {
            stem.casefold(): file.name for stem, file in files.items()
        }
        self.sorted = [
            sorted(key[::way] for key in self.names) for way in (1, -1)
        ]
        self.text = any(visible(pathlib.Path(folder), ".txt"))

    def of(self, stem):
        """A sentence on a file of a longer or shorter stem, or in capitals."""
        for way, keys in zip((1, -1), self.sorted, strict=True):
            key = stem.casefold()[::way]
            at = bisect.bisect_left(keys, key)
            near = [key[:i] for i in range(len(key) - 1, 0, -1)]
            if at < len(keys) and keys[at].startswith(key):
                near.insert(0, keys[at])
            for other in near:
                if other[::way] in self.names:
                    return f"There is {self.names[other[::way]]}."
        if self.text:
            return (
                "The text files there may be YOLO's labels, which need "
                "data.yaml or classes.txt beside the folders."
            )
        return None
