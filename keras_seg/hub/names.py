"""Names of runs on the Hub: user/name, hf://user/name@revision."""

import os
import re

__all__ = ["is_name", "parse", "spelled"]

# `pathlib.Path` makes one slash of two, on Windows a backslash.
_SCHEME = re.compile(r"hf:[/\\]+")
_PART = r"[A-Za-z0-9][A-Za-z0-9_.-]*"
_NAME = re.compile(rf"({_PART}/{_PART})(?:@([^\s@]+))?")


def is_name(text: str | os.PathLike) -> bool:
    """Whether a text begins with `hf://`, and so names a run on the Hub.

    Example:

    >>> is_name("hf://user/name"), is_name("user/name")
    (True, False)
    """
    return _SCHEME.match(os.fspath(text)) is not None


def spelled(text: str | os.PathLike) -> str:
    """A path as text; `hf://user/name` as it was before it became a path.

    Example:

    >>> import pathlib
    >>> spelled(pathlib.PurePosixPath("hf://user/name")), spelled("RUN")
    ('hf://user/name', 'RUN')
    """
    text = os.fspath(text)
    found = _SCHEME.match(text)
    if found is None:
        return text
    return "hf://" + text[found.end() :].replace("\\", "/")


def parse(text: str | os.PathLike) -> tuple[str, str | None]:
    """Returns the name of a repository, and the revision if there is one.

    Raises a `ValueError` if the text has another form.

    Example:

    >>> parse("hf://user/name@v1"), parse("user/name")
    (('user/name', 'v1'), ('user/name', None))
    """
    found = _NAME.fullmatch(spelled(text).removeprefix("hf://"))
    if found is None:
        raise ValueError(
            "A run on the Hub is named user/name, or user/name@revision, of "
            f"letters, digits, '-', '_' and '.'. Received: {spelled(text)}"
        )
    return found[1], found[2]
