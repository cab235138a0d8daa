"""`keras-seg predict --ray`: images and strips of rasters over workers."""

import collections
import contextlib
import dataclasses
import itertools
import os
import pathlib
import zlib
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_seg import inference
from keras_seg.cli import console
from keras_seg.cli.network import open_network
from keras_seg.cli.network import say_tiles
from keras_seg.cli.options import set_limits
from keras_seg.cli.predict_extras import Extra
from keras_seg.cli.predict_extras import read_ids
from keras_seg.cli.predict_flow import in_windows
from keras_seg.cli.predict_flow import predict_all
from keras_seg.cli.predict_plan import Plan
from keras_seg.cli.predict_plan import Targets
from keras_seg.cli.predict_streams import finish_raster
from keras_seg.cli.prediction_cache import PredictionCache
from keras_seg.data import VOID
from keras_seg.data import ClassTable
from keras_seg.data import DataError
from keras_seg.data.bands import valid_pixels
from keras_seg.data.geotiff import GeoImage
from keras_seg.data.geotiff import GeoMask
from keras_seg.data.geotiff import raster_shape
from keras_seg.data.remote import at_hand
from keras_seg.data.remote import renamed
from keras_seg.distributed.workers import chunks
from keras_seg.distributed.workers import ray_cluster
from keras_seg.distributed.workers import spread
from keras_seg.inference.scores import image_shape
from keras_seg.score_form import is_multi_label

__all__ = ["Job", "predict_by_ray"]

# Rows of tiles in a strip, one more of which is scored again; and its pixels.
MOST_ROWS = 16
MOST_PIXELS = 2**28


@dataclasses.dataclass(frozen=True)
class Job:
    """What workers need to know to do as `keras-seg predict`.

    Args:
        model: str, how the user named the network.
        last: bool, whether the last model of a run is meant.
        views: function from the Keras model to what is asked of it.
        class_table: `ClassTable`.
        tiles: optional `inference.Tiles`.
        batch_size: int.
        extras: sequence of `Extra`.
        bit_depth: optional int.
        bands: optional sequence, see `inference.predict`.
        pseudo: optional float.
        cache: `PredictionCache`.
        limits: arguments of `set_limits`.
        folder: str, where relative paths begin.
    """

    model: str
    last: bool
    views: Callable[[Any], Any]
    class_table: ClassTable
    cache: PredictionCache
    tiles: inference.Tiles | None
    batch_size: int
    extras: Sequence[Extra]
    bit_depth: int | None
    bands: Sequence[int | str] | None
    pseudo: float | None
    limits: tuple[int | None, ...] = ()
    folder: str = dataclasses.field(default_factory=os.getcwd)

    @property
    def how(self) -> tuple:
        """How images are read."""
        return self.bit_depth, self.bands

    def __call__(self) -> Callable[[Any], Any]:
        return _Predictor(self)


def predict_by_ray(
    job: Job,
    targets: Plan,
    *,
    address: str,
    workers: int,
    gpus: float | None,
    several: bool,
    progress: Callable[[int], object],
    counts: collections.Counter,
) -> tuple[int, list[DataError]]:
    """Does as `predict_all`, in workers; see `spread`.

    A GeoTIFF in tiles is shared by them: each predicts strips of it, which are
    joined here. Anything else is predicted and written by one of them.
    """
    items: list[Any] = []
    apart: set[pathlib.Path] = set()
    if in_windows(job.tiles, job.extras, several, job.pseudo):
        for image, paths in targets.items():
            strips = _strips(job, image, paths, workers)
            apart.update([image] * bool(strips))
            items += strips
    rest = [image for image in targets if image not in apart]
    parts = chunks(rest, workers, job.batch_size)
    done, errors = 0, list[DataError]()
    said: set[str] = set()
    with contextlib.ExitStack() as stack:
        with console.quiet():
            stack.enter_context(ray_cluster(address))
        found = spread(job, [*items, *map(targets.of, parts)], workers, gpus)
        for raster, results in itertools.groupby(found, _raster_of):
            for result in _joined(job, raster, results, targets):
                for line in result.said:
                    if line not in said:
                        console.complain(line)
                    said.add(line)
                done += result.written
                errors += result.errors
                counts.update(result.counts)
                progress(done + len(errors))
    job.cache.read_on()
    return done, errors


@dataclasses.dataclass(frozen=True)
class _Strip:
    """Rows of a raster, and their ids when they were predicted."""

    image: pathlib.Path
    rows: tuple[int, int]
    channels: int = 0
    ids: bytes = b""
    said: tuple[str, ...] = ()
    error: DataError | None = None

    def write(self, out: GeoMask, tiles: inference.Tiles) -> None:
        """Writes the ids, by the windows of `predict`, as the same bytes."""
        height, width = out.shape
        first, last = self.rows
        ids = np.frombuffer(zlib.decompress(self.ids), "uint8")
        ids = ids.reshape(-1, width)
        for top, bottom in tiles.strips(height, rows=1):
            for left, right in tiles.strips(width, rows=1):
                if first <= top < last:
                    part = ids[top - first : bottom - first, left:right]
                    out[top:bottom, left:right] = part


@dataclasses.dataclass(frozen=True)
class _Done:
    """What became of some images."""

    written: int
    errors: tuple[DataError, ...]
    counts: collections.Counter
    said: tuple[str, ...] = ()


