"""What `keras-seg predict` reads, and the files it writes."""

import collections
import dataclasses
import os
import pathlib
import tempfile
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from keras_seg import visualization
from keras_seg.cli import console
from keras_seg.cli.predict_extras import Extra
from keras_seg.cli.prediction_cache import RECORD
from keras_seg.data import find_images
from keras_seg.data.geotiff import is_geotiff
from keras_seg.data.image_folders import find_remote
from keras_seg.data.manifest import is_manifest
from keras_seg.data.manifest import read_manifest
from keras_seg.data.opening import guarded
from keras_seg.data.remote import RemoteImage
from keras_seg.data.remote import place
from keras_seg.data.stacks import label_folders
from keras_seg.data.video import is_video
from keras_seg.data.video import refuse_live
from keras_seg.words import listed

__all__ = ["Plan", "Targets", "output_names", "plan"]

# From each image to its mask, or that of each label, its overlay, and the files
# of each `Extra`.
Targets = Mapping[pathlib.Path, tuple[pathlib.Path, ...]]


def output_names(
    paths: Iterable[pathlib.Path], out: pathlib.Path, remote: bool = False
) -> dict[pathlib.Path, str]:
    """Finds images, and their relative paths in the output, without suffix.

    Folders are searched recursively, except for hidden ones, the output, and
    folders of predictions or runs, which are reported, as are masks of other
    images. If images are in several folders, their numbers are reported. A path
    that does not exist is a `DataError`. With `remote`, addresses of object
    stores are taken like paths, see `keras_seg.data.remote`.
    """
    names: dict[pathlib.Path, str] = {}
    for path in map(place, paths):
        elsewhere = isinstance(path, RemoteImage)
        if is_manifest(path) or (remote and elsewhere):
            found = _remote_names(path) if elsewhere else read_manifest(path)
            for image, name in found.items():
                if not remote:
                    refuse_live(image)
                names.setdefault(image, str(name))
            continue
        if elsewhere or not path.is_dir():
            refuse_live(path)
            with guarded(path):
                pass
        counts: collections.Counter = collections.Counter()
        masks: list[pathlib.Path] = []
        left_out: list[pathlib.Path] = []

        def skip(folder: pathlib.Path, left_out: list = left_out) -> bool:
            marks = (folder / RECORD, folder / "environment.txt")
            ours = folder.resolve() == out.resolve() or any(
                mark.is_file() for mark in marks
            )
            left_out.extend([folder] * ours)
            return ours

        for image in find_images([path], skip, masks):
            inside = pathlib.Path(image.name)
            if path.is_dir():
                inside = image.relative_to(path)
                counts[image.parent] += 1
            names.setdefault(image, str(inside.with_suffix("")))
        if len(counts) > 1:
            places = ", ".join(f"{n} in {at}" for at, n in counts.items())
            console.say(f"Images: {places}.")
        _say_masks(masks)
        for folder in left_out:
            console.say(f"{folder} is left out: it holds predictions or a run.")
    return names


def _remote_names(address: Any) -> dict[Any, str]:
    masks: list = []
    images = find_remote(address, masks)
    _say_masks(masks)
    if images == [address]:
        return {address: address.stem}
    return {
        image: str(image.relative_to(address).with_suffix(""))
        for image in images
    }


def _say_masks(masks: Sequence[pathlib.Path]) -> None:
    if masks:
        console.say(
            f"Left out, as masks of images beside them: {listed(masks, 3)}."
        )


@dataclasses.dataclass(frozen=True)
class Plan(Targets):
    """The files of each image, told when they are asked for.

    Args:
        names: of the images, see `output_names`.
        out: folder.
        extras: sequence of `Extra`.
        folders: str of each label, or one "".
        pseudo: bool, see `plan`.
    """

    names: Mapping[pathlib.Path, str]
    out: pathlib.Path
    extras: Sequence[Extra]
    folders: Sequence[str]
    pseudo: bool

    def __getitem__(self, image: pathlib.Path) -> tuple[pathlib.Path, ...]:
        name = self.names[image]
        if is_video(image):
            masks = [self.out / f"{name}.mkv"]
            others = [f"{name}_overlay.mp4", f"{name}_shares.csv"]
            others += [f"{name}_shares.png"] * visualization.can_plot()
        else:
            suffix = ".tif" if is_geotiff(image) else ".png"
            masks = [self.out / x / f"{name}{suffix}" for x in self.folders]
            others = [f"{name}_overlay.jpg"]
            for extra in self.extras:
                others += extra.files(name, image)
        if self.pseudo:
            others = [os.path.join("images", f"{name}{image.suffix}")]
        return (*masks, *(self.out / other for other in others))

    def __iter__(self) -> Iterator[pathlib.Path]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def of(self, images: Iterable[pathlib.Path]) -> "Plan":
        """The plan of some of the images."""
        names = {image: self.names[image] for image in images}
        return dataclasses.replace(self, names=names)


def plan(
    names: Mapping[pathlib.Path, str],
    out: pathlib.Path,
    extras: Sequence[Extra] = (),
    labels: Sequence[str] = (),
    pseudo: bool = False,
) -> Plan:
    """Plans which files are written for each image of `output_names`.

    Each of `labels`, the names of classes that may overlap, has a folder. With
    `pseudo` they are a folder of data: `images`, copied, and `labels`. A
    `ValueError` is raised if an input would be overwritten, if two images have
    the same name, or for a video of labels or with `extras`.
    """
    folders = label_folders(labels) or [""]
    if pseudo:
        folders = [os.path.join("labels", part) for part in folders]
    found = Plan(names, out, extras, folders, pseudo)
    inputs = {str(image.resolve()) for image in names}
    for image, files in found.items():
        if is_video(image) and (labels or pseudo or extras):
            reason = "a frame of a video has one class a pixel"
            if extras:
                reason = "of a video only ids and shares are written"
            if pseudo:
                reason = "data to train on are images (--pseudo)"
            raise ValueError(
                f"{image} is a video, and {reason}. Fix: predict its "
                "frames as images."
            )
        for file in files:
            if str(file.resolve()) in inputs:
                raise ValueError(
                    f"{file} is one of the images, and would be "
                    "overwritten. Fix: choose another folder with --out."
                )
    del inputs  # Before as many other names are kept.
    clash = _clash(found, str.lower)
    if clash and _tells_case(out):
        clash = _clash(found, str)
    if clash:
        first, image, file = clash
        raise ValueError(
            f"{first} and {image} would both be written to "
            f"{file}. Fix: predict them into different folders."
        )
    return found


def _clash(
    targets: Targets, fold: Callable[[str], str]
) -> tuple[pathlib.Path, pathlib.Path, pathlib.Path] | None:
    """Two images and a file that both would be written to, or None."""
    taken: dict[str, pathlib.Path] = {}
    for image, files in targets.items():
        for file in files:
            first = taken.setdefault(fold(str(file)), image)
            if first is not image:
                return first, image, file
    return None


def _tells_case(folder: pathlib.Path) -> bool:
    """Whether A.png and a.png are two files there."""
    while not folder.is_dir():
        folder = folder.parent
    with tempfile.NamedTemporaryFile(dir=folder, prefix="case") as file:
        path = pathlib.Path(file.name)
        return not path.with_name(path.name.upper()).exists()
