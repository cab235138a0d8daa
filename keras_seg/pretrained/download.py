"""Downloads the files of the catalogue into Keras's cache."""

import hashlib
import os
import pathlib
import socket

import keras

from keras_seg.atomic import WriteError
from keras_seg.atomic import os_sentence
from keras_seg.atomic import replacing
from keras_seg.pretrained import hub
from keras_seg.pretrained.catalogue import PretrainedModel

__all__ = ["download"]

# Seconds without a byte after which a download has failed.
STALLED = 60


class _NetworkError(Exception):
    """What the network did, apart from what the file system did."""


def download(known: PretrainedModel) -> pathlib.Path:
    """Returns the checked file of a network in Keras's cache.

    It is downloaded under another name, so that the cache never has a part of
    it: not after the process was killed, nor while two download at once. A
    preset of keras-hub is in the cache of that.
    """
    if known.library == "keras-hub":
        return hub.weights_file(known.url, known.name)
    home = pathlib.Path(os.environ.get("KERAS_HOME") or "~/.keras")
    folder = home.expanduser() / "models"
    path = folder / known.url.rsplit("/", 1)[1]
    if path.is_file() and _digest(path).startswith(known.sha256):
        return path
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(error.errno, os_sentence(error, folder)) from error
    try:
        with replacing(path) as temporary:
            _fetch(known.url, temporary)
            _check(known, _digest(temporary), path)
    except _NetworkError as error:
        raise OSError(
            f"{known.name} is not in Keras's cache, and {known.url} could not "
            f"be downloaded ({error}). Fix: connect to the network, or put the "
            f"file at {path}."
        ) from None
    return path


def _check(known: PretrainedModel, digest: str, path: pathlib.Path) -> None:
    if not digest.startswith(known.sha256):
        raise ValueError(
            f"What {known.url} gave is not the published file: its SHA-256 is "
            f"{digest}, and must begin with {known.sha256}. Fix: try again, "
            f"from another network if need be, or put the file at {path}."
        )


def _fetch(url: str, temporary: pathlib.Path) -> None:
    waits = socket.getdefaulttimeout()
    socket.setdefaulttimeout(STALLED)
    try:
        keras.utils.get_file(
            temporary.name,
            url,
            cache_dir=str(temporary.parent),
            cache_subdir="",
        )
    except Exception as error:
        # Keras raises a bare `Exception` for what the network did.
        is_bare = "fetch failure" in str(error)
        if is_bare or isinstance(error, TimeoutError | ConnectionError):
            reason = str(error).rpartition(" -- ")[2]
            raise _NetworkError(reason) from error
        raise
    finally:
        socket.setdefaulttimeout(waits)


def _digest(path: pathlib.Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
