"""`keras-seg evaluate --ray`: confusion matrices of parts, added."""

import contextlib
import dataclasses
import itertools
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from keras_seg import inference
from keras_seg.cli import console
from keras_seg.cli.network import open_network
from keras_seg.cli.options import set_limits
from keras_seg.data import Folder
from keras_seg.distributed.workers import chunks
from keras_seg.distributed.workers import ray_cluster
from keras_seg.distributed.workers import spread
from keras_seg.inference.predict import bucket_of
from keras_seg.inference.scores import Model

__all__ = ["Job", "evaluate_by_ray"]

# As `inference.evaluate` has by default.
BATCH_SIZE = 4


@dataclasses.dataclass(frozen=True)
class Job:
    """What a worker needs to know to evaluate a part of a data set.

    Args:
        model: str, how the user named the network.
        last: bool, whether the last model of a run is meant.
        alter: function that changes it before it predicts, or None.
        pairs: `keras_seg.data.Folder`.
        bucket: int, see `inference.evaluate`.
        limits: arguments of `set_limits`.
        folder: str, where relative paths begin.
    """

    model: str
    last: bool
    alter: Callable[[Any], Any] | None
    pairs: Folder
    bucket: int
    limits: tuple[int | None, ...] = ()
    folder: str = dataclasses.field(default_factory=os.getcwd)

    def __call__(self) -> Callable[[list[int]], tuple]:
        os.chdir(self.folder)
        set_limits(*self.limits)
        model = open_network(self.model, self.last).load()
        if self.alter is not None:
            model = self.alter(model)

        def run(indices: list[int]) -> tuple:
            part = self.pairs.subset(indices)
            with (
                console.listening() as said,
                console.warnings_as_lines(UserWarning),
            ):
                found = inference.evaluate(
                    model, part, BATCH_SIZE, bucket=self.bucket
                )
            void = {indices[i]: n for i, n in part.without_data.items()}
            return found.matrix, found.per_image, void, said

        return run


def evaluate_by_ray(
    job: Job,
    model: Model,
    address: str,
    workers: int,
    gpus: float | None,
    progress: Callable[[int], object],
) -> inference.Evaluation:
    """Does as `inference.evaluate`, in workers; see `spread`.

    Each part begins where a batch does, so the batches are the same, and the
    sum of the matrices is the matrix.
    """
    bucket = bucket_of(model, job.bucket)
    matrix: Any = 0
    per_image: list[float] = []
    lines: set[str] = set()
    with contextlib.ExitStack() as stack:
        with console.quiet():
            stack.enter_context(ray_cluster(address))
        batches = _batches(job.pairs, bucket)
        parts = [
            list(itertools.chain(*part)) for part in chunks(batches, workers)
        ]
        for counts, ious, void, said in spread(job, parts, workers, gpus):
            for line in said:
                if line not in lines:
                    console.complain(line)
                lines.add(line)
            job.pairs.without_data.update(void)
            matrix = matrix + counts
            per_image += list(ious)
            progress(len(per_image))
    return inference.Evaluation(
        matrix,
        job.pairs.class_table,
        len(per_image),
        np.array(per_image),
        model=model,
        data=job.pairs,
    )


def _batches(pairs: Folder, bucket: int) -> list[list[int]]:
    """The batches of consecutive images of one padded size."""

    def size(index: int) -> tuple[int, ...]:
        return tuple(-(-n // bucket) for n in pairs.size(index))

    found = []
    for _, alike in itertools.groupby(range(len(pairs)), size):
        indices = list(alike)
        starts = range(0, len(indices), BATCH_SIZE)
        found += [indices[i : i + BATCH_SIZE] for i in starts]
    return found
