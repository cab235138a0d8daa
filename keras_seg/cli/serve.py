"""`keras-seg serve`: a page in the browser that segments photographs."""

import contextlib
import errno
import functools
import importlib.util
import os
import pathlib
import socket
import tempfile
import threading
import warnings
from collections.abc import Callable
from collections.abc import Iterator
from typing import TYPE_CHECKING
from typing import Annotated
from typing import Any

import typer

from keras_seg.cli import console
from keras_seg.cli.network import KINDS
from keras_seg.cli.network import open_network
from keras_seg.cli.options import Last
from keras_seg.cli.options import Tile
from keras_seg.cli.options import refuse_options
from keras_seg.cli.options import set_limits
from keras_seg.cli.options import tiles_of
from keras_seg.cli.serve_api import PORT
from keras_seg.cli.serve_api import serve_api
from keras_seg.lazy import optional

if TYPE_CHECKING:
    from keras_seg.runs import RunFolder

__all__ = ["serve"]

# Photographs of the page that wait; others are told to come later.
MOST_WAITING = 64
# Seconds between looks for files to remove.
PAUSE = 60
# The group of options for --api, and the parameters of both ways.
API = "API"
BOTH = ("network", "host", "port", "tile", "max_upload", "max_pixels")
WITH_PAGE = (*BOTH, "last")
WITH_API = (*BOTH, "api", "workers", "batch_size", "window", "max_requests")


def serve(
    ctx: typer.Context,
    network: Annotated[
        pathlib.Path,
        typer.Argument(metavar="NETWORK", help=f"The network: {KINDS}."),
    ] = pathlib.Path("run"),
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen on; 0.0.0.0 lets other computers in."
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65535,
            help="Port to listen on.",
            show_default="the first free one from 7860 on; 8000 with --api",
        ),
    ] = None,
    last: Last = False,
    tile: Tile = None,
    max_upload: Annotated[
        int, typer.Option(min=1, help="Refuse larger files, in MiB.")
    ] = 50,
    max_pixels: Annotated[
        int,
        typer.Option(
            min=1, help="Refuse larger images, which might fill the memory."
        ),
    ] = 50_000_000,
    api: Annotated[
        bool,
        typer.Option(
            "--api",
            help="Answer HTTP requests of programs, without a page.",
            rich_help_panel=API,
        ),
    ] = False,
    workers: Annotated[
        int,
        typer.Option(
            min=1,
            help="Processes, each with the network.",
            rich_help_panel=API,
        ),
    ] = 1,
    batch_size: Annotated[
        int,
        typer.Option(
            min=1, help="Most images predicted at once.", rich_help_panel=API
        ),
    ] = 8,
    window: Annotated[
        float,
        typer.Option(
            min=0,
            help="Milliseconds to wait for other images of a batch.",
            rich_help_panel=API,
        ),
    ] = 5,
    max_requests: Annotated[
        int,
        typer.Option(
            min=1,
            help="Requests in work at once, of each worker; more are told to "
            "come later.",
            rich_help_panel=API,
        ),
    ] = 64,
) -> None:
    """Open a page in the browser that segments photographs.

    Drop a photograph, see its classes in color, download the mask. Only this
    computer reaches the page unless --host says otherwise, and nothing is sent
    to any other. Photographs and results are removed after an hour, and when
    the command ends, by Ctrl-C.

    With --api programs send images: POST /predict answers the file of an image
    with a PNG of class ids, GeoJSON or the overlay, by the header Accept or
    ?format=png, geojson or overlay. NETWORK is what keras-seg export wrote.
    GET /health and /metrics tell others how it is.
    """
    _check_address(host, port or (PORT if api else None))
    if api:
        refuse_options(ctx, WITH_API, "is for a run, or the page.")
        limits = {
            "bytes": max_upload * 2**20,
            "pixels": max_pixels,
            "requests": max_requests,
            "batch_size": batch_size,
            "window": window / 1000,
        }
        serve_api(network, host, port, workers, tile, limits)
        return
    refuse_options(ctx, WITH_PAGE, "comes with --api.")
    with _temporary_folder() as folder:
        gradio = _import_gradio(folder)
        source = open_network(network, last)
        if source.bands is not None:
            raise ValueError(
                "The page takes photographs, and this network was trained on "
                f"the bands {', '.join(map(str, source.bands))} of rasters. "
                "Fix: predict its images with keras-seg predict."
            )

        # They import Keras, whose backend is chosen by now.
        from keras_seg.cli import page
        from keras_seg.cli.segmenter import SAMPLES
        from keras_seg.cli.segmenter import Segmenter
        from keras_seg.cli.segmenter import remove_old

        set_limits(max_pixels)
        segmenter = Segmenter(
            source.load(),
            source.class_table,
            folder,
            tiles=tiles_of(tile),
            bit_depth=source.bit_depth,
        )
        segmenter.warm_up()
        built = page.build_page(
            gradio,
            segmenter,
            network.resolve().name,
            samples=page.make_samples(
                _held_out(source.run) if network.exists() else _photographs(),
                folder / SAMPLES,
            ),
            is_private=_is_loopback(host),
        )
        theme = gradio.themes.Soft(
            # Others would be fetched from Google.
            font=["system-ui", "sans-serif"],
            font_mono=["monospace"],
        )
        look = {"theme": theme, "css": page.STYLE}
        tidy = functools.partial(remove_old, folder)
        _listen(built, host, port, max_upload, tidy, **look)


