"""`keras-seg serve --api`: an exported network answers HTTP requests."""

import json
import os
import pathlib
import signal
import tempfile
from typing import TYPE_CHECKING
from typing import Any

from keras_seg.cli import console
from keras_seg.cli.network import open_network
from keras_seg.cli.options import set_limits
from keras_seg.cli.options import tiles_of
from keras_seg.cli.start import Ended
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
    if not open_network(network).is_exported:
        raise ValueError(
            "--api serves what keras-seg export wrote, and needs no backend. "
            f"Fix: keras-seg export RUN. Received: {network}"
        )
    settings = {"network": str(network), "tile": tile, "limits": limits}
    os.environ[SETTINGS] = json.dumps(settings)
    port = port or PORT
    config = {
        "host": host.strip("[]"),
        "port": port,
        "access_log": False,
        "server_header": False,
        "lifespan": "on",
        "timeout_graceful_shutdown": LAST_SECONDS,
    }
    console.say(f"POST images to http://{host}:{port}/predict. Ctrl-C ends it.")
    if workers == 1:
        config |= {"app": application(), "log_level": "warning"}
        uvicorn.Server(uvicorn.Config(**config)).run()
        return
    with tempfile.TemporaryDirectory(prefix="keras_seg_") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        config |= {"app": f"{__name__}:application", "factory": True}
        _supervise(uvicorn.Config(**config, workers=workers))


def _supervise(config: Any) -> None:
    """Runs workers, each a process, and another for one that dies."""
    from uvicorn.supervisors import Multiprocess

    class Workers(Multiprocess):
        ended: int | None = None

        def handle_signals(self) -> None:
            for number in self.signal_queue:
                if number in (signal.SIGINT, signal.SIGTERM):
                    self.ended = number
            super().handle_signals()

    socket = config.bind_socket()
    workers = Workers(config, [socket])
    workers.run()
    socket.close()
    if workers.ended is None:
        raise ValueError("A worker could not start; it says why above.")
    raise Ended(workers.ended)


def application() -> "fastapi.FastAPI":
    """The server of what the environment names, in a worker."""
    from keras_seg.deployment import Limits
    from keras_seg.deployment import create_app

    settings = json.loads(os.environ[SETTINGS])
    limits = Limits(**settings["limits"])
    set_limits(limits.pixels)
    network = open_network(settings["network"])
    return create_app(network.load(), limits, tiles_of(settings["tile"]))
