"""What is published of a run: its files, without paths of the machine."""

import csv
import fnmatch
import json
import os
import pathlib
import re
import shlex
import sys
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

import keras_seg
from keras_seg.data.text import text_holds
from keras_seg.hub.card import model_card
from keras_seg.hub.names import parse
from keras_seg.runs.files import RunError
from keras_seg.runs.folder import RunFolder

__all__ = ["finished", "published", "with_paths"]

_TEXTS = (".csv", ".json", ".md", ".txt")
_END = r"[^\s/\\`'\"|<>,;()\[\]]"
# Paths that no file of the run names alone: at least two folders deep.
_OTHERS = re.compile(
    rf"(?<![\w.:~/\\<>-])/(?:{_END}+/)+({_END}*)"
    rf"|(?<!\w)[A-Za-z]:[/\\]+(?:{_END}+[/\\]+)+({_END}*)"
)


def published(
    run: RunFolder | str | os.PathLike,
    name: str,
    *,
    license: str | None = None,
    ignore_patterns: Sequence[str] | str | None = None,
) -> dict[str, bytes | pathlib.Path]:
    """Returns what `push` publishes of a run, for a look at it before.

    That are all files of the folder but hidden ones and those in `tracking`,
    which say much of the machine. Of absolute paths in its
    texts, such as that of the data, the last part is left: `/home/me/horses`
    becomes `horses`. Names of image files stay: those of the held-out images in
    `data.json`, those of `evaluation_*_images.csv`. `README.md` gets a header
    for the Hub and a section that says how to load the run.

    Args:
        run: `keras_seg.runs.RunFolder`, or str or path of one.
        name: str, `"user/name"`, for `README.md`.
        license: optional str, an identifier that the Hub knows, such as
            `"apache-2.0"`, for the header of `README.md`.
        ignore_patterns: optional str or sequence of strs, files to leave out,
            such as `"state.npz"`, which only `resume` needs, or
            `"samples/*"`.

    Returns:
        Dictionary from names of files to their bytes, or to the paths of
        files that are published as they are.

    Raises:
        RunError: If it is no run folder, is damaged, or is not finished.
        ValueError: If `name` is not of the form `"user/name"`.
    """
    run = finished(run)
    parse(name)
    if isinstance(ignore_patterns, str):
        ignore_patterns = [ignore_patterns]
    shorten = _Shortener(_known_paths(run))
    files: dict[str, bytes | pathlib.Path] = {}
    for path in sorted(run.path.rglob("*")):
        parts = path.relative_to(run.path).parts
        place = "/".join(parts)
        hidden = any(part.startswith(".") for part in parts)
        if not path.is_file() or hidden or parts[0] == "tracking":
            continue
        if any(fnmatch.fnmatch(place, x) for x in ignore_patterns or ()):
            continue
        files[place] = path
        # The names of classes are no paths.
        if path.suffix in _TEXTS and place != "classes.csv":
            content = path.read_bytes()
            files[place] = shorten.file(content, path.suffix)
    readme = shorten.file((run.path / "README.md").read_bytes(), ".md")
    text = readme.decode("utf-8", "replace").replace("\r\n", "\n")
    card = model_card(run, name, text, list(files), license)
    return {**files, "README.md": card.encode()}


def finished(run: RunFolder | str | os.PathLike) -> RunFolder:
    """Returns a run that can be published, or raises a `RunError`."""
    if not isinstance(run, RunFolder):
        run = RunFolder.open(run)
    if not run.is_finished:
        raise RunError(
            f"{run.path} is not finished: it has no README.md. Fix: "
            f"keras-seg train --resume {shlex.quote(str(run.path))}"
        )
    return run


def with_paths(
    run: RunFolder, files: dict[str, bytes | pathlib.Path]
) -> list[str]:
    """The files that are published as they are, and hold paths of the machine.

    Such as an ONNX file that PyTorch wrote, with the places of its code.
    """
    package = pathlib.Path(keras_seg.__file__).parents[1]
    own = pathlib.Path.home(), pathlib.Path(sys.prefix), package
    paths = {*_known_paths(run), *map(str, own)}
    deep = [os.fsencode(x) for x in paths if len(pathlib.Path(x).parts) > 2]
    any_of_them = re.compile(b"|".join(map(re.escape, deep)))
    return [
        name
        for name, file in files.items()
        if isinstance(file, pathlib.Path) and text_holds(file, any_of_them)
    ]


def _known_paths(run: RunFolder) -> set[str]:
    """The absolute paths that the files of a run name, and its own."""
    found = {str(run.path.absolute()), str(run.path.resolve())}
    for file in run.path.glob("*.json"):
        found.update(_texts(_parsed(file.read_bytes())))
    for file in run.path.glob("*_images.csv"):
        with open(
            file, encoding="utf-8", errors="replace", newline=""
        ) as lines:
            rows = csv.DictReader(lines)
            found.update(row.get("image") or "" for row in rows)
    environment = (run.path / "environment.txt").read_text("utf-8", "replace")
    for line in environment.splitlines():
        if line.startswith("command "):
            try:
                words = shlex.split(line)
            except ValueError:  # It was edited.
                continue
            found.update(word.partition("=")[2] or word for word in words)
    return {path for path in found if _name(path) and _is_absolute(path)}


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return None


def _texts(value: Any) -> Iterator[str]:
    """The strings in what a JSON file holds, keys among them."""
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list):
        for part in value:
            yield from _texts(part)
    elif isinstance(value, str):
        yield value


def _is_absolute(path: str) -> bool:
    # A class table may have a "/", and a sentence may begin with one.
    kinds = pathlib.PurePosixPath, pathlib.PureWindowsPath
    return "\n" not in path and any(x(path).is_absolute() for x in kinds)


def _name(path: str) -> str:
    return re.split(r"[/\\]+", path.rstrip("/\\"))[-1]


class _Shortener:
    """Replaces absolute paths in a text by their last parts."""

    def __init__(self, known: Iterable[str]):
        # The shortest first: what is in a folder keeps its place there.
        escaped = map(re.escape, sorted(known, key=len))
        self._known = re.compile(
            rf"(?<![\w./\\-])(?:{'|'.join(escaped)})(?![\w.-])"
        )

    def file(self, content: bytes, suffix: str) -> bytes:
        """The content of a text file; one without paths stays as it is."""
        text = content.decode("utf-8", "surrogateescape")
        known = _parsed(content) if suffix == ".json" else None
        if known is not None:
            shorter = self._value(known)
            if shorter == known:
                return content
            text = json.dumps(shorter, indent=2) + "\n"
        else:
            text = self._text(text)
        return text.encode("utf-8", "surrogateescape")

    def _value(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {self._text(k): self._value(v) for k, v in value.items()}
        if isinstance(value, list):
            return [self._value(part) for part in value]
        return self._text(value) if isinstance(value, str) else value

    def _text(self, text: str) -> str:
        text = self._known.sub(lambda found: _name(found[0]), text)
        return _OTHERS.sub(lambda found: _name(found[0]), text)
