"""What Prometheus is told of the requests of `keras-seg serve --api`."""

import contextlib
import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING
from typing import Any

from keras_seg.lazy import optional

if TYPE_CHECKING:
    import fastapi
    import prometheus_client
else:
    fastapi = optional("fastapi", "api", "`create_app`")
    prometheus_client = optional("prometheus_client", "api", "`create_app`")

__all__ = ["RequestMetrics"]


class RequestMetrics:
    """What Prometheus asks for."""

    def __init__(self) -> None:
        self._registry = prometheus_client.CollectorRegistry()
        own: dict[str, Any] = {"registry": self._registry}
        self._requests = prometheus_client.Counter(
            "keras_seg_requests", "Answers by status", ["status"], **own
        )
        histogram = prometheus_client.Histogram
        self._seconds = histogram(
            "keras_seg_request_seconds", "Seconds of a request", **own
        )
        self._waited = histogram(
            "keras_seg_wait_seconds", "Seconds an image waits", **own
        )
        self._images = histogram(
            "keras_seg_batch_images",
            "Images predicted together",
            buckets=(1, 2, 4, 8, 16, 32, 64),
            **own,
        )
        self._batch = histogram(
            "keras_seg_batch_seconds", "Seconds of a batch", **own
        )
        # Of an image, lately.
        self.pace = 0.1

    @contextlib.contextmanager
    def request(self) -> Iterator[None]:
        """Counts a request and its status."""
        begin, status = time.perf_counter(), 500
        try:
            yield
            status = 200
        except fastapi.HTTPException as error:
            status = error.status_code
            raise
        finally:
            self._requests.labels(status).inc()
            self._seconds.observe(time.perf_counter() - begin)

    def batch(self, waited: list[float], seconds: float) -> None:
        """Counts what was predicted together."""
        self._images.observe(len(waited))
        self._batch.observe(seconds)
        for wait in waited:
            self._waited.observe(wait)
        self.pace += 0.1 * (seconds / len(waited) - self.pace)

    def answer(self) -> "fastapi.Response":
        """All that was counted, also by the other workers of the command."""
        registry = self._registry
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            registry = prometheus_client.CollectorRegistry()
            from prometheus_client import multiprocess

            multiprocess.MultiProcessCollector(registry)
        return fastapi.Response(
            prometheus_client.generate_latest(registry),
            media_type=prometheus_client.CONTENT_TYPE_LATEST,
        )