def _held_out(run: "RunFolder | None") -> list[pathlib.Path]:
    """Images that a run was not trained on, if they are still there."""
    if run is None:
        return []

    from keras_seg import runs
    from keras_seg.data import DataError
    from keras_seg.runs.recorded import recorded_source

    source = recorded_source(run)
    if source is None:
        return []
    try:
        data, validation = source.read(check=False)
    except (DataError, OSError, runs.RunError):
        return []
    pairs = (validation or data).pairs
    return [pair.image for pair in pairs if pair.page is None]


def _photographs() -> list[pathlib.Path]:
    """Photographs in scikit-image, if it is installed, for a network by name.

    They show a person, a cat and a cup, and are in the public domain.
    """
    found = importlib.util.find_spec("skimage")
    folder = pathlib.Path((found and found.origin) or "").parent / "data"
    names = "astronaut.png", "chelsea.png", "coffee.png"
    return [folder / name for name in names if (folder / name).is_file()]


def _listen(
    page: Any,
    host: str,
    port: int | None,
    max_upload: int,
    tidy: Callable[[], object],
    **look: Any,
) -> None:
    """Serves a page until a signal ends the command, and tidies meanwhile."""
    page.queue(max_size=MOST_WAITING)
    try:
        _, address, _ = page.launch(
            server_name=host,
            server_port=port,
            max_file_size=max_upload * 2**20,
            footer_links=[],
            share=False,
            ssr_mode=False,
            pwa=False,
            mcp_server=False,
            enable_monitoring=False,
            prevent_thread_lock=True,
            quiet=True,
            **look,
        )
    except OSError as error:
        raise ValueError(
            "No port from 7860 to 7959 is free. Fix: choose another with "
            "--port."
        ) from error
    try:
        console.say(f"Open {address} in a browser. Ctrl-C ends it.")
        if not _is_loopback(host):
            console.warn(
                f"anybody who reaches this computer at {host} can use the "
                "page; there is no password."
            )
        while not threading.Event().wait(PAUSE):
            tidy()
    finally:
        page.close(verbose=False)


def _import_gradio(folder: pathlib.Path) -> Any:
    """Imports gradio with its settings: nothing is sent, nothing is kept."""
    os.environ.update(
        GRADIO_ANALYTICS_ENABLED="False",
        GRADIO_RUN_HISTORY="False",
        GRADIO_TEMP_DIR=str(folder),
    )
    # It asks its own server whether it is there, through a proxy otherwise.
    hosts = [os.environ.get("NO_PROXY", ""), "127.0.0.1", "localhost"]
    os.environ["NO_PROXY"] = ",".join(filter(None, hosts))
    # What it warns of, such as old names in its packages, is its own.
    warnings.filterwarnings("ignore", module="gradio")
    try:
        return optional("gradio", "demo", "keras-seg serve")
    except ImportError as error:
        raise ValueError(str(error)) from error


@contextlib.contextmanager
def _temporary_folder() -> Iterator[pathlib.Path]:
    with tempfile.TemporaryDirectory(
        prefix="keras_seg_", ignore_cleanup_errors=True
    ) as folder:
        yield pathlib.Path(folder).resolve()


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "[::1]") or host.startswith("127.")


def _check_address(host: str, port: int | None) -> None:
    """Refuses an address that is not free, before a network is loaded."""
    name = host.strip("[]")
    try:
        (family, kind, _, _, place), *_ = socket.getaddrinfo(
            name, port or 0, type=socket.SOCK_STREAM
        )
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ValueError(
                f"Port {port} is taken. Fix: choose another with --port, or "
                "leave it out to take a free one."
            ) from error
        if error.errno == errno.EACCES:
            raise ValueError(
                f"Port {port} is not for everybody. Fix: choose one above 1023."
            ) from error
        raise ValueError(
            f"{host} is no address of this computer. Fix: choose 127.0.0.1, "
            "for this computer alone, or 0.0.0.0, for all that reach it, with "
            "--host."
        ) from error
