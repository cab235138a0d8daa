"""What `keras-seg predict` writes beside masks and overlays on request."""

import contextlib
import csv
import dataclasses
import itertools
import math
import os
import pathlib
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from keras_seg.atomic import replacing
from keras_seg.cli.network import Network
from keras_seg.cli.prediction_cache import PredictionCache
from keras_seg.data import VOID
from keras_seg.data import ClassTable
from keras_seg.data import DataError
from keras_seg.data import Outlined
from keras_seg.data import voc_colormap
from keras_seg.data import write_outlines
from keras_seg.data.geotiff import GeoImage
from keras_seg.data.geotiff import GeoMask
from keras_seg.data.geotiff import is_geotiff
from keras_seg.data.geotiff import is_on_earth
from keras_seg.data.geotiff import pixel_area
from keras_seg.data.geotiff import place_of
from keras_seg.data.geotiff import write_bands
from keras_seg.data.outline_files import FORMATS
from keras_seg.data.outline_files import outlined
from keras_seg.data.outline_files import yolo_names
from keras_seg.data.remote import RemoteImage
from keras_seg.data.text import read_text
from keras_seg.inference import Prediction
from keras_seg.inference import confidence_maps
from keras_seg.inference import find_objects
from keras_seg.inference import measure_objects
from keras_seg.runs.files import write_table
from keras_seg.visualization import overlay
from keras_seg.visualization import save_image
from keras_seg.visualization.coloring import within_jpeg
from keras_seg.words import did_you_mean

__all__ = [
    "Confidence",
    "Extra",
    "Objects",
    "Polygons",
    "Probabilities",
    "read_ids",
    "save_overlay",
    "write_extras",
    "write_whole",
]

Paths = Sequence[pathlib.Path]


class Extra:
    """Files that are written beside each mask, or nothing.

    Attributes:
        of_probabilities: whether they need those of all classes.
    """

    of_probabilities = False

    @property
    def whole(self) -> str:
        """The name of a file for all images, or ""."""
        return ""

    def files(self, name: str, image: pathlib.Path) -> list[str]:
        """The files of an image, from its name in the output."""
        return []

    def write(
        self, paths: Paths, found: Prediction, class_table: ClassTable
    ) -> None:
        """Writes the files of an image."""

    def write_whole(
        self,
        path: pathlib.Path,
        masks: Iterable[tuple[pathlib.Path, str, NDArray]],
        class_table: ClassTable,
    ) -> None:
        """Writes the file for all images, from their names and ids."""

    def of_copies(self, images: Mapping[pathlib.Path, Any]) -> "Extra":
        """Itself for copies, from these to the images that were asked for."""
        return self


class Probabilities(Extra):
    """Probabilities of all classes, `NAME.npz`."""

    of_probabilities = True

    def files(self, name: str, image: pathlib.Path) -> list[str]:
        return [f"{name}.npz"]

    def write(
        self, paths: Paths, found: Prediction, class_table: ClassTable
    ) -> None:
        assert found.probabilities is not None
        with replacing(paths[0]) as temporary:
            np.savez_compressed(temporary, probabilities=found.probabilities)


