"""Records what `keras-seg predict` wrote, so that it is not done again."""

import hashlib
import itertools
import json
import os
import pathlib
import sqlite3
import weakref
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

from keras_seg.atomic import lock_file
from keras_seg.words import listed

__all__ = ["RECORD", "PredictionCache", "digest"]

RECORD = "predict.jsonl"
# Files in a line, which is read as a whole.
MOST_FILES = 1000

# The last line about each file, where it has one, and whether this command asks
# for it; the state of each image, by its absolute path or address. Lists are
# JSON, a state that is not known is NULL, and 'null' is none in a line.
TABLES = """
PRAGMA journal_mode = OFF;
CREATE TABLE files (
    name BLOB PRIMARY KEY, made_with, image, state, asked DEFAULT FALSE
) WITHOUT ROWID;
CREATE TABLE images (place BLOB PRIMARY KEY, image) WITHOUT ROWID;
"""

# From each image to the files of its prediction.
Targets = Mapping[pathlib.Path, Iterable[pathlib.Path]]


class PredictionCache:
    """The predictions in a folder: of which images, by which model.

    A JSON Lines file in the folder has lines for each command, with its
    model, its options and the files it is about to write, and a line for each
    predicted image, with the states of the image and of its files. `options`
    are those that change predictions. Its copy in another process, such as a
    worker, is empty until `read_on`.
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        model: str | os.PathLike,
        options: Mapping[str, Any],
    ):
        self._folder = pathlib.Path(folder)
        facts = {
            "model": str(pathlib.Path(model).absolute()),
            "sha256": digest(pathlib.Path(model)),
            **options,
        }
        text = json.dumps(facts, sort_keys=True, default=str)
        self._facts = json.loads(text)
        self._made_with = hashlib.sha256(text.encode()).hexdigest()[:16]
        self._is_copy = False
        self._open()
        self.read_on()

    def _open(self) -> None:
        # SQLite moves a nameless one from memory to the disk as it grows.
        self._known = sqlite3.connect(
            "", check_same_thread=False, isolation_level=None
        )
        weakref.finalize(self, self._known.close)
        self._known.executescript(TABLES)
        self._read = 0

    def __getstate__(self) -> dict[str, Any]:
        return {
            "_folder": self._folder,
            "_facts": self._facts,
            "_made_with": self._made_with,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._is_copy = True
        self._open()

    def read_on(self) -> None:
        """Reads what was added to the file meanwhile, by other processes."""
        try:
            with open(self._folder / RECORD, "rb") as record:
                record.seek(self._read)
                for line in record:
                    self._remember(line)
                self._read = record.tell()
        except OSError:
            pass

    def has(self, image: pathlib.Path, targets: Iterable[pathlib.Path]) -> bool:
        """Whether the predictions of an image are up to date.

        The state of the image is noted here, before it is read.
        """
        names = list(map(self._name, targets))
        self._ask(names)
        new = all(self._line(name)[0] is None for name in names)
        # A worker will ask the object store.
        later = _is_remote(image) and new and not self._is_copy
        self._see(image, None if later else _identity(image))
        return self.is_current(image, targets)

    def is_current(
        self, image: pathlib.Path, targets: Iterable[pathlib.Path]
    ) -> bool:
        """Whether the files are there, of the image as `has` saw it."""
        known = self._seen(image)
        return known is not None and all(
            self._line(self._name(target))[:2] == (self._made_with, known)
            and self._is_as_written(target)
            for target in targets
        )

    def refuse_foreign(self, targets: Targets, overwrite: bool) -> None:
        """Refuses to replace files that are not as a command left them.

        Such as a mask that was corrected by hand; unless `overwrite`.
        """
        files = [file for file in _files(targets) if self._is_foreign(file)]
        if files and not overwrite:
            raise ValueError(
                f"{listed(files, 3)}: there already, and not as an earlier "
                "prediction left it. Fix: choose another folder with --out, "
                "or replace it with --overwrite."
            )

    def expect(self, files: Iterable[pathlib.Path], overwrite: bool) -> None:
        """Files of all images together, which each command writes anew.

        They are refused as by `refuse_foreign`, and noted as their own images.
        """
        for file in files:
            self._see(file, [_place(file)])
            self._ask([self._name(file)])
            self.refuse_foreign({file: [file]}, overwrite)

    def begin(self, targets: Targets) -> str:
        """Records the start of a command.

        Returns a sentence about masks of other images of the same names that
        will be replaced, or "".
        """
        others = [
            target
            for image, (target, *_) in targets.items()
            if self._is_of_another(image, target)
        ]
        begun = map(self._name, _files(targets))
        while files := dict.fromkeys(itertools.islice(begun, MOST_FILES)):
            self._add(
                made_with=self._made_with,
                facts=self._facts,
                image=None,
                files=files,
            )
        if not others:
            return ""
        names = listed(others, 3)
        return f"{names}: of other images of that name, to be replaced."

    def note(
        self, image: pathlib.Path, targets: Iterable[pathlib.Path]
    ) -> None:
        """Records that an image, as `has` saw it, was predicted."""
        if self._seen(image) is None:
            self._see(image, _identity(image))
        self._add(
            made_with=self._made_with,
            image=_list(self._seen(image)),
            files={self._name(target): _state(target) for target in targets},
        )

    def left_over(self) -> str:
        """A sentence on files of other models or options, or "".

        Also on those of an image as it was, or of another one of its name.
        """
        rows = self._known.execute(
            "SELECT name, image, asked OR made_with != ?1 OR image = 'null' "
            "FROM files WHERE made_with IS NOT NULL AND ("
            "made_with != ?1 OR image = 'null' OR NOT asked OR image NOT IN "
            "(SELECT image FROM images WHERE image IS NOT NULL)) ORDER BY name",
            [self._made_with],
        )
        files = [
            self._folder / os.fsdecode(name)
            for name, image, is_outdated in rows
            if is_outdated or _has_changed(image)
        ]
        files = [file for file in files if file.is_file()]
        if not files:
            return ""
        return (
            f"{listed(files, 3)}: left from an earlier prediction, of other "
            "images, or with another model or other options."
        )

    def _name(self, target: pathlib.Path) -> str:
        return target.relative_to(self._folder).as_posix()

    def _is_as_written(self, target: pathlib.Path) -> bool:
        """Whether a file is in the state that the last line about it has."""
        state = _list(self._line(self._name(target))[2])
        return state is not None and state == _state(target)

    def _is_foreign(self, target: pathlib.Path) -> bool:
        if not target.exists() or self._is_as_written(target):
            return False
        # A command that was stopped may have written it.
        return self._line(self._name(target))[1] != "null"

    def _is_of_another(self, image: pathlib.Path, target: pathlib.Path) -> bool:
        before = _list(self._line(self._name(target))[1])
        now = _list(self._seen(image))
        return bool(before and now and before[0] != now[0] and target.exists())

    def _ask(self, names: Iterable[str]) -> None:
        """Notes that this command is about these files."""
        self._known.executemany(
            "INSERT INTO files (name, asked) VALUES (?, TRUE) "
            "ON CONFLICT (name) DO UPDATE SET asked = TRUE",
            [(os.fsencode(name),) for name in names],
        )

    def _see(self, image: Any, state: list | None) -> None:
        """Notes the state of an image."""
        self._known.execute(
            "INSERT OR REPLACE INTO images VALUES (?, ?)",
            (os.fsencode(_place(image)), state and json.dumps(state)),
        )

    def _seen(self, image: Any) -> str | None:
        """The state of an image as noted, as JSON."""
        ((found,),) = self._known.execute(
            "SELECT image FROM images WHERE place = ?",
            [os.fsencode(_place(image))],
        )
        return found

    def _line(self, name: str) -> tuple:
        """`made_with`, image and state by the last line about a file."""
        found = self._known.execute(
            "SELECT made_with, image, state FROM files WHERE name = ?",
            [os.fsencode(name)],
        )
        return found.fetchone() or (None, None, None)

    def _add(self, **line: Any) -> None:
        text = json.dumps(line)
        with open(self._folder / RECORD, "a", encoding="utf-8") as record:
            lock_file(record)
            # Ends the unfinished line of a killed process.
            record.write(f"\n{text}\n")
        self._remember(text)

    def _remember(self, text: str | bytes) -> None:
        try:
            line = json.loads(text)
            made_with, image = line["made_with"], line["image"]
            rows = [
                (os.fsencode(name), made_with, *map(json.dumps, (image, state)))
                for name, state in line["files"].items()
            ]
        except (ValueError, KeyError, TypeError, AttributeError):
            return  # An empty, unfinished or damaged line.
        self._known.executemany(
            "INSERT INTO files (name, made_with, image, state) "
            "VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET "
            "made_with = excluded.made_with, image = excluded.image, "
            "state = excluded.state",
            rows,
        )
        if image and made_with == self._made_with:
            self._known.execute(
                "UPDATE images SET image = ? WHERE place = ?",
                (json.dumps(image), os.fsencode(image[0])),
            )


def _is_remote(image: Any) -> bool:
    # Help is printed without what reads images.
    from keras_seg.data.remote import RemoteImage

    return isinstance(image, RemoteImage)


def _identity(image: Any) -> list | None:
    """Path and version of an image, without reading it.

    The inode and its time count, too: a file that replaces the image may have
    the same size and modification time.
    """
    if _is_remote(image):
        try:
            return [_place(image), image.version()]
        except ValueError:  # It will be reported when the image is read.
            return None
    state = _state(image)
    if state is None:
        return None
    inode = image.stat()
    return [_place(image), *state, inode.st_ctime_ns, inode.st_ino]


def _place(image: Any) -> str:
    return str(image.absolute())


def _list(text: str | None) -> Any:
    return text and json.loads(text)


def _has_changed(image: str) -> bool:
    """Whether an image is there, in another state than it was in."""
    before = json.loads(image)
    return _identity(pathlib.Path(before[0])) not in (before, None)


def _state(file: pathlib.Path) -> list[int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return [found.st_size, found.st_mtime_ns]


def digest(model: pathlib.Path) -> str:
    """The SHA-256 of a file, or of all files of a folder."""
    files = sorted(model.rglob("*")) if model.is_dir() else [model]
    total = hashlib.sha256()
    for file in files:
        if file.is_file():
            with open(file, "rb") as content:
                total.update(hashlib.file_digest(content, "sha256").digest())
    return total.hexdigest()


def _files(targets: Targets) -> Iterator[pathlib.Path]:
    return itertools.chain.from_iterable(targets.values())
