"""Rasters and videos that `keras-seg predict` takes from file to file."""

import pathlib
from collections.abc import Iterator
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from keras_seg import inference
from keras_seg import visualization
from keras_seg.cli.predict_extras import Extra
from keras_seg.cli.predict_extras import save_overlay
from keras_seg.cli.predict_extras import write_extras
from keras_seg.data import ClassTable
from keras_seg.data import DataError
from keras_seg.data.geotiff import GeoImage
from keras_seg.data.geotiff import GeoMask
from keras_seg.data.video import VideoWriter
from keras_seg.data.video import frame_rate
from keras_seg.data.video import timed_frames
from keras_seg.inference.scores import Model
from keras_seg.inference.scores import image_shape
from keras_seg.runs.files import write_table

__all__ = ["finish_raster", "predict_raster", "predict_video"]

# Largest side of the overlay of a raster.
PREVIEW = 2048
# Smallest height of a legend, for two lines.
SMALLEST_LEGEND = 48


def predict_raster(
    bit_depth: int | None,
    bands: Sequence[int | str] | None,
    extras: Sequence[Extra],
    network: Model,
    path: pathlib.Path,
    tiles: inference.Tiles | None,
    targets: tuple[pathlib.Path, ...],
    class_table: ClassTable,
) -> int:
    """Predicts a GeoTIFF from file to file, in the memory of some tiles.

    Returns the number of its pixels that have no data.
    """
    with GeoImage(path, image_shape(network)[-1], bit_depth, bands) as image:
        with GeoMask(targets[0], image, class_table.colors) as out:
            inference.predict(network, image, tiles, out)
        finish_raster(image, targets, extras, class_table)
    return out.without_data


def finish_raster(
    image: GeoImage,
    targets: tuple[pathlib.Path, ...],
    extras: Sequence[Extra],
    class_table: ClassTable,
) -> None:
    """Writes what is beside the mask of a GeoTIFF, from the mask."""
    mask, overlay, *others = targets
    picture = visualization.overlay_with_legend(
        image.preview(PREVIEW), GeoMask.preview(mask, PREVIEW), class_table
    )
    save_overlay(overlay, picture)
    if extras:  # They need the whole mask.
        found = inference.Prediction(image.path, picture, GeoMask.preview(mask))
        write_extras(extras, [mask], others, found, class_table)


def predict_video(
    bands: Sequence[int | str] | None,
    network: Model,
    path: pathlib.Path,
    tiles: inference.Tiles | None,
    targets: tuple[pathlib.Path, ...],
    class_table: ClassTable,
) -> int:
    """Writes a video of ids as gray values, one of overlays, and shares.

    The legend shows all classes, since all frames of a video must have one
    size. Frames keep their times. The shares of the classes are a table, and a
    plot where one can be drawn.
    """
    rate, key = frame_rate(path), None
    names, colors = class_table.names, class_table.colors
    times: list[float] = []
    shares = []

    def frames() -> Iterator[NDArray]:
        for time, frame in timed_frames(path, bands):
            times.append(float(len(times) / rate) if time is None else time)
            yield frame

    with (
        VideoWriter(targets[0], rate) as masks,
        VideoWriter(targets[1], rate) as overlays,
    ):
        for found in inference.predict(network, frames(), tiles):
            time = times[found.source]
            masks.write(found.ids, time)
            counts = np.bincount(found.ids.ravel(), minlength=len(names))
            shares.append(counts / found.ids.size)
            if key is None:
                height = max(len(found.ids), SMALLEST_LEGEND)
                key = visualization.legend(names, colors, height=height)
            picture = visualization.overlay(found.image, found.ids, colors)
            overlays.write(visualization.panel([picture, key], gap=0), time)
        if not shares:
            raise DataError(
                "KS-D009",
                path,
                "has no frame",
                "a video has one or more",
                fix="copy the file again from its source",
            )
    columns = ["time (s)", *names]
    rows = zip(times, *np.round(shares, 6).T.tolist(), strict=True)
    dicts = (dict(zip(columns, row, strict=True)) for row in rows)
    write_table(targets[2], dicts, columns)
    for plot in targets[3:]:
        picture = visualization.class_shares(times, shares, names, colors)
        visualization.save_image(plot, picture)
    return 0  # All pixels have data.
