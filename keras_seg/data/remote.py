"""Images in object stores, such as S3, and elsewhere that fsspec reads."""

import contextlib
import pathlib
import re
import tempfile
from collections.abc import Iterator
from typing import Any

from keras_seg.data.errors import DataError
from keras_seg.lazy import optional

__all__ = ["RemoteImage", "at_hand", "place", "reached", "renamed"]

# `pathlib.Path` makes one slash of two.
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+):/+", re.IGNORECASE)


def place(path):
    """A path, or an address of another place than this machine.

    Example:

    >>> place("s3://bucket/1.png")
    RemoteImage('s3://bucket/1.png')
    >>> place("file:///data/1.png").as_posix(), place("1.png").as_posix()
    ('/data/1.png', '1.png')
    """
    found = _ADDRESS.match(str(path))
    if found is None:
        return pathlib.Path(path)
    if found[1].lower() == "file":
        return pathlib.Path("/", str(path)[found.end() :])
    return RemoteImage(str(path))


class RemoteImage(pathlib.PurePosixPath):
    """An image in an object store; has the parts of a path, and no file.

    Example:

    >>> image = RemoteImage("s3://bucket/field/1.png")
    >>> str(image), image.name
    ('s3://bucket/field/1.png', '1.png')
    """

    def __str__(self) -> str:
        text = super().__str__()
        found = _ADDRESS.match(text)
        if found is None:  # A part of an address.
            return text
        return f"{found[1]}://{text[found.end() :]}"

    def resolve(self) -> "RemoteImage":
        return self

    def absolute(self) -> "RemoteImage":
        return self

    def version(self) -> str:
        """What changes when the object is written again, its ETag or time."""
        with reached(self) as (system, path):
            facts = system.info(path)
            for name in ("ETag", "etag", "md5Hash"):
                if facts.get(name):
                    return str(facts[name])
            return f"{facts.get('size')} {system.modified(path)}"

    def open(self) -> Any:
        """The object as a file that is read."""
        with reached(self) as (system, path):
            return system.open(path)


@contextlib.contextmanager
def at_hand(image):
    """Yields the path of an image, of a copy if it is in an object store."""
    if not isinstance(image, RemoteImage):
        yield image
        return
    with tempfile.TemporaryDirectory(prefix="keras_seg_") as folder:
        copy = pathlib.Path(folder, image.name)
        with reached(image) as (system, path):
            system.get_file(path, str(copy))
        try:
            yield copy
        except DataError as error:
            raise renamed(error, copy, image) from error


def renamed(error, copy, image):
    """The error of an image in place of that of its copy."""
    if error.file != str(copy):
        return error
    make, (code, _, *rest) = error.__reduce__()
    return make(code, str(image), *rest)


@contextlib.contextmanager
def reached(address) -> Iterator[tuple[Any, str]]:
    """The file system of an address, and the path there."""
    fsspec = optional("fsspec", "ray", "An address of an object store")
    try:
        yield fsspec.core.url_to_fs(str(address))
    except DataError:
        raise
    except ImportError as error:
        raise DataError(
            "KS-D016",
            address,
            f"needs a package that is not installed ({error})",
            "fsspec reads each object store by one of its own",
            fix="pip install s3fs for s3://, gcsfs for gs://",
        ) from error
    # Each store raises errors of its own.
    except Exception as error:
        raise DataError(
            "KS-D009",
            address,
            f"can't be read ({type(error).__name__}: {error})",
            "an object that these credentials may read is expected",
            fix="correct the address, or set the credentials, as "
            "AWS_ACCESS_KEY_ID, and AWS_ENDPOINT_URL for a store of your own",
        ) from error
