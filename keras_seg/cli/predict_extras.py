"""What `keras-seg predict` writes beside masks and overlays on request."""

import dataclasses
import math
import os
import pathlib
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
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
from keras_seg.data import Outline
from keras_seg.data import Outlined
from keras_seg.data import outlines
from keras_seg.data import write_outlines
from keras_seg.data.geotiff import GeoMask
from keras_seg.data.geotiff import pixel_area
from keras_seg.data.geotiff import place_of
from keras_seg.data.outline_files import FORMATS
from keras_seg.data.outline_files import background_ids
from keras_seg.data.outline_files import yolo_names
from keras_seg.inference import Prediction

__all__ = ["Extra", "Polygons", "Probabilities", "read_ids", "write_whole"]

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

    def files(self, name: str) -> list[str]:
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


class Probabilities(Extra):
    """Probabilities of all classes, `NAME.npz`."""

    of_probabilities = True

    def files(self, name: str) -> list[str]:
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
    """

    kind: str
    tolerance: float = 0.5
    in_meters: bool = False

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

    def files(self, name: str) -> list[str]:
        endings = {"labelme": "json", "geojson": "geojson", "gpkg": "gpkg"}
        if self.kind == "yolo":
            return [os.path.join("labels", f"{name}.txt")]
        end = endings.get(self.kind)
        return [f"{name}.{end}"] if end else []

    def write(
        self, paths: Paths, found: Prediction, class_table: ClassTable
    ) -> None:
        for path in paths:
            # labelme opens the image from there.
            name = os.path.relpath(found.source, path.parent)
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
        found = []
        if ids.ndim == 3:
            for k in range(ids.shape[-1]):
                rings = outlines(ids[..., k], tolerance, [0, VOID])
                found += [Outline(k, one.rings) for one in rings]
        else:
            void = [VOID] * (len(class_table) <= VOID)
            without = [*background_ids(class_table), *void]
            found = outlines(ids, tolerance, without)
        return Outlined(name, ids.shape[:2], found, place)


def read_ids(masks: Paths, several: bool) -> NDArray:
    """The ids of a mask, or the planes of several labels, as written."""
    planes = [
        GeoMask.preview(mask)
        if mask.suffix == ".tif"
        else np.asarray(Image.open(mask))
        for mask in masks
    ]
    return np.stack(planes, axis=-1) if several else planes[0]


def write_whole(
    extras: Sequence[Extra],
    targets: Mapping[pathlib.Path, Paths],
    names: Mapping[pathlib.Path, pathlib.Path],
    out: pathlib.Path,
    network: Network,
    cache: PredictionCache,
) -> None:
    """Writes the files of all images, from the masks that are there."""
    table = network.class_table
    count = len(table) if network.multi_label else 1
    written = {
        image: paths[:count]
        for image, paths in targets.items()
        if all(path.is_file() for path in paths)
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
