"""`Finding`, an error, a warning or a note of the check."""

import dataclasses
import os

from keras_seg.data.errors import DataError

__all__ = ["SEVERITIES", "Finding", "merge"]

SEVERITIES = ("error", "warning", "note")
_NAMED = 5


@dataclasses.dataclass(frozen=True)
class Finding:
    """A fault or a fact of a data set, with all files that it concerns.

    Args:
        severity: str. With an "error" the data cannot be trained on; a
            "warning" spoils the result or its measurement; a "note" is
            good to know.
        code, found, allowed, fix, guess: see `DataError`.
        file: str, the first file at fault, or the folder.
        count: int, number of files.
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
        """A finding on a list of files; `found` describes the first."""
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
        """The finding as a `DataError`."""
        what = self.code, self.file, self.found, self.allowed
        return DataError(*what, fix=self.fix, guess=self.guess)

    def __str__(self):
        text = str(self.to_error())
        return text if self.count < 2 else f"{text} {self.listing()}"

    def listing(self, folder=None):
        """The files, relative to a folder; "" if there is only one."""
        if self.count < 2:
            return ""
        start = f"{folder}{os.sep}"
        files = [file.removeprefix(start) for file in self.files]
        named = ", ".join(files)
        more = ", …" if self.count > len(self.files) else ""
        return f"{self.count} files: {named}{more}"


def merge(errors):
    """A finding for all errors with the same code and guess."""
    kinds: dict[tuple, list[DataError]] = {}
    for error in errors:
        kinds.setdefault((error.code, error.guess), []).append(error)
    findings = []
    for same in kinds.values():
        files, first = [error.file for error in same], same[0]
        what = "error", first.code, files, first.found, first.allowed
        findings.append(Finding.of(*what, fix=first.fix, guess=first.guess))
    return findings