class _Predictor:
    """Predicts images and strips in a worker."""

    def __init__(self, job: Job):
        os.chdir(job.folder)
        set_limits(*job.limits)
        job.cache.read_on()  # Its folder may be relative.
        self._job = job
        with console.listening() as self._said:
            source = open_network(job.model, job.last)
            self._network = source.load()
            if not source.is_exported:
                self._network = job.views(self._network)
        self._raster: tuple[Any, pathlib.Path] | None = None
        self._stack = contextlib.ExitStack()

    def __call__(self, item: Any) -> Any:
        with console.listening() as said:
            found = (self._strip if isinstance(item, _Strip) else self._all)(
                item
            )
        lines = (*self._said, *said)
        self._said = []
        return dataclasses.replace(found, said=lines)

    def _strip(self, strip: _Strip) -> _Strip:
        path = pathlib.Path()
        channels = image_shape(self._network)[-1]
        try:
            path = self._copy_of(strip.image)
            with GeoImage(path, channels, *self._job.how) as image:
                ids = inference.predict(
                    self._network, image, self._job.tiles, strip=strip.rows
                )
        except DataError as error:
            named = renamed(error, path, strip.image)
            return dataclasses.replace(strip, error=named)
        packed = zlib.compress(ids.tobytes(), 1)
        return dataclasses.replace(strip, ids=packed, channels=channels)

    def _copy_of(self, image: Any) -> pathlib.Path:
        """The raster on this machine, kept until another one is asked for."""
        if self._raster is None or self._raster[0] != image:
            self._stack.close()
            self._raster = image, self._stack.enter_context(at_hand(image))
        return self._raster[1]

    def _all(self, targets: Targets) -> _Done:
        job = self._job
        counts: collections.Counter = collections.Counter()
        errors: list[DataError] = []
        # What a worker that was killed had done is noted.
        before = {i: job.cache.has(i, paths) for i, paths in targets.items()}
        written = sum(before.values())
        with contextlib.ExitStack() as stack:
            images: dict[pathlib.Path, Any] = {}
            for image in targets:
                try:
                    copy = stack.enter_context(at_hand(image))
                except DataError as error:
                    errors.append(error)
                    continue
                if before[image]:
                    counts += self._counted(copy, targets[image])
                else:
                    images[copy] = image
            say_tiles(self._network, images)
            done, found = predict_all(
                self._network,
                {copy: targets[image] for copy, image in images.items()},
                job.class_table,
                tiles=job.tiles,
                batch_size=job.batch_size,
                extras=[extra.of_copies(images) for extra in job.extras],
                bit_depth=job.bit_depth,
                bands=job.bands,
                pseudo=job.pseudo,
                counts=counts,
                progress=lambda count: None,
                written=lambda copy, paths: job.cache.note(images[copy], paths),
            )
            for problem in found:
                for copy, image in images.items():
                    problem = renamed(problem, copy, image)
                errors.append(problem)
        named = {images.get(key, key): n for key, n in counts.items()}
        return _Done(written + done, (*errors,), collections.Counter(named))

    def _counted(
        self, copy: pathlib.Path, paths: tuple[pathlib.Path, ...]
    ) -> collections.Counter:
        """What `predict_all` counted of an image that was predicted before."""
        job, several = self._job, is_multi_label(self._network)
        channels = image_shape(self._network)[-1]
        valid = valid_pixels(copy, channels, job.bands)
        counts: collections.Counter = collections.Counter()
        if valid is not None:
            counts[copy] = int((~valid).sum())
        if job.pseudo is not None:
            masks = paths[: len(job.class_table) if several else 1]
            ids = read_ids(masks, several)
            counts["void"], counts["all"] = int((ids == VOID).sum()), ids.size
        return counts


def _strips(
    job: Job, image: Any, paths: tuple[pathlib.Path, ...], workers: int
) -> list[_Strip]:
    """The strips of a GeoTIFF; none of what is no GeoTIFF, or damaged."""
    if paths[0].suffix != ".tif" or job.tiles is None:
        return []
    shape = raster_shape(image)
    if shape is None:
        return []
    count = len(job.tiles.along(shape[0]))
    rows = min(
        MOST_ROWS,
        -(-count // workers),
        max(1, MOST_PIXELS // (job.tiles.size * shape[1])),
    )
    return [_Strip(image, x) for x in job.tiles.strips(shape[0], rows)]


def _raster_of(result: Any) -> pathlib.Path | None:
    return result.image if isinstance(result, _Strip) else None


def _joined(
    job: Job, image: Any, results: Iterable[Any], targets: Targets
) -> Iterator[_Done]:
    """Writes the mask of a raster from its strips; passes on anything else."""
    tiles = job.tiles
    if image is None or tiles is None:
        yield from results
        return
    paths = targets[image]
    said: list[str] = []
    strips = _sound(results, said)
    try:
        first = next(strips)
        paths[0].parent.mkdir(parents=True, exist_ok=True)
        with (
            at_hand(image) as copy,
            GeoImage(copy, first.channels, *job.how) as source,
        ):
            with GeoMask(paths[0], source, job.class_table.colors) as out:
                for strip in itertools.chain([first], strips):
                    strip.write(out, tiles)
            extras = [extra.of_copies({copy: image}) for extra in job.extras]
            finish_raster(source, paths, extras, job.class_table)
        job.cache.note(image, paths)
        void = collections.Counter({image: out.without_data})
        yield _Done(1, (), void, (*said,))
    except DataError as error:
        yield _Done(0, (error,), collections.Counter(), (*said,))


def _sound(strips: Iterable[_Strip], said: list[str]) -> Iterator[_Strip]:
    """Raises the error of a strip."""
    for strip in strips:
        said += strip.said
        if strip.error is not None:
            raise strip.error
        yield strip
