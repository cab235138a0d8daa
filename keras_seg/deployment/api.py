"""An exported network behind HTTP: an image in, its classes out."""

import asyncio
import contextlib
import dataclasses
import math
import pathlib
import tempfile
import uuid
from collections.abc import AsyncIterator
from collections.abc import Iterator
from typing import TYPE_CHECKING
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL import UnidentifiedImageError

from keras_seg import inference
from keras_seg import visualization
from keras_seg.data import VOID
from keras_seg.data import DataError
from keras_seg.data.geotiff import is_geotiff
from keras_seg.data.images import read_pixels
from keras_seg.data.images import read_size
from keras_seg.data.outline_files import outlined
from keras_seg.data.outline_maps import geojson
from keras_seg.deployment.batching import Batcher
from keras_seg.deployment.exported import ExportedModel
from keras_seg.deployment.request_metrics import RequestMetrics
from keras_seg.inference import Prediction
from keras_seg.inference.one_size import check_takes_tiles
from keras_seg.inference.scores import image_shape
from keras_seg.inference.tiles import is_out_of_memory
from keras_seg.lazy import optional
from keras_seg.visualization.coloring import encoded
from keras_seg.visualization.coloring import mask_picture
from keras_seg.visualization.coloring import within_jpeg

if TYPE_CHECKING:
    import fastapi
else:
    fastapi = optional("fastapi", "api", "`create_app`")

__all__ = ["Limits", "create_app"]

# What is answered, by the name in the address and by the header Accept.
_ANSWERS = {
    "png": "image/png",
    "geojson": "application/geo+json",
    "overlay": "image/jpeg",
}
HOW = "Fix: send the file itself, as curl --data-binary @photo.jpg does."
# Formats whose runtimes give an image the same scores in any batch, to the last
# bit; TensorFlow's of a DeepLab v3 differed by 4e-7 of the largest.
_SAME = ("onnx", "litert", "openvino")
# Seconds in which a body must have come.
BODY_SECONDS = 60


@dataclasses.dataclass(frozen=True)
class Limits:
    """How much a server takes.

    Args:
        bytes: int, of a body; more are answered by 413.
        pixels: int, of an image; more are answered by 413.
        requests: int, that are in work at once; others are answered by 429.
        batch_size: int, most images that are predicted together.
        window: float, seconds to wait for others of a batch.
    """

    bytes: int = 50 * 2**20
    pixels: int = 50_000_000
    requests: int = 64
    batch_size: int = 8
    window: float = 0.005