@dataclasses.dataclass(frozen=True)
class Polygons(Extra):
    """Outlines of the classes, except the background and void.

    Args:
        kind: see `write_outlines`.
        tolerance: pixels, or meters on the map.
        in_meters: bool.
        copies: see `Extra.of_copies`.
    """

    kind: str
    tolerance: float = 0.5
    in_meters: bool = False
    copies: Mapping[pathlib.Path, Any] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, kind: str, tolerance: str) -> Self:
        """From options: "2m" is a tolerance in meters, "0.5" one in pixels."""
        if kind not in FORMATS:
            raise ValueError(
                f"--polygons is one of {', '.join(FORMATS)}. Received: {kind}"
            )
        try:
            number = float(tolerance.removesuffix("m"))
        except ValueError:
            number = -1
        if not 0 <= number < math.inf:
            raise ValueError(
                "--tolerance is a number of pixels, such as 0.5, or of meters "
                f"on a map, such as 2m. Received: {tolerance}"
            )
        return cls(kind, number, tolerance.endswith("m"))

    @property
    def whole(self) -> str:
        names = {"coco": "coco.json", "cvat": "cvat.xml", "yolo": "classes.txt"}
        return names.get(self.kind, "")

    def files(self, name: str, image: pathlib.Path) -> list[str]:
        endings = {"labelme": "json", "geojson": "geojson", "gpkg": "gpkg"}
        if self.kind == "yolo":
            return [os.path.join("labels", f"{name}.txt")]
        end = endings.get(self.kind)
        return [f"{name}.{end}"] if end else []

    def write(
        self, paths: Paths, found: Prediction, class_table: ClassTable
    ) -> None:
        for path in paths:
            name = str(found.source)
            if self.kind == "labelme":  # It opens the image from there.
                image = self.copies.get(found.source, found.source)
                name = _relative(image, path.parent)
            one = self._outlined(found.source, name, found.ids, class_table)
            write_outlines(path, self.kind, [one], class_table)

    def write_whole(
        self,
        path: pathlib.Path,
        masks: Iterable[tuple[pathlib.Path, str, NDArray]],
        class_table: ClassTable,
    ) -> None:
        if self.kind == "yolo":
            with replacing(path) as temporary:
                text = "".join(f"{n}\n" for n in yolo_names(class_table))
                temporary.write_text(text, encoding="utf-8")
            return
        images = [
            self._outlined(image, name, ids, class_table)
            for image, name, ids in masks
        ]
        write_outlines(path, self.kind, images, class_table)

    def of_copies(self, images: Mapping[pathlib.Path, Any]) -> Extra:
        return dataclasses.replace(self, copies=images)

    def _outlined(
        self,
        image: pathlib.Path,
        name: str,
        ids: NDArray,
        class_table: ClassTable,
    ) -> Outlined:
        place, tolerance = place_of(image), self.tolerance
        if self.in_meters:
            area = place and pixel_area(place, np.array([ids.shape[::-1]]) / 2)
            if area is None:
                raise DataError(
                    "KS-D037",
                    image,
                    "has no place on a map",
                    "the tolerance is in meters",
                    fix="say it in pixels, such as --tolerance 0.5",
                )
            tolerance /= math.sqrt(area[0])
        return outlined(name, ids, class_table, tolerance, place)


def _relative(image: Any, folder: pathlib.Path) -> str:
    """The path from a folder, or what leads there from everywhere."""
    if not isinstance(image, RemoteImage):
        with contextlib.suppress(ValueError):  # Another drive of Windows.
            return os.path.relpath(image, folder)
    return str(image.absolute())


@dataclasses.dataclass(frozen=True)
class Objects(Extra):
    """Objects of some classes: a table and a picture.

    Args:
        classes: ids.
        min_area: pixels, see `find_objects`.
    """

    classes: tuple[int, ...]
    min_area: int = 1
    of_probabilities = True
    whole = "objects.csv"

    @classmethod
    def of(
        cls, names: Sequence[str], min_area: int, class_table: ClassTable
    ) -> Self:
        """From the names of the classes."""
        for name in names:
            if name not in class_table.names:
                guess = did_you_mean(name, class_table.names)
                raise ValueError(
                    "--objects names a class of "
                    f"{', '.join(class_table.names)}.{guess} Received: {name}"
                )
        ids = dict.fromkeys(map(class_table.names.index, names))
        return cls(tuple(ids), min_area)

    def files(self, name: str, image: pathlib.Path) -> list[str]:
        return [f"{name}_objects.csv", f"{name}_objects.jpg"]

    def write(
        self, paths: Paths, found: Prediction, class_table: ClassTable
    ) -> None:
        assert found.probabilities is not None
        place = place_of(found.source)
        picture = np.asarray(found.image)
        colors = voc_colormap(256)
        rows: list[dict] = []
        for i in self.classes:
            several = found.ids.ndim == 3
            region = found.ids[..., i] == 1 if several else found.ids == i
            numbers = find_objects(region, min_area=self.min_area)
            sure = found.probabilities[..., i]
            for row in measure_objects(numbers, sure, place):
                number = {"object": len(rows) + 1}
                rows.append({"class": class_table.names[i], **row, **number})
            shown = np.where(numbers > 0, 1 + (numbers - 1) % (VOID - 1), 0)
            picture = overlay(picture, shown, colors[:VOID])
        write_table(paths[0], rows, self._columns(place))
        save_overlay(paths[1], picture)

    def write_whole(
        self,
        path: pathlib.Path,
        masks: Iterable[tuple[pathlib.Path, str, NDArray]],
        class_table: ClassTable,
    ) -> None:
        """The number and the area of the objects in each image."""
        names = [class_table.names[i] for i in self.classes]
        table = []
        for image, name, _ in masks:
            stem = os.path.splitext(name)[0]
            text = read_text(path.parent / self.files(stem, image)[0])
            rows = list(csv.DictReader(text.splitlines()))
            for of in names:
                own = [row for row in rows if row["class"] == of]
                sums: dict[str, float] = {
                    "area_px": sum(int(row["area_px"]) for row in own)
                }
                if own and own[0].get("area_m2"):
                    sums["area_m2"] = sum(float(x["area_m2"]) for x in own)
                table.append({"image": name, "class": of, **sums})
                table[-1]["objects"] = len(own)
        columns = ("image", "class", "objects", "area_px", "area_m2")
        write_table(path, table, columns)

    @staticmethod
    def _columns(place: Any) -> list[str]:
        on_earth = place is not None and is_on_earth(place[0])
        return [
            *("object", "class", "area_px", *["area_m2"] * on_earth),
            *("x", "y", "left", "top", "right", "bottom", "confidence"),
        ]


