"""Work that Ray Data spreads over processes that each load a network once."""

import contextlib
import logging
import os
import socket
import warnings
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any

import numpy as np

from keras_seg.lazy import optional

__all__ = ["WorkerError", "chunks", "ray_cluster", "spread"]

# Items that wait in a worker while it is busy.
AHEAD = 2
# How often a worker that died on an item is started again for it.
RETRIES = 3
# Items of a task are so few that each worker gets some of them, and so many
# that Ray's share in the time is small.
LARGEST_CHUNK = 16


class WorkerError(ValueError):
    """Workers died again and again, or there is no room for them."""


@contextlib.contextmanager
def ray_cluster(address: str) -> Iterator[None]:
    """Connects to Ray, and leaves it again unless it was connected before.

    Args:
        address: str, "local" for this machine alone, or that of a cluster, such
            as "auto", "10.0.0.1:6379" or "ray://10.0.0.1:10001", whose machines
            have keras_seg and see the same files.

    Raises:
        ImportError: If Ray is not installed.
        WorkerError: If there is no cluster at that address, or Ray does not
            start.
    """
    # Read when Ray is imported: it would report to its makers, and print errors
    # that are none.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    ray = optional("ray", "ray", "--ray")
    optional("ray.data", "ray", "--ray")
    if ray.is_initialized():
        yield
        return
    options: dict[str, Any] = {"address": address}
    if address == "local":
        options["include_dashboard"] = False
    else:
        names = ("KERAS_BACKEND",)
        known = {name: os.environ[name] for name in names if name in os.environ}
        options["runtime_env"] = {"env_vars": known}
    try:
        _reach(address)
        ray.init(logging_level=logging.ERROR, log_to_driver=False, **options)
    except Exception as error:  # So Ray's own, of a start that takes too long.
        if address == "local":
            raise WorkerError(
                f"Ray did not start ({error}). Fix: try again when this "
                "machine is less busy, or without --ray."
            ) from error
        raise WorkerError(
            f"There is no Ray cluster at {address} ({error}). Fix: --ray local "
            "for this machine, or the address that `ray start --head` prints."
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _reach(address: str) -> None:
    """Raises an `OSError` if nothing listens there; Ray would try for minutes.

    What is no host with a port, such as "local" or "auto", is Ray's to find.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if port.isdecimal():
        socket.create_connection((host, int(port)), timeout=10).close()


def chunks(items: list, workers: int, multiple: int = 1) -> list[list]:
    """Cuts a list into parts that are handed to workers as a whole.

    Args:
        items: list.
        workers: int, their number.
        multiple: int, of which the length of a part is a multiple.

    Example:

    >>> [len(part) for part in chunks(list(range(20)), workers=2)]
    [3, 3, 3, 3, 3, 3, 2]
    """
    length = min(LARGEST_CHUNK, -(-len(items) // (4 * workers))) or 1
    length = -(-length // multiple) * multiple
    return [items[i : i + length] for i in range(0, len(items), length)]


def spread(
    make: Callable[[], Callable[[Any], Any]],
    items: Iterable[Any],
    workers: int = 2,
    gpus: float | None = None,
) -> Iterator[Any]:
    """Maps items by functions that live in workers, in order.

    Each worker calls `make` once. Ray Data hands items to idle workers, a few
    ahead. If a worker is killed, another one takes its place, calls `make`, and
    gets the item it was at again: what must not be done twice, the function
    notes where its successor finds it.

    Args:
        make: function without arguments, which returns the function of an item.
            Both can be pickled.
        items: iterable of what can be pickled, such as the paths of images.
        workers: int, their number. Defaults to 2. On a CPU they share the
            cores.
        gpus: optional float, the share of each in a GPU. Defaults to a whole
            one if the cluster has any.

    Yields:
        What the function returned, for each item.

    Raises:
        WorkerError: If an item kills each worker that it is given to, or the
            cluster has too few processors or GPUs.
        Exception: What `make` or the function raised.
    """
    ray = optional("ray", "ray", "Spreading work")
    data = optional("ray.data", "ray", "Spreading work")
    items = list(items)
    if not items:
        return
    workers = min(workers, len(items))
    share = _resources(ray.cluster_resources(), workers, gpus)
    context = data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    rows = data.from_items(
        [{"item": item} for item in items], override_num_blocks=len(items)
    )
    with warnings.catch_warnings():
        # Nothing else bounds retries until Ray 2.64, which the extra excludes.
        warnings.simplefilter("ignore", DeprecationWarning)
        found = rows.map_batches(
            _Worker,
            fn_constructor_args=(make, share["num_gpus"]),
            batch_size=1,
            compute=data.ActorPoolStrategy(
                size=workers, max_tasks_in_flight_per_actor=AHEAD
            ),
            max_task_retries=RETRIES,
            **share,
        )
    try:
        for row in found.iter_rows():
            if isinstance(row["result"], _Failure):
                raise row["result"].error
            yield row["result"]
    except ray.exceptions.RayError as error:
        raise WorkerError(
            f"Workers died {RETRIES + 1} times at the same work, as they do "
            "where memory runs out. What was written before is whole. Fix: "
            "fewer workers, smaller tiles or batches, or a machine with more "
            f"memory. Ray says: {str(error).strip().splitlines()[0]}"
        ) from error


def _resources(
    cluster: dict[str, float], workers: int, gpus: float | None
) -> dict[str, float]:
    """What each worker gets; refuses what Ray would wait for without end."""
    if gpus is None:
        gpus = float(cluster.get("GPU", 0) > 0)
    processors = int(cluster.get("CPU", 1))
    if workers * gpus > cluster.get("GPU", 0) or workers > processors:
        raise WorkerError(
            f"{workers} workers need as many processors and {workers * gpus:g} "
            f"GPUs. Fix: --workers or --gpus. Received: a cluster of "
            f"{processors} processors and {cluster.get('GPU', 0):g} GPUs"
        )
    return {"num_cpus": processors // workers, "num_gpus": gpus}


class _Failure:
    """An exception on its way from a worker to where it is raised."""

    def __init__(self, error: Exception):
        self.error = error


class _Worker:
    """Calls `make` once; runs in a process of its own."""

    def __init__(self, make: Callable[[], Callable[[Any], Any]], gpus: float):
        if 0 < gpus < 1:  # Each backend would take all of the GPU's memory.
            os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
            os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        try:
            self._run = make()
        except Exception as error:
            failure = _Failure(error)
            self._run = lambda item: failure

    def __call__(self, batch: dict) -> dict:
        (item,) = batch["item"]
        try:
            result = self._run(item)
        except Exception as error:
            result = _Failure(error)
        return {"result": np.fromiter([result], object, 1)}