def create_app(
    model: ExportedModel,
    limits: Limits | None = None,
    tiles: inference.Tiles | None = None,
) -> fastapi.FastAPI:
    """Makes the server of a network, an ASGI application.

    | request | answer |
    |---|---|
    | `POST /predict`, the body is the file of an image | a PNG of class ids, GeoJSON in pixels, or the overlay as JPEG, by the header `Accept` or `?format=png`, `geojson` or `overlay` |
    | `GET /health` | 200 and the classes of the network, once it can predict |
    | `GET /metrics` | counts and times for Prometheus; of all workers if `PROMETHEUS_MULTIPROC_DIR` names a folder |

    Answers are those of `keras_seg.predict` for the image alone: ONNX Runtime,
    LiteRT and OpenVINO give an image the same scores in any batch, and a
    SavedModel gets one image at a time. A request that is not answered has a
    sentence: 400 an empty body, 408 a slow one, 413
    too many bytes or pixels, 415 no image, 422 an image that the network
    cannot take, 429 too many requests at once, with `Retry-After`, 500 an error
    that is in the server's log, 503 no memory for the image.

    Args:
        model: `keras_seg.deployment.ExportedModel`.
        limits: optional `Limits`.
        tiles: optional `keras_seg.inference.Tiles`.

    Returns:
        `fastapi.FastAPI`.

    Raises:
        ValueError: If the network gives several labels a pixel, or more
            classes than a mask has ids, or takes no tiles.
    """  # noqa: E501
    table = model.class_table
    if model.multi_label or len(table) > 255:
        raise ValueError(
            "A server answers with one of at most 255 classes a pixel, and "
            "this network may give others. Fix: predict its images with "
            "keras-seg predict."
        )
    if tiles is not None:
        check_takes_tiles(model)
    service = _Service(model, limits or Limits(), tiles)
    app = fastapi.FastAPI(
        title="keras_seg", docs_url=None, redoc_url=None, lifespan=service.run
    )

    @app.post("/predict")
    async def predict(
        request: fastapi.Request, format: str | None = None
    ) -> fastapi.Response:
        with service.metrics.request():
            kind = _format_of(format, request.headers.get("accept", "*/*"))
            with service.admitted(), _sentences():
                body = await _body(request, service.limits.bytes)
                image, valid = await asyncio.to_thread(service.read, body)
                future = service.batcher.submit(image)
                found = await asyncio.wrap_future(future)
                if valid is not None:
                    found.ids[~valid] = VOID
                content = await asyncio.to_thread(service.written, found, kind)
                return fastapi.Response(content, media_type=_ANSWERS[kind])

    @app.exception_handler(Exception)
    async def failed(
        request: fastapi.Request, error: Exception
    ) -> fastapi.Response:
        text = f"The server failed by {type(error).__name__}; its log has more."
        return fastapi.responses.JSONResponse({"detail": text}, 500)

    @app.get("/health")
    async def health() -> dict[str, Any]:
        if not service.batcher.is_alive:
            raise fastapi.HTTPException(503, "Nothing is predicted any more.")
        return {"status": "ok", "network": model.path.name, **table.to_dict()}

    @app.get("/metrics")
    async def metrics() -> fastapi.Response:
        return service.metrics.answer()

    return app


class _Service:
    """What the requests of an application share."""

    batcher: Batcher
    folder: pathlib.Path

    def __init__(
        self,
        model: ExportedModel,
        limits: Limits,
        tiles: inference.Tiles | None,
    ):
        self.model = model
        self.limits = limits
        self.tiles = tiles
        self.metrics = RequestMetrics()
        self._stacks = model.metadata.format in _SAME
        self._in_work = 0

    @contextlib.asynccontextmanager
    async def run(self, app: fastapi.FastAPI) -> AsyncIterator[None]:
        """From the first prediction, which takes longest, to the last."""
        *sides, channels = image_shape(self.model)
        black = np.zeros((*(side or 64 for side in sides), channels), "uint8")
        await asyncio.to_thread(inference.predict, self.model, black)
        with tempfile.TemporaryDirectory(prefix="keras_seg_") as folder:
            self.folder = pathlib.Path(folder)
            self.batcher = Batcher(
                self._predict,
                self.limits.batch_size,
                self.limits.window,
                order=lambda image: image.shape,
                observe=self.metrics.batch,
            )
            yield
            await asyncio.to_thread(self.batcher.close)

    @contextlib.contextmanager
    def admitted(self) -> Iterator[None]:
        """Takes a request, or refuses it if too many are in work."""
        if self._in_work >= self.limits.requests:
            seconds = math.ceil(self._in_work * self.metrics.pace)
            raise fastapi.HTTPException(
                429,
                f"{self._in_work} requests are in work, which is all that "
                "this server takes at once. Fix: ask again later.",
                {"Retry-After": str(min(seconds, 60))},
            )
        self._in_work += 1
        try:
            yield
        finally:
            self._in_work -= 1

    def read(self, body: bytes) -> tuple[NDArray, NDArray | None]:
        """The image in a body and its valid pixels, as `predict` reads them."""
        # By the suffix packages know a TIFF.
        suffix = ".tif" if body[:2] in (b"II", b"MM") else ""
        path = self.folder / f"{uuid.uuid4().hex}{suffix}"
        path.write_bytes(body)
        try:
            height, width = read_size(path)
            if height * width > self.limits.pixels:
                raise fastapi.HTTPException(
                    413,
                    f"The image has {height}×{width} pixels; this server takes "
                    f"{self.limits.pixels}. Fix: cut it into tiles.",
                )
            if is_geotiff(path):
                raise fastapi.HTTPException(
                    422,
                    "The body is a GeoTIFF, and an answer would lose its place "
                    "on the map and where it has no data. Fix: keras-seg "
                    "predict.",
                )
            model, channels = self.model, image_shape(self.model)[-1]
            how = None, model.bit_depth, model.bands
            return read_pixels(path, channels, *how)
        except DataError as error:
            text = f"The body {error.found}; {error.allowed}. {HOW}"
            raise fastapi.HTTPException(_status_of(error), text) from error
        finally:
            path.unlink()

    def _predict(self, images: list[NDArray]) -> Iterator[Prediction]:
        return inference.predict(
            self.model,
            images,
            self.tiles,
            batch_size=self.limits.batch_size if self._stacks else 1,
        )

    def written(self, found: Prediction, kind: str) -> bytes:
        """The answer of a kind, with the content that files would have."""
        table = self.model.class_table
        if kind == "png":
            return encoded(mask_picture(found.ids, table.colors), "PNG")
        if kind == "overlay":
            picture = visualization.overlay_with_legend(
                found.image, found.ids, table
            )
            return encoded(Image.fromarray(within_jpeg(picture)), "JPEG")
        try:
            return geojson([outlined("", found.ids, table)], table).encode()
        except ImportError as error:
            raise fastapi.HTTPException(501, str(error)) from error