class Confidence(Extra):
    """Maps of the largest probability and of the entropy."""

    of_probabilities = True

    def files(self, name: str, image: pathlib.Path) -> list[str]:
        found = [f"{name}_confidence.png", f"{name}_entropy.png"]
        return found + [f"{name}_confidence.tif"] * is_geotiff(image)

    def write(
        self, paths: Paths, found: Prediction, class_table: ClassTable
    ) -> None:
        assert found.probabilities is not None
        several = found.ids.ndim == 3
        maps = confidence_maps(found.probabilities, several)
        for path, values in zip(paths, maps, strict=False):
            gray = Image.fromarray(np.rint(255 * values).astype("uint8"))
            with replacing(path) as temporary:
                gray.save(temporary)
        if len(paths) > 2:
            names = "largest probability", "entropy"
            with GeoImage(found.source, None) as image:
                bands = dict(zip(names, maps, strict=True))
                valid = True if found.valid is None else found.valid
                write_bands(paths[2], image, bands, valid)


def save_overlay(path: pathlib.Path, picture: NDArray) -> None:
    """Saves as JPEG, in a tenth of the time of PNG."""
    save_image(path, within_jpeg(picture))


def read_ids(masks: Paths, several: bool) -> NDArray:
    """The ids of a mask, or the planes of several labels, as written."""
    planes = [
        GeoMask.preview(mask)
        if mask.suffix == ".tif"
        else np.asarray(Image.open(mask))
        for mask in masks
    ]
    return np.stack(planes, axis=-1) if several else planes[0]


def write_extras(
    extras: Sequence[Extra],
    masks: Sequence[pathlib.Path],
    paths: Sequence[pathlib.Path],
    found: Prediction,
    class_table: ClassTable,
) -> None:
    """Writes the files beside the masks of an image, those of each extra."""
    if extras and masks[0].suffix == ".tif":  # Void where there are no data.
        found = found._replace(ids=read_ids(masks, found.ids.ndim == 3))
    rest = iter(paths)
    for extra in extras:
        own = list(itertools.islice(rest, len(extra.files("", found.source))))
        for path in own:
            path.parent.mkdir(parents=True, exist_ok=True)
        extra.write(own, found, class_table)


def write_whole(
    extras: Sequence[Extra],
    targets: Mapping[pathlib.Path, Paths],
    names: Mapping[pathlib.Path, str],
    out: pathlib.Path,
    network: Network,
    cache: PredictionCache,
) -> None:
    """Writes the files of all images, from the masks that are current."""
    table = network.class_table
    count = len(table) if network.multi_label else 1
    written = {
        image: paths[:count]
        for image, paths in targets.items()
        if cache.is_current(image, paths)
    }
    for extra in extras:
        if extra.whole:
            masks = (
                (
                    image,
                    f"{names[image]}{image.suffix}",
                    read_ids(paths, network.multi_label),
                )
                for image, paths in written.items()
            )
            extra.write_whole(out / extra.whole, masks, table)
            cache.note(out / extra.whole, [out / extra.whole])
