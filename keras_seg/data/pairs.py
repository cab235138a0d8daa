"""Images and masks paired by stem, never by position."""

import dataclasses
import pathlib

from keras_seg.data.errors import DataError
from keras_seg.data.opening import SUFFIXES
from keras_seg.data.text import read_text

__all__ = ["Pair", "find_pairs", "read_stems"]


@dataclasses.dataclass(frozen=True)
class Pair:
    """An image file and the file that its mask is in.

    Args:
        stem: str, names the pair in its data set: the image's file name
            without its suffix.
        image: path of the image.
        mask: path of the mask, or of the file that describes it, which
            several pairs may share (COCO) or which may be absent where an
            image has no object (YOLO).
        page: optional int, the page of both where they are stacks.
    """

    stem: str
    image: pathlib.Path
    mask: pathlib.Path
    page: int | None = None


def find_pairs(images, masks, list_file=None, problems=None):
    """Pair the files of two folders.

    Args:
        images: path of the folder of images.
        masks: path of the folder of masks.
        list_file: optional path of a text file of stems, one a line. With it
            only these are paired, in its order; otherwise all are, sorted,
            and every mask must have its image.
        problems: optional list. With it nothing is raised: each `DataError`
            is appended, and what can be paired is.

    Returns:
        Tuple of `Pair`.

    Raises:
        DataError: an image lacks its mask, a mask or a listed stem its image,
            a stem comes twice, or there is nothing.
    """
    report = _raise if problems is None else problems.append
    image_files = _by_stem(images, report)
    mask_files = _by_stem(masks, report)
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
                "at least one is needed (PNG, JPEG, TIFF, BMP, WEBP or NPY)",
                fix="put images there, or correct the path",
            )
        )
    for stem in stems:
        if stem in image_files and stem not in mask_files:
            report(
                DataError(
                    "KS-D004",
                    image_files[stem],
                    f"has no mask {stem}.png in {masks}",
                    "every image needs a mask of the same stem",
                    guess=_near_miss(stem, mask_files),
                    fix="add the mask, or remove the image",
                )
            )
    if list_file is None:
        for stem in sorted(mask_files.keys() - image_files.keys()):
            report(
                DataError(
                    "KS-D005",
                    mask_files[stem],
                    f"has no image of the stem {stem} in {images}",
                    "every mask needs an image of the same stem",
                    fix="add the image, or remove the mask",
                )
            )
    return tuple(
        Pair(stem, image_files[stem], mask_files[stem])
        for stem in stems
        if stem in image_files and stem in mask_files
    )


def read_stems(path, problems=None):
    """Read a list of stems, one a line; empty lines are skipped.

    Args:
        path: str or path of the list.
        problems: optional list that takes the errors, see `find_pairs`.

    Returns:
        Dictionary from each stem to the number of its line, in order.

    Raises:
        DataError: a stem comes twice, or the file is not UTF-8.
    """
    report = _raise if problems is None else problems.append
    stems: dict[str, int] = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        stem = line.strip()
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


def _by_stem(folder, report):
    files: dict[str, pathlib.Path] = {}
    for file in sorted(pathlib.Path(folder).iterdir()):
        if file.suffix.lower() not in SUFFIXES or file.name.startswith("."):
            continue
        if file.stem in files:
            report(
                DataError(
                    "KS-D012",
                    file,
                    f"has the stem of {files[file.stem].name}",
                    "files are paired by stem, so a folder has each stem once",
                    fix="rename or remove one of the two",
                )
            )
            continue
        files[file.stem] = file
    return files


def _report_unknown(list_file, stems, image_files, images, report):
    for stem, number in stems.items():
        if stem not in image_files:
            suffix = pathlib.PurePath(stem).suffix.lower()
            report(
                DataError(
                    "KS-D005",
                    list_file,
                    f"names {stem} on line {number}, which {images} does not "
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


def _near_miss(stem, mask_files):
    """Tools like to write 0001_mask.png: say so, but do not guess pairs."""
    for other in sorted(mask_files):
        if stem and other != stem and (stem in other or other in stem):
            return f"There is {mask_files[other].name}."
    return None
