"""`keras-seg serve --api`: an exported network answers HTTP requests."""

import json
import os
import pathlib
import tempfile
from typing import TYPE_CHECKING
from typing import Any

from keras_seg.cli import console
from keras_seg.cli.network import open_network
from keras_seg.cli.options import set_limits
from keras_seg.cli.options import tiles_of
from keras_seg.lazy import optional

if TYPE_CHECKING:
    import fastapi

__all__ = ["application", "serve_api"]

PORT = 8000
# Seconds that requests may take after a signal to end.
LAST_SECONDS = 30
# Where workers read what they serve.
SETTINGS = "KERAS_SEG_API"


def serve_api(
    network: pathlib.Path,
    host: str,
    port: int | None,
    workers: int,
    tile: int | None,
    limits: dict[str, Any],
) -> None:
    """Serves until a signal ends the command, and requests have answers.

    `limits` are those of `keras_seg.deployment.Limits`.
    """
    try:
        uvicorn = optional("uvicorn", "api", "keras-seg serve --api")
        for name in ("fastapi", "prometheus_client"):
            optional(name, "api", "keras-seg serve --api")
    except ImportError as error:
        raise ValueError(str(error)) from error
    settings = {"network": str(network), "tile": tile, "limits": limits}
    os.environ[SETTINGS] = json.dumps(settings)
    application()  # What is wrong with it is said once, not by each worker.
    port = port or PORT
    console.say(f"POST images to http://{host}:{port}/predict. Ctrl-C ends it.")
    with tempfile.TemporaryDirectory(prefix="keras_seg_") as folder:
        if workers > 1:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        uvicorn.run(
            f"{__name__}:application",
            factory=True,
            host=host.strip("[]"),
            port=port,
            workers=workers,
            access_log=False,
            # Of workers that die and are replaced.
            log_level="info" if workers > 1 else "warning",
            lifespan="on",
            server_header=False,
            timeout_graceful_shutdown=LAST_SECONDS,
        )
    console.say("Ended.")


def application() -> "fastapi.FastAPI":
    """The server of what the environment names, in a worker."""
    from keras_seg.deployment import Limits
    from keras_seg.deployment import create_app

    settings = json.loads(os.environ[SETTINGS])
    network = open_network(settings["network"])
    if not network.is_exported:
        raise ValueError(
            "--api serves what keras-seg export wrote, and needs no backend. "
            f"Fix: keras-seg export RUN. Received: {settings['network']}"
        )
    limits = Limits(**settings["limits"])
    set_limits(limits.pixels)
    return create_app(network.load(), limits, tiles_of(settings["tile"]))
