"""Records what `keras-seg predict` wrote, so that it is not done again."""

import hashlib
import json
import os
import pathlib
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from keras_seg.atomic import lock_file
from keras_seg.words import listed

__all__ = ["RECORD", "PredictionCache", "digest"]

RECORD = "predict.jsonl"

# From each image to the files of its prediction.
Targets = Mapping[pathlib.Path, Iterable[pathlib.Path]]


class PredictionCache:
    """The predictions in a folder: of which images, by which model.

    A JSON Lines file in the folder has a line for each command, with its
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
        # By absolute paths, or addresses.
        self._images: dict[str, list | None] = {}
        self._is_copy = False
        self._asked: set[str] = set()
        # The last line about each file, by its name.
        self._lines: dict[str, dict[str, Any]] = {}
        self._read = 0
        self.read_on()

    def __getstate__(self) -> dict[str, Any]:
        return {
            "_folder": self._folder,
            "_facts": self._facts,
            "_made_with": self._made_with,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._images, self._asked, self._lines, self._read = {}, set(), {}, 0
        self._is_copy = True

    def read_on(self) -> None:
        """Reads what was added to the file meanwhile, by other processes."""
        try:
            with open(self._folder / RECORD, "rb") as record:
                record.seek(self._read)
                for line in record:
                    known = self._remember(line)
                    ours = known.get("made_with") == self._made_with
                    if self._asked and ours and known["image"]:
                        self._images[known["image"][0]] = known["image"]
                self._read = record.tell()
        except OSError:
            pass

    def has(self, image: pathlib.Path, targets: Iterable[pathlib.Path]) -> bool:
        """Whether the predictions of an image are up to date.

        The state of the image is noted here, before it is read.
        """
        targets = list(targets)
        names = list(map(self._name, targets))
        self._asked.update(names)
        new = not self._lines.keys() & set(names)
        # A worker will ask the object store.
        later = _is_remote(image) and new and not self._is_copy
        self._images[_place(image)] = None if later else _identity(image)
        return self.is_current(image, targets)

    def is_current(
        self, image: pathlib.Path, targets: Iterable[pathlib.Path]
    ) -> bool:
        """Whether the files are there, of the image as `has` saw it."""
        known = self._images[_place(image)]
        return known is not None and all(
            (line := self._lines.get(self._name(target)))
            and line["made_with"] == self._made_with
            and line["image"] == known
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
            self._images[_place(file)] = [_place(file)]
            self._asked.add(self._name(file))
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
        self._add(
            made_with=self._made_with,
            facts=self._facts,
            image=None,
            files=dict.fromkeys(map(self._name, _files(targets))),
        )
        if not others:
            return ""
        names = listed(others, 3)
        return f"{names}: of other images of that name, to be replaced."

    def note(
        self, image: pathlib.Path, targets: Iterable[pathlib.Path]
    ) -> None:
        """Records that an image, as `has` saw it, was predicted."""
        place = _place(image)
        if self._images[place] is None:
            self._images[place] = _identity(image)
        self._add(
            made_with=self._made_with,
            image=self._images[place],
            files={self._name(target): _state(target) for target in targets},
        )

    def left_over(self) -> str:
        """A sentence on files of other models or options, or "".

        Also on those of an image as it was, or of another one of its name.
        """
        current = set(map(_key, filter(None, self._images.values())))
        files = [
            self._folder / name
            for name, line in sorted(self._lines.items())
            if self._is_outdated(name, line, current)
        ]
        files = [file for file in files if file.is_file()]
        if not files:
            return ""
        return (
            f"{listed(files, 3)}: left from an earlier prediction, of other "
            "images, or with another model or other options."
        )

    def _is_outdated(
        self, name: str, line: dict[str, Any], current: set[str]
    ) -> bool:
        image = line["image"]
        if line["made_with"] != self._made_with or image is None:
            return True
        if name in self._asked:
            return _key(image) not in current
        # Of an image that this command was not asked for.
        return _identity(pathlib.Path(image[0])) not in (image, None)

    def _name(self, target: pathlib.Path) -> str:
        return target.relative_to(self._folder).as_posix()

    def _is_as_written(self, target: pathlib.Path) -> bool:
        """Whether a file is in the state that the last line about it has."""
        line = self._lines.get(self._name(target))
        state = line and line["files"][self._name(target)]
        return state is not None and state == _state(target)

    def _is_foreign(self, target: pathlib.Path) -> bool:
        if not target.exists() or self._is_as_written(target):
            return False
        line = self._lines.get(self._name(target))
        # A command that was stopped may have written it.
        return line is None or line["image"] is not None

    def _is_of_another(self, image: pathlib.Path, target: pathlib.Path) -> bool:
        line = self._lines.get(self._name(target))
        before, now = line and line["image"], self._images[_place(image)]
        return bool(before and now and before[0] != now[0] and target.exists())

    def _add(self, **line: Any) -> None:
        text = json.dumps(line)
        with open(self._folder / RECORD, "a", encoding="utf-8") as record:
            lock_file(record)
            # Ends the unfinished line of a killed process.
            record.write(f"\n{text}\n")
        self._remember(text)

    def _remember(self, text: str | bytes) -> dict[str, Any]:
        try:
            line = json.loads(text)
            known = {key: line[key] for key in ("made_with", "image", "files")}
            self._lines.update(dict.fromkeys(known["files"], known))
        except (ValueError, KeyError, TypeError):
            return {}  # An empty, unfinished or damaged line.
        return known


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


def _key(image: list) -> str:
    """An image and its version, for a set."""
    return json.dumps(image)


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


def _files(targets: Targets) -> list[pathlib.Path]:
    return [file for files in targets.values() for file in files]