@contextlib.contextmanager
def _sentences() -> Iterator[None]:
    """Says why an image is not predicted."""
    try:
        yield
    except ValueError as error:
        raise fastapi.HTTPException(422, str(error)) from error
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise fastapi.HTTPException(
            503,
            "There is not enough memory for this image. Fix: send a smaller "
            "one, or ask again later.",
        ) from error


def _format_of(name: str | None, accept: str) -> str:
    """The format that a request asks for; the address goes first."""
    if name is not None:
        if name not in _ANSWERS:
            raise fastapi.HTTPException(
                422, f"`format` is {', '.join(_ANSWERS)}. Received: {name}"
            )
        return name
    wanted = []
    for part in accept.split(","):
        media, *options = part.replace(" ", "").lower().split(";")
        weights = [x[2:] for x in options if x.startswith("q=")]
        with contextlib.suppress(ValueError):
            wanted.append((float(weights[0]) if weights else 1.0, media))
    for weight, media in sorted(wanted, key=lambda x: -x[0]):
        for kind, known in _ANSWERS.items():
            every = ("*/*", f"{known.split('/')[0]}/*")
            if weight > 0 and media in (known, *every):
                return kind
    raise fastapi.HTTPException(
        406, f"There are {', '.join(_ANSWERS.values())}. Received: {accept}"
    )


async def _body(request: fastapi.Request, limit: int) -> bytes:
    """The body of a request, of at most so many bytes."""
    from starlette.requests import ClientDisconnect

    too_large = fastapi.HTTPException(
        413, f"The body has more than {limit} bytes, which this server takes."
    )
    if int(request.headers.get("content-length", 0)) > limit:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                body += part
                if len(body) > limit:
                    raise too_large
    except TimeoutError:
        raise fastapi.HTTPException(
            408, f"The body did not come within {BODY_SECONDS} seconds."
        ) from None
    except ClientDisconnect:
        raise fastapi.HTTPException(400, "The body was cut off.") from None
    if not body:
        raise fastapi.HTTPException(
            400,
            f"The body is empty; the file of an image is expected. {HOW}",
        )
    return bytes(body)


def _status_of(error: DataError) -> int:
    cause = error.__cause__
    if isinstance(cause, UnidentifiedImageError):
        return 415
    return 413 if isinstance(cause, Image.DecompressionBombError) else 422
