"""What earlier calls of `keras-seg predict` wrote into a folder."""

import hashlib
import json
import pathlib

__all__ = ["NAME", "Earlier", "digest"]

NAME = "predict.jsonl"


class Earlier:
    """The predictions in a folder: of which images, and made with what.

    A file in the folder has a line for each command, which says what it
    predicts with and what it is about to write, and one for each image that
    was predicted, with what that image and the files written then were.

    Args:
        folder: path that predictions are written to.
        model: path of the file, or the folder, of the model.
        options: dictionary of what else decides what is predicted.
    """

    def __init__(self, folder, model, options):
        self._folder = pathlib.Path(folder)
        facts = {
            "model": str(pathlib.Path(model).absolute()),
            "sha256": digest(pathlib.Path(model)),
            **options,
        }
        text = json.dumps(facts, sort_keys=True, default=str)
        self._facts = json.loads(text)
        self._made_with = hashlib.sha256(text.encode()).hexdigest()[:16]
        self._images: dict = {}
        # From the name of a file to the last line that speaks of it.
        self._lines: dict = {}
        try:
            record = (self._folder / NAME).read_text(encoding="utf-8")
        except (OSError, ValueError):
            record = ""
        for line in record.splitlines():
            self._remember(line)

    def has(self, image, targets):
        """Whether an image was predicted with the same, and all is as it was.

        What an image is, is looked up here, before it is read.

        Args:
            image: path.
            targets: paths of what is written for it.
        """
        self._images[image] = known = _identity(image)
        return known is not None and all(
            (line := self._lines.get(self._name(target)))
            and line["made_with"] == self._made_with
            and line["image"] == known
            and self._is_as_written(target)
            for target in targets
        )

    def refuse_foreign(self, targets, overwrite):
        """Refuses to replace what is not as an earlier command left it.

        Args:
            targets: dictionary from images to paths of what is written.
            overwrite: bool, whether that is allowed.

        Raises:
            ValueError: if a file is there that no command wrote, or that was
                changed since, such as a mask corrected by hand.
        """
        files = [file for file in _files(targets) if self._is_foreign(file)]
        if files and not overwrite:
            raise ValueError(
                f"{_some(files)}: there already, and not as an earlier "
                "prediction left it. Fix: choose another folder with --out, "
                "or replace it with --overwrite."
            )

    def begin(self, targets):
        """Notes what is predicted with, and written, from here on.

        Args:
            targets: dictionary from images to paths of what is written.

        Returns:
            str, a sentence on the masks that other images of the same names
            have left, or "".
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
        return f"{_some(others)}: of other images of that name, to be replaced."

    def note(self, image, targets):
        """Notes that an image, as it was at the start, was predicted."""
        self._add(
            made_with=self._made_with,
            image=self._images[image],
            files={self._name(target): _state(target) for target in targets},
        )

    def left_over(self):
        """Says which files in the folder are of other images or options.

        Returns:
            str, a sentence, or "" if there is none.
        """
        current = {
            (self._made_with, *image)
            for image in self._images.values()
            if image is not None
        }
        files = [
            self._folder / name
            for name, line in sorted(self._lines.items())
            if (line["made_with"], *(line["image"] or ())) not in current
        ]
        files = [file for file in files if file.is_file()]
        if not files:
            return ""
        return (
            f"{_some(files)}: left from an earlier prediction, of other "
            "images, or with another model or other options."
        )

    def _name(self, target):
        return target.relative_to(self._folder).as_posix()

    def _is_as_written(self, target):
        """Whether a file is there, and what the last line says of it."""
        line = self._lines.get(self._name(target))
        state = line and line["files"][self._name(target)]
        return state is not None and state == _state(target)

    def _is_foreign(self, target):
        if not target.exists() or self._is_as_written(target):
            return False
        line = self._lines.get(self._name(target))
        # What was begun, and perhaps written before it was stopped.
        return line is None or line["image"] is not None

    def _is_of_another(self, image, target):
        line = self._lines.get(self._name(target))
        before, now = line and line["image"], self._images[image]
        return before and now and before[0] != now[0] and target.exists()

    def _add(self, **line):
        text = json.dumps(line)
        with open(self._folder / NAME, "a", encoding="utf-8") as record:
            # A line that a killed process left unfinished ends here.
            record.write(f"\n{text}\n")
        self._remember(text)

    def _remember(self, text):
        try:
            line = json.loads(text)
            known = {key: line[key] for key in ("made_with", "image", "files")}
            self._lines.update(dict.fromkeys(known["files"], known))
        except (ValueError, KeyError, TypeError):
            pass  # Empty, unfinished or damaged: its files are unknown.


def _identity(image):
    """Where an image is, and which version of it, without reading it.

    The times of its content and of its place in the file system both count:
    what replaces it may be older, and as large.
    """
    state = _state(image)
    if state is None:
        return None
    inode = pathlib.Path(image).stat()
    path = str(pathlib.Path(image).absolute())
    return [path, *state, inode.st_ctime_ns, inode.st_ino]


def _state(file):
    try:
        found = pathlib.Path(file).stat()
    except OSError:
        return None
    return [found.st_size, found.st_mtime_ns]


def digest(model):
    """What a model is known by: its file, or all files of its folder.

    Args:
        model: path.
    """
    files = sorted(model.rglob("*")) if model.is_dir() else [model]
    total = hashlib.sha256()
    for file in files:
        if file.is_file():
            with open(file, "rb") as content:
                total.update(hashlib.file_digest(content, "sha256").digest())
    return total.hexdigest()


def _files(targets):
    return [file for files in targets.values() for file in files]


def _some(files):
    """The first names of many, and how many more there are."""
    names = ", ".join(map(str, files[:3]))
    return names + (f" and {len(files) - 3} more" if len(files) > 3 else "")
