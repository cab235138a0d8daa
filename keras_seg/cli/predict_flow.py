"""How `keras-seg predict` predicts and writes, file by file."""

import collections
import concurrent.futures
import functools
import pathlib
import shutil
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any
from typing import Self

from keras_seg import inference
from keras_seg import visualization
from keras_seg.atomic import replacing
from keras_seg.cli import console
from keras_seg.cli.predict_extras import Extra
from keras_seg.cli.predict_extras import save_overlay
from keras_seg.cli.predict_extras import write_extras
from keras_seg.cli.predict_plan import Targets
from keras_seg.cli.predict_streams import predict_raster
from keras_seg.cli.predict_streams import predict_video
from keras_seg.data import VOID
from keras_seg.data import ClassTable
from keras_seg.data import DataError
from keras_seg.data.geotiff import GeoImage
from keras_seg.data.geotiff import GeoMask
from keras_seg.data.opening import opened
from keras_seg.inference.scores import compiles_each_size
from keras_seg.score_form import is_multi_label

__all__ = ["in_windows", "predict_all"]

# Predictions that wait in memory to be written.
WAITING = 4


def in_windows(
    tiles: inference.Tiles | None,
    extras: Sequence[Extra],
    several: bool,
    pseudo: float | None,
) -> bool:
    """Whether GeoTIFFs are predicted from file to file."""
    whole = several or pseudo is not None
    whole = whole or any(extra.of_probabilities for extra in extras)
    return tiles is not None and not whole


def predict_all(
    network: Any,
    targets: Targets,
    class_table: ClassTable,
    *,
    tiles: inference.Tiles | None,
    batch_size: int,
    progress: Callable[[int], object],
    extras: Sequence[Extra] = (),
    bit_depth: int | None = None,
    bands: Sequence[int | str] | None = None,
    pseudo: float | None = None,
    counts: collections.Counter | None = None,
    written: Callable[[pathlib.Path, Iterable], object] = lambda image, paths: (
        None
    ),
) -> tuple[int, list[DataError]]:
    """Predicts the images of `plan` and writes the files, also after errors.

    `progress` is called with the number of images done, `written` with an image
    and its files when these are written. `counts` gets the number of pixels of
    each image that have no data. With `pseudo`, the smallest probability of an
    id, images are copied in place of overlays, and `counts` gets the numbers of
    all pixels, `"void"` and `"all"`. Returns the number of images written, and
    the errors.
    """
    counts = collections.Counter() if counts is None else counts
    errors: list[DataError] = []
    done = 0
    # Videos, and GeoTIFFs in tiles, go from file to file.
    apart: dict[str, Callable] = {
        ".mkv": functools.partial(predict_video, bands)
    }
    several = is_multi_label(network)
    probabilities = any(extra.of_probabilities for extra in extras)
    if in_windows(tiles, extras, several, pseudo):
        how = bit_depth, bands, extras
        apart[".tif"] = functools.partial(predict_raster, *how)
    plain = []
    with (
        console.warnings_as_lines(UserWarning),
        _Writer(
            functools.partial(
                _write,
                targets,
                class_table,
                written,
                counts,
                pseudo is not None,
                extras,
                errors,
            )
        ) as writer,
    ):
        for image, paths in targets.items():
            way = apart.get(paths[0].suffix)
            if way is None:
                plain.append(image)
                continue
            try:
                paths[0].parent.mkdir(parents=True, exist_ok=True)
                void = way(network, image, tiles, paths, class_table)
                counts[image] += void
                written(image, paths)
                done += 1
            except DataError as error:
                errors.append(error)
            progress(done + len(errors))
        if compiles_each_size(network):
            plain.sort(key=_padded)
        for found in inference.predict(
            network,
            plain,
            tiles,
            batch_size=batch_size,
            probabilities=probabilities,
            least=pseudo,
            on_error=errors.append,
            bit_depth=bit_depth,
            bands=bands,
        ):
            writer.submit(found)
            done += 1
            progress(done + len(errors))
    return done, errors


def _padded(path: pathlib.Path) -> tuple[int, ...]:
    """The bucket of an image, from the header of its file.

    Images of one size are predicted in a row, as what is compiled for a size
    may be dropped later.
    """
    try:
        with opened(path) as image:
            return tuple(-(-side // 32) for side in image.size)
    except DataError:  # It will be reported when the image is read.
        return ()


def _write(
    targets: Targets,
    class_table: ClassTable,
    written: Callable,
    counts: collections.Counter,
    as_data: bool,
    extras: Sequence[Extra],
    errors: list[DataError],
    found: inference.Prediction,
) -> None:
    several = found.ids.ndim == 3
    count = len(class_table) if several else 1
    masks = targets[found.source][:count]
    overlay, *others = targets[found.source][count:]
    overlay.parent.mkdir(parents=True, exist_ok=True)
    if found.valid is not None:
        counts[found.source] += int((~found.valid).sum())
    if not as_data:
        picture = visualization.overlay_with_legend(
            found.image, found.ids, class_table
        )
        save_overlay(overlay, picture)
    else:
        counts["void"] += int((found.ids == VOID).sum())
        counts["all"] += found.ids.size
        with replacing(overlay) as temporary:
            shutil.copyfile(found.source, temporary)
    for k, mask in enumerate(masks):
        ids, colors = found.ids, class_table.colors
        if several:
            ids, colors = ids[..., k], ((0, 0, 0), colors[k])
        mask.parent.mkdir(parents=True, exist_ok=True)
        if mask.suffix == ".tif":
            with (
                GeoImage(found.source, None) as image,
                GeoMask(mask, image, colors) as out,
            ):
                out[:, :] = ids
        else:
            visualization.save_mask(mask, ids, colors)
    try:
        write_extras(extras, masks, others, found, class_table)
    except DataError as error:
        errors.append(error)
    else:
        written(found.source, targets[found.source])


class _Writer:
    """Calls a function on a thread, in order, and raises its errors.

    Example:

    >>> with _Writer(print) as writer:
    ...     writer.submit("first")
    ...     writer.submit("second")
    first
    second
    """

    def __init__(self, write: Callable[[Any], object]):
        self._write = write
        self._pool = concurrent.futures.ThreadPoolExecutor(1)
        self._waiting: collections.deque = collections.deque()

    def submit(self, item: Any) -> None:
        """Submits an item; waits if too many others are to be written."""
        self._waiting.append(self._pool.submit(self._write, item))
        while len(self._waiting) > WAITING:
            self._waiting.popleft().result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self._pool.shutdown(wait=True)
        if kind is None:
            for written in self._waiting:
                written.result()
