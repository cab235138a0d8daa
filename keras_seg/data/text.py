"""Reading of text, JSON and YAML files, with errors that name the line."""

import csv
import json
import mmap
import pathlib
import reprlib
import stat
import unicodedata
from typing import Any

import yaml

from keras_seg.data.errors import DataError

__all__ = [
    "brief",
    "composed",
    "json_integer",
    "json_text",
    "limit_annotations",
    "listing",
    "malformed",
    "parse_id",
    "read_json",
    "read_rows",
    "read_text",
    "read_yaml",
    "refuse_alike",
    "text_head",
    "text_holds",
]

_limit = 2**31
_YAML_LIMIT = 2**20  # of names and paths; its parser takes seconds for more

_short = reprlib.Repr()
_short.maxlevel, _short.maxstring = 2, 60


def json_text(value: Any) -> str:
    """Returns a value read from JSON that must be text, or a TypeError."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is no text")
    return value


def json_integer(value: Any, largest: int) -> int:
    """Returns a value that must be an integer of 0...largest."""
    if type(value) is not int or not 0 <= value <= largest:
        raise TypeError(f"{value!r:.40} is no integer of 0...{largest}")
    return value


def brief(value):
    """A value as short text for an error."""
    return _short.repr(value)


def listing(values) -> str:
    """Values separated by commas; only the first and last of many."""
    values = list(values)
    if len(values) > 12:
        values = [*values[:6], "...", *values[-3:]]
    return ", ".join(map(str, values)) or "(none)"


def malformed(path, found, allowed, fix="export it again", guess=None):
    """The `DataError` of a malformed text file."""
    return DataError("KS-D013", path, found, allowed, fix=fix, guess=guess)


def parse_id(text):
    """The int that up to nine decimal digits stand for, or `None`."""
    plain = text.isascii() and text.isdecimal() and len(text) <= 9
    return int(text) if plain else None


def composed(name):
    """A name in Unicode's composed form, in which é is one character."""
    return unicodedata.normalize("NFC", name)


def refuse_alike(names, file):
    """Refuse names that differ only by case or spaces, or come twice."""
    seen: dict[str, str] = {}
    for name in names:
        plain = " ".join(composed(name).casefold().split())
        if plain in seen:
            raise DataError(
                "KS-D015",
                file,
                f"has the class {seen[plain]} and the class {name}",
                "names that differ by case or spaces only are one class "
                "written in two ways",
                fix="write the name in one way everywhere",
            )
        seen[plain] = name


def limit_annotations(size):
    """Set how many bytes a text file may have in this process.

    The default is 2 GiB. The largest public annotations have 1.2 GiB, and
    reading takes some ten times as much memory.
    """
    global _limit
    _limit = size


def read_text(path, limit=None):
    """Read a UTF-8 file, with or without a byte order mark.

    A file larger than `limit` bytes, by default that of `limit_annotations`,
    a pipe and a device are refused with a `DataError`.
    """
    try:
        _check_regular(path, limit)
        with open(path, "rb") as file:
            content = file.read((limit or _limit) + 1)
        _check_length(path, len(content), limit)
        text = content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise malformed(
            path,
            "cannot be read as UTF-8 text",
            "a text file is expected",
            "correct the path, or write the file again as UTF-8",
        ) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def text_head(path, size):
    """The first `size` bytes of any file as text."""
    _check_regular(path)
    with open(path, "rb") as file:
        return file.read(size).decode("utf-8-sig", "replace")


def text_holds(path, *patterns):
    """Whether a file matches all patterns of bytes somewhere.

    `False` for folders and broken links.
    """
    try:
        if pathlib.Path(path).is_dir() or not _check_regular(path):
            return False
        with (
            open(path, "rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            return all(pattern.search(content) for pattern in patterns)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise malformed(
            path,
            f"cannot be read ({error.strerror})",
            "files of annotations are looked into",
            "correct its permissions, or remove it",
        ) from error


def _check_regular(path, limit=None):
    """The size of a file, which must not be a pipe or a device."""
    facts = pathlib.Path(path).stat()
    if not (stat.S_ISREG(facts.st_mode) or stat.S_ISDIR(facts.st_mode)):
        raise malformed(
            path,
            "is a pipe, a socket or a device",
            "only regular files are read",
            "put a file there, or remove it",
        )
    _check_length(path, facts.st_size, limit)
    return facts.st_size


def _check_length(path, size, limit=None):
    if size > (limit or _limit):
        raise malformed(
            path,
            f"has {size:,} bytes",
            f"at most {limit or _limit:,} are read",
            "shorten it"
            if limit
            else "divide it, or, if you trust it, raise the limit with "
            "--max-annotation-bytes, in Python with "
            "keras_seg.data.text.limit_annotations",
        )


def read_json(path):
    """Read a JSON file without NaN and infinities."""
    try:
        return json.loads(read_text(path), parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise malformed(
            path,
            f"is not JSON on line {error.lineno}, column {error.colno} "
            f"({error.msg})",
            "a complete JSON file is expected",
        ) from error
    # ValueError: Python does not read a number of thousands of digits.
    except (_Constant, RecursionError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        found = "holds a number of thousands of digits"
        if isinstance(error, RecursionError):
            found = "is nested too deeply"
        elif isinstance(error, _Constant):
            found = f"holds {error}"
        raise malformed(
            path,
            found,
            "a JSON file of plain numbers is expected",
        ) from error


def read_rows(path):
    """Read a CSV file with a header as a list of dictionaries of text."""
    # A C long, which has 32 bits on Windows.
    before = csv.field_size_limit(min(_limit, 2**31 - 1))
    try:
        header, *rows = csv.reader(read_text(path).splitlines())
    except (csv.Error, ValueError) as error:
        if isinstance(error, DataError):
            raise
        found = f"is no CSV ({error})"
        raise malformed(
            path, found, "a header and lines are expected"
        ) from error
    finally:
        csv.field_size_limit(before)
    header = [name.strip() for name in header]
    return [
        dict(zip(header, (cell.strip() for cell in row), strict=False))
        for row in rows
        if row
    ]


def read_yaml(path):
    """Read a YAML file of plain values, in which no key comes twice."""
    try:
        return yaml.load(read_text(path, _YAML_LIMIT), _Loader)  # noqa: S506
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        mark = getattr(error, "problem_mark", None)
        line = f" on line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it cannot be parsed"
        raise malformed(
            path,
            f"is not plain YAML{line} ({problem})",
            "a YAML file of names and numbers is expected",
            "correct the file",
        ) from error


class _Constant(Exception):
    """NaN or an infinity."""


def _refuse_constant(name):
    raise _Constant(name)


class _Loader(yaml.SafeLoader):
    """The safe loader, which also refuses a key that comes twice."""


def _mapping(loader, node):
    pairs = loader.construct_pairs(node, deep=True)
    keys = {}
    for (key, value), (key_node, _) in zip(pairs, node.value, strict=True):
        if isinstance(key, dict | list) or key in keys:
            raise yaml.constructor.ConstructorError(
                problem=f"the key {brief(key)} again, or no plain key",
                problem_mark=key_node.start_mark,
            )
        keys[key] = value
    return keys


_Loader.add_constructor(
    yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping
)
