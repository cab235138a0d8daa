"""One thing that a check found."""

import dataclasses
import os

from keras_seg.data.errors import DataError

__all__ = ["SEVERITIES", "Finding", "merge"]

SEVERITIES = ("error", "warning", "note")
_NAMED = 5


@dataclasses.dataclass(frozen=True)
class Finding:
    """What is wrong or worth knowing, once for all files concerned.

    It reads as `DataError` does: the file, what was found, what is allowed,
    a guess, and the fix.

    Args:
        severity: str. With an "error" the data cannot be trained on; a
            "warning" spoils the result or its measurement; a "note" is a
            fact to know.
        code: str, see `DataError`.
        file: str, the first file at fault, or the folder.
        found: str, what was found, the rest of a sentence that begins with
            the file.
        allowed: str, what is allowed instead, or what follows, a clause.
        fix: str, what to do, a command where there is one.
        guess: optional str, a sentence on the likely cause.
        count: int, the files concerned.
        files: tuple of str, the first few of them.
    """

    severity: str
    code: str
    file: str
    found: str
    allowed: str
    fix: str
    guess: str | None = None
    count: int = 1
    files: tuple[str, ...] = ()

    def __post_init__(self):
        if self.severity not in SEVERITIES:
            raise ValueError(
                f"`severity` must be one of {', '.join(SEVERITIES)}. "
                f"Received: severity={self.severity}"
            )

    @classmethod
    def of(cls, severity, code, files, found, allowed, *, fix, guess=None):
        """A finding on a list of files, the first of which `found` is on."""
        names = [str(file) for file in files]
        return cls(
            severity,
            code,
            names[0],
            found,
            allowed,
            fix,
            guess,
            len(names),
            tuple(names[:_NAMED]),
        )

    def to_error(self):
        """The finding as the exception of the data room."""
        return DataError(
            self.code,
            self.file,
            self.found,
            self.allowed,
            fix=self.fix,
            guess=self.guess,
        )

    def __str__(self):
        text = str(self.to_error())
        return text if self.count < 2 else f"{text} {self.listing()}"

    def listing(self, folder=None):
        """The files concerned, seen from a folder; "" if there is one only."""
        if self.count < 2:
            return ""
        start = f"{folder}{os.sep}"
        files = [file.removeprefix(start) for file in self.files]
        named = ", ".join(files)
        more = ", …" if self.count > len(self.files) else ""
        return f"{self.count} files: {named}{more}"


def merge(errors):
    """One finding, that of the first, for errors of the same code and guess."""
    kinds: dict[tuple, list[DataError]] = {}
    for error in errors:
        kinds.setdefault((error.code, error.guess), []).append(error)
    return [
        Finding.of(
            "error",
            same[0].code,
            [error.file for error in same],
            same[0].found,
            same[0].allowed,
            fix=same[0].fix,
            guess=same[0].guess,
        )
        for same in kinds.values()
    ]
